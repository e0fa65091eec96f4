"""Whether fitted users rank policies as real persons do, of whom every rating is known."""

import zlib
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Floats, Ints
from rlrec.data.ratings import Ratings
from rlrec.envs.fitting.ranking.block_split import BlockSettings, BlockSplit, Served, split_by_block
from rlrec.envs.fitting.ranking.policy_ranking import PolicyRanking, compare_rankings
from rlrec.envs.fitting.ranking.rating_policies import rating_policies
from rlrec.envs.fitting.ratings.fit import fit_users
from rlrec.envs.fitting.ratings.model import FittedUsersModel
from rlrec.envs.registration import make_simulator
from rlrec.envs.simulator import UserSimulator
from rlrec.errors import ConfigError, DataError, SlateError
from rlrec.policy import SlatePolicy

Measure = Literal["satisfaction", "return"]
MEASURES: tuple[Measure, ...] = ("satisfaction", "return")
Fit = Callable[[Ratings], FittedUsersModel]
MakePolicies = Callable[[Ratings, BlockSettings], Mapping[str, SlatePolicy]]
N_VISITS = 1_000


def fit_to_any_scale(log: Ratings) -> FittedUsersModel:
    """Return `fit_users` that keeps all items, and chooses the penalty of ratings by held-out ones.

    Its default suits ratings of 1 to 5 stars.
    """
    return fit_users(log, min_item_ratings=1, rating_regularisation=None)


class BlockRanking(NamedTuple):
    """What `rank_in_block` found, and what it was found with."""

    ranking: PolicyRanking
    model: FittedUsersModel
    """The simulator's users."""
    split: BlockSplit


def rank_in_block(
    ratings: Ratings,
    *,
    settings: BlockSettings | None = None,
    measure: Measure = "satisfaction",
    make_policies: MakePolicies = rating_policies,
    fit: Fit = fit_to_any_scale,
) -> BlockRanking:
    """Return how far fitted users rank policies as real persons do who rated everything.

    Three groups of persons (`split_by_block`): policies are learned from a sparse log of the first,
    users are fitted to one of the second, the third is judged and takes no part in either. Both in
    truth and in the simulator a policy sees some ratings of a person, and shows a slate of items
    that are not among them. In truth it is worth the mean rating which that person really gave to
    what is shown; in the simulator, see `simulated_values`. Then `compare_rankings`, by users.

    It means that with these users one would have told the better of two policies from the worse,
    as far as single slates of rated items go and for persons like those who rate everything. It
    does not mean that values agree (they are not compared, only their order), nor that the world is
    right where the block is silent: what is taken from a slate and what is left, how long persons
    stay, how tastes move. And what is seen of simulated persons is a part of what they were fitted
    to, which may flatter policies that go by it.

    Args:
        ratings: Some persons rated all items.
        settings: Who is judged, and what is seen of everybody.
        measure: What a policy is worth in the simulator.
        make_policies: Takes the log of the first group and the settings, returns policies by name.
        fit: Takes the log of the second; by default `fit_to_any_scale`.

    Raises:
        ConfigError: An argument is out of range.
        DataError: The ratings have no block or too few persons, or the users were fitted to other
            items.
    """
    split = split_by_block(ratings, settings)
    model = fit(split.world_log)
    policies = make_policies(split.policy_log, split.settings)
    ranking = compare_rankings(
        simulated_values(policies, split, model, measure), true_values(policies, split)
    )
    return BlockRanking(ranking, model, split)


def true_values(policies: Mapping[str, SlatePolicy], split: BlockSplit) -> dict[str, Floats]:
    """Return by policy the mean rating that each judged person gave to what is shown, (B,)."""
    rows = np.arange(len(split.values))[:, None]
    found = {}
    for name, policy in policies.items():
        slates = _slates(name, policy, split.judged, split.settings, side=0)
        found[name] = np.mean([split.values[rows, items].mean(axis=1) for items in slates], axis=0)
    return found


