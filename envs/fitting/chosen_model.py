"""The users that an environment of fitted users is asked for: in memory, saved, or made up."""

from functools import lru_cache
from pathlib import Path

from rlrec.baselines.model_folder import read_model
from rlrec.envs.fitting.ratings.fit import fit_users
from rlrec.envs.fitting.ratings.made_up_ratings import made_up_ratings
from rlrec.envs.fitting.ratings.model import FittedUsersModel
from rlrec.envs.fitting.saved_users import KIND
from rlrec.envs.fitting.slates.slate_users import SlateUsersModel
from rlrec.errors import ConfigError, ModelFileError

FittedModel = FittedUsersModel | SlateUsersModel
IN_MEMORY = "in memory: "
"""Begins the name of what was never saved."""


def chosen_model(model: object, path: object) -> FittedModel:
    """Return a model that is given, or that of a folder; with neither, one of made-up ratings.

    Args:
        model: In memory; or its name (`name_of`), which is told that it was never saved.
        path: Folder of a saved model.

    Raises:
        ConfigError: Both are given, or either is something else.
        ModelFileError: The folder is missing, damaged, of another kind or version.
    """
    if model is not None and path is not None:
        raise ConfigError("give either a model in memory (model) or the folder of one (path)")
    if path is not None:
        return _at(path)
    if model is None:
        return _made_up_model()
    if isinstance(model, FittedModel):
        return model
    if isinstance(model, str) and model.startswith(IN_MEMORY):
        raise ModelFileError(
            f"the model {model!r} was never saved: save it, and give its folder as path"
        )
    raise ConfigError(
        f"model must be fitted users in memory or None, got {type(model).__name__}; the folder of "
        "saved ones is given as path"
    )


def name_of(model: object) -> str | None:
    """Return how a model in memory is named among arguments, from which it cannot be made again."""
    return f"{IN_MEMORY}{model.fingerprint}" if isinstance(model, FittedModel) else None


def load_fitted(path: str | Path) -> FittedModel:
    """Return users fitted to ratings or to slates, whichever a folder holds.

    Raises:
        ModelFileError: The folder is missing, damaged, of another kind or version.
    """
    is_of_slates = read_model(path, KIND).model == SlateUsersModel.saved_name
    return SlateUsersModel.load(path) if is_of_slates else FittedUsersModel.load(path)


def _at(path: object) -> FittedModel:
    if not isinstance(path, str | Path):
        raise ConfigError(f"path must be the folder of saved users, got {type(path).__name__}")
    folder = Path(path).absolute()
    try:
        saved = (folder / "model.json").stat()
        return _loaded(folder, saved.st_mtime_ns, saved.st_ino)
    except OSError:
        raise ModelFileError(f"path: no saved model in {folder}: model.json is missing") from None
    except ModelFileError as error:
        raise ModelFileError(f"path: {error}") from None


@lru_cache(maxsize=4)
def _loaded(path: Path, written_ns: int, inode: int) -> FittedModel:
    """Load a folder once, unless it has been written anew."""
    return load_fitted(path)


@lru_cache(maxsize=1)
def _made_up_model() -> FittedUsersModel:
    return fit_users(made_up_ratings(), factors=8, rating_factors=8, choice_regularisation=1.0)
