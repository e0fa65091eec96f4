"""Intervals on the scale of a parameter."""

import numpy as np
import pytest

from rlrec.envs.fitting.intervals import Scale, estimate_on


@pytest.mark.parametrize(
    ("scale", "back"),
    [("plain", lambda x: x), ("log", np.exp), ("logit", lambda x: 1 / (1 + np.exp(-x)))],
)
def test_the_ends_are_those_of_the_scale_put_back(scale: Scale, back: object) -> None:
    found = estimate_on(scale, 0.3, 0.2, 7)
    assert callable(back)
    ends = [back(0.3 + sign * 1.959964 * 0.2) for sign in (0, -1, 1)]
    assert list(found[:3]) == pytest.approx(ends, abs=1e-6)
    assert found.standard_error == pytest.approx((found.high - found.low) / (2 * 1.959964))
    assert found.n == 7
    if scale != "plain":
        assert found.high - found.value > 0 and found.low > 0
