"""Slates as ordered draws without repeats: sampling, probabilities and the exact best slate."""

from typing import NamedTuple

import numpy as np

from rlrec.arrays import Bools, Floats, Ints
from rlrec.errors import SlateError


class SlateDraw(NamedTuple):
    """Slates with the probability of each position."""

    slates: Ints
    """Shape (B, K). Items (or candidate positions), no repeats."""
    log_probs: Floats
    """Shape (B, K). Log-probability of each position given the positions above it; a row sums to
    the log-probability of the whole slate."""


def top_slates(scores: Floats, slate_size: int) -> Ints:
    """Return the `slate_size` best-scored items of each row, best first; ties by lower index.

    Args:
        scores: Shape (B, N).
        slate_size: K, at most N.

    Returns:
        Shape (B, K).
    """
    n_items = scores.shape[1]
    _check_slate_size(slate_size, n_items)
    # A stable sort of the whole row would cost N log N; only rows with a tie at rank K need it.
    best = np.argpartition(scores, n_items - slate_size, axis=1)[:, n_items - slate_size :]
    best.sort(axis=1)
    best_scores = np.take_along_axis(scores, best, axis=1)
    order = np.argsort(-best_scores, axis=1, kind="stable")
    slates = np.take_along_axis(best, order, axis=1)
    tied = (scores >= best_scores.min(axis=1, keepdims=True)).sum(axis=1) > slate_size
    if tied.any():
        slates[tied] = np.argsort(-scores[tied], axis=1, kind="stable")[:, :slate_size]
    return slates.astype(np.int64, copy=False)


def sample_plackett_luce(logits: Floats, slate_size: int, rng: np.random.Generator) -> SlateDraw:
    """Draw slates position by position with softmax(logits) over what is left.

    All positions are drawn at once: the K largest of `logits` plus Gumbel noise.

    Args:
        logits: Shape (B, N). -inf bars an item; at least K items of a row must be finite.
        slate_size: K, at most N.
        rng: Source of the noise.

    Returns:
        The slates and their log-probabilities given the prefix.

    Reference:
        Kool, van Hoof and Welling, 2019, "Stochastic Beams and Where to Find Them".
    """
    noise = -np.log(rng.standard_exponential(logits.shape))
    slates = top_slates(logits + noise, slate_size)
    return SlateDraw(slates, plackett_luce_log_probs(logits, slates))


def plackett_luce_log_probs(logits: Floats, slates: Ints) -> Floats:
    """Return the log-probability of each position of `slates` given the positions above it.

    Args:
        logits: Shape (B, N). -inf for items that cannot be drawn.
        slates: Shape (B, K). A repeated item has log-probability -inf from its second place on.

    Returns:
        Shape (B, K).
    """
    repeats = repeated_slots(slates)
    chosen = np.where(repeats, -np.inf, np.take_along_axis(logits, slates, axis=1))
    # The mass left at a position is what stays outside the slate plus what comes from there down:
    # only sums, so nothing cancels where the slate holds nearly all mass.
    outside = _log_mass_outside(logits, slates)[:, None]
    upward = np.logaddexp.accumulate(np.hstack([outside, chosen[:, ::-1]]), axis=1)
    log_left = upward[:, :0:-1]  # (B, K)
    with np.errstate(invalid="ignore"):  # -inf minus -inf: an impossible item, none left
        log_probs = np.minimum(chosen - log_left, 0.0)
    return np.where(np.isneginf(chosen), -np.inf, log_probs)


def given_prefix(joint: Floats) -> Floats:
    """Return the log-probability of each position given the positions above it.

    Args:
        joint: Shape (B, K). Log-probability of the slate from the top down to each position; a row
            never rises. -inf from an impossible position on.

    Returns:
        Shape (B, K), at most 0. -inf from an impossible position on; a row sums to its last
        entry of `joint`.
    """
    above = np.concatenate([np.zeros_like(joint[:, :1]), joint[:, :-1]], axis=1)
    with np.errstate(invalid="ignore"):  # -inf minus -inf: below an impossible position
        return np.where(np.isneginf(joint), -np.inf, np.minimum(joint - above, 0.0))


