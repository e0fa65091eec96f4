"""Names of the array types used at every border between parts."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

Observations = Mapping[str, NDArray[Any]]
"""What a policy may see: arrays with a leading axis of users, by the keys of the observation
table in `docs/architecture.md`."""
