"""Samples that users pass, checked to speak of the same units."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rlrec.arrays import Ints
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.offline.bandit_sample import BanditSample
from rlrec.evaluation.offline.estimator_menu import Chosen, Sample, kind_of
from rlrec.evaluation.offline.session_sample import SessionSample
from rlrec.evaluation.offline.slate import SlateSample

_CLASSES = (BanditSample, SlateSample, SessionSample)


def samples_by_kind(samples: Any) -> dict[str, dict[str, Sample]]:
    """Return the samples of each policy by what they are of.

    Raises:
        ConfigError: It is no dict of lists of samples, or two of a policy are of one kind.
        DataError: Samples are of different numbers of units, or of other discounts.
    """
    if not isinstance(samples, Mapping):
        raise ConfigError(
            f"samples must be a dict from each policy's name to a list of its samples, got "
            f"{type(samples).__name__}"
        )
    if not samples:
        raise ConfigError("samples must hold at least one policy, got none")
    by_kind = {str(name): _of_policy(name, some) for name, some in samples.items()}
    _check_units(by_kind)
    return by_kind


def user_numbers_of(users: ArrayLike | None, n_units: int) -> Ints:
    """Return the user of each unit, (n_units,), numbered from 0.

    Raises:
        DataError: There is not one for each unit.
    """
    if users is None:
        return np.arange(n_units)
    given = np.asarray(users)
    if given.shape != (n_units,):
        raise DataError(
            f"users must name one user for each of the {n_units} units, shape ({n_units},), got "
            f"{given.shape}"
        )
    if given.dtype.kind not in "iubUS" and not _all_text(given):
        raise DataError(f"users must be whole numbers or text, got {given.dtype}")
    return np.unique(given, return_inverse=True)[1].astype(np.int64)


def check_kinds(by_kind: Mapping[str, Mapping[str, Sample]], chosen: Sequence[Chosen]) -> None:
    """Raise ConfigError where a policy lacks the sample that an estimator takes."""
    for name, of_policy in by_kind.items():
        for each in chosen:
            if each.kind not in of_policy:
                raise ConfigError(f"policy {name!r} has no sample of {each.kind} for {each.name!r}")


def n_units_of(sample: Sample) -> int:
    """Return how many rounds, slates or sessions a sample has."""
    if isinstance(sample, SessionSample):
        return sample.n_sessions
    return sample.n_rounds if isinstance(sample, BanditSample) else sample.n_slates


def _all_text(values: Any) -> bool:
    return values.dtype == object and all(isinstance(each, str) for each in values)


def _of_policy(name: Any, samples: Any) -> dict[str, Sample]:
    if not isinstance(samples, list | tuple):
        is_bare = isinstance(samples, _CLASSES)
        hint = f": write {{{name!r}: [sample]}}" if is_bare else ""
        raise ConfigError(
            f"policy {name!r} needs a list of samples, got {type(samples).__name__}{hint}"
        )
    if not samples:
        raise ConfigError(f"policy {name!r} must have at least one sample, got none")
    found: dict[str, Sample] = {}
    for sample in samples:
        if not isinstance(sample, _CLASSES):
            raise ConfigError(
                f"policy {name!r}: a sample must be a BanditSample, SlateSample or SessionSample, "
                f"got {type(sample).__name__}"
            )
        kind = kind_of(sample)
        if kind in found:
            raise ConfigError(
                f"policy {name!r} has two samples of {kind}; give one, or the other under the name "
                f"of a policy of its own"
            )
        found[kind] = sample
    return found


def _check_units(by_kind: Mapping[str, Mapping[str, Sample]]) -> None:
    (first, kind, expected), *others = [
        (name, kind, sample) for name, some in by_kind.items() for kind, sample in some.items()
    ]
    for name, other_kind, sample in others:
        n, wanted = n_units_of(sample), n_units_of(expected)
        if n != wanted:
            raise DataError(
                f"all samples must be of the same units; policy {first!r} has {wanted} {kind}, "
                f"policy {name!r} {n} {other_kind}"
            )
        if _discount(sample) != _discount(expected):
            raise DataError(
                f"all samples need one discount; that of policy {first!r} is "
                f"{_discount(expected)!r}, of policy {name!r} {_discount(sample)!r}"
            )


def _discount(sample: Sample) -> float:
    return sample.discount if isinstance(sample, SessionSample) else 1.0
