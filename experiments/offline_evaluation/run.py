"""Do intervals of offline estimates cover the truth, where they are called supported?

Draws many logs of five small problems whose true values are known, judges a target policy on each
by the one call `evaluate_offline`, and counts how often nominal 95 % intervals hold the truth.
"""

import argparse
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

import rlrec
from rlrec.arrays import Floats, Ints, Observations
from rlrec.data import InteractionLog, LogMetadata
from rlrec.evaluation import rollout
from rlrec.evaluation.offline.evaluate import evaluate_offline
from rlrec.evaluation.offline.verdict import UNSUPPORTED
from rlrec.policy import SlatePolicy
from rlrec.slates import (
    SlateDraw,
    plackett_luce_log_probs,
    sample_plackett_luce,
    top_slates,
)

HERE = Path(__file__).resolve().parent
ROUNDS = ("ips", "snips", "dr", "sndr")
SESSIONS = ("tis", "sntis", "pdis", "snpdis", "dr", "sndr")
SLATES = ("tis", "sntis", "pdis", "snpdis", "prefix_pdis", "snprefix_pdis")


class Truth(Protocol):
    """A problem that makes logs and knows what the target policy is worth."""

    name: str
    target: SlatePolicy

    @property
    def estimators(self) -> Sequence[str]:
        """Which to judge by."""
        ...

    @property
    def value(self) -> float:
        """True value of the target policy."""
        ...

    def log(self, seed: int) -> InteractionLog:
        """Draw a log."""
        ...


class SoftmaxPolicy:
    """Draws one of A choices by scores of the observed context, (C, A)."""

    def __init__(self, scores: Floats) -> None:
        exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
        self.table: Floats = exponentials / exponentials.sum(axis=1, keepdims=True)

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        """Return choices (B, 1)."""
        chances = self.table[_contexts(observations)]
        below = np.cumsum(chances[:, :-1], axis=1) < rng.random((len(chances), 1))
        slates = below.sum(axis=1)[:, None]
        return SlateDraw(slates, self.log_probs(observations, slates))

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        """Return log-probabilities (B, 1)."""
        return np.log(self.table[_contexts(observations)[:, None], slates])


class Bandit:
    """Rounds in one of 5 contexts, 10 choices, clicks; two rounds a user, of one context.

    Args:
        name: Of the setting.
        n_rounds: In a log.
        sharpness: 0 makes the two policies equal; the larger, the less they overlap.
    """

    n_contexts, n_choices = 5, 10
    estimators = ROUNDS

    def __init__(self, name: str, n_rounds: int, sharpness: float) -> None:
        self.name, self.n_rounds = name, n_rounds
        rng = np.random.default_rng(8)
        liking = rng.standard_normal((self.n_contexts, self.n_choices))
        self.clicks: Floats = 1 / (1 + np.exp(1.0 - liking))
        self.logging = SoftmaxPolicy(-sharpness * liking)
        self.target: SlatePolicy = SoftmaxPolicy(sharpness * liking)

    @cached_property
    def value(self) -> float:
        """Exact: contexts are equally likely."""
        assert isinstance(self.target, SoftmaxPolicy)
        return float((self.target.table * self.clicks).sum(axis=1).mean())

    def log(self, seed: int) -> InteractionLog:
        """Draw a log."""
        rng = np.random.default_rng((1, seed))
        users = np.arange(self.n_rounds) // 2
        contexts = rng.integers(self.n_contexts, size=users[-1] + 1)[users]
        seen = {"context": np.eye(self.n_contexts, dtype=np.float32)[contexts]}
        draw = self.logging.act(seen, rng)
        clicks = rng.random(self.n_rounds) < self.clicks[contexts, draw.slates[:, 0]]
        ends = np.ones(self.n_rounds, bool)
        steps = np.zeros(self.n_rounds, np.int64)
        return _log(users, np.arange(self.n_rounds), steps, seen["context"], draw, clicks, ends)


