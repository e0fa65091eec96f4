"""What models of fitted users have in common: persons, items, populations, and their folder."""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Ints
from rlrec.baselines.model_folder import Fitted, SavedModel, read_model, write_model
from rlrec.data.catalogue import Catalogue
from rlrec.envs.fitting.populations import POPULATIONS
from rlrec.errors import ConfigError, ModelFileError

KIND = "user-model"


class SavedUsers:
    """Mixed into the dataclass of a model: a fingerprint, `save` and `load`.

    The model says what its plain values are (`_plain`), and what they were before they became JSON
    (`_restored`).
    """

    saved_name: ClassVar[str]
    """Of the model on its card."""
    saved_version: ClassVar[int]
    learned: ClassVar[tuple[str, ...]]
    """Names of its arrays."""
    catalogue: Catalogue
    person_ids: NDArray[Any]
    populations: dict[str, Ints]

    @property
    def n_persons(self) -> int:
        """Number of persons, P."""
        return len(self.person_ids)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change with the persons, the items or what was learned of them."""
        digest = hashlib.sha256(self.catalogue.fingerprint.encode())
        digest.update(json.dumps(self._plain(), sort_keys=True).encode())
        for name, array in sorted(self._arrays().items()):
            digest.update(name.encode() + array.tobytes())
        return digest.hexdigest()[:16]

    def population(self, name: str) -> Ints:
        """Return the rows of the persons of a population.

        Raises:
            ConfigError: It is not known, or nobody is in it.
        """
        if name not in self.populations:
            raise ConfigError(f"no population is called {name!r}. Known: {list(self.populations)}")
        if not len(self.populations[name]):
            raise ConfigError(f"nobody is in the population {name!r}: its share is 0")
        return self.populations[name]

    def save(self, folder: Path | str) -> None:
        """Write the model to `folder` as safetensors with a JSON card.

        Raises:
            ModelFileError: `folder` holds something that is not a model.
        """
        state = {"version": self.saved_version, **self._plain()}
        arrays: dict[str, Fitted] = {**self._arrays(), "labels": self._labels()}
        write_model(folder, SavedModel(self.saved_name, self._settings(), state, arrays), KIND)

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read a model that `save` wrote.

        Raises:
            ModelFileError: The folder is missing, damaged, of another kind or version.
        """
        saved = read_model(folder, KIND)
        version = saved.state.get("version")
        if (saved.model, version) != (cls.saved_name, cls.saved_version):
            raise ModelFileError(
                f"{folder} holds {saved.model!r} of version {version!r}; this release reads "
                f"{cls.saved_name!r} of version {cls.saved_version}"
            )
        state = {key: value for key, value in saved.state.items() if key != "version"}
        try:
            return cls(**cls._restored(saved.settings, state), **_persons_and_items(cls, saved))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelFileError(f"{folder} is damaged: {error!r}") from error

    def _settings(self) -> dict[str, Any]:
        """Return what the model was fitted with, ready for JSON."""
        return {}

    def _plain(self) -> dict[str, Any]:
        """Return what was learned besides the arrays, ready for JSON."""
        raise NotImplementedError

    @classmethod
    def _restored(cls, settings: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
        """Return arguments of the model from what `_settings` and `_plain` told."""
        raise NotImplementedError

    def _arrays(self) -> dict[str, NDArray[Any]]:
        learned = {name: getattr(self, name) for name in self.learned}
        populations = {f"population {name}": rows for name, rows in self.populations.items()}
        catalogue = {"topics": self.catalogue.topics, "features": self.catalogue.features}
        return learned | populations | catalogue

    def _labels(self) -> NDArray[np.uint8]:
        """Return ids, titles and names of topics as bytes of JSON: they may be numbers or texts."""
        catalogue = self.catalogue
        labels = {
            "person_ids": self.person_ids.tolist(),
            "item_ids": catalogue.item_ids.tolist(),
            "titles": list(catalogue.titles),
            "topic_names": list(catalogue.topic_names),
        }
        return np.frombuffer(json.dumps(labels, ensure_ascii=False).encode(), np.uint8)


def _persons_and_items(model: type[SavedUsers], saved: SavedModel) -> dict[str, Any]:
    arrays: Mapping[str, Any] = saved.arrays
    labels = json.loads(arrays["labels"].tobytes())
    return {
        **{name: arrays[name] for name in model.learned},
        "catalogue": Catalogue(
            item_ids=np.array(labels["item_ids"]),
            topics=arrays["topics"],
            features=arrays["features"],
            topic_names=tuple(labels["topic_names"]),
            titles=tuple(labels["titles"]),
        ),
        "person_ids": np.array(labels["person_ids"]),
        "populations": {name: arrays[f"population {name}"] for name in POPULATIONS},
    }
