"""Probabilities of slates: by enumeration, and of items at slots under Plackett-Luce."""

import itertools
import math

import numpy as np

from rlrec.arrays import Floats, Ints, Observations
from rlrec.errors import DataError, SlateError
from rlrec.policy import SlatePolicy, n_users_of
from rlrec.slates import plackett_luce_log_probs

MOST_SLATES = 20_000
"""Slates enumerated at most, unless asked for more."""

_EXACT_COST = 10_000  # sets times items a row up to which subsets are faster than integrals
_BLOCK = 4_000_000  # numbers held at once


def all_slates(
    n_items: int, slate_size: int, *, repeats: bool = False, most: int = MOST_SLATES
) -> Ints:
    """Return every ordered slate in lexicographic order, shape (S, K).

    Args:
        n_items: A.
        slate_size: K.
        repeats: Include slates that show an item more than once (slots filled independently).
        most: Refuse to enumerate more.

    Raises:
        SlateError: There are more than `most`, or none.
    """
    if slate_size < 1 or n_items < (1 if repeats else slate_size):
        raise SlateError(f"no slate of {slate_size} can be made of {n_items} items")
    n_slates = n_items**slate_size if repeats else math.perm(n_items, slate_size)
    if n_slates > most:
        raise SlateError(
            f"{n_items} items make {n_slates:,} slates of {slate_size}, more than the {most:,} "
            "that are enumerated; take fewer candidates or slots, raise `most`, or use an "
            "estimator that needs no enumeration (of prefixes, of slots, or for independent slots)"
        )
    makers = itertools.product(range(n_items), repeat=slate_size)
    slates = makers if repeats else itertools.permutations(range(n_items), slate_size)
    return np.array(list(slates), dtype=np.int64).reshape(n_slates, slate_size)


def slate_indices(slates: Ints, among: Ints) -> Ints:
    """Return the place (n,) of slates (n, K) in the list `among` (S, K), which has no doubles.

    Raises:
        DataError: A slate is not in the list; the message names its row.
    """
    both = np.concatenate([among, slates])
    _, codes = np.unique(both, axis=0, return_inverse=True)
    codes = codes.reshape(-1)
    place = np.full(int(codes.max()) + 1, -1, dtype=np.int64)
    place[codes[: len(among)]] = np.arange(len(among))
    found = place[codes[len(among) :]]
    if (found < 0).any():
        row = int((found < 0).argmax())
        raise DataError(f"slate {slates[row].tolist()} of row {row} is not among those enumerated")
    return found


