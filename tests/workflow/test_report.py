import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from rlrec.evaluation import PolicyRollout, RolloutResults, Timeline
from rlrec.workflow.config import RunConfig
from rlrec.workflow.config_file import dump_config
from rlrec.workflow.policy_names import MYOPIC, RANDOM, REFERENCE, finetuned, pretrained
from rlrec.workflow.report import render
from rlrec.workflow.report_data import ReportData, judge, main_topics, topic_shares
from rlrec.workflow.training_record import CurvePoint

PRETRAINED, FINETUNED = pretrained("SlateQ"), finetuned("SlateQ")
EVIL = "<script>alert('x')</script>&\""


def made_up(mean: float, n_users: int = 50, topics: int = 3) -> PolicyRollout:
    """Return a rollout in which users differ in the same way under every policy."""
    returns = mean + np.linspace(-10, 10, n_users)
    shown = np.array([[60, 30, 10], [20, 70, 10], [0, 1, 0]])[:, :topics]
    return PolicyRollout(
        returns=returns,
        lengths=np.full(n_users, 20),
        responses=np.column_stack([returns / 4, returns]),
        blank_slots=np.zeros(n_users, np.int64),
        terminated=np.ones(n_users, bool),
        cut_short=np.zeros(n_users, bool),
        items_shown=np.array([5, 3, 0, 0]),
        topics_a_slate=1.5,
        timeline=Timeline(
            edges=np.array([0, 10, 20, 30]),
            user_steps=np.array([500, 500, 5]),
            reward_sums=np.array([10.0, 9.0, 0.1]),
            topics_shown=shown,
            topics_responded=shown,
        ),
    )


def rollouts(best: float = 400.0, baseline: float = 200.0) -> RolloutResults:
    means = {
        RANDOM: 150.0,
        EVIL: baseline,
        MYOPIC: 220.0,
        PRETRAINED: 300.0,
        FINETUNED: best,
        REFERENCE: 650.0,
    }
    return RolloutResults(
        policies={name: made_up(mean) for name, mean in means.items()},
        env_id="rlrec/InterestEvolution-v0",
        arguments={},
        n_users=50,
        seed=9,
        deterministic=True,
        max_steps=None,
        response_channels=("click", "watch_time"),
        topic_names=("first", EVIL, "third"),
    )


@pytest.fixture
def data(config: RunConfig) -> ReportData:
    return ReportData(
        config=config,
        config_text=dump_config(config) + f"# {EVIL}",
        card={
            "started": "2030-01-01",
            "command": f"rlrec run {EVIL}",
            "versions": {"numpy": "2"},
            "commit": EVIL,
            "machine": EVIL,
            "seeds": {"log": 1},
        },
        rollouts=rollouts(),
        curve=[CurvePoint(0, 300.0, 290.0, 310.0), CurvePoint(100, 390.0, 380.0, 400.0)],
        best_interactions=100,
        log={"n_rows": 1000, "policy": EVIL},
        environment={
            "n_choices": 50,
            "slate_size": 10,
            "card": [{"name": EVIL, "value": EVIL, "status": "assumed", "note": EVIL}],
        },
        data={
            "summary": EVIL,
            "rankings": [
                {"split": "leave_one_out", "baseline": EVIL, "ndcg": 0.05, "n_users": 943},
                {"split": "leave_one_out", "baseline": "als", "ndcg": 0.07, "n_users": 943},
            ],
        },
        seconds={"log": 1.0},
    )


class Outline(HTMLParser):
    """Collects opened and closed tags, and checks that they match."""

    VOID = ("meta", "circle", "line", "polygon", "polyline")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag in self.VOID or self.open.pop() == tag


def test_the_report_is_well_formed_and_needs_nothing_else(data: ReportData) -> None:
    html = render(data)
    outline = Outline()
    outline.feed(html)
    assert outline.open == []
    names = {tag for tag, _ in outline.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "base", "a"}
    assert not re.search(r"https?:|//[a-z]|@import|url\(", html)
    for _, attributes in outline.tags:
        assert not attributes.keys() & {"src", "href", "onclick", "onload", "srcset"}


