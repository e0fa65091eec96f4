"""Samples of rounds that tell of each choice: for MRDR, and for weights of embeddings."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rlrec.arrays import Floats, Ints
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.offline.bandit_sample import BanditSample
from rlrec.evaluation.offline.judged_log import JudgedLog
from rlrec.evaluation.offline.log_samples import bandit_sample
from rlrec.evaluation.offline.mips import regressed_embedding_weights
from rlrec.evaluation.offline.reward_features import situation
from rlrec.evaluation.offline.reward_models import user_folds
from rlrec.evaluation.offline.reward_values import N_FOLDS, as_model
from rlrec.evaluation.offline.slate_probabilities import policy_slate_probs

_MOST_CELLS = 100_000_000
"""Numbers in `features`, at most."""


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Categories that stand for choices in `mips`.

    Args:
        of_choices: Shape (n_choices, D). Of each choice, where it follows from the choice.
        of_rows: Shape (n_rows, D). Of what was shown in each row, where it does not (the picture
            that was drawn for an item, the hour an item is about).
    """

    of_choices: ArrayLike | None = None
    of_rows: ArrayLike | None = None

    def __post_init__(self) -> None:
        if (self.of_choices is None) == (self.of_rows is None):
            raise ConfigError("Embeddings take either of_choices or of_rows")
        for name in ("of_choices", "of_rows"):
            given = getattr(self, name)
            if given is None:
                continue
            array = np.asarray(given)
            if array.ndim != 2 or not array.size or array.dtype.kind not in "iu" or array.min() < 0:
                raise DataError(
                    f"{name} must be categories counted from 0, of shape (n, D), got shape "
                    f"{array.shape} of {array.dtype}"
                )
            object.__setattr__(self, name, array.astype(np.int64))


def choice_sample(
    judged: JudgedLog, name: str, needs: set[str], embeddings: Embeddings | None
) -> BanditSample:
    """Return rounds with what estimators of choices need, under one policy.

    Args:
        judged: The log.
        name: Of the policy.
        needs: `features` or `embeddings`, or both.
        embeddings: For `mips`; by default the topics of the catalogue.
    """
    arrays: dict[str, Any] = {}
    known = _known_embeddings(judged, embeddings) if "embeddings" in needs else None
    is_certain = known is not None and judged.logging_policy is not None
    if "features" in needs or is_certain:
        arrays |= _distributions(judged, name, "mrdr" if "features" in needs else "mips")
    if known is not None and is_certain:
        shown = known[judged.rows.slates[:, 0]]
        arrays |= {"embeddings": shown, "embedding_probs": _certain(known)}
    elif "embeddings" in needs:
        arrays["embedding_weights"] = _learned(judged, name, embeddings)
    if "embedding_probs" in needs and "embedding_probs" not in arrays:
        raise ConfigError(
            "snmips multiplies the weights of single categories, so it needs slates of one, "
            "categories that follow from the choice, and logging_policy; use mips, which learns "
            "its weights where these are not given"
        )
    if "features" in needs:
        arrays |= {"features": _features(judged), "folds": _folds(judged)}
    plain = bandit_sample(judged.rows, judged.log_probs[name], None)
    return BanditSample(
        rewards=plain.rewards,
        propensities=plain.propensities,
        target_probs=plain.target_probs,
        **arrays,
    )


def _known_embeddings(judged: JudgedLog, embeddings: Embeddings | None) -> Ints | None:
    """Return the categories (n_choices, D) of choices, where they follow from the choice."""
    if judged.slate_size > 1:
        return None
    if embeddings is not None:
        of_choices = embeddings.of_choices
        if of_choices is not None and len(np.asarray(of_choices)) != judged.observer.n_choices:
            raise DataError(
                f"embeddings.of_choices must have a row for each of the "
                f"{judged.observer.n_choices} choices, got {len(np.asarray(of_choices))}"
            )
        return None if of_choices is None else np.asarray(of_choices)
    catalogue = judged.observer.catalogue
    if catalogue is None or judged.has_candidates:
        return None
    topics: Ints = catalogue.topics[:, None].astype(np.int64)
    return topics