def plackett_luce_slate_probs(logits: Floats, slates: Ints) -> Floats:
    """Return the probability of each of S slates (S, K) for each row of logits (n, A), (n, S)."""
    n_rows, n_slates = len(logits), len(slates)
    probs = np.empty((n_rows, n_slates))
    step = max(1, _BLOCK // (n_slates * logits.shape[1]))
    for start in range(0, n_rows, step):
        block = logits[start : start + step]
        repeated = np.repeat(block, n_slates, axis=0)
        log_probs = plackett_luce_log_probs(repeated, np.tile(slates, (len(block), 1)))
        probs[start : start + step] = np.exp(log_probs.sum(axis=1)).reshape(-1, n_slates)
    return probs


def policy_slate_probs(policy: SlatePolicy, observations: Observations, slates: Ints) -> Floats:
    """Return the probability (n, S) that a policy draws each of S slates for n observations."""
    n_rows, n_slates = n_users_of(observations), len(slates)
    probs = np.empty((n_rows, n_slates))
    wide = sum(values[:1].size for values in observations.values()) + slates.shape[1]
    step = max(1, _BLOCK // (n_slates * wide))
    for start in range(0, n_rows, step):
        block = {key: values[start : start + step] for key, values in observations.items()}
        repeated = {key: np.repeat(values, n_slates, axis=0) for key, values in block.items()}
        log_probs = policy.log_probs(repeated, np.tile(slates, (n_users_of(block), 1)))
        probs[start : start + step] = np.exp(log_probs.sum(axis=1)).reshape(-1, n_slates)
    return probs


def slot_marginals(slate_probs: Floats, slates: Ints, n_items: int) -> Floats:
    """Return P(item at slot), shape (n, K, A), from probabilities (n, S) of slates (S, K)."""
    marginals = np.zeros((len(slate_probs), slates.shape[1], n_items))
    for slot, items in enumerate(slates.T):
        for item in np.unique(items):
            marginals[:, slot, item] = slate_probs[:, items == item].sum(axis=1)
    return marginals


def at_slates(marginals: Floats, slates: Ints) -> Floats:
    """Return P(item at slot) of the items shown, (n, K), from marginals (n, K, A)."""
    found: Floats = np.take_along_axis(marginals, slates[..., None], axis=2)[..., 0]
    return found


def plackett_luce_marginals(logits: Floats, slate_size: int, method: str = "auto") -> Floats:
    """Return the probability of each item to stand at each slot under Plackett-Luce.

    By "subsets" the sum over sets of items above a slot is carried out, level by level: exact up
    to rounding, at a cost that grows as A^K. By "integral" items arrive at exponential times, and
    the probability that slot - 1 others arrive before an item is integrated over its time; the
    trapezoid rule on the logarithm of time converges geometrically, and tests hold it to a
    relative error of 1e-11 against "subsets" (measured: below 1e-12). Its
    cost grows as A K^2 times some hundred nodes.

    Args:
        logits: Shape (n, A). -inf bars an item; at least K of a row must be finite.
        slate_size: K.
        method: "subsets", "integral", or "auto" for the faster one.

    Returns:
        Shape (n, K, A); each slot sums to 1.

    Raises:
        SlateError: Fewer than K items of a row can be shown, or another method is asked for.
    """
    n_items = logits.shape[1]
    _check_logits(logits, slate_size)
    if method == "auto":
        n_sets = sum(math.comb(n_items, size) for size in range(slate_size))
        method = "subsets" if n_sets * n_items <= _EXACT_COST else "integral"
    if method not in ("subsets", "integral"):
        raise SlateError(f"method must be 'subsets', 'integral' or 'auto', got {method!r}")
    if method == "subsets":
        return _marginals_by_subsets(logits, slate_size)
    return _marginals_by_integral(logits, slate_size)


def _check_logits(logits: Floats, slate_size: int) -> None:
    wrong = np.isnan(logits) | np.isposinf(logits)
    if wrong.any():
        row, item = (int(axis) for axis in np.argwhere(wrong)[0])
        raise SlateError(f"logits must be numbers or -inf; row {row}, item {item} is not")
    n_possible = np.isfinite(logits).sum(axis=1)
    if slate_size < 1 or (n_possible < slate_size).any():
        row = int(n_possible.argmin())
        raise SlateError(
            f"a slate of {slate_size} needs 1 or more slots and as many items with finite logits; "
            f"row {row} has {n_possible[row]}"
        )


def _marginals_by_subsets(logits: Floats, slate_size: int) -> Floats:
    n_rows, n_items = logits.shape
    marginals = np.zeros((n_rows, slate_size, n_items))
    largest = max(math.comb(n_items, size) for size in range(slate_size)) * n_items
    step = max(1, _BLOCK // largest)
    for start in range(0, n_rows, step):
        block = slice(start, start + step)
        _fill_by_subsets(logits[block], marginals[block])
    return marginals


def _fill_by_subsets(logits: Floats, marginals: Floats) -> None:
    """Fill marginals (n, K, A): P(set above the slot) times the softmax over what is left."""
    n_items = logits.shape[1]
    sets = np.zeros((1, n_items), dtype=bool)
    set_probs = np.ones((len(logits), 1))  # (n, sets)
    for slot in range(marginals.shape[1]):
        left = np.where(sets, -np.inf, logits[:, None])  # (n, sets, A)
        top = left.max(axis=2, keepdims=True)
        mass = np.exp(left - np.where(np.isfinite(top), top, 0.0))
        total = mass.sum(axis=2, keepdims=True)
        choice = np.divide(mass, total, out=np.zeros_like(mass), where=total > 0)
        flow = set_probs[..., None] * choice
        marginals[:, slot] = flow.sum(axis=1)
        if slot + 1 == marginals.shape[1]:
            return
        origin, item = np.nonzero(~sets)
        grown = sets[origin]
        grown[np.arange(len(item)), item] = True
        keys = np.packbits(grown, axis=1)
        _, first, code = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(code.reshape(-1), kind="stable")
        # each grown set comes from slot + 1 smaller ones
        parts = flow[:, origin[order], item[order]].reshape(len(logits), len(first), slot + 1)
        set_probs = parts.sum(axis=2)
        sets = grown[first]


def _marginals_by_integral(logits: Floats, slate_size: int) -> Floats:
    n_rows, n_items = logits.shape
    top = logits.max(axis=1, keepdims=True)
    log_rates = logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
    marginals = np.empty((n_rows, slate_size, n_items))
    marginals[:, 0] = np.exp(log_rates)
    if slate_size == 1:
        return marginals
    width = min(0.25, 0.5 / math.sqrt(slate_size))
    # By exp(last) the K likeliest items have all but surely arrived; before exp(first) no two have.
    last = math.log(45.0) - np.partition(log_rates, n_items - slate_size, axis=1)[:, -slate_size]
    n_nodes = np.ceil((last + 18.5) / width).astype(np.int64) + 1
    order = np.argsort(n_nodes, kind="stable")
    start = 0
    while start < n_rows:
        cost = int(n_nodes[order[start]]) * n_items * slate_size * 4
        rows = order[start : start + max(1, _BLOCK // cost)]
        nodes = last[rows, None] - width * np.arange(n_nodes[rows].max())
        marginals[rows] = _integral(log_rates[rows], nodes, width, slate_size)
        start += len(rows)
    marginals[:, 0] = np.exp(log_rates)
    return marginals


def _integral(log_rates: Floats, nodes: Floats, width: float, slate_size: int) -> Floats:
    """Return marginals (n, K, A) by the trapezoid rule on nodes (n, G) of log time."""
    expected = np.exp(np.minimum(log_rates[:, :, None] + nodes[:, None], 700.0))  # (n, A, G)
    late = np.exp(-expected)
    counts = _others_arrived(-np.expm1(-expected), late, slate_size)  # (K, n, A, G)
    marginals: Floats = width * (counts * (expected * late)).sum(axis=3)
    return np.moveaxis(marginals, 0, 1)


def _others_arrived(arrived: Floats, late: Floats, slate_size: int) -> Floats:
    """Return P(exactly j of the other items arrived), j < K, shape (K, n, A, G).

    Products of the polynomials late + arrived z over all items but one, by a tree: up it go the
    products of halves, down it those of all that is outside. Only sums of positive terms.
    """
    n_rows, n_items, n_nodes = arrived.shape
    size = 1 << (n_items - 1).bit_length()
    level = np.zeros((min(2, slate_size), n_rows, size, n_nodes))
    level[0] = 1.0  # stands for items that never arrive, beyond the last
    level[0, :, :n_items] = late
    level[1, :, :n_items] = arrived
    levels = [level]
    while level.shape[2] > 2:
        level = _product(level[:, :, 0::2], level[:, :, 1::2], slate_size)
        levels.append(level)
    outside = np.ones((1, n_rows, 1, n_nodes))
    for level in reversed(levels):
        if level.shape[2] == 1:
            continue
        siblings = np.empty_like(level)
        siblings[:, :, 0::2], siblings[:, :, 1::2] = level[:, :, 1::2], level[:, :, 0::2]
        outside = _product(np.repeat(outside, 2, axis=2), siblings, slate_size)
    counts = np.zeros((slate_size, n_rows, n_items, n_nodes))
    counts[: len(outside)] = outside[:, :, :n_items]
    return counts


def _product(left: Floats, right: Floats, most: int) -> Floats:
    """Return the product of polynomials along the first axis, up to `most` coefficients."""
    length = min(most, len(left) + len(right) - 1)
    product = np.zeros((length, *left.shape[1:]))
    for degree, coefficient in enumerate(left):
        reach = min(len(right), length - degree)
        if reach > 0:
            product[degree : degree + reach] += coefficient * right[:reach]
    return product