def simulated_values(
    policies: Mapping[str, SlatePolicy],
    split: BlockSplit,
    model: FittedUsersModel,
    measure: Measure = "satisfaction",
    population: str = "train",
    n_visits: int = N_VISITS,
) -> dict[str, Floats]:
    """Return by policy what it is worth to each person of the simulator who came, (P,).

    The persons of `rlrec/FittedUsers-v0` come as they do there; a policy sees a part of what each
    rated in the simulator's log. Of a person who came more than once the mean counts. No policy has
    seen any of them, so any population will do.

    Args:
        policies: By name.
        split: Tells the log and the settings.
        model: Fitted to `split.world_log`.
        measure: "satisfaction": the quality, by the simulator's truth, of what is shown, in rating
            points; the counterpart of the true value. "return": minutes watched in a visit from
            beginning to end, during which policies go by the same history (and show a slate drawn
            anew at each step); what the simulator pays, in which also counts whether something is
            taken.
        population: Who comes.
        n_visits: B.

    Raises:
        ConfigError: The measure is not known.
        DataError: The model is of other items.
    """
    if measure not in MEASURES:
        raise ConfigError(f"measure must be one of {MEASURES}, got {measure!r}")
    _check_items(split, model)
    seed, slate_size = split.settings.seed, split.settings.slate_size
    simulator = make_simulator(
        "rlrec/FittedUsers-v0", n_visits, model=model, population=population, slate_size=slate_size
    )
    simulator.reset(seed)
    persons = simulator.latent_state()["person"]
    rows = _rows_of(split.world_log, model.person_ids[persons])
    served = split.served(rows, np.random.default_rng([seed, 1]))
    come, visitor = np.unique(persons, return_inverse=True)
    found = {}
    for name, policy in policies.items():
        slates = _slates(name, policy, served, split.settings, side=1)
        worth = _satisfaction if measure == "satisfaction" else _returns
        values = worth(simulator, slates, model, seed)
        found[name] = np.bincount(visitor, values, len(come)) / np.bincount(visitor)
    return found


def _rows_of(log: Ratings, person_ids: NDArray[Any]) -> Ints:
    """Return the rows in `user_ids`, in whatever order these are, of persons (B,)."""
    order = np.argsort(log.user_ids)
    found: Ints = order[np.searchsorted(log.user_ids, person_ids, sorter=order)]
    return found


def _check_items(split: BlockSplit, model: FittedUsersModel) -> None:
    wanted, found = split.world_log.catalogue.item_ids, model.catalogue.item_ids
    if not np.array_equal(wanted, found):
        raise DataError(
            f"users must be fitted to the same items as the ratings have, {len(wanted)}, got "
            f"{len(found)}: fit with min_item_ratings=1, and rank only items that somebody rated"
        )


def _slates(
    name: str, policy: SlatePolicy, served: Served, settings: BlockSettings, side: int
) -> list[Ints]:
    """Return what a policy shows, as item_index (B, K), as often as is drawn."""
    rng = np.random.default_rng([settings.seed, side, zlib.crc32(name.encode())])
    expected = (len(served.persons), settings.slate_size)
    drawn = []
    for _ in range(settings.n_draws):
        slates = policy.act(served.observations, rng).slates
        if slates.shape != expected:
            raise SlateError(
                f"policy {name!r} must return slates of shape {expected}, got {slates.shape}"
            )
        drawn.append(served.items(slates))
    return drawn


def _satisfaction(
    simulator: UserSimulator, slates: list[Ints], model: FittedUsersModel, seed: int
) -> Floats:
    """Return the mean quality of what each user is shown, in rating points, (B,)."""
    simulator.reset(seed)
    quality = np.asarray(simulator.outlook().quality)
    shown = [np.take_along_axis(quality, items, axis=1).mean(axis=1) for items in slates]
    mean: Floats = np.mean(shown, axis=0)
    return model.quality_centre + model.quality_spread * mean


def _returns(
    simulator: UserSimulator, slates: list[Ints], model: FittedUsersModel, seed: int
) -> Floats:
    """Return the minutes that each user watches in the first visit, (B,)."""
    simulator.reset(seed)
    minutes, is_there = np.zeros(simulator.n_users), np.ones(simulator.n_users, bool)
    step = 0
    while is_there.any():
        outcome = simulator.step(slates[step % len(slates)])
        minutes[is_there] += outcome.rewards[is_there]
        is_there[outcome.finished] = False
        step += 1
    return minutes
