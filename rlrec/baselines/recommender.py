"""What all collaborative-filtering models share: scores, fold-in, slates, files."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from rlrec.arrays import Bools, Floats, Ints, Observations
from rlrec.baselines.interactions import (
    Interactions,
    check_histories,
    history_matrix,
    interaction_matrix,
    logged_slate_size,
)
from rlrec.baselines.model_folder import SavedModel, read_model, write_model
from rlrec.baselines.settings import check_count, check_not_negative
from rlrec.data.catalogue import Catalogue
from rlrec.errors import ConfigError, DataError, ModelFileError
from rlrec.slates import SlateDraw, plackett_luce_log_probs, sample_plackett_luce, top_slates


class Recommender(ABC):
    """Scores all items for a user from what users took; also a `rlrec.policy.SlatePolicy`.

    Greedy as made; `softened(temperature)` draws slates by Plackett-Luce, with exact propensities.
    A user of whom a model knows nothing (no history, or none that gives any item a score) gets the
    scores of popularity: the number of interactions of each item.

    Args:
        slate_size: K; None takes the slate size of the log it is fitted to.
        exclude_history: Never show what is in the user's history. A user with fewer than K items
            left may be shown everything again.

    Stability: experimental.
    """

    name: ClassVar[str]
    """Name in the registry and in saved files."""
    _setting_names: ClassVar[tuple[str, ...]] = ()
    _fitted_names: ClassVar[tuple[str, ...]] = ()

    temperature: float = 0.0
    """0 shows the best slate, larger values draw; set by `softened`."""

    def __init__(self, *, slate_size: int | None = None, exclude_history: bool = False) -> None:
        if slate_size is not None:
            check_count("slate_size", slate_size)
        self.slate_size = slate_size
        self.exclude_history = exclude_history
        self._slate_size_given = slate_size
        self._interactions: csr_array | None = None

    @abstractmethod
    def _fit(self, interactions: csr_array) -> None:
        """Learn from interactions (n_users, N)."""

    @abstractmethod
    def _fold_in(self, histories: csr_array) -> Floats:
        """Return fresh scores (B, N) for histories (B, N)."""

    def _scores(self, user_index: Ints) -> Floats:
        return self._fold_in(self.interactions[user_index])

    def fit(self, interactions: Interactions, catalogue: Catalogue | None = None) -> Self:
        """Learn from what users took.

        Args:
            interactions: A sparse matrix (n_users, N) of numbers of 0 or more; `Ratings`, each
                rating counted as one interaction; or an `InteractionLog`, whose responses are
                counted by user and item, users in the order of their sorted ids.
            catalogue: The items. A log does not say how many there are: without a catalogue
                those above the highest item shown are left out.

        Returns:
            Itself.

        Raises:
            DataError: A value is negative or not finite, or there are no interactions at all.
            CatalogueMismatchError: The interactions are of other items than the catalogue's.
        """
        matrix = interaction_matrix(interactions, catalogue)
        self._fit(matrix)
        self._keep(matrix)
        self.slate_size = self._slate_size_given or logged_slate_size(interactions)
        return self

    def scores(self, user_index: ArrayLike) -> Floats:
        """Return scores (B, N) of fitted users, by their row in the interactions."""
        rows = np.atleast_1d(np.asarray(user_index))
        n_users = self.interactions.shape[0]
        wrong = np.flatnonzero((rows < 0) | (rows >= n_users))
        if wrong.size:
            raise DataError(
                f"user_index must lie in 0..{n_users - 1}; {wrong.size} of {rows.size} do not, "
                f"the first at position {wrong[0]}: {rows[wrong[0]]}"
            )
        return self._with_fallback(self._scores(rows), np.diff(self.interactions.indptr)[rows])

    def fold_in(self, histories: csr_array) -> Floats:
        """Return scores (B, N) of unseen users.

        Args:
            histories: Shape (B, N), sparse. How often each user took each item.
        """
        known = check_histories(histories, self.n_items)
        return self._with_fallback(self._fold_in(known), np.diff(known.indptr))

    @property
    def interactions(self) -> csr_array:
        """What the model was fitted to, shape (n_users, N)."""
        if self._interactions is None:
            raise ConfigError(f"{type(self).__name__} is not fitted: call fit or load first")
        return self._interactions

    @property
    def n_items(self) -> int:
        """Number of items, N."""
        return int(self.interactions.shape[1])

    @property
    def has_item_factors(self) -> bool:
        """Whether a fitted model has `item_factors`, shape (N, D), that an agent can start from."""
        return "item_factors" in self._fitted_names

    def softened(self, temperature: float) -> Self:
        """Return a copy that draws slates by Plackett-Luce.

        Args:
            temperature: 0 or more. Scores are standardised over the catalogue for each user
                (mean 0, standard deviation 1) and divided by it; 0 is greedy.
        """
        check_not_negative("temperature", temperature)
        policy = copy.copy(self)
        policy.temperature = float(temperature)
        return policy

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        """Return slates (B, K) for the histories observed; see `SlatePolicy`."""
        if self.slate_size is None:
            raise ConfigError("slate_size must be given to show slates: no log told it")
        logits = self.slate_logits(observations, self.slate_size)
        if deterministic or self.temperature == 0:
            slates = top_slates(logits, self.slate_size)
            return SlateDraw(slates, np.zeros(slates.shape))
        return sample_plackett_luce(logits, self.slate_size, rng)

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        """Return log-probabilities (B, K) given the prefix; greedy: 0 as shown, else -inf."""
        logits = self.slate_logits(observations, slates.shape[1])
        if self.temperature == 0:
            greedy = top_slates(logits, slates.shape[1])
            return np.where(slates == greedy, 0.0, -np.inf)
        return plackett_luce_log_probs(logits, slates)

    def save(self, folder: Path | str) -> None:
        """Write the model to `folder` as safetensors with a JSON card."""
        arrays = {name: getattr(self, name) for name in self._fitted_names}
        write_model(
            folder,
            SavedModel(
                self.name,
                self.settings,
                {"slate_size": self.slate_size, "temperature": self.temperature},
                {"interactions": self.interactions, **arrays},
            ),
        )

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read a model that `save` wrote.

        Raises:
            ModelFileError: The folder is missing, damaged, of another model or version.
        """
        return cls._restored(read_model(folder), folder)

    @classmethod
    def _restored(cls, saved: SavedModel, folder: Path | str) -> Self:
        if saved.model != cls.name:
            raise ModelFileError(f"{folder} holds the model {saved.model!r}, not {cls.name!r}")
        try:
            model = cls(**saved.settings)
            model._keep(csr_array(saved.arrays["interactions"]))
            for name in cls._fitted_names:
                setattr(model, name, saved.arrays[name])
            model.slate_size = saved.state["slate_size"]
            model.temperature = float(saved.state["temperature"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{folder} is damaged: {error!r}") from error
        return model

    @property
    def settings(self) -> dict[str, Any]:
        """Arguments that make this model again, ready for JSON."""
        names = (*self._setting_names, "exclude_history")
        return {name: getattr(self, name) for name in names} | {
            "slate_size": self._slate_size_given
        }

    def _keep(self, interactions: csr_array) -> None:
        self._interactions = interactions
        self.popularity: Floats = np.asarray(interactions.sum(axis=0), dtype=np.float64)

    def _with_fallback(self, scores: Floats, n_taken: Ints) -> Floats:
        scores[(n_taken == 0) | ~scores.any(axis=1)] = self.popularity
        return scores

    def slate_logits(self, observations: Observations, slate_size: int) -> Floats:
        """Return what slates are ranked or drawn by: (B, N), or (B, M) with candidates."""
        if "candidate_features" in observations and "candidates" not in observations:
            raise ConfigError(
                "a baseline recommends items of a catalogue; the candidates of this environment "
                "have features but no identity"
            )
        histories = history_matrix(observations, self.n_items)
        logits = self.fold_in(histories)
        if self.temperature > 0:
            logits = _standardised(logits) / self.temperature
        barred = histories.toarray() > 0 if self.exclude_history else None
        if "candidates" in observations:
            candidates = np.asarray(observations["candidates"])
            logits = np.take_along_axis(logits, candidates, axis=1)
            barred = None if barred is None else np.take_along_axis(barred, candidates, axis=1)
        return logits if barred is None else _bar(logits, barred, slate_size)


def _standardised(scores: Floats) -> Floats:
    centred = scores - scores.mean(axis=1, keepdims=True)
    spread = centred.std(axis=1, keepdims=True)
    return np.asarray(centred / np.where(spread > 0, spread, 1.0))


def _bar(logits: Floats, barred: Bools, slate_size: int) -> Floats:
    """Give barred items no chance, save where too few would be left to fill a slate."""
    enough = (~barred).sum(axis=1, keepdims=True) >= slate_size
    return np.where(barred & enough, -np.inf, logits)
