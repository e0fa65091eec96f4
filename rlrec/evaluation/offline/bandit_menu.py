"""Bandit estimators by name."""

from collections.abc import Callable, Mapping

from rlrec.errors import ConfigError, UnknownNameError, nearest_hint
from rlrec.evaluation.offline.bandit import (
    DM,
    DR,
    IPS,
    SNDR,
    SNIPS,
    BanditEstimator,
    ClippedDR,
    ClippedIPS,
    DRos,
    Replay,
    SubGaussianDR,
    SubGaussianIPS,
    SwitchDR,
    TunableEstimator,
)
from rlrec.evaluation.offline.mips import MIPS, SNMIPSOfMarginals
from rlrec.evaluation.offline.mrdr import MRDR
from rlrec.evaluation.offline.slope import Criterion, Tuned

FIXED: Mapping[str, Callable[[], BanditEstimator]] = {
    made.name: made for made in (DM, IPS, SNIPS, DR, SNDR, MRDR, MIPS, SNMIPSOfMarginals, Replay)
}
"""Estimators without `lambda_`."""

TUNABLE: Mapping[str, Callable[[float], TunableEstimator]] = {
    made.key: made
    for made in (ClippedIPS, SubGaussianIPS, ClippedDR, SwitchDR, DRos, SubGaussianDR)
}
"""Estimators of a `lambda_`."""

GRIDS: Mapping[str, tuple[float, ...]] = {
    **dict.fromkeys(
        ("clipped_ips", "clipped_dr", "switch_dr"),
        (float("inf"), 100.0, 50.0, 20.0, 10.0, 5.0, 2.0, 1.0),
    ),
    **dict.fromkeys(
        ("sub_gaussian_ips", "sub_gaussian_dr"), (0.0, 0.001, 0.01, 0.05, 0.1, 0.5, 1.0)
    ),
    "dr_os": (float("inf"), 5000.0, 500.0, 50.0, 5.0, 1.0, 0.5),
}
"""Candidates of `lambda_` where none are given."""


def bandit_estimator(
    name: str, lambda_: float | None = None, tune: Criterion | None = None
) -> BanditEstimator:
    """Return an estimator of a name, with its `lambda_` given or tuned.

    Args:
        name: A key of `FIXED` or `TUNABLE`.
        lambda_: For those of `TUNABLE`, and only those.
        tune: How to choose `lambda_` among `GRIDS`, instead of giving it.

    Raises:
        UnknownNameError: No estimator has that name.
        ConfigError: `lambda_` is given to an estimator that does not use it, or missing.
    """
    if name in FIXED:
        if lambda_ is not None or tune is not None:
            given = "lambda_" if lambda_ is not None else "tune"
            raise ConfigError(
                f"{name} does not use lambda_, so {given} must be left out; those that do: "
                f"{', '.join(TUNABLE)}"
            )
        return FIXED[name]()
    if name not in TUNABLE:
        known = nearest_hint(name, [*FIXED, *TUNABLE])
        raise UnknownNameError(f"no bandit estimator is called {name!r}.{known}")
    if (lambda_ is None) == (tune is None):
        raise ConfigError(f"{name} needs either lambda_ or tune='slope' to choose it")
    if lambda_ is not None:
        return TUNABLE[name](lambda_)
    assert tune is not None
    return Tuned(TUNABLE[name], GRIDS[name], tune)
