"""How much of what a policy does a log never shows, in any row: what a model can only guess."""

from collections.abc import Mapping

import numpy as np

from rlrec.arrays import Bools, Floats, Ints, Observations
from rlrec.data.log import InteractionLog
from rlrec.errors import DataError
from rlrec.evaluation.offline.log_samples import ValueDraws
from rlrec.evaluation.offline.policy_probabilities import (
    Judged,
    TargetProbabilities,
    target_log_probs,
)
from rlrec.evaluation.offline.user_blocks import Observer, user_blocks, user_numbers
from rlrec.evaluation.offline.verdict import UNKNOWN_SUPPORT, Support, clustered_mean, summed
from rlrec.policy import SlatePolicy

_ROUNDING = 1e-6
"""Mass up to which probabilities that should sum to 1 are taken to do so."""


def share_never_shown(
    log: InteractionLog,
    policies: Mapping[str, Judged],
    observer: Observer,
    draws: ValueDraws | None = None,
) -> dict[str, Support]:
    """Return the share of each policy's mass on items that no row of a log shows.

    It needs no propensities, so it is the support of estimates by a model alone. It is a lower
    bound of what lies outside the log: an item shown in other contexts counts as shown.

    For slates of one with few choices it is counted from the probabilities of all of them, else
    from slates drawn by the policy, as the share of their slots.

    Args:
        log: In memory or on disk.
        policies: By name.
        observer: Makes observations.
        draws: How many slates are drawn, and up to how many choices are counted.

    Returns:
        By name, with standard errors over users; unknown for a policy given by probabilities of
        logged slates alone, and where the log shows fresh documents, which never come again.
    """
    draws = draws or ValueDraws()
    if log.has("candidate_features") and not log.has("candidates"):
        return dict.fromkeys(policies, UNKNOWN_SUPPORT)
    never = ~_shown_items(log, observer)
    acting = {name: each for name, each in policies.items() if isinstance(each, SlatePolicy)}
    mass: dict[str, list[Floats]] = {name: [] for name in acting}
    rng = np.random.default_rng((draws.seed, 2))
    for part in user_blocks(log, observer.columns(log)) if acting else ():
        observations = observer.observations(part)
        for name, each in acting.items():
            if log.metadata.slate_size == 1 and observer.n_choices <= draws.most_choices:
                counted = _counted(each, observations, never, observer.n_choices, part.n_rows)
                mass[name].append(counted)
                continue
            slates = [each.act(observations, rng).slates for _ in range(draws.n_draws)]
            shares = [_is_new(never, observations, some).mean(axis=1) for some in slates]
            mass[name].append(np.mean(shares, axis=0))
    found = {}
    for name, policy in policies.items():
        if isinstance(policy, TargetProbabilities):
            found[name] = UNKNOWN_SUPPORT
            if policy.of_choices is not None:
                found[name] = _support(log, _given(log, policy.of_choices, never, name))
        else:
            found[name] = _support(log, np.concatenate(mass[name]))
    return found


def _shown_items(log: InteractionLog, observer: Observer) -> Bools:
    """Return which items any row shows, (n_items,)."""
    names = ["slate", "candidates"] if log.has("candidates") else ["slate"]
    shown = np.zeros(observer.n_choices, np.bool_)
    for block in log.blocks(names):
        items = block["slate"]
        if log.has("candidates"):
            items = np.take_along_axis(block["candidates"], items, axis=1)
        more = int(items.max()) + 1 - len(shown)
        shown = np.append(shown, np.zeros(max(0, more), np.bool_))
        shown[np.unique(items)] = True
    return shown


def _is_new(never: Bools, observations: Observations, slates: Ints) -> Bools:
    """Return which slots of slates (B, K) hold an item never shown, (B, K)."""
    if "candidates" in observations:
        slates = np.take_along_axis(np.asarray(observations["candidates"]), slates, axis=1)
    return _never_of(never, slates)


def _never_of(never: Bools, items: Ints) -> Bools:
    """Return whether items (any shape) were never shown, those beyond the log's among them."""
    found: Bools = never[np.minimum(items, len(never) - 1)] | (items >= len(never))
    return found


def _counted(
    policy: SlatePolicy, observations: Observations, never: Bools, n_choices: int, n_rows: int
) -> Floats:
    """Return the probability of choices never shown in each row, (B,).

    It is what those that were shown lack of 1, so choices that nobody knows of are in it.
    """
    total = np.ones(n_rows)
    for choice in range(n_choices):
        slates = np.full((n_rows, 1), choice, np.int64)
        is_known = ~_is_new(never, observations, slates)[:, 0]
        if is_known.any():
            total -= is_known * np.exp(target_log_probs(policy, observations, slates)[:, 0])
    return np.where(total > _ROUNDING, total, 0.0)


def _given(log: InteractionLog, of_choices: Floats, never: Bools, name: str) -> Floats:
    """Return the given probability (n_rows, A) of choices never shown, (n_rows,)."""
    if len(of_choices) != log.n_rows:
        raise DataError(
            f"policy {name!r}: probabilities must have a row for each of the {log.n_rows} rows of "
            f"the log, got {len(of_choices)}"
        )
    items = np.arange(of_choices.shape[1])[None]
    if log.has("candidates"):
        items = log.column("candidates")
        if items.shape != of_choices.shape:
            raise DataError(
                f"policy {name!r}: probabilities of all choices must have the shape of the "
                f"candidates {items.shape}, got {of_choices.shape}"
            )
    mass: Floats = (of_choices * _never_of(never, items)).sum(axis=1)
    return mass


def _support(log: InteractionLog, mass: Floats) -> Support:
    users = user_numbers(log)
    n_users = int(users[-1]) + 1
    mean, error = clustered_mean(
        summed(users, mass, n_users), summed(users, np.ones(len(mass)), n_users)
    )
    return Support(share=mean, error=error)
