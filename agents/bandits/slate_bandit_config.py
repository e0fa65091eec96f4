"""Settings that all bandits share."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from rlrec.agents.settings import CheckedSettings, Rule, above_0, count, share, share_above_0

Examination = Literal["all", "cascade", "position"]


@dataclass(frozen=True, kw_only=True)
class SlateBanditConfig(CheckedSettings):
    """Settings that all bandits share."""

    disjoint: bool = False
    """Whether each item has a model of its own, of the user's state alone. For catalogues of a few
    hundred items; a model takes memory and time by the square of the state's length."""
    item_size: int = 16
    """Most entries of an item's vector; longer ones are cut to their leading principal
    components. The shared model's length is (1 + this) * (1 + the state's length)."""
    prior_precision: float = 1.0
    """Precision of each parameter before anything was seen, above 0."""
    forgetting: float = 1.0
    """What an observation still counts one update later, in (0, 1]; below 1 where tastes drift. An
    update is a step of all users in `learn`, and a block of rows in `pretrain`."""
    examination: Examination = "all"
    """Which slots a user looks at, since only they teach anything: `all`; in a `cascade` those down
    to the first response, all where there is none; by `position`, slot k with chance
    `examination_decay ** k`."""
    examination_decay: float = 0.85
    """In (0, 1]; for examination by position."""
    exploration: float = 0.0
    """Share of random slates in what `act` draws, in 0..1. Above 0, every slate has a chance."""

    rules: ClassVar[tuple[Rule, ...]] = (
        above_0("prior_precision"),
        share_above_0("forgetting examination_decay"),
        share("exploration"),
        count("item_size"),
    )
    choices: ClassVar[dict[str, tuple[str, ...]]] = {"examination": get_args(Examination)}