def test_the_report_escapes_every_text(data: ReportData) -> None:
    html = render(data)
    assert EVIL not in html and "<script" not in html
    assert html.count("&lt;script&gt;") >= 12


def test_the_report_has_no_ranking_without_real_ratings(data: ReportData) -> None:
    assert "Baselines on the real ratings" in render(data)
    assert "Baselines on the real ratings" not in render(replace(data, data={}))


def test_the_best_ranking_is_marked(data: ReportData) -> None:
    html = render(data)
    assert '<td class="best">0.0700</td>' in html
    assert "<td>0.0500</td>" in html
    assert "<td>943</td>" in html


def test_a_metric_without_a_value_is_left_open(data: ReportData) -> None:
    rows = [{**row, "ndcg": None} for row in data.data["rankings"]]
    html = render(replace(data, data={**data.data, "rankings": rows}))
    assert html.count("<td>–</td>") == 2


def test_all_commits_and_other_versions_are_named(data: ReportData) -> None:
    foreign = {"evaluate": ["commit abc before, def now"]}
    html = render(replace(data, commits=["abc", "def"], foreign=foreign))
    assert "abc, then def" in html
    assert "Stage evaluate" in html and "made with commit abc before, def now" in html


def test_the_headline_is_computed_from_the_returns() -> None:
    assert judge(rollouts(best=400.0, baseline=200.0)).headline == (
        f"The fine-tuned agent's return per user is 100% above that of the best baseline, {EVIL}: "
        "400.0 against 200.0."
    )
    worse = judge(rollouts(best=150.0, baseline=200.0)).headline
    assert "is 25% below that of the best baseline" in worse


def test_the_headline_claims_nothing_when_the_interval_holds_zero() -> None:
    results = rollouts(best=200.0, baseline=200.0)
    noisy = replace(
        results[FINETUNED], returns=results[FINETUNED].returns + np.tile([5.0, -5.0], 25)
    )
    results = replace(results, policies={**results.policies, FINETUNED: noisy})
    assert "is not clearly different from that of the best baseline" in judge(results).headline


def test_the_scale_is_told_in_words() -> None:
    assert judge(rollouts(best=400.0)).details[-1] == (
        "On the scale from random slates (0) to the planning reference (1), the pretrained agent "
        "stands at 0.30 and the fine-tuned one at 0.50."
    )


def test_without_baselines_the_agent_is_compared_with_random_slates() -> None:
    results = rollouts(best=300.0)
    left = {name: run for name, run in results.policies.items() if name != EVIL}
    headline = judge(replace(results, policies=left)).headline
    assert headline == (
        "The fine-tuned agent's return per user is 100% above that of random slates: "
        "300.0 against 150.0."
    )


def test_topic_shares_sum_to_one_and_leave_out_the_last_few_users() -> None:
    results = rollouts()
    assert main_topics(results, [RANDOM], 2) == [0, 1]
    shares, n_steps = topic_shares(results, RANDOM, [0, 1])
    assert n_steps == 20  # the third bin has 5 of 500 users left: under 2 %
    np.testing.assert_allclose(shares, [[0.6, 0.3, 0.1], [0.2, 0.7, 0.1]])


def test_fresh_documents_have_no_exposure_to_report(data: ReportData) -> None:
    fresh = {
        name: replace(run, items_shown=None, topics_a_slate=None)
        for name, run in data.rollouts.policies.items()
    }
    html = render(replace(data, rollouts=replace(data.rollouts, policies=fresh, topic_names=())))
    assert "nothing to count by item" in html


def test_the_report_says_so_where_fine_tuning_gained_nothing(data: ReportData) -> None:
    words = "the agent that was kept is the pretrained one"
    assert words not in render(data)
    assert words in render(replace(data, best_interactions=0))
