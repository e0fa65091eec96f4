"""What rollouts showed: returns of the same users under each policy, and what was recommended."""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from rlrec.arrays import Bools, Floats, Ints
from rlrec.errors import ConfigError, DataError, UnknownNameError, nearest_hint
from rlrec.evaluation.exposure import coverage, gini
from rlrec.evaluation.statistics import Estimate, mean_interval, paired_difference

_FORMAT, _VERSION = "rlrec rollout", 1


@dataclass(frozen=True, eq=False, kw_only=True)
class Timeline:
    """What happened by step of the episode, in bins of equally many steps."""

    edges: Ints
    """Shape (n_bins + 1,). Bin b holds the 0-based steps edges[b] to edges[b + 1] - 1."""
    user_steps: Ints
    """Shape (n_bins,). Slates shown."""
    reward_sums: Floats
    """Shape (n_bins,)."""
    topics_shown: Ints
    """Shape (n_bins, T). Slots that showed each topic; T is 0 where items have no identity."""
    topics_responded: Ints
    """Shape (n_bins, T). Slots of each topic that got a response."""

    @property
    def mean_rewards(self) -> Floats:
        """Mean reward a step, (n_bins,); nan where every episode had ended."""
        return _ratio(self.reward_sums, self.user_steps)

    @property
    def shown_shares(self) -> Floats:
        """Share of each topic in what was shown, (n_bins, T); nan where nothing was."""
        return _ratio(self.topics_shown, self.topics_shown.sum(axis=1, keepdims=True))

    @property
    def responded_shares(self) -> Floats:
        """Share of each topic in what was responded to, (n_bins, T); nan where nothing was."""
        return _ratio(self.topics_responded, self.topics_responded.sum(axis=1, keepdims=True))


@dataclass(frozen=True, eq=False, kw_only=True)
class PolicyRollout:
    """The first episode of each of n users under one policy."""

    returns: Floats
    """Shape (n,). Undiscounted sum of rewards."""
    lengths: Ints
    """Shape (n,). Steps."""
    responses: Floats
    """Shape (n, R). Sum of each response channel over the slots and steps of the episode."""
    blank_slots: Ints
    """Shape (n,). Slots left blank because they repeated an item."""
    terminated: Bools
    """Shape (n,). The user left; False where a time limit or `max_steps` ended the episode."""
    cut_short: Bools
    """Shape (n,). `max_steps` was over before the episode: return and length are only a part."""
    items_shown: Ints | None
    """Shape (N,). How often each item was shown; None where items have no identity."""
    topics_a_slate: float | None
    """Mean number of different topics in a slate; None where items have no identity."""
    timeline: Timeline

    @property
    def coverage(self) -> float | None:
        """Share of the catalogue that was shown at least once."""
        return None if self.items_shown is None else coverage(self.items_shown)

    @property
    def gini(self) -> float | None:
        """Gini coefficient of how often items were shown; 0 is even."""
        return None if self.items_shown is None else gini(self.items_shown)


