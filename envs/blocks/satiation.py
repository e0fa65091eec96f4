"""Having had enough of a topic for a while: satiation that builds up and rebounds."""

from dataclasses import dataclass

from rlrec.arrays import Floats, Ints
from rlrec.envs.arguments import check_number, check_whole_number
from rlrec.envs.blocks.block import Block
from rlrec.envs.blocks.priors import Prior, standard_normals, within
from rlrec.envs.blocks.state import Event, Shown, State, put
from rlrec.envs.blocks.topics import of_topics, topic_counts


@dataclass(frozen=True, kw_only=True)
class Satiation(Block):
    """Satiation with each topic grows with what is consumed of it, and rebounds while it rests.

    With n_k items of topic k consumed in a step, satiation z_k and standard normal e,

        score of an item of topic k  <-  score - strength_k * z_k
        z_k  <-  memory_k * (z_k + n_k) + noise * e

    beginning at z_k = 0. Strength and memory belong to the user and the topic. `strength` = 0
    switches it off; `memory` = 0 forgets at once.

    Reference:
        Leqi, Kilinc Karzan, Lipton and Montgomery, 2021, "Rebounding Bandits for Modeling Satiation
        Effects" (there one topic is pulled a step, and rewards are the scores).
    """

    n_topics: int
    """T."""
    strength: float | Prior = 0.5
    """0 or more: what the score loses a unit of satiation."""
    memory: float | Prior = 0.8
    """In 0..1: share of satiation that is left after a step."""
    noise: float = 0.0
    """Standard deviation of what moves satiation besides, 0 or more."""

    def __post_init__(self) -> None:
        check_whole_number("n_topics", self.n_topics, 1)
        object.__setattr__(self, "strength", within("strength", self.strength, 0.0))
        object.__setattr__(self, "memory", within("memory", self.memory, 0.0, 1.0))
        check_number("noise", self.noise, 0.0)

    @property
    def n_initial_draws(self) -> int:  # type: ignore[override]
        """Strength and memory of each topic."""
        return 2 * self.n_topics

    @property
    def n_step_draws(self) -> int:  # type: ignore[override]
        """Noise of each topic, if there is any."""
        return self.n_topics if self.noise else 0

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Draw strengths and memories of new users, who are not satiated."""
        strength: Prior = self.strength  # type: ignore[assignment]
        memory: Prior = self.memory  # type: ignore[assignment]
        put(state, "satiation_strength", users, strength.of(draws[:, : self.n_topics]))
        put(state, "satiation_memory", users, memory.of(draws[:, self.n_topics :]))
        put(state, "satiation", users, 0.0 * draws[:, : self.n_topics])

    def adjust(self, state: State, shown: Shown, scores: Floats) -> Floats:
        """Take off what satiation costs."""
        scores -= of_topics(state["satiation_strength"] * state["satiation"], shown)
        return scores

    def update(self, state: State, event: Event, draws: Floats) -> None:
        """Add what was consumed, let a share go, and move by the noise."""
        satiation = state["satiation"]
        satiation += topic_counts(event.consumed, *satiation.shape)
        satiation *= state["satiation_memory"]
        if self.noise:
            satiation += self.noise * standard_normals(draws)
