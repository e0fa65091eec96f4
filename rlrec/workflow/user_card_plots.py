"""The plots of the card: each aspect of the log and of simulated users, and calibration."""

import numpy as np

from rlrec.arrays import Floats
from rlrec.envs.fitting.validation.aspects import Aspect, Rates
from rlrec.envs.fitting.validation.comparing import Seen
from rlrec.envs.fitting.validation.foretelling import Foretold
from rlrec.workflow.plots import legend
from rlrec.workflow.small_plots import Series, diagonal, dot_rows, small_lines

_LOG, _SIMULATED = "#2f5d8a", "#d9741a"
_MOST_IN_A_LINE, _MOST_ROWS = 8, 40  # situations drawn as a line, as rows of dots
_LONGEST = 6  # characters of a label under a line
_N_POINTS = 120
_SMALL = 0.02  # stated probability below which calibration is drawn on logarithms


def groups_legend() -> str:
    """Return what the colours of all aspects mean."""
    return legend(
        ["half of the log", "the other half (dashed)", "simulated users"],
        [_LOG, _LOG, _SIMULATED],
    )


def aspect_plot(seen: Seen) -> str:
    """Return a plot of one aspect: lines over few situations, else rows of dots, else shares."""
    if not isinstance(seen.log, Rates):
        return _distributions(seen)
    labels = seen.log.labels
    is_short = max(map(len, labels), default=0) <= _LONGEST
    if len(labels) <= _MOST_IN_A_LINE and is_short:
        places = [float(place) for place in range(len(labels))]
        series = [_series(places, group.values, number) for number, group in enumerate(seen)]
        return small_lines(series, "", labels)
    if len(labels) <= _MOST_ROWS:
        order = np.arange(len(labels))
        if len(labels) > _MOST_IN_A_LINE:
            order = np.argsort(-np.nan_to_num(seen.log.values), kind="stable")
        rows = [_series([], group.values[order], number) for number, group in enumerate(seen)]
        return dot_rows([labels[place] for place in order], rows)
    return _running_shares(seen)


def calibration_plot(foretold: Foretold) -> str:
    """Return stated probabilities beside the shares that were taken, bin by bin."""
    stated = [each.predicted for each in foretold.bins]
    taken = [each.observed for each in foretold.bins]
    is_log = min(stated) < _SMALL
    return diagonal(Series(stated, taken, _SIMULATED), "stated", "share taken", is_log)


def _series(x: list[float], y: Floats, number: int) -> Series:
    """Return the line of a group: a half of the log, the other half, simulated users."""
    return Series(x, y.tolist(), (_LOG, _LOG, _SIMULATED)[number], is_dashed=number == 1)


def _distributions(seen: Seen) -> str:
    """Return the share of values up to each number, without the outermost half per cent."""
    pooled = np.concatenate([group.values for group in seen])
    if not len(pooled):
        return ""
    low, high = (float(end) for end in np.quantile(pooled, [0.005, 0.995]))
    points = np.linspace(low, high, _N_POINTS)
    series = [_series(points.tolist(), _up_to(group, points), n) for n, group in enumerate(seen)]
    return small_lines(series, "value; the share up to it")


def _up_to(aspect: Aspect, points: Floats) -> Floats:
    ordered = np.sort(aspect.values)
    counts = np.searchsorted(ordered, points, side="right")
    found: Floats = counts / max(len(ordered), 1)
    return found


def _running_shares(seen: Seen) -> str:
    """Return the share of the first, the first two, ... situations, by what the log has most."""
    order = np.argsort(-(seen.log.values + seen.other.values), kind="stable")
    kept = np.unique(np.linspace(0, len(order) - 1, _N_POINTS).astype(np.int64))
    series = [
        _series((kept + 1.0).tolist(), np.cumsum(group.values[order])[kept], number)
        for number, group in enumerate(seen)
    ]
    return small_lines(series, "items, most frequent first; their share")
