"""Estimates with 95 % intervals, normal on the scale on which a parameter was searched for."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy.special import expit
from scipy.stats import norm

from rlrec.arrays import Floats
from rlrec.evaluation import Estimate

Scale = Literal["plain", "log", "logit"]
_REACH = float(norm.ppf(0.975))
_BACK: dict[Scale, Callable[[Floats], Floats]] = {
    "plain": lambda values: values,
    "log": lambda values: np.exp(np.minimum(values, 700.0)),  # beyond is no number
    "logit": expit,
}


def estimate_on(scale: Scale, value: float, error: float, n: int) -> Estimate:
    """Return an estimate whose interval is symmetric on a scale, and holds no impossible value.

    Args:
        scale: `log` of parameters above 0, `logit` of shares.
        value: On that scale.
        error: Its standard error there; that of the result is half its interval over 1.96.
        n: Observations behind it.
    """
    ends = np.array([value, value - _REACH * error, value + _REACH * error])
    middle, low, high = (float(end) for end in _BACK[scale](ends))
    return Estimate(middle, low, high, (high - low) / (2 * _REACH), n)
