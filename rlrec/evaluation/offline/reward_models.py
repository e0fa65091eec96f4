"""Models of the reward: what direct and doubly robust estimates take the place of a log with."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.errors import ConfigError, DataError

_SMALL = 1e-12


class FittedModel(Protocol):
    """Predicts from features."""

    def predict(self, features: Floats) -> Floats:
        """Return predictions (B,) for features (B, D)."""
        ...


class RewardModel(Protocol):
    """How to fit a model of the reward; one of your own has this one method."""

    def fit(self, features: Floats, targets: Floats, weights: Floats | None = None) -> FittedModel:
        """Return a model fitted to targets (n,) on features (n, D), weighted by weights (n,)."""
        ...


@dataclass(frozen=True, kw_only=True)
class RidgeModel:
    """Linear least squares on standardised features, shrunk towards the mean."""

    penalty: float = 1e-3
    """Above 0; of the squared coefficients, against the mean squared error."""

    def __post_init__(self) -> None:
        if not self.penalty > 0:
            raise ConfigError(f"penalty must be above 0, got {self.penalty!r}")

    def fit(self, features: Floats, targets: Floats, weights: Floats | None = None) -> FittedModel:
        """Return the fitted line."""
        share = _shares(targets, weights)
        mean = (share[:, None] * features).sum(axis=0)
        spread = np.sqrt((share[:, None] * (features - mean) ** 2).sum(axis=0))
        kept = spread > _SMALL
        scale = np.where(kept, spread, 1.0)
        standard = np.where(kept, (features - mean) / scale, 0.0)
        level = float((share * targets).sum())
        weighted = standard * share[:, None]
        gram = weighted.T @ standard + self.penalty * np.eye(features.shape[1])
        coefficients = np.linalg.solve(gram, weighted.T @ (targets - level)) / scale
        return _Line(np.where(kept, coefficients, 0.0), level, mean)


@dataclass(frozen=True, eq=False)
class _Line:
    coefficients: Floats
    level: float
    mean: Floats

    def predict(self, features: Floats) -> Floats:
        predicted: Floats = self.level + ((features - self.mean) * self.coefficients).sum(axis=-1)
        return predicted


@dataclass(frozen=True, kw_only=True)
class BoostedModel:
    """Gradient boosting of histograms, from scikit-learn."""

    n_rounds: int = 100
    """Trees, 1 or more."""
    learning_rate: float = 0.1
    """In (0, 1]."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_rounds < 1 or not 0 < self.learning_rate <= 1:
            raise ConfigError(
                f"n_rounds must be 1 or more and learning_rate in (0, 1], got {self.n_rounds!r} "
                f"and {self.learning_rate!r}"
            )

    def fit(self, features: Floats, targets: Floats, weights: Floats | None = None) -> FittedModel:
        """Return the fitted trees.

        Raises:
            ConfigError: scikit-learn is not installed.
        """
        try:
            from sklearn.ensemble import HistGradientBoostingRegressor
        except ImportError:
            raise ConfigError(
                "gradient boosting needs scikit-learn: pip install 'rlrec[boosting]', or use "
                "RidgeModel or NetworkModel"
            ) from None
        trees: Any = HistGradientBoostingRegressor(
            max_iter=self.n_rounds, learning_rate=self.learning_rate, random_state=self.seed
        )
        fitted: FittedModel = trees.fit(features, targets, sample_weight=weights)
        return fitted


