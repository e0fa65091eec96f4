"""The page on offline evaluation runs as it stands there, and prints what it shows."""

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PAGE = Path(__file__).resolve().parents[1] / "docs" / "offline_evaluation.md"
_BLOCK = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", flags=re.DOTALL)
_NUMBER = re.compile(r"^[(]?-?[\d,]*\.?\d+%?$")


class Ran(NamedTuple):
    """The names that the page defines, and what each block prints beside what the page shows."""

    names: dict[str, Any]
    printed: list[tuple[str, str]]


@pytest.fixture(scope="module")
def page() -> Iterator[Ran]:
    names: dict[str, Any] = {}
    printed = []
    for code, shown in _BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(code, PAGE.name, "exec"), names)
        printed.append((out.getvalue(), shown))
    yield Ran(names, printed)


def number(word: str) -> float | None:
    bare = word.strip("(),;")
    return float(bare.rstrip("%").replace(",", "")) if _NUMBER.match(bare) else None


def test_the_page_shows_what_its_code_prints(page: Ran) -> None:
    shown_somewhere = 0
    for printed, shown in page.printed:
        got, expected = printed.split(), shown.split()
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            value = number(other)
            if value is None:
                assert one == other
            else:
                # platforms round differently; the probability of being best is of 1,000 draws
                assert number(one) == pytest.approx(value, rel=0.01, abs=0.002)
                shown_somewhere += 1
    assert shown_somewhere > 50


def test_the_sentence_states_the_numbers_of_the_table(page: Ran) -> None:
    (sentence,) = re.findall(r"(?:^> .*\n)+", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    careful = page.names["results"]["careful", "dr"]
    difference = page.names["difference"].set_index("policy").loc["careful"]
    stated = [float(each) for each in re.findall(r"\d\.\d{3}", sentence)]
    expected = [
        *(careful.value, careful.lower, careful.upper),
        *(difference["difference"], difference["lower"], difference["upper"]),
    ]
    assert stated == pytest.approx(expected, abs=0.002)


def test_supported_intervals_of_the_page_hold_the_truth(page: Ran) -> None:
    names = page.names
    rows = ~names["half"].to_numpy()
    moments = names["phone"][rows], names["evening"][rows]
    for policy in ("careful", "bold"):
        clicks = names[policy].table[moments] * names["chances"][rows]
        truth = float(clicks.sum(axis=1).mean())
        for estimator in ("ips", "snips", "dr", "sndr"):
            estimate = names["results"][policy, estimator]
            assert estimate.verdict.word == "supported"
            assert estimate.lower < truth < estimate.upper
        if policy == "careful":
            assert f"{truth:.3f}" in PAGE.read_text(encoding="utf-8")
        model_alone = names["results"][policy, "dm"]
        assert not model_alone.lower < truth < model_alone.upper  # as the page warns
