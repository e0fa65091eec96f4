"""Whether estimated propensities agree with what a log shows, overall and within contexts.

A model that ignores what the logging policy looked at can be right on average and wrong for
everybody. So what it expects is compared with what was shown not only by predicted probability, but
also item by item where an observed number is low, middling or high.

Predictions hold a share of random slates, so that no slate is impossible. The logging policy may
have had that share, less or none: a gap counts only beyond what any such share explains.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from rlrec.arrays import Floats, Ints, Observations
from rlrec.data.log import InteractionLog
from rlrec.evaluation.offline.policy_probabilities import target_log_probs
from rlrec.evaluation.offline.reward_features import situation, situation_names
from rlrec.evaluation.offline.user_blocks import Observer, user_blocks
from rlrec.policy import SlatePolicy

MOST_ERRORS = 5.0
"""Standard errors beyond which a gap is one: there are some thousand cells to look at."""
MOST_OFF = 0.1
"""Relative gap that is let pass, however sure: weights are then wrong by no more than that."""

_EDGES = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 1.0)
_MOST_COLUMNS = 20
_MOST_ITEMS = 30
"""Items with cells of their own; rarer ones share theirs."""
_FEWEST = 25
"""Times that the items of a cell must have been shown, or expected, for it to be looked at."""
_PLACES = 16
"""Of a number against three quartiles: 4 times those below it, plus those below or equal."""


class Calibration:
    """Sums, over rows and items, of what is predicted and observed in the first slot.

    Args:
        log: Of which the first block tells how observed numbers are spread and which items are
            frequent.
        observer: Makes its observations.
        random_share: Of random slates in the predictions.
    """

    def __init__(self, log: InteractionLog, observer: Observer, random_share: float) -> None:
        self.n_choices, self.random_share = observer.n_choices, random_share
        part = next(user_blocks(log))
        observations = observer.observations(part)
        seen = situation(observations, part.n_rows)
        self._columns: Ints = np.flatnonzero(np.ptp(seen, axis=0) > 1e-9)[:_MOST_COLUMNS]
        names = situation_names(observations)
        self._names = [names[column] for column in self._columns]
        quartiles: Floats = np.quantile(seen[:, self._columns], (0.25, 0.5, 0.75), axis=0)
        self._quartiles = quartiles
        counts = np.bincount(_items(observations, part.column("slate")[:, 0]))
        self._frequent: Ints = np.argsort(-counts, kind="stable")[:_MOST_ITEMS]
        self._bins = np.zeros((3, len(_EDGES) - 1))
        n_cells = len(self._columns) * _PLACES * (_MOST_ITEMS + 1)
        self._cells = np.zeros((3, n_cells))

    @property
    def n_parts(self) -> int:
        """How often each prediction is counted: its cost, in rows times items."""
        return 1 + len(self._columns)

    def add(self, policy: SlatePolicy, observations: Observations, slates: Ints) -> None:
        """Take in rows that a policy was not fitted to."""
        seen = situation(observations, len(slates))[:, self._columns]
        above = (seen[:, None] > self._quartiles).sum(axis=1)
        places = 4 * above + (seen[:, None] >= self._quartiles).sum(axis=1)  # (B, D)
        first_cells = (places + _PLACES * np.arange(len(self._columns))) * (_MOST_ITEMS + 1)
        for choice in range(self.n_choices):
            swapped = np.where(slates == choice, slates[:, :1], slates)  # no item stands twice
            swapped[:, 0] = choice
            chances = np.exp(target_log_probs(policy, observations, swapped)[:, 0])
            taken = (slates[:, 0] == choice).astype(np.float64)
            sums = (np.ones(len(chances)), chances, taken)
            bins = np.clip(np.searchsorted(_EDGES, chances, side="right") - 1, 0, len(_EDGES) - 2)
            items = self._numbers(_items(observations, swapped[:, 0]))
            for row, values in enumerate(sums):
                self._bins[row] += np.bincount(bins, values, len(_EDGES) - 1)
            for first in first_cells.T:
                for row, values in enumerate(sums):
                    self._cells[row] += np.bincount(first + items, values, self._cells.shape[1])

    def overall(self) -> pd.DataFrame:
        """Return the calibration by predicted probability."""
        return self._compared(self._bins[:, self._bins[0] > 0])

    def within_contexts(self) -> pd.DataFrame:
        """Return that by item and quarter of each observed number, of cells with enough rows."""
        kept = np.flatnonzero(self._cells[1:].max(axis=0) >= _FEWEST)
        items, places = kept % (_MOST_ITEMS + 1), kept // (_MOST_ITEMS + 1)
        columns, places = places // _PLACES, places % _PLACES
        padded = np.concatenate(
            [
                np.full((1, len(self._names)), -np.inf),
                self._quartiles,
                np.full((1, len(self._names)), np.inf),
            ]
        )
        number = np.append(self._frequent, np.full(_MOST_ITEMS + 1, -1))
        where = pd.DataFrame(
            {
                "observed_number": [self._names[column] for column in columns],
                "low": padded[places % 4, columns],
                "high": padded[places // 4 + 1, columns],
                "item": number[items],
            }
        )
        return pd.concat([where, self._compared(self._cells[:, kept])], axis=1)

    def _numbers(self, items: Ints) -> Ints:
        """Return the place of items (B,) among the frequent ones, the last for all others."""
        size = 1 + int(max(items.max(), self._frequent.max()))
        places = np.full(size, _MOST_ITEMS)
        places[self._frequent] = np.arange(len(self._frequent))
        return places[items]

    def _compared(self, sums: Floats) -> pd.DataFrame:
        n, predicted, observed = sums
        share = self.random_share
        without = (predicted - share * n / self.n_choices) / (1 - share)
        nearest = np.clip(observed, np.minimum(predicted, without), np.maximum(predicted, without))
        spread = np.sqrt(np.maximum(predicted * (1 - predicted / n), 1.0))
        return pd.DataFrame(
            {
                "n": n.astype(np.int64),
                "predicted": predicted / n,
                "observed": observed / n,
                "gap": (observed - nearest) / spread,
                "off": (observed - nearest) / np.maximum(nearest, 1.0),
            }
        )


def mixed_gap(calibration: pd.DataFrame) -> float:
    """Return the largest gap in standard errors as predicted, random slates included."""
    if calibration.empty:
        return 0.0
    n, p = calibration["n"], calibration["predicted"]
    spread = np.sqrt(np.maximum(n * p * (1 - p), 1.0))
    return float(((calibration["observed"] - p) * n / spread).abs().max())


def worst_cell(frames: Sequence[pd.DataFrame]) -> pd.Series | None:
    """Return the row of greatest gap that is beyond `MOST_ERRORS` and `MOST_OFF`, if any is."""
    failed = [
        frame[(frame["gap"].abs() > MOST_ERRORS) & (frame["off"].abs() > MOST_OFF)]
        for frame in frames
    ]
    rows = [
        frame.iloc[int(np.abs(frame["gap"].to_numpy()).argmax())]
        for frame in failed
        if not frame.empty
    ]
    return max(rows, key=lambda row: abs(float(row["gap"]))) if rows else None


def described(cell: pd.Series) -> str:
    """Return in words what a cell of the calibration expected and what the log shows."""
    told = (
        f"{cell['predicted']:.3g} was expected and {cell['observed']:.3g} shown, "
        f"{abs(cell['gap']):.0f} standard errors apart"
    )
    if "item" not in cell:
        return f"of choices with much the same probability, {told}"
    low, high = cell["low"], cell["high"]
    if low == high:
        where = f"is {low:.3g}"
    elif low == -np.inf:
        where = f"is below {high:.3g}"
    else:
        where = f"is above {low:.3g}" + ("" if high == np.inf else f" and below {high:.3g}")
    item = "of the rarer items" if cell["item"] < 0 else f"of item {cell['item']}"
    return f"{item} where {cell['observed_number']} {where}, {told}"


def _items(observations: Observations, choices: Ints) -> Ints:
    """Return the items of choices (B,): themselves, or those of the candidates at their places."""
    if "candidates" not in observations:
        return choices
    offered = np.asarray(observations["candidates"])
    return np.take_along_axis(offered, choices[:, None], axis=1)[:, 0]
