"""Arrays that users pass, taken as numbers of one type."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.errors import DataError

_KINDS = {"float64": ("fiub", "numbers"), "int64": ("iu", "whole numbers"), "bool": ("b", "bool")}


def as_array(name: str, values: Any, dtype: Any = np.float64) -> NDArray[Any]:
    """Return values as an array of float64, int64 or bool, without losing anything.

    Args:
        name: For messages.
        values: Numbers; neither text nor rows of different lengths; for int64 no fractions.
        dtype: Of the array.

    Raises:
        DataError: They are something else.
    """
    wanted = np.dtype(dtype)
    kinds, words = _KINDS[wanted.name]
    try:
        array = np.asarray(values)
    except ValueError:
        raise DataError(f"{name} must be {words} in rows of one length, got uneven rows") from None
    if array.dtype.kind not in kinds:
        raise DataError(f"{name} must be {words}, got {array.dtype}")
    return array.astype(wanted, copy=False)
