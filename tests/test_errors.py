"""What is said to a name that is not known."""

import pytest

from rlrec.errors import nearest_hint

NAMES = ("TopK-Bored", "TopK-Uncertain", "Rerank-Static")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("TopK-Bord", " Did you mean 'TopK-Bored'?"),
        ("topk-bored", " Did you mean 'TopK-Bored'?"),
        ("RERANK-STATIC", " Did you mean 'Rerank-Static'?"),
        ("TopK", " Did you mean 'TopK-Bored' or 'TopK-Uncertain'?"),
        ("topk", " Did you mean 'TopK-Bored' or 'TopK-Uncertain'?"),
        ("rer", " Did you mean 'Rerank-Static'?"),
        ("zzz", " Known: ['Rerank-Static', 'TopK-Bored', 'TopK-Uncertain']."),
        ("", " Known: ['Rerank-Static', 'TopK-Bored', 'TopK-Uncertain']."),
        (3, " Known: ['Rerank-Static', 'TopK-Bored', 'TopK-Uncertain']."),
    ],
)
def test_a_hint_names_what_comes_close_in_any_case_or_begins_so(name: object, hint: str) -> None:
    assert nearest_hint(name, NAMES) == hint
