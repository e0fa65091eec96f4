"""Policies in several worlds: how they do on average, at worst, and where they did not learn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rlrec.arrays import Floats
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.results import RolloutResults
from rlrec.evaluation.rollout import rollout
from rlrec.evaluation.statistics import Estimate
from rlrec.policy import SlatePolicy


@dataclass(frozen=True, eq=False, kw_only=True)
class WorldResults:
    """Rollouts of the same policies in each of several worlds."""

    worlds: Mapping[str, RolloutResults]
    """By the name of the world."""

    def table(self) -> pd.DataFrame:
        """Return one row a policy.

        Columns: `mean` return over worlds (a world counts as much as any other), `worst` and
        `worst_world`, then the mean return in each world under its name.
        """
        rows = {}
        for policy in next(iter(self.worlds.values())).policies:
            by_world = {
                world: found.mean_return(policy).value for world, found in self.worlds.items()
            }
            worst = min(by_world, key=lambda world: by_world[world])
            mean = float(np.mean(list(by_world.values())))
            summary = {"mean": mean, "worst": by_world[worst], "worst_world": worst}
            rows[policy] = {**summary, **by_world}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("policy")


def rollout_across(
    policies: Mapping[str, SlatePolicy],
    worlds: Mapping[str, Any],
    n_users: int,
    seed: int,
    deterministic: bool = True,
    max_steps: int | None = None,
) -> WorldResults:
    """Play each policy in each world, against new users of that world.

    Args:
        policies: By name; they must know the items of all worlds.
        worlds: Simulators, or environments of them, by name.
        n_users: Of each world, 1 or more.
        seed: Not that of training.
        deterministic: Policies show their best slate; otherwise they draw.
        max_steps: As in `rollout`.

    Raises:
        ConfigError: There is no policy or no world, or an argument is out of range.
    """
    if not worlds:
        raise ConfigError("a rollout across worlds needs one world or more, got none")
    found = {
        name: rollout(policies, users, n_users, seed, deterministic, max_steps)
        for name, users in worlds.items()
    }
    return WorldResults(worlds=found)


def gain_kept(
    trained: RolloutResults | Sequence[RolloutResults],
    second: RolloutResults | Sequence[RolloutResults],
    agent: str,
    baseline: str,
    n_resamples: int = 2_000,
    rng: np.random.Generator | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Return which share of an agent's gain over a baseline is left in a second world.

    (agent - baseline in the second world) / (agent - baseline in the world of training), mean
    returns of test users. An agent that lives on errors of the world it was trained in keeps
    little; 1 and more says that it found nothing but what holds there too. The interval is the
    percentile bootstrap over seeds of training and, in each world by itself, over users; of all
    these it is too narrow where there are few. Where the gain in training may be none, that is in
    more of the resamples than are left out at one end of the interval (2.5 % by default), the share
    may be anything: then the interval and the standard error are nan, and there is only the value.

    Args:
        trained: Rollouts in the world of training; a list holds one a seed of training, all with
            the same users.
        second: Rollouts in the second world, in the same order.
        agent: Name of the agent's policy.
        baseline: Name of the policy that it is compared with.
        n_resamples: 1 or more.
        rng: Source of the resamples; by default one with seed 0, so that a table repeats.
        confidence: In (0, 1).

    Raises:
        ConfigError: The agent gained nothing where it was trained, so there is nothing to keep.
        DataError: The lists are of different lengths, or of other users.
    """
    here, there = _gains(trained, agent, baseline), _gains(second, agent, baseline)
    if len(here) != len(there):
        raise DataError(f"both worlds need the same seeds, got {len(here)} and {len(there)}")
    if not here.mean() > 0:
        raise ConfigError(
            f"{agent!r} gains {here.mean():.3g} over {baseline!r} in the world of training: there "
            "is no gain to keep"
        )
    rng = np.random.default_rng(0) if rng is None else rng
    seeds = _counts(len(here), n_resamples, rng)
    kept, gained = _resampled(there, seeds, rng), _resampled(here, seeds, rng)
    low, high, error = _spread_of_shares(kept, gained, confidence)
    return Estimate(float(there.mean() / here.mean()), low, high, error, len(here))


def _spread_of_shares(
    kept: Floats, gained: Floats, confidence: float
) -> tuple[float, float, float]:
    """Return the ends of the interval of kept / gained, and its standard error.

    Args:
        kept: Shape (n_resamples,). Mean gains in the second world.
        gained: Shape (n_resamples,). Those in the world of training.
        confidence: In (0, 1).
    """
    tail, is_gain = 0.5 - confidence / 2, gained > 0
    if (~is_gain).mean() > tail:
        return float("nan"), float("nan"), float("nan")
    # Past a gain of 0 lies no small share, but one beyond all others.
    endless = np.copysign(np.inf, kept)
    shares = np.divide(kept, gained, out=endless, where=is_gain)
    low, high = np.quantile(shares, [tail, 1.0 - tail])
    has_error = len(shares) > 1 and is_gain.all()
    return float(low), float(high), float(shares.std(ddof=1)) if has_error else float("nan")


def _gains(found: RolloutResults | Sequence[RolloutResults], agent: str, baseline: str) -> Floats:
    """Return what the agent gained with each user, (n_seeds, n_users)."""
    seeds = [found] if isinstance(found, RolloutResults) else list(found)
    users = {(one.n_users, one.seed) for one in seeds}
    if len(users) != 1:
        raise DataError(f"all seeds need the same users, got (n_users, seed) of {sorted(users)}")
    return np.stack([one[agent].returns - one[baseline].returns for one in seeds])


def _counts(n: int, n_resamples: int, rng: np.random.Generator) -> Floats:
    """Return how often each of n is drawn in each resample, as shares, (n_resamples, n)."""
    counts: Floats = rng.multinomial(n, np.full(n, 1.0 / n), size=n_resamples) / n
    return counts


def _resampled(gains: Floats, seeds: Floats, rng: np.random.Generator) -> Floats:
    """Return mean gains of resampled seeds and users, (n_resamples,)."""
    users = _counts(gains.shape[1], len(seeds), rng)
    means: Floats = ((seeds @ gains) * users).sum(axis=1)
    return means
