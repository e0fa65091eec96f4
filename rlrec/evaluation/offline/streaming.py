"""Importance sampling over a log of any length, in blocks of users, keeping sums only."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import BLOCK_ROWS, InteractionLog
from rlrec.errors import ConfigError, UnknownNameError, nearest_hint
from rlrec.evaluation.offline.arguments import (
    Settings,
    check_log,
    check_once,
    check_rounds_discount,
    names_of,
)
from rlrec.evaluation.offline.balance import InverseSums, propensity_doubt, row_sums
from rlrec.evaluation.offline.intervals import stretched_interval
from rlrec.evaluation.offline.offline_results import OfflineEstimate, OfflineFacts, OfflineResults
from rlrec.evaluation.offline.policy_probabilities import (
    TargetProbabilities,
    as_judged,
    as_policies,
    target_log_probs,
)
from rlrec.evaluation.offline.resampling import MOST_CLUSTERS, Resamples
from rlrec.evaluation.offline.scalars import check_discount, check_whole
from rlrec.evaluation.offline.session_rows import (
    Sessions,
    check_propensities,
    logged_log_propensities,
    possible_range,
)
from rlrec.evaluation.offline.terms import Terms
from rlrec.evaluation.offline.user_blocks import Observer, user_blocks
from rlrec.evaluation.offline.verdict import (
    UNSUPPORTED,
    Support,
    Thresholds,
    WeightSums,
    diagnose,
    doubted,
    judge,
    judge_interval,
    share_without_support,
    summed,
    widened,
)
from rlrec.policy import SlatePolicy

STREAMED = ("ips", "snips", "pdis")
"""Estimators that need sums only."""


def stream_offline(
    policies: Any,
    log: InteractionLog,
    *,
    estimators: str | Iterable[str] | None = None,
    discount: float = 1.0,
    confidence: float = 0.95,
    n_replicates: int = 1000,
    seed: int = 0,
    thresholds: Thresholds | None = None,
    value_range: tuple[float, float] | None = None,
    users: Any = None,
    catalogue: Catalogue | None = None,
    n_rows: int = BLOCK_ROWS,
) -> OfflineResults:
    """Return importance-sampling estimates from a log that need not fit in memory.

    As `evaluate_offline` with a bootstrap over users, on sums over at most 1,000 blocks of users.
    Memory does not grow with the log, as long as no user has very many rows.

    Args:
        policies: A SlatePolicy or stable-baselines3 model, or a dict of several by name.
        log: With `log_propensity`.
        estimators: Of `STREAMED`; by default all.
        discount: Weight of the reward one step ahead, above 0 and at most 1.
        confidence: Of the intervals, in (0, 1).
        n_replicates: Bootstrap replicates, 100 or more.
        seed: Of the bootstrap.
        thresholds: What makes an estimate supported.
        value_range: Lowest and highest value of a unit, if they are known.
        users: Simulator or environment that observes as the policies do.
        catalogue: The items, where observations need them.
        n_rows: Rows held in memory at a time, about; 1 or more.

    Raises:
        PropensityError: The log has no propensities.
        UnknownNameError: An estimator is not one of `STREAMED`.
        ConfigError: An argument is outside what it may be, or would be ignored.
    """
    names = _streamed(estimators)
    Settings(
        confidence=confidence,
        n_replicates=n_replicates,
        seed=seed,
        thresholds=thresholds,
        value_range=value_range,
    )
    check_discount(discount)
    check_whole("n_rows", n_rows, 1)
    check_log(log)
    check_propensities(log)
    if discount != 1 and not _has_later_steps(log):
        check_rounds_discount(discount)
    judged = {name: as_judged(policy, name, None) for name, policy in as_policies(policies).items()}
    for name, policy in judged.items():
        if isinstance(policy, TargetProbabilities):
            raise ConfigError(
                f"policy {name!r}: probabilities of every row belong to evaluate_offline; a log "
                f"that is streamed needs a SlatePolicy"
            )
    observer = Observer(log, catalogue, users)
    sums = {name: _Sums() for name in judged}
    n_users = n_sessions = 0
    inverse: list[InverseSums] = []
    for part in user_blocks(log, observer.columns(log), n_rows):
        sessions = Sessions.of(part, discount)
        observations = observer.observations(part)
        propensities = logged_log_propensities(part)
        slates = part.column("slate")
        blocks = (n_users + sessions.users) % MOST_CLUSTERS
        for name, policy in judged.items():
            assert isinstance(policy, SlatePolicy)
            target = target_log_probs(policy, observations, slates).sum(axis=1)
            sums[name].add(sessions, target - propensities, blocks)
        of_rows = n_users + sessions.users[sessions.of_rows]
        given = np.exp(propensities)[:, None] if slates.shape[1] == 1 else None
        found = row_sums(of_rows, slates, given, propensities, observer.n_choices)
        inverse = [a.plus(b) for a, b in zip(inverse, found, strict=True)] if inverse else found
        n_users += int(sessions.users[-1]) + 1
        n_sessions += len(sessions.starts)
    doubt = propensity_doubt(inverse)
    thresholds = thresholds or Thresholds()
    first = next(iter(sums.values()))
    facts = OfflineFacts(
        log=log.name,
        unit="rounds" if first.longest == 1 else "sessions",
        n_rows=log.n_rows,
        n_units=n_sessions,
        n_users=n_users,
        interval="bootstrap over users",
        confidence=confidence,
        discount=discount,
        n_replicates=n_replicates,
        seed=seed,
        value_range=value_range or first.seen_range(discount),
        range_origin="seen in the log" if value_range is None else "given",
        logged_value=first.logged_value,
    )
    resamples = Resamples(None, first.n_blocks, n_replicates, seed)
    estimates, replicates = [], {}
    for name, summed_up in sums.items():
        support = summed_up.support()
        for estimator in names:
            terms = summed_up.terms(estimator)
            drawn = resamples.of(terms)
            replicates[name, estimator] = drawn
            diagnostics = diagnose(summed_up.weight_sums())
            verdict = judge(diagnostics, support, n_users, thresholds, terms.value)
            verdict = doubted(verdict, doubt)
            lower, upper = stretched_interval(drawn, confidence)
            verdict = judge_interval(verdict, lower, upper)
            missing = max(diagnostics.missing, support.missing)
            lower, upper = widened((lower, upper), missing, terms.value, facts.value_range)
            if verdict.word == UNSUPPORTED:
                lower, upper = facts.value_range
            estimates.append(
                OfflineEstimate(
                    policy=name,
                    estimator=estimator,
                    value=terms.value,
                    lower=lower,
                    upper=upper,
                    diagnostics=diagnostics,
                    unsupported_share=support.share,
                    verdict=verdict,
                )
            )
    return OfflineResults(estimates=tuple(estimates), facts=facts, replicates=replicates)


def _streamed(estimators: Any) -> list[str]:
    names = names_of(STREAMED if estimators is None else estimators)
    for name in names:
        if not isinstance(name, str) or name not in STREAMED:
            raise UnknownNameError(
                f"no estimator called {name!r} works on sums; use evaluate_offline for others."
                f"{nearest_hint(name, STREAMED)}"
            )
    check_once(names)
    return names


def _has_later_steps(log: InteractionLog) -> bool:
    return any(block["step"].any() for block in log.blocks(["step"]))


class _Sums:
    """Sums of one policy over blocks of users."""

    def __init__(self) -> None:
        self._n_units, self._returns, self._rows = (np.zeros(MOST_CLUSTERS) for _ in range(3))
        self._weights, self._squares, self._ratios = (np.zeros(MOST_CLUSTERS) for _ in range(3))
        self._ips, self._pdis = np.zeros(MOST_CLUSTERS), np.zeros(MOST_CLUSTERS)
        self._largest, self.longest = 0.0, 1
        self._lowest, self._highest = np.inf, -np.inf
        self.n_blocks = 0

    def add(self, sessions: Sessions, log_ratios: Floats, blocks: Ints) -> None:
        """Take in sessions with the logarithm of target over logging probability of each row.

        Args:
            sessions: Of whole users.
            log_ratios: Shape (n,). -inf where the policy would never show the slate.
            blocks: Shape (m,). Block of each session's user.
        """
        so_far = sessions.weights_so_far(log_ratios)
        weights = so_far[sessions.last_rows]
        gained = summed(sessions.of_rows, so_far * sessions.discounted, len(sessions.starts))
        ones = np.ones(len(blocks))
        for total, values in (
            (self._n_units, ones),
            (self._returns, sessions.returns),
            (self._weights, weights),
            (self._squares, weights**2),
            (self._ips, weights * sessions.returns),
            (self._pdis, gained),
        ):
            total += summed(blocks, values, MOST_CLUSTERS)
        row_blocks = blocks[sessions.of_rows]
        self._rows += summed(row_blocks, np.ones(len(row_blocks)), MOST_CLUSTERS)
        self._ratios += summed(row_blocks, np.exp(log_ratios), MOST_CLUSTERS)
        self._largest = max(self._largest, float(weights.max()))
        self._lowest = min(self._lowest, float(sessions.rewards.min()))
        self._highest = max(self._highest, float(sessions.rewards.max()))
        self.longest = max(self.longest, sessions.longest)
        self.n_blocks = max(self.n_blocks, int(blocks.max()) + 1)

    @property
    def logged_value(self) -> float:
        """What a session earned as logged."""
        return float(self._returns.sum() / self._n_units.sum())

    def seen_range(self, discount: float) -> tuple[float, float]:
        """Return the lowest and highest value of a session; see `possible_range`."""
        return possible_range(self._lowest, self._highest, self.longest, discount)

    def terms(self, estimator: str) -> Terms:
        """Return an estimator's terms; its units are the blocks of users."""
        kept = slice(self.n_blocks)
        numerators = self._pdis if estimator == "pdis" else self._ips
        denominators = self._weights if estimator == "snips" else self._n_units
        return Terms(numerators[kept, None], denominators[kept, None])

    def weight_sums(self) -> WeightSums:
        """Return the sums of session weights over blocks of users."""
        kept = slice(self.n_blocks)
        return WeightSums(
            weights=self._weights[kept],
            squares=self._squares[kept],
            n_units=self._n_units[kept],
            largest=self._largest,
        )

    def support(self) -> Support:
        """Return how much of what the policy does the log has no support for."""
        kept = slice(self.n_blocks)
        return share_without_support(self._ratios[kept], self._rows[kept])
