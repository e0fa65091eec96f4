"""A task so small that every session of it can be listed, with its truth.

Two states, two actions, at most three steps. The user leaves after a step with probability 1/2 or
1/4, by the action; the third step ends the session in any case, cut off. All chances of the log are
multiples of 1/64 a step, so the population of sessions is a finite log too: each session repeated
as often as it is likely.
"""

from dataclasses import dataclass, replace

import numpy as np

from rlrec.arrays import Bools, Floats, Ints
from rlrec.evaluation.offline.session_sample import SessionSample
from rlrec.evaluation.offline.terms import Terms

N_STEPS = 3
DISCOUNT = 0.9
FIRST = np.array([0.5, 0.5])
LOGGING = np.array([[0.25, 0.75], [0.5, 0.5]])  # of each state, P(action)
TARGET = np.array([[0.7, 0.3], [0.2, 0.8]])
LEAVES = np.array([0.5, 0.25])  # of each action
NEXT = np.array([[0.5, 0.25], [0.25, 0.5]])  # of each state and action, P(next state is 1)
REWARDS = np.array([[1.0, -0.5], [0.25, 2.0]])


@dataclass(frozen=True)
class Population:
    """All sessions, each as one, with what it is made of."""

    lengths: Ints
    probs: Floats
    """Of each session in the log."""
    states: Ints
    actions: Ints
    """Of each row."""
    terminated: Bools

    @property
    def steps(self) -> Ints:
        return np.concatenate([np.arange(length) for length in self.lengths])

    def sample(self, target: Floats = TARGET) -> SessionSample:
        return SessionSample(
            rewards=REWARDS[self.states, self.actions],
            lengths=self.lengths,
            terminated=self.terminated,
            discount=DISCOUNT,
            propensities=LOGGING[self.states, self.actions],
            target_probs=target[self.states, self.actions],
        )

    def columns(self, table: Floats) -> Floats:
        """Return a table (step, state, action) at each row."""
        return np.asarray(table[self.steps, self.states, self.actions])


def sessions() -> Population:
    """Return every session that can happen."""
    found: list[tuple[float, list[int], list[int], bool]] = []

    def go_on(prob: float, states: list[int], actions: list[int]) -> None:
        for action in (0, 1):
            here = prob * LOGGING[states[-1], action]
            done = [*actions, action]
            if len(states) == N_STEPS:
                found.append((here, states, done, False))
                continue
            found.append((here * LEAVES[action], states, done, True))
            for state in (0, 1):
                to_one = NEXT[states[-1], action]
                chance = (1 - LEAVES[action]) * (to_one if state else 1 - to_one)
                go_on(here * chance, [*states, state], done)

    for state in (0, 1):
        go_on(float(FIRST[state]), [state], [])
    return Population(
        lengths=np.array([len(states) for _, states, _, _ in found]),
        probs=np.array([prob for prob, _, _, _ in found]),
        states=np.concatenate([states for _, states, _, _ in found]).astype(np.int64),
        actions=np.concatenate([actions for _, _, actions, _ in found]).astype(np.int64),
        terminated=np.array([left for _, _, _, left in found]),
    )


def repeated(population: Population, times: Ints) -> Population:
    """Return each session as often as `times` (n,) says."""
    which = np.repeat(np.arange(len(times)), times)
    lengths = population.lengths[which]
    starts = (np.cumsum(population.lengths) - population.lengths)[which]
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    rows = np.repeat(starts, lengths) + within
    return Population(
        lengths=lengths,
        probs=np.full(len(which), 1 / len(which)),
        states=population.states[rows],
        actions=population.actions[rows],
        terminated=population.terminated[which],
    )


def log_of(population: Population, n_sessions: int, seed: int) -> Population:
    """Return sessions drawn from the population."""
    rng = np.random.default_rng(seed)
    return repeated(population, rng.multinomial(n_sessions, population.probs))


def whole(population: Population) -> Population:
    """Return the population as a finite log."""
    times = population.probs * 2 * 64 ** (N_STEPS - 1) * 4
    assert np.abs(times - times.round()).max() < 1e-9
    return repeated(population, times.round().astype(np.int64))


def expectation(terms: Terms, population: Population) -> float:
    """Return what the estimate tends to: the ratios of expectations over the population."""
    numerators = (population.probs[:, None] * terms.numerators).sum(axis=0)
    if terms.denominators is None:
        return float(numerators.sum())
    return float((numerators / (population.probs[:, None] * terms.denominators).sum(axis=0)).sum())


def q_values(policy: Floats = TARGET) -> Floats:
    """Return the value of each step, state and action up to the cut."""
    q = np.zeros((N_STEPS, 2, 2))
    after = np.zeros(2)
    for step in reversed(range(N_STEPS)):
        follows = (1 - NEXT) * after[0] + NEXT * after[1]
        q[step] = REWARDS + DISCOUNT * (1 - LEAVES) * follows
        after = (policy * q[step]).sum(axis=1)
    return q


def truth(policy: Floats = TARGET) -> float:
    """Return the value of a policy."""
    return float((FIRST * (policy * q_values(policy)[0]).sum(axis=1)).sum())


def visits(policy: Floats) -> Floats:
    """Return how likely each step, state and action is."""
    visits = np.zeros((N_STEPS, 2, 2))
    reached = FIRST
    for step in range(N_STEPS):
        visits[step] = reached[:, None] * policy
        stays = visits[step] * (1 - LEAVES)
        reached = np.array([(stays * (1 - NEXT)).sum(), (stays * NEXT).sum()])
    return visits


def with_weights(population: Population, sample: SessionSample) -> SessionSample:
    """Return a sample with the true marginal weights of each step."""
    there, here = visits(TARGET), visits(LOGGING)
    of_states = there.sum(axis=2) / here.sum(axis=2)
    return replace(
        sample,
        state_weights=of_states[population.steps, population.states],
        state_action_weights=population.columns(there / here),
    )


def with_values(population: Population, sample: SessionSample, q: Floats) -> SessionSample:
    """Return a sample with values of a table (step, state, action), right or wrong."""
    v = (TARGET * q).sum(axis=2)
    return replace(
        sample,
        q_hat=population.columns(q),
        v_hat=v[population.steps, population.states],
    )
