"""Values by fitted models: of the reward in a log of rounds, of the return in one of sessions."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rlrec.arrays import Floats, Ints, Observations
from rlrec.data.log import InteractionLog
from rlrec.errors import ConfigError
from rlrec.evaluation.offline.fitted_q import IteratedQ, LinearQ, QModel, fitted_values
from rlrec.evaluation.offline.log_samples import LoggedRows, ModelValues, ValueDraws
from rlrec.evaluation.offline.policy_probabilities import (
    Judged,
    TargetProbabilities,
    target_log_probs,
)
from rlrec.evaluation.offline.reward_features import Features, SlateFeatures
from rlrec.evaluation.offline.reward_values import N_FOLDS, as_model, reward_values
from rlrec.evaluation.offline.session_sample import SessionSample, session_lengths
from rlrec.evaluation.offline.step_features import StepFeatures
from rlrec.evaluation.offline.user_blocks import Observer, user_blocks

_MOST_STEPS = 12
"""Steps that have an entry of their own among the features."""


def model_values(
    log: InteractionLog,
    rows: LoggedRows,
    policies: Mapping[str, Judged],
    observer: Observer,
    model: Any,
    features: Features | None,
    discount: float,
    seed: int,
) -> dict[str, ModelValues]:
    """Return what models say of the logged rows and of each policy.

    Args:
        log: The log.
        rows: The same, read.
        policies: By name.
        observer: Makes observations.
        model: Name or object, see `as_model`; for sessions also a `QModel`.
        features: Of observations and slates; by default `SlateFeatures`.
        discount: Weight of the reward one step ahead.
        seed: Of folds and draws.
    """
    draws = ValueDraws(seed=seed)
    if not rows.is_sessions:
        fitting = as_model(model)
        return reward_values(log, rows, policies, observer, fitting, features, draws)
    describe = features or SlateFeatures(observer.catalogue, observer.n_choices)
    fitting_q, is_linear = _as_q_model(model)
    lengths = session_lengths(rows.steps)
    sample = SessionSample(
        rewards=rows.rewards,
        lengths=lengths,
        terminated=rows.terminated[np.cumsum(lengths) - 1],
        discount=discount,
    )
    found = {}
    for name, policy in policies.items():
        steps = _step_features(log, rows, policy, name, observer, describe, draws, is_linear)
        n_folds = min(N_FOLDS, rows.n_users)
        # What is estimated is the return up to the session's end, as for every other estimator.
        values = fitted_values(
            sample, steps, rows.unit_users, fitting_q, n_folds, cut="end", seed=seed
        )
        found[name] = ModelValues(values.q_hat, values.v_hat, values.v_after)
    return found


def check_model(model: Any, features: Any) -> None:
    """Check a model and the features it sees, before there is anything to model.

    Raises:
        UnknownNameError: No model has that name.
        ConfigError: It is no model, or the features are no function.
    """
    if model is not None:
        _as_q_model(model)
    if features is not None and (not callable(features) or isinstance(features, type)):
        raise ConfigError(
            f"features must be a function of observations and slates, such as "
            f"SlateFeatures(catalogue, n_choices), got {features!r:.80}"
        )


def check_model_use(model: Any, features: Any, is_needed: bool, is_sessions: bool) -> None:
    """Raise ConfigError for a model that would be ignored, or is one of sessions only."""
    given = [
        name for name, each in (("reward_model", model), ("features", features)) if each is not None
    ]
    if given and not is_needed:
        raise ConfigError(
            f"none of these estimators uses a model of the reward: leave {' and '.join(given)} "
            f"out, or add one that does, such as dm or dr"
        )
    if not is_sessions and isinstance(model, LinearQ | IteratedQ):
        raise ConfigError(
            f"{type(model).__name__} models returns of sessions, and each session of this log has "
            f"one step: give a model of the reward, such as 'ridge'"
        )


def _as_q_model(model: Any) -> tuple[QModel, bool]:
    """Return a model of Q, and whether it is linear in the features."""
    if isinstance(model, LinearQ) or (isinstance(model, str) and model == "ridge"):
        return (model if isinstance(model, LinearQ) else LinearQ()), True
    if isinstance(model, IteratedQ):
        return model, False
    return IteratedQ(model=as_model(model)), False


def _step_features(
    log: InteractionLog,
    rows: LoggedRows,
    policy: Judged,
    name: str,
    observer: Observer,
    describe: Features,
    draws: ValueDraws,
    is_linear: bool,
) -> StepFeatures:
    """Return the features of what was shown and of what a policy shows, at each step.

    Of a linear model only the expected features matter, so its options are one, their mean.
    """
    logged, options, chances = [], [], []
    first, last_step = 0, int(rows.steps.max())
    for number, part in enumerate(user_blocks(log, observer.columns(log))):
        observations, steps = observer.observations(part), part.column("step")
        numbers = np.arange(first, first + part.n_rows)
        first += part.n_rows
        logged.append(_at_step(describe(observations, part.column("slate")), steps, last_step))
        shown, probs = shown_instead(
            policy, name, observations, numbers, observer, log.metadata.slate_size, draws, number
        )
        if is_linear:
            mean = sum(
                (
                    chance[:, None] * describe(observations, each)
                    for chance, each in zip(probs.T, shown, strict=True)
                ),
                start=np.zeros(1),
            )
            options.append(_at_step(mean, steps, last_step)[:, None])
            chances.append(np.ones((part.n_rows, 1)))
        else:
            described = [_at_step(describe(observations, each), steps, last_step) for each in shown]
            options.append(np.stack(described, axis=1))
            chances.append(probs)
    return StepFeatures(
        logged=np.concatenate(logged),
        options=np.concatenate(options),
        option_probs=np.concatenate(chances),
    )


def shown_instead(
    policy: Judged,
    name: str,
    observations: Observations,
    rows: Ints,
    observer: Observer,
    slate_size: int,
    draws: ValueDraws,
    number: int,
) -> tuple[list[Ints], Floats]:
    """Return slates (B, K) that a policy shows, M of them, with their probabilities (B, M)."""
    n = len(rows)
    if isinstance(policy, TargetProbabilities):
        if policy.of_choices is None:
            raise ConfigError(
                f"policy {name!r}: models of the return and weights of states need the "
                f"probabilities of all choices (an array (n_rows, A), for slates of one), or a "
                f"SlatePolicy"
            )
        probs = policy.of_choices[rows]
        return [np.full((n, 1), a, np.int64) for a in range(probs.shape[1])], probs
    if slate_size == 1 and observer.n_choices <= draws.most_choices:
        slates = [np.full((n, 1), a, np.int64) for a in range(observer.n_choices)]
        logs = [target_log_probs(policy, observations, each)[:, 0] for each in slates]
        probs = np.exp(np.stack(logs, axis=1))
        return slates, probs / probs.sum(axis=1, keepdims=True)
    rng = np.random.default_rng((draws.seed, number))
    drawn = [policy.act(observations, rng).slates for _ in range(draws.n_draws)]
    return drawn, np.full((n, draws.n_draws), 1.0 / draws.n_draws)


def _at_step(features: Floats, steps: Ints, last_step: int) -> Floats:
    """Return features with the step, and with their products with the steps still to come.

    Returns shrink as the end of a session comes near, so a line needs both.
    """
    entries = min(last_step + 1, _MOST_STEPS)
    at = np.eye(entries)[np.minimum(steps, entries - 1)]
    left = (last_step - steps) / max(last_step, 1)
    return np.concatenate([features, at, left[:, None], features * left[:, None]], axis=1)