@dataclass(frozen=True, eq=False, kw_only=True)
class RolloutResults:
    """Rollouts of several policies on the same users; row i is the same user everywhere."""

    policies: Mapping[str, PolicyRollout]
    env_id: str
    arguments: dict[str, Any]
    """Arguments of the environment."""
    n_users: int
    seed: int
    deterministic: bool
    max_steps: int | None
    """Steps after which episodes were cut short; None for no limit but the environment's."""
    response_channels: tuple[str, ...]
    topic_names: tuple[str, ...]
    """Empty where items have no identity."""

    def __getitem__(self, name: str) -> PolicyRollout:
        """Return the rollout of one policy."""
        if name not in self.policies:
            raise UnknownNameError(
                f"no policy called {name!r} was rolled out.{nearest_hint(name, self.policies)}"
            )
        return self.policies[name]

    def mean_return(self, name: str, confidence: float = 0.95) -> Estimate:
        """Return the mean return of a policy over users, with its interval."""
        return mean_interval(self[name].returns, confidence)

    def difference(self, a: str, b: str, confidence: float = 0.95) -> Estimate:
        """Return the mean over users of the return under `a` less that under `b`.

        Both met the same users, so the interval is that of the pairs.
        """
        return paired_difference(self[a].returns, self[b].returns, confidence)

    def score(self, name: str, floor: str, reference: str, confidence: float = 0.95) -> Estimate:
        """Return where a policy stands between `floor` (0) and `reference` (1).

        (J - J_floor) / (J_reference - J_floor) of mean returns. The interval is by the delta
        method over users, paired: it counts that all three met the same users.

        Raises:
            ConfigError: Floor and reference have the same mean return, so there is no scale.
        """
        lowest = self[floor].returns
        gained, span = self[name].returns - lowest, self[reference].returns - lowest
        if span.mean() == 0:
            raise ConfigError(
                f"floor {floor!r} and reference {reference!r} have the same mean return "
                f"{lowest.mean():g}: there is no scale between them"
            )
        score = float(gained.mean() / span.mean())
        error = mean_interval((gained - score * span) / span.mean(), confidence)
        return error._replace(value=score, low=score + error.low, high=score + error.high)

    def table(self, floor: str | None = None, reference: str | None = None) -> pd.DataFrame:
        """Return one row a policy.

        Columns: `n_users`; `mean_return` with its 95 % interval `low`, `high` over users; with
        `floor` and `reference` also `score`, `score_low`, `score_high`; then means a user of
        `length`, `response.<channel>` and `blank_slots`; `coverage`, `gini` and `topics_a_slate`
        of what was shown (nan where items have no identity); `cut_short`, the share of episodes
        that `max_steps` cut short.

        Args:
            floor: Policy that scores 0; give both or neither.
            reference: Policy that scores 1.
        """
        if (floor is None) != (reference is None):
            raise ConfigError("a score needs both a floor and a reference; only one was given")
        rows = {}
        for name in self.policies:
            estimate = self.mean_return(name)
            row: dict[str, float] = {
                "n_users": self.n_users,
                "mean_return": estimate.value,
                "low": estimate.low,
                "high": estimate.high,
            }
            if floor is not None and reference is not None:
                score = self.score(name, floor, reference)
                row |= {"score": score.value, "score_low": score.low, "score_high": score.high}
            rows[name] = row | self._conduct(name)
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("policy")

    def to_json(self) -> str:
        """Return everything as JSON; `from_json` gives it back exactly."""
        content = dataclasses.asdict(self) | {"format": _FORMAT, "version": _VERSION}
        return json.dumps(content, default=_plain, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `to_json` wrote.

        Raises:
            DataError: The text is not JSON, or not rollouts of this version.
        """
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            raise DataError(f"rollouts must be JSON: {error}") from None
        written = content if isinstance(content, dict) else {}
        found = written.pop("format", None), written.pop("version", None)
        if found != (_FORMAT, _VERSION):
            raise DataError(
                f"expected format {_FORMAT!r} of version {_VERSION}, found {found[0]!r} of "
                f"version {found[1]!r}"
            )
        try:
            rollouts = {name: _policy_rollout(parts) for name, parts in written["policies"].items()}
            names = {key: tuple(written[key]) for key in ("response_channels", "topic_names")}
            return cls(**(written | names | {"policies": rollouts}))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"rollouts are damaged: {error!r}") from error

    def _conduct(self, name: str) -> dict[str, float]:
        run = self[name]
        means = run.responses.mean(axis=0).tolist()
        channels = {
            f"response.{channel}": mean
            for channel, mean in zip(self.response_channels, means, strict=True)
        }
        return {
            "length": float(run.lengths.mean()),
            **channels,
            "blank_slots": float(run.blank_slots.mean()),
            "coverage": _or_nan(run.coverage),
            "gini": _or_nan(run.gini),
            "topics_a_slate": _or_nan(run.topics_a_slate),
            "cut_short": float(run.cut_short.mean()),
        }


def _ratio(part: Floats | Ints, whole: Ints) -> Floats:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"cannot write {type(value).__name__} as JSON")


def _policy_rollout(parts: dict[str, Any]) -> PolicyRollout:
    timeline = parts["timeline"]
    shown = parts["items_shown"]
    return PolicyRollout(
        returns=np.array(parts["returns"], np.float64),
        lengths=np.array(parts["lengths"], np.int64),
        responses=np.array(parts["responses"], np.float64),
        blank_slots=np.array(parts["blank_slots"], np.int64),
        terminated=np.array(parts["terminated"], np.bool_),
        cut_short=np.array(parts["cut_short"], np.bool_),
        items_shown=None if shown is None else np.array(shown, np.int64),
        topics_a_slate=parts["topics_a_slate"],
        timeline=Timeline(
            edges=np.array(timeline["edges"], np.int64),
            user_steps=np.array(timeline["user_steps"], np.int64),
            reward_sums=np.array(timeline["reward_sums"], np.float64),
            topics_shown=np.array(timeline["topics_shown"], np.int64),
            topics_responded=np.array(timeline["topics_responded"], np.int64),
        ),
    )
