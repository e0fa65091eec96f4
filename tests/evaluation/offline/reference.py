"""Where arrays with known values are kept; they are not part of the repository."""

import os
from functools import cache
from pathlib import Path

import pytest


@cache
def reference_folder() -> Path:
    """Return the folder of reference arrays; skips the test where there is none."""
    data = os.environ.get("RLREC_DATA_DIR")
    beside = Path(data).parent / "reference" / "ope" if data else None
    named = os.environ.get("RLREC_OPE_REFERENCE")
    folder = Path(named) if named else beside
    if folder is None or not (folder / "expected_bandit.json").is_file():
        pytest.skip("reference arrays are not here: name their folder in RLREC_OPE_REFERENCE")
    return folder
