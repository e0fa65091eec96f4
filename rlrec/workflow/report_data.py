"""What a report shows, gathered from a run folder."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rlrec.arrays import Floats
from rlrec.errors import RunFolderError
from rlrec.evaluation import RolloutResults
from rlrec.workflow.config import RunConfig
from rlrec.workflow.policy_names import RANDOM, REFERENCE, agent_of, finetuned, kind_of, pretrained
from rlrec.workflow.run_folder import STAGE_NAMES, RunFolder
from rlrec.workflow.training_record import CurvePoint
from rlrec.workflow.versions import code_differences


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """All that a report is written from."""

    config: RunConfig
    config_text: str
    card: dict[str, Any]
    """Contents of `run.json`."""
    rollouts: RolloutResults
    curve: list[CurvePoint]
    best_interactions: int
    log: dict[str, Any]
    environment: dict[str, Any]
    """Title, assumptions and counts, from the stage `environment`."""
    data: dict[str, Any]
    """Counts and rankings, from the stage `data`; empty of both without real ratings."""
    seconds: dict[str, float]
    """Wall time of each stage."""
    commits: Sequence[str] = ()
    """All that stages were made from, in the order of the stages."""
    foreign: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Stages made with other versions or another commit than the run began with, and which."""


def gather(folder: RunFolder) -> ReportData:
    """Return what the report of a finished run shows.

    Raises:
        RunFolderError: A stage is not finished, or its results are damaged.
    """
    finetuning = folder.results("finetune", ("curve", "best_interactions"))
    folder.results("evaluate")
    makers = {name: folder.code_of(name) for name in STAGE_NAMES}
    commits = [each.get("commit") for each in (folder.card, *makers.values())]
    compared = {name: code_differences(folder.card, code) for name, code in makers.items()}
    return ReportData(
        config=folder.config,
        config_text=(folder.path / "config.yaml").read_text(encoding="utf-8"),
        card=dict(folder.card),
        rollouts=_rollouts(folder.stage_path("evaluate") / "rollouts.json"),
        curve=_curve(finetuning["curve"]),
        best_interactions=finetuning["best_interactions"],
        log=folder.results("log", ("n_rows", "policy")),
        environment=_environment(folder),
        data=folder.results("data"),
        seconds={name: folder.seconds(name) for name in STAGE_NAMES},
        commits=[str(commit) for commit in dict.fromkeys(commits) if commit],
        foreign={name: lines for name, lines in compared.items() if lines},
    )


def _rollouts(path: Path) -> RolloutResults:
    try:
        return RolloutResults.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunFolderError(f"{path} is damaged: {error!r:.200}") from error


def _curve(points: Any) -> list[CurvePoint]:
    try:
        curve = [CurvePoint(**point) for point in points]
    except TypeError as error:
        raise RunFolderError(f"the learning curve of the run is damaged: {error}") from error
    if not curve:
        raise RunFolderError("the learning curve of the run is damaged: it has no points")
    return curve


def _environment(folder: RunFolder) -> dict[str, Any]:
    results = folder.results("environment", ("n_choices", "slate_size", "card"))
    for line in results["card"]:
        if not isinstance(line, dict) or not {"name", "value", "status", "note"} <= line.keys():
            raise RunFolderError(f"the card of the environment is damaged: {line!r:.80}")
    return results


@dataclass(frozen=True)
class Verdict:
    """The main result in words, from the numbers alone."""

    headline: str
    details: list[str]


def best_baseline(rollouts: RolloutResults) -> str | None:
    """Return the baseline with the highest mean return; None without baselines."""
    baselines = [name for name in rollouts.policies if kind_of(name) == "baseline"]
    return max(baselines, key=lambda name: rollouts.mean_return(name).value, default=None)


def judge(rollouts: RolloutResults) -> Verdict:
    """Say how the fine-tuned agent stands against the best baseline, chance and the reference."""
    baseline = best_baseline(rollouts)
    rival = baseline or RANDOM
    rival_words = f"the best baseline, {rival}" if baseline else "random slates"
    agent = agent_of(rollouts.policies)
    headline = _comparison(rollouts, finetuned(agent), rival, "fine-tuned agent's", rival_words)
    details = [_comparison(rollouts, pretrained(agent), rival, "pretrained agent's", rival_words)]
    return Verdict(headline, [*details, _scale(rollouts)])


def _comparison(
    rollouts: RolloutResults, name: str, rival: str, whose: str, rival_words: str
) -> str:
    mine, other = rollouts.mean_return(name), rollouts.mean_return(rival)
    difference = rollouts.difference(name, rival)
    if difference.low <= 0 <= difference.high:
        return (
            f"The {whose} return per user ({mine.value:,.1f}) is not clearly different from that "
            f"of {rival_words} ({other.value:,.1f}): the interval of their difference, "
            f"{_range(difference.low, difference.high)}, holds zero."
        )
    apart = "above" if difference.value > 0 else "below"
    share = abs(difference.value) / abs(other.value) if other.value else math.inf
    amount = f"{share:.0%}" if share < 10 else f"{abs(difference.value):,.1f}"
    return (
        f"The {whose} return per user is {amount} {apart} that of {rival_words}: "
        f"{mine.value:,.1f} against {other.value:,.1f}."
    )


def _scale(rollouts: RolloutResults) -> str:
    agent = agent_of(rollouts.policies)
    first, last = (
        rollouts.score(title, RANDOM, REFERENCE).value
        for title in (pretrained(agent), finetuned(agent))
    )
    return (
        "On the scale from random slates (0) to the planning reference (1), the pretrained agent "
        f"stands at {first:.2f} and the fine-tuned one at {last:.2f}."
    )


def _range(low: float, high: float) -> str:
    return f"{low:,.1f} to {high:,.1f}"


def main_topics(rollouts: RolloutResults, names: Sequence[str], most: int) -> list[int]:
    """Return the topics with the largest share of the slots of any named policy, at most `most`.

    In their own order, so that neighbours in a plot are neighbours in the catalogue.
    """
    totals = np.array(
        [run.timeline.topics_shown.sum(axis=0) for run in map(rollouts.__getitem__, names)], float
    )
    shares = totals / np.maximum(totals.sum(axis=1, keepdims=True), 1)
    top = np.argsort(-shares.max(axis=0), kind="stable")[:most]
    return sorted(int(topic) for topic in top)


class TopicShares(NamedTuple):
    """How the topics shown change over an episode."""

    shares: Floats
    """Shape (n_bins, len(topics) + 1), the topics not asked for last."""
    n_steps: int
    """Steps in these bins."""


def topic_shares(rollouts: RolloutResults, name: str, topics: list[int]) -> TopicShares:
    """Return shares of `topics` in what was shown, by step; next to nobody's last steps are cut."""
    timeline = rollouts[name].timeline
    widths = np.diff(timeline.edges)
    enough = timeline.user_steps >= 0.02 * timeline.user_steps[0] * widths / widths[0]
    n_bins = len(enough) if enough.all() else max(1, int(np.argmin(enough)))
    shares = timeline.shown_shares[:n_bins]
    picked = shares[:, topics]
    rest = np.maximum(1.0 - picked.sum(axis=1), 0.0)
    return TopicShares(np.column_stack([picked, rest]), int(timeline.edges[n_bins]))