def _certain(known: Ints) -> Floats:
    """Return P(category | choice), (A, C, D), of categories (A, D)."""
    probs: Floats = np.eye(int(known.max()) + 1)[known]  # (A, D, C)
    return probs.transpose(0, 2, 1)


def _learned(judged: JudgedLog, name: str, embeddings: Embeddings | None) -> Floats:
    """Return weights (n,) of embeddings whose probabilities are not known."""
    shown = _shown_embeddings(judged, embeddings)
    rows = judged.rows
    plain = bandit_sample(rows, judged.log_probs[name], None)
    seen = [situation(block.observations, len(block.rows)) for block in judged.blocks()]
    return regressed_embedding_weights(
        plain.weights,
        shown,
        np.concatenate(seen),
        users=rows.users,
        model=as_model(judged.reward_model),
        seed=judged.seed,
    )


def _shown_embeddings(judged: JudgedLog, embeddings: Embeddings | None) -> Ints:
    """Return the categories (n, D) of what was shown; of slates, those of each slot."""
    slates = judged.rows.slates
    if embeddings is not None and embeddings.of_rows is not None:
        of_rows = np.asarray(embeddings.of_rows)
        if len(of_rows) != len(slates):
            raise DataError(
                f"embeddings.of_rows must have a row for each of the {len(slates)} rows of the "
                f"log, got {len(of_rows)}"
            )
        return of_rows
    catalogue = judged.observer.catalogue
    items = slates
    if judged.log.has("candidates"):
        items = np.take_along_axis(judged.log.column("candidates"), slates, axis=1)
    elif judged.has_candidates:
        catalogue = None
    if embeddings is not None:
        return np.asarray(embeddings.of_choices)[items].reshape(len(slates), -1)
    if catalogue is None:
        raise ConfigError(
            "mips needs categories that stand for choices, and there is no catalogue whose topics "
            "could be taken; give learning=Learning(embeddings=Embeddings(of_choices)) with the "
            "categories of each choice, or Embeddings(of_rows=...) with those of what was shown"
        )
    topics: Ints = catalogue.topics[items].astype(np.int64)
    return topics


def _distributions(judged: JudgedLog, name: str, estimator: str) -> dict[str, Any]:
    """Return both policies' distributions (n, A) over choices, of slates of one."""
    if judged.slate_size > 1:
        raise ConfigError(
            f"estimator {estimator!r} needs probabilities and features of every choice, so slates "
            f"of one, but this log has slates of {judged.slate_size}; use dr, or cascade_dr"
        )
    logged_by = judged.needed_logging_policy(estimator, "the probability of every choice")
    target = judged.slate_probs(name, estimator)
    every = np.arange(judged.observer.n_choices)[:, None]
    targets, propensities = [], []
    for block in judged.blocks():
        targets.append(target(block, every))
        propensities.append(policy_slate_probs(logged_by, block.observations, every))
    return {
        "actions": judged.rows.slates[:, 0],
        "target_distribution": np.concatenate(targets),
        "logging_distribution": np.concatenate(propensities),
    }


def _features(judged: JudgedLog) -> Floats:
    """Return features (n, A, F) of each choice, the constant first."""
    n_choices, found = judged.observer.n_choices, []
    for block in judged.blocks():
        shape = (len(block.rows), 1)
        described = [
            judged.describe(block.observations, np.full(shape, choice))
            for choice in range(n_choices)
        ]
        width = 1 + described[0].shape[1]
        if judged.log.n_rows * n_choices * width > _MOST_CELLS:
            raise ConfigError(
                f"mrdr holds {width} features of each of {n_choices:,} choices in "
                f"{judged.log.n_rows:,} rows, more than {_MOST_CELLS:,} numbers; use dr, features "
                f"of your own that are fewer, or a part of the log"
            )
        found.append(np.stack([np.column_stack([np.ones(shape), each]) for each in described], 1))
    return np.concatenate(found)


def _folds(judged: JudgedLog) -> Ints:
    users = judged.rows.users
    return user_folds(users, min(N_FOLDS, judged.rows.n_users), judged.seed)
