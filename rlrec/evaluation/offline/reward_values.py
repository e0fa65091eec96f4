"""What a reward model, fitted to other users, says of the logged rounds and of a policy."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rlrec.arrays import Bools, Floats, Ints, Observations
from rlrec.data.log import InteractionLog
from rlrec.errors import ConfigError, UnknownNameError, nearest_hint
from rlrec.evaluation.offline.log_samples import (
    LoggedRows,
    ModelValues,
    ValueDraws,
    policy_values,
)
from rlrec.evaluation.offline.policy_probabilities import Judged
from rlrec.evaluation.offline.reward_features import Features, SlateFeatures
from rlrec.evaluation.offline.reward_models import (
    MODELS,
    FittedModel,
    RewardModel,
    fit_folds,
    predict_folds,
    user_folds,
)
from rlrec.evaluation.offline.user_blocks import Observer, user_blocks

MOST_FITTED = 200_000
"""Rows a model is fitted to, about; of a longer log, those of a random part of its users."""

N_FOLDS = 3


def as_model(model: Any) -> RewardModel:
    """Return a model by name (`ridge`, `boosting`, `network`), or one's own as it is.

    Raises:
        UnknownNameError: No model has that name.
        ConfigError: It is neither a name nor has it a method `fit`.
    """
    if isinstance(model, str):
        if model not in MODELS:
            raise UnknownNameError(
                f"no reward model is called {model!r}.{nearest_hint(model, MODELS)}"
            )
        return MODELS[model]()
    if isinstance(model, type):
        raise ConfigError(
            f"a reward model must be an object, got the class {model.__name__}: write "
            f"{model.__name__}()"
        )
    if not callable(getattr(model, "fit", None)):
        raise ConfigError(
            f"a reward model must be one of {sorted(MODELS)} or have a method "
            f"fit(features, targets, weights) that returns something with predict(features), got "
            f"{model!r}"
        )
    fitting: RewardModel = model
    return fitting


def reward_values(
    log: InteractionLog,
    rows: LoggedRows,
    policies: Mapping[str, Judged],
    observer: Observer,
    model: RewardModel,
    features: Features | None = None,
    draws: ValueDraws | None = None,
) -> dict[str, ModelValues]:
    """Return the model's rewards of what was shown and of each policy.

    Models are fitted to folds of whole users: no row is predicted by one that saw its user.

    Args:
        log: Rounds.
        rows: The same, read.
        policies: By name.
        observer: Makes observations.
        model: How to fit.
        features: Of observations and slates; by default `SlateFeatures`.
        draws: How a policy's value is taken.
    """
    draws = draws or ValueDraws()
    describe = features or SlateFeatures(observer.catalogue, observer.n_choices)
    folds = user_folds(rows.users, min(N_FOLDS, rows.n_users), draws.seed)
    fitted = _fitted(log, rows, observer, model, describe, folds, draws.seed)
    q_logged: list[Floats] = []
    values: dict[str, list[Floats]] = {name: [] for name in policies}
    first = 0
    for part in user_blocks(log, observer.columns(log)):
        observations = observer.observations(part)
        numbers = np.arange(first, first + part.n_rows)
        first += part.n_rows
        predict = _Predictor(fitted, describe, observations, folds[numbers])
        q_logged.append(predict(part.column("slate")))
        for name, policy in policies.items():
            values[name].append(
                policy_values(
                    policy,
                    name,
                    observations,
                    numbers,
                    observer.n_choices,
                    log.metadata.slate_size,
                    predict,
                    draws,
                )
            )
    logged = np.concatenate(q_logged)
    return {name: ModelValues(logged, np.concatenate(parts)) for name, parts in values.items()}


class _Predictor:
    """Predicts slates of a part of the log, each row by the model of its fold."""

    def __init__(
        self,
        fitted: list[FittedModel],
        describe: Features,
        observations: Observations,
        folds: Ints,
    ) -> None:
        self._fitted, self._describe = fitted, describe
        self._observations, self._folds = observations, folds

    def __call__(self, slates: Ints) -> Floats:
        """Return predictions (B,) for slates (B, K), one a row."""
        features = self._describe(self._observations, slates)
        return predict_folds(self._fitted, features, self._folds)


def _fitted(
    log: InteractionLog,
    rows: LoggedRows,
    observer: Observer,
    model: RewardModel,
    describe: Features,
    folds: Ints,
    seed: int,
) -> list[FittedModel]:
    kept = kept_users(rows.n_users, MOST_FITTED / len(rows.users), seed)[rows.users]
    found = []
    first = 0
    for part in user_blocks(log, observer.columns(log)):
        some = kept[first : first + part.n_rows]
        features = describe(observer.observations(part), part.column("slate"))
        found.append(features[some].astype(np.float32))
        first += part.n_rows
    features = np.concatenate(found).astype(np.float64)
    return fit_folds(model, features, rows.rewards[kept], folds[kept], int(folds.max()) + 1)


def kept_users(n_users: int, share: float, seed: int) -> Bools:
    """Return which users a model is fitted to, about a share of them, at least ten."""
    order = np.random.default_rng((seed, 1)).permutation(n_users)
    return order < max(10.0, share * n_users)