def uniform_slates(n_rows: int, n_items: int, slate_size: int, rng: np.random.Generator) -> Ints:
    """Draw ordered slates without repeats, all equally likely. Shape (n_rows, slate_size)."""
    _check_slate_size(slate_size, n_items)
    if slate_size * slate_size > n_items:  # rejection would redraw too often
        keys = rng.random((n_rows, n_items))
        return np.argsort(keys, axis=1)[:, :slate_size].astype(np.int64, copy=False)
    slates = rng.integers(n_items, size=(n_rows, slate_size))
    again = np.flatnonzero(repeated_slots(slates).any(axis=1))
    while again.size:  # redrawing whole slates keeps all ordered slates equally likely
        slates[again] = rng.integers(n_items, size=(again.size, slate_size))
        again = again[repeated_slots(slates[again]).any(axis=1)]
    return slates


def repeated_slots(slates: Ints) -> Bools:
    """Return which slots repeat an item shown above them. Shape (B, K)."""
    columns = np.ascontiguousarray(slates.T)  # comparing whole columns is what numpy does fast
    repeated = np.zeros(columns.shape, dtype=bool)
    for gap in range(1, columns.shape[0]):
        repeated[gap:] |= columns[gap:] == columns[:-gap]
    return repeated.T


def has_repeats(slates: Ints, n_choices: int) -> bool:
    """Return whether any slate (B, K) of items in 0..n_choices - 1 shows one twice.

    Faster than `repeated_slots`.
    """
    if len(slates) == 1:
        return bool(len(set(slates[0].tolist())) < slates.shape[1])
    small = np.int16 if n_choices <= 2**15 else np.int32 if n_choices <= 2**31 else np.int64
    columns = slates.T.astype(small, order="C")
    return bool(np.count_nonzero(columns[:, None] == columns) > columns.size)


def best_slates(
    weights: Floats,
    values: Floats,
    null_weight: Floats,
    null_value: Floats,
    slate_size: int,
    start: Floats | None = None,
) -> Ints:
    """Return the slates of highest expected value under weighted choice, by parametric search.

    Maximises (sum of v_i q_i + v_0 q_0) / (v_0 + sum of v_i) over slates of K items. Exact, unless
    some slate has no weight at all (v_0 = 0 and K items of weight 0): such slates are not compared.

    Args:
        weights: Shape (B, N). Choice weights v, 0 or more.
        values: Shape (B, N). Value q of an item once chosen.
        null_weight: Shape (B,). Weight of choosing nothing, 0 or more.
        null_value: Shape (B,). Value of choosing nothing.
        slate_size: K, at most N.
        start: Shape (B,). Values to begin the search from, such as those of a moment ago; it is
            exact from any start and shorter from a near one.

    Returns:
        Shape (B, K), largest contribution first.

    Reference:
        Dinkelbach, 1967, "On Nonlinear Fractional Programming".
    """
    first = values.min(axis=1) if start is None else start
    slates = top_slates(weights * (values - first[:, None]), slate_size)
    level = np.full(weights.shape[0], -np.inf)
    rising = np.arange(weights.shape[0])  # rows that may still get better
    for _ in range(50):  # rises strictly until exact; three to six rounds in practice
        value = slate_values(slates[rising], weights, values, null_weight, null_value)
        still = value > level[rising]
        if not still.any():
            break
        if not still.all():
            rising, value = rising[still], value[still]
            weights, values = weights[still], values[still]
            null_weight, null_value = null_weight[still], null_value[still]
        level[rising] = value
        gains = values - value[:, None]
        gains *= weights
        slates[rising] = top_slates(gains, slate_size)
    return slates


def slate_values(
    slates: Ints, weights: Floats, values: Floats, null_weight: Floats, null_value: Floats
) -> Floats:
    """Return the expected value of each slate under weighted choice. Shape (B,)."""
    shown = np.take_along_axis(weights, slates, axis=1)
    total = shown.sum(axis=1) + null_weight
    gained = (shown * np.take_along_axis(values, slates, axis=1)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = (gained + null_weight * null_value) / total
    return np.where(total > 0, value, null_value)


def _log_mass_outside(logits: Floats, slates: Ints) -> Floats:
    """Return log(sum of exp(logits)) over the items that are not in the slate. Shape (B,)."""
    outside = np.array(logits, dtype=np.float64)
    np.put_along_axis(outside, slates, -np.inf, axis=1)
    top = outside.max(axis=1)
    top[np.isneginf(top)] = 0.0
    mass = np.exp(outside - top[:, None]).sum(axis=1)
    with np.errstate(divide="ignore"):  # nothing outside
        log_mass: Floats = top + np.log(mass)
    return log_mass


def _check_slate_size(slate_size: int, n_items: int) -> None:
    if not 1 <= slate_size <= n_items:
        raise SlateError(
            f"slate_size must lie in 1..{n_items}, the number of items to choose from, "
            f"got {slate_size}"
        )
