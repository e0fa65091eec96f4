"""A saved model: a folder with a JSON card and arrays as safetensors. Nothing is unpickled."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save
from scipy.sparse import csr_array

from rlrec.errors import ModelFileError

Fitted = NDArray[Any] | csr_array
"""What a fitted model keeps: a dense array, or a sparse matrix."""

_VERSION = 1
_CARD, _ARRAYS = "model.json", "arrays.safetensors"
_SPARSE_PARTS = ("data", "indices", "indptr", "shape")


class SavedModel(NamedTuple):
    """What a model folder holds."""

    model: str
    """Name of the model's class in the registry."""
    settings: dict[str, Any]
    """Arguments of its constructor."""
    state: dict[str, Any]
    """Further plain values it needs, ready for JSON."""
    arrays: dict[str, Fitted]
    """Fitted arrays by the name of the attribute."""


def write_model(folder: Path | str, saved: SavedModel, kind: str = "baseline") -> None:
    """Write a model folder; an older model there is replaced only once the new one is complete.

    Args:
        folder: Where to.
        saved: What to write.
        kind: What the model is, so that a model of another kind is not read in its place.

    Raises:
        ModelFileError: `folder` holds something that is not a model.
    """
    folder = Path(folder).absolute()
    _check_replaceable(folder)
    staging = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        weights = save(_flatten(saved.arrays))
        card = json.dumps(_card(saved, weights, kind), indent=2, default=_plain)
        (staging / _ARRAYS).write_bytes(weights)
        (staging / _CARD).write_text(card + "\n")
        shutil.rmtree(folder, ignore_errors=True)
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def read_model(folder: Path | str, kind: str = "baseline") -> SavedModel:
    """Read what `write_model` wrote under this kind.

    Raises:
        ModelFileError: A file is missing, damaged, foreign or of another version.
    """
    folder = Path(folder)
    card = _read_card(folder / _CARD, kind)
    path = folder / _ARRAYS
    try:
        weights = path.read_bytes()
        intact = hashlib.sha256(weights).hexdigest() == card["sha256"]
        arrays = load(weights) if intact else {}
    except (OSError, SafetensorError, ValueError) as error:
        raise ModelFileError(f"{path} cannot be read as safetensors: {error}") from error
    if not intact:
        raise ModelFileError(
            f"{path} is not the file that was saved with {folder / _CARD}: it is damaged, or "
            f"belongs to another model ({len(weights)} bytes)"
        )
    return SavedModel(card["model"], card["settings"], card["state"], _unflatten(arrays))


def _check_replaceable(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _CARD).is_file():
        raise ModelFileError(
            f"{folder} must be new, empty or a saved model; it holds other files, which are kept"
        )
    if folder.exists() and not folder.is_dir():
        raise ModelFileError(f"{folder} must be a folder, found a file")


def _card(saved: SavedModel, weights: bytes, kind: str) -> dict[str, Any]:
    return {
        "format": f"rlrec-{kind}",
        "version": _VERSION,
        "model": saved.model,
        "settings": saved.settings,
        "state": saved.state,
        "sha256": hashlib.sha256(weights).hexdigest(),
    }


def _plain(number: Any) -> Any:
    """Return a NumPy scalar as the Python number that JSON knows."""
    if isinstance(number, np.generic):
        return number.item()
    raise TypeError(f"{number!r} cannot be written as JSON")


def _read_card(path: Path, kind: str) -> dict[str, Any]:
    try:
        card = json.loads(path.read_text())
    except FileNotFoundError:
        raise ModelFileError(f"no saved model in {path.parent}: {path.name} is missing") from None
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} cannot be read as a model card: {error}") from error
    if not isinstance(card, dict) or card.get("format") != f"rlrec-{kind}":
        raise ModelFileError(f"{path} is not the card of a {kind} of rlrec")
    if card.get("version") != _VERSION:
        raise ModelFileError(
            f"{path} has version {card.get('version')!r}; this release reads {_VERSION}"
        )
    kinds = {"model": str, "settings": dict, "state": dict, "sha256": str}
    wrong = [key for key, kind in kinds.items() if not isinstance(card.get(key), kind)]
    if wrong:
        raise ModelFileError(f"{path} is damaged: {wrong} are missing or of another type")
    return card


def _flatten(arrays: Mapping[str, Fitted]) -> dict[str, NDArray[Any]]:
    """Spread sparse matrices over one dense array for each of their parts."""
    flat: dict[str, NDArray[Any]] = {}
    for name, array in arrays.items():
        if isinstance(array, np.ndarray):
            flat[name] = np.ascontiguousarray(array)
        else:
            for part in _SPARSE_PARTS:
                flat[f"{name}.{part}"] = np.ascontiguousarray(getattr(array, part))
    return flat


def _unflatten(flat: Mapping[str, NDArray[Any]]) -> dict[str, Fitted]:
    arrays: dict[str, Fitted] = {name: flat[name] for name in flat if "." not in name}
    for name in {name.split(".")[0] for name in flat if "." in name}:
        data, indices, indptr, shape = (flat[f"{name}.{part}"] for part in _SPARSE_PARTS)
        arrays[name] = csr_array((data, indices, indptr), shape=(int(shape[0]), int(shape[1])))
    return arrays
