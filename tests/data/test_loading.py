"""One way in for ratings of all formats; all rows here are made up."""

from pathlib import Path
from typing import Any

import pytest

from rlrec.data import load_ratings
from rlrec.data.loading import FORMATS, check_columns
from rlrec.errors import ConfigError

FILES = {
    "jester": "2,1,-1\n1,99,3\n",
    "lastfm": "userID\tartistID\tweight\n1\t2\t3\n2\t2\t1\n2\t3\t1\n",
    "movielens": "1\t2\t3\t881250949\n2\t2\t3\t881250949\n2\t3\t3\t881250949\n",
    "msweb": 'A,2,1,"a","/a"\nA,3,1,"b","/b"\nC,"1",1\nV,2,1\nC,"2",2\nV,2,1\nV,3,1\n',
    "recbole": "user_id:token\titem_id:token\n1\t2\n2\t2\n2\t3\n",
    "sequences": "1 2\n2 2\n2 3\n",
    "table": "u,i\n1,2\n2,2\n2,3\n",
}


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_can_be_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / "file.inter"
    path.write_text(FILES[name])
    columns = {"user": "u", "item": "i"} if name == "table" else {}
    ratings = load_ratings(path, name, **columns)
    assert (len(ratings), ratings.n_users, ratings.n_rated_items) == (3, 2, 2)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"format": "lastfn"}, "no format of ratings is called 'lastfn'. Did you mean 'lastfm'?"),
        ({"format": "jester", "expct": 1}, "load_jester takes no 'expct'. Did you mean 'expect'?"),
        ({"format": "table", "user": "u"}, "load_table needs the argument 'item'"),
        ({"format": "recbole", "usr": "u"}, "load_recbole takes no 'usr'. Did you mean 'user'?"),
        ({"format": "sequences", "expect": 3}, "expect must be three whole numbers"),
    ],
)
def test_wrong_arguments_are_told_without_a_file(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        check_columns(columns)


def test_arguments_reach_the_loader(tmp_path: Path) -> None:
    path = tmp_path / "counts.dat"
    path.write_text(FILES["lastfm"])
    values = load_ratings(path, format="lastfm", values="log").values
    assert values == pytest.approx([1.386294, 0.693147, 0.693147], abs=1e-6)