@dataclass(frozen=True, kw_only=True)
class NetworkModel:
    """A small network of two layers, by torch."""

    hidden: int = 64
    """Units in the layer, 1 or more."""
    n_updates: int = 1_000
    """Of Adam, 1 or more."""
    batch_size: int = 256
    """Rows an update, 1 or more."""
    learning_rate: float = 3e-3
    """Above 0."""
    decay: float = 1e-3
    """Weight decay, 0 or more."""
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.hidden, self.n_updates, self.batch_size) < 1:
            raise ConfigError(
                f"hidden, n_updates and batch_size must be 1 or more, got {self.hidden!r}, "
                f"{self.n_updates!r} and {self.batch_size!r}"
            )
        if not self.learning_rate > 0 or not self.decay >= 0:
            raise ConfigError(
                f"learning_rate must be above 0 and decay 0 or more, got {self.learning_rate!r} "
                f"and {self.decay!r}"
            )

    def fit(self, features: Floats, targets: Floats, weights: Floats | None = None) -> FittedModel:
        """Return the fitted network; same seed, same network, whatever ran before."""
        import torch

        share = _shares(targets, weights)
        mean, spread = features.mean(axis=0), features.std(axis=0)
        scale = np.where(spread > _SMALL, spread, np.inf)  # a constant feature tells nothing
        level = float((share * targets).sum())
        unit = float(np.sqrt((share * (targets - level) ** 2).sum())) or 1.0
        inputs = torch.as_tensor((features - mean) / scale, dtype=torch.float32)
        wanted = torch.as_tensor((targets - level) / unit, dtype=torch.float32)
        counted = torch.as_tensor(share * len(share), dtype=torch.float32)
        rng = np.random.default_rng(self.seed)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            network = torch.nn.Sequential(
                torch.nn.Linear(inputs.shape[1], self.hidden),
                torch.nn.ReLU(),
                torch.nn.Linear(self.hidden, 1),
            )
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=self.learning_rate, weight_decay=self.decay
        )
        for _ in range(self.n_updates):
            rows = torch.as_tensor(rng.integers(len(targets), size=self.batch_size))
            error = network(inputs[rows])[:, 0] - wanted[rows]
            loss = (counted[rows] * error**2).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return _Network(network, mean, scale, level, unit)


@dataclass(frozen=True, eq=False)
class _Network:
    network: Any
    mean: Floats
    scale: Floats
    level: float
    unit: float

    def predict(self, features: Floats) -> Floats:
        import torch

        inputs = torch.as_tensor((features - self.mean) / self.scale, dtype=torch.float32)
        with torch.no_grad():
            found = self.network(inputs)[:, 0].numpy().astype(np.float64)
        predicted: Floats = self.level + self.unit * found
        return predicted


MODELS: dict[str, type[RidgeModel] | type[BoostedModel] | type[NetworkModel]] = {
    "ridge": RidgeModel,
    "boosting": BoostedModel,
    "network": NetworkModel,
}
"""Models by name."""


def user_folds(users: Ints, n_folds: int, seed: int) -> Ints:
    """Return the fold (n,) of rows of users (n,) numbered from 0: all of a user's in one.

    Raises:
        ConfigError: There are fewer users than folds, or fewer than two folds.
    """
    n_users = int(users.max()) + 1
    if not 2 <= n_folds <= n_users:
        raise ConfigError(
            f"n_folds must lie in 2..{n_users}, the number of users in the log (folds are of whole "
            f"users, so that no model is judged on whom it was fitted to), got {n_folds!r}"
        )
    dealt = np.arange(n_users) % n_folds
    np.random.default_rng(seed).shuffle(dealt)
    folds: Ints = dealt[users].astype(np.int64)
    return folds


def fit_folds(
    model: RewardModel,
    features: Floats,
    targets: Floats,
    folds: Ints,
    n_folds: int,
    weights: Floats | None = None,
) -> list[FittedModel]:
    """Return for each fold a model fitted to all rows outside it.

    Args:
        model: How to fit.
        features: Shape (n, D).
        targets: Shape (n,).
        folds: Shape (n,). See `user_folds`.
        n_folds: Their number.
        weights: Shape (n,). Of the rows, 0 or more.
    """
    fitted = []
    for fold in range(n_folds):
        rows = np.flatnonzero(folds != fold)
        some = None if weights is None else weights[rows]
        fitted.append(model.fit(features[rows], targets[rows], some))
    return fitted


def predict_folds(models: list[FittedModel], features: Floats, folds: Ints) -> Floats:
    """Return predictions (n,) for features (n, D), of each row by the model of its fold."""
    predicted = np.zeros(len(features))
    for fold, model in enumerate(models):
        rows = np.flatnonzero(folds == fold)
        if rows.size:
            found = np.asarray(model.predict(features[rows]), np.float64)
            if found.shape != rows.shape or not np.isfinite(found).all():
                raise DataError(
                    f"a reward model must predict finite numbers of shape {rows.shape}, got "
                    f"shape {found.shape}"
                )
            predicted[rows] = found
    return predicted


def _shares(targets: Floats, weights: Floats | None) -> Floats:
    """Return weights (n,) that sum to 1."""
    if weights is None:
        return np.full(len(targets), 1.0 / len(targets))
    total = float(weights.sum())
    if not total > 0 or weights.min() < 0:
        raise DataError("weights of rows must be 0 or more, some of them above 0")
    shares: Floats = weights / total
    return shares