class Sessions:
    """Sessions of at most 10 steps in 4 states, 5 choices; one in 10 leaves after a step."""

    name, estimators = "sessions of 10 steps", SESSIONS
    n_states, n_choices, n_steps, leaves = 4, 5, 10, 0.1

    def __init__(self, n_users: int, sharpness: float = 0.15) -> None:
        self.n_users = n_users
        rng = np.random.default_rng(3)
        liking = rng.standard_normal((self.n_states, self.n_choices))
        self.clicks: Floats = 1 / (1 + np.exp(0.5 - liking))
        self.moves: Floats = rng.dirichlet(
            np.ones(self.n_states), size=(self.n_states, self.n_choices)
        )
        self.logging = SoftmaxPolicy(-sharpness * liking)
        self.target: SlatePolicy = SoftmaxPolicy(sharpness * liking)

    @cached_property
    def value(self) -> float:
        """Exact, by the shares of users in each state after each step."""
        assert isinstance(self.target, SoftmaxPolicy)
        here, total = np.full(self.n_states, 1 / self.n_states), 0.0
        for _ in range(self.n_steps):
            reached = here[:, None] * self.target.table  # (S, A)
            total += float((reached * self.clicks).sum())
            here = (1 - self.leaves) * (reached[:, :, None] * self.moves).sum(axis=(0, 1))
        return total

    def log(self, seed: int) -> InteractionLog:
        """Draw a log."""
        rng = np.random.default_rng((2, seed))
        states = rng.integers(self.n_states, size=self.n_users)
        alive = np.arange(self.n_users)
        parts = []
        for step in range(self.n_steps):
            seen = np.eye(self.n_states, dtype=np.float32)[states]
            draw = self.logging.act({"context": seen}, rng)
            choices = draw.slates[:, 0]
            clicks = rng.random(len(alive)) < self.clicks[states, choices]
            gone = rng.random(len(alive)) < self.leaves
            steps = np.full(len(alive), step)
            parts.append((alive, steps, seen, draw.slates, draw.log_probs, clicks, gone))
            chances = np.cumsum(self.moves[states, choices], axis=1)[:, :-1]
            states = (chances < rng.random((len(alive), 1))).sum(axis=1)[~gone]
            alive = alive[~gone]
        users, steps, seen, slates, log_probs, clicks, gone = map(
            np.concatenate, zip(*parts, strict=True)
        )
        order = np.lexsort((steps, users))
        draw = SlateDraw(slates[order], log_probs[order])
        return _log(
            users[order], users[order], steps[order], seen[order], draw, clicks[order], gone[order]
        )


class TopicPolicy:
    """Draws slates by scores of items (N,), less `tiring` for each click on their topic so far."""

    def __init__(self, scores: Floats, topics: Ints, tiring: float, slate_size: int) -> None:
        self.scores, self.topics = scores, topics
        self.tiring, self.slate_size = tiring, slate_size

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        """Return slates (B, K)."""
        logits = self._logits(observations)
        if deterministic:
            best = top_slates(logits, self.slate_size)
            return SlateDraw(best, np.zeros(best.shape))
        return sample_plackett_luce(logits, self.slate_size, rng)

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        """Return log-probabilities (B, K) given the prefix."""
        return plackett_luce_log_probs(self._logits(observations), slates)

    def _logits(self, observations: Observations) -> Floats:
        clicked = observations["topic_counts"][:, self.topics].astype(np.float64)
        return self.scores - self.tiring * clicked


class BoredomSlates:
    """`rlrec/TopicBoredom-v0`: 50 items, slates of 3, visits of 4 steps."""

    name, estimators = "slates (TopicBoredom)", SLATES

    def __init__(self, n_users: int, n_true: int) -> None:
        self.n_users, self.n_true = n_users, n_true
        self.users = rlrec.make_simulator(
            "rlrec/TopicBoredom-v0", 1, n_items=50, slate_size=3, n_steps=4, threshold=2
        )
        catalogue = self.users.catalogue
        assert catalogue is not None
        scores = np.random.default_rng(5).standard_normal(catalogue.n_items)
        self.logging = TopicPolicy(0.1 * scores, catalogue.topics, 0.0, 3)
        self.target: SlatePolicy = TopicPolicy(0.35 * scores, catalogue.topics, 0.15, 3)

    @cached_property
    def value(self) -> float:
        """By rollouts of `n_true` users whom no log meets."""
        results = rollout(
            {"target": self.target}, self.users, self.n_true, seed=1_000_003, deterministic=False
        )
        return results.mean_return("target").value

    def log(self, seed: int) -> InteractionLog:
        """Record a log of users of its own."""
        users = self.users.with_users(self.n_users, first_user=0)
        return InteractionLog.record(self.logging, users, 4 * self.n_users, seed=seed)


def problems(n_true: int) -> Mapping[str, Truth]:
    """Return the settings by name."""
    made: list[Truth] = [
        Bandit("bandit", 2_000, sharpness=0.4),
        Sessions(1_000),
        BoredomSlates(1_000, n_true),
        Bandit("bandit near the threshold", 2_000, sharpness=0.95),
        Bandit("bandit of poor overlap", 2_000, sharpness=1.6),
    ]
    return {each.name: each for each in made}


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What to run."""

    logs: int = 500
    """Logs of each setting, seeds 0, 1, 2, ..."""
    replicates: int = 1000
    """Bootstrap replicates of each interval."""
    users: int = 200_000
    """Users whose rollouts give the truth of the slates."""
    jobs: int = 1
    """Processes at the same time."""
    results: Path = HERE / "results"
    """Folder of the tables."""
    smoke: bool = False
    """Few logs, to see that it works; the shares then say little."""


def main(arguments: Arguments) -> None:
    """Judge all logs and write `coverage.csv` and `table.md`."""
    n_logs, n_true = (20, 20_000) if arguments.smoke else (arguments.logs, arguments.users)
    replicates = 200 if arguments.smoke else arguments.replicates
    rows = []
    for name, problem in problems(n_true).items():
        chunks = [range(n_logs)[start :: arguments.jobs] for start in range(arguments.jobs)]
        judge = partial(judged, name, n_true, replicates)
        with ProcessPoolExecutor(arguments.jobs) as pool:
            estimates = pd.concat(pool.map(judge, chunks))
        rows.append(summary(problem, estimates))
        sys.stdout.write(f"{rows[-1].to_string(index=False)}\n")
        sys.stdout.flush()
    whole = pd.concat(rows).assign(rlrec=rlrec.__version__, commit=_commit())
    arguments.results.mkdir(parents=True, exist_ok=True)
    whole.to_csv(arguments.results / "coverage.csv", index=False, float_format="%.4f")
    table = table_of(whole)
    (arguments.results / "table.md").write_text(table, encoding="utf-8")
    sys.stdout.write(table)


@cache
def _problems(n_true: int) -> Mapping[str, Truth]:
    return problems(n_true)


def judged(name: str, n_true: int, replicates: int, seeds: Sequence[int]) -> pd.DataFrame:
    """Return one row a log and estimator."""
    problem = _problems(n_true)[name]
    needs_model = "dr" in problem.estimators
    tables = []
    for seed in seeds:
        results = evaluate_offline(
            {"target": problem.target},
            problem.log(seed),
            estimators=problem.estimators,
            reward_model="ridge" if needs_model else None,
            n_replicates=replicates,
            seed=seed,
            users=getattr(problem, "users", None),
        )
        tables.append(results.table().assign(seed=seed))
    return pd.concat(tables)


def summary(problem: Truth, estimates: pd.DataFrame) -> pd.DataFrame:
    """Return one row an estimator: how often intervals hold the truth, and the verdicts."""
    covers = (estimates["lower"] <= problem.value) & (problem.value <= estimates["upper"])
    is_supported = estimates["verdict"] != UNSUPPORTED
    rows = []
    for estimator in problem.estimators:
        here = estimates["estimator"] == estimator
        supported = here & is_supported
        n_supported = int(supported.sum())
        inside = float(covers[supported].mean()) if n_supported else math.nan
        widths = (estimates["upper"] - estimates["lower"])[supported]
        honest = float((covers | ~is_supported)[here].mean())
        rows.append(
            {
                "setting": problem.name,
                "estimator": estimator,
                "truth": problem.value,
                "mean_estimate": estimates.loc[here, "value"].mean(),
                "n_logs": int(here.sum()),
                "median_ess": estimates.loc[here, "effective_sample_size"].median(),
                "n_supported": n_supported,
                "coverage": inside,
                "coverage_error": math.sqrt(inside * (1 - inside) / max(n_supported, 1)),
                "covers_or_unsupported": honest,
                "mean_width": widths.mean(),
            }
        )
    return pd.DataFrame(rows)


def table_of(rows: pd.DataFrame) -> str:
    """Return the summary as Markdown."""
    lines = [
        f"{rows['n_logs'].iloc[0]} logs of each setting; nominal coverage 95 %.",
        "",
        "| setting | estimator | median effective sample | supported | coverage where supported "
        "| covers or unsupported |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows.to_dict("records"):
        coverage = "-"
        if row["n_supported"]:
            coverage = f"{100 * row['coverage']:.1f} ± {100 * row['coverage_error']:.1f} %"
        lines.append(
            f"| {row['setting']} | {row['estimator']} | {row['median_ess']:.0f} | "
            f"{100 * row['n_supported'] / row['n_logs']:.0f} % | {coverage} | "
            f"{100 * row['covers_or_unsupported']:.1f} % |"
        )
    return "\n".join([*lines, ""])


def _contexts(observations: Observations) -> Ints:
    contexts: Ints = np.argmax(observations["context"], axis=1)
    return contexts


def _log(
    users: Ints,
    episodes: Ints,
    steps: Ints,
    seen: Any,
    draw: SlateDraw,
    clicks: Any,
    gone: Any,
) -> InteractionLog:
    """Return a log of single choices; an episode that nobody left is cut off at its last row."""
    is_last = np.append(steps[1:] == 0, True)
    columns = {
        "user_id": users,
        "episode_id": episodes,
        "step": steps,
        "slate": draw.slates,
        "response.click": clicks[:, None],
        "reward": clicks.astype(np.float64),
        "terminated": gone,
        "truncated": is_last & ~gone,
        "context": seen,
        "log_propensity": draw.log_probs[:, 0],
    }
    return InteractionLog.from_columns(
        columns, LogMetadata(slate_size=1, response_channels=("click",))
    )


def _commit() -> str:
    command = ["git", "-C", str(HERE), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _parsed() -> Arguments:
    parser = argparse.ArgumentParser(description=__doc__)
    for field in fields(Arguments):
        name = f"--{field.name}"
        if field.type is bool:
            parser.add_argument(name, action="store_true")
        else:
            parser.add_argument(name, type=type(field.default), default=field.default)
    return Arguments(**vars(parser.parse_args()))


if __name__ == "__main__":
    main(_parsed())
