"""Ratings in the formats in which MovieLens is published; all rows here are made up."""

import gzip
import logging
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rlrec.data import load_movielens, movielens
from rlrec.data.known_counts import Counts
from rlrec.errors import DataError

U_DATA = [
    "7\t30\t4\t881250949",
    "3\t10\t5\t881250900",
    "7\t20\t1\t881250950",
    "9\t10\t3\t881250951",
]
NAMES = {"u.data": "u.item", "ratings.dat": "movies.dat", "ratings.csv": "movies.csv"}


def u_item(item: int, title: str, *genres: int) -> str:
    flags = "|".join("1" if place in genres else "0" for place in range(19))
    return f"{item}|{title}|01-Jan-1995||http://example.org/{item}|{flags}"


MOVIES = {
    "u.item": "\n".join(
        [
            u_item(10, "Café (1995)", 5, 8),
            u_item(20, "B", 8),
            u_item(30, "C", 8, 16),
            u_item(40, "D"),
        ]
    ),
    "movies.dat": "10::Café (1995)::Comedy|Drama\n20::B::Drama\n30::C::Drama|Thriller\n40::D::",
    "movies.csv": 'movieId,title,genres\n10,Café (1995),Comedy|Drama\n20,"B, The",Drama\n'
    "30,C,Drama|Thriller\n40,D,(no genres listed)",
}


def ratings_text(name: str, lines: list[str]) -> str:
    separator = {"u.data": "\t", "ratings.dat": "::", "ratings.csv": ","}[name]
    header = ["userId,movieId,rating,timestamp"] if name == "ratings.csv" else []
    return "\n".join([*header, *(line.replace("\t", separator) for line in lines)]) + "\n"


def write_set(folder: Path, name: str = "u.data", lines: list[str] = U_DATA) -> Path:
    """Write a set of ratings and its movies into a folder."""
    folder.mkdir(exist_ok=True, parents=True)
    (folder / name).write_text(ratings_text(name, lines))
    encoding = "utf-8" if name == "ratings.csv" else "latin-1"
    (folder / NAMES[name]).write_bytes((MOVIES[NAMES[name]] + "\n").encode(encoding))
    return folder


def plain(folder: Path) -> Path:
    return folder


def gzipped(folder: Path) -> Path:
    for file in list(folder.iterdir()):
        (folder / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    return folder


def zipped(folder: Path) -> Path:
    archive = folder.parent / "set.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("__MACOSX/set/._u.data", b"\x00")
        for file in folder.iterdir():
            packed.write(file, f"set/{file.name}")
    return archive


@pytest.mark.parametrize("pack", [plain, gzipped, zipped])
@pytest.mark.parametrize("name", NAMES)
def test_each_format_gives_the_same_ratings(
    tmp_path: Path, name: str, pack: Callable[[Path], Path]
) -> None:
    ratings = load_movielens(pack(write_set(tmp_path / "set", name)))
    np.testing.assert_array_equal(ratings.user_ids, [3, 7, 9])
    np.testing.assert_array_equal(ratings.user_index, [1, 0, 1, 2])
    np.testing.assert_array_equal(ratings.catalogue.item_ids, [10, 20, 30, 40])
    np.testing.assert_array_equal(ratings.item_index, [2, 0, 1, 0])
    np.testing.assert_array_equal(ratings.values, [4, 5, 1, 3])
    assert ratings.timestamps is not None
    np.testing.assert_array_equal(ratings.timestamps - 881250900, [49, 0, 50, 51])


@pytest.mark.parametrize("name", NAMES)
def test_the_topic_is_the_rarest_genre_and_features_are_genres(tmp_path: Path, name: str) -> None:
    catalogue = load_movielens(write_set(tmp_path, name)).catalogue
    names = catalogue.topic_names
    topics = [names[topic] for topic in catalogue.topics]
    no_genre = "(no genres listed)" if name == "ratings.csv" else "unknown"
    assert topics == ["Comedy", "Drama", "Thriller", no_genre]
    assert catalogue.titles[0] == "Café (1995)"
    assert [names[column] for column in np.flatnonzero(catalogue.features[0])] == [
        "Comedy",
        "Drama",
    ]
    assert set(np.unique(catalogue.features)) == {0.0, 1.0}


def test_flags_of_u_item_are_the_official_genres(tmp_path: Path) -> None:
    names = load_movielens(write_set(tmp_path)).catalogue.topic_names
    assert len(names) == 19
    assert (names[0], names[5], names[8], names[16], names[18]) == (
        "unknown",
        "Comedy",
        "Drama",
        "Thriller",
        "Western",
    )


def test_a_single_file_takes_the_movies_beside_it(tmp_path: Path) -> None:
    write_set(tmp_path)
    assert load_movielens(tmp_path / "u.data").catalogue.n_topics == 19
    (tmp_path / "u.data").rename(tmp_path / "u1.base")
    assert len(load_movielens(tmp_path / "u1.base")) == 4  # known by its separators


def test_without_movies_the_catalogue_is_what_was_rated(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "u.item").unlink()
    catalogue = load_movielens(tmp_path).catalogue
    np.testing.assert_array_equal(catalogue.item_ids, [10, 20, 30])
    assert catalogue.topic_names == ("all",)


def test_counts_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="rlrec.data"):
        load_movielens(write_set(tmp_path))
    assert "4 ratings by 3 users of 3 items (catalogue of 4), mean 3.25" in caplog.text


def test_half_stars_are_ratings_in_csv_and_in_the_larger_dat_files(tmp_path: Path) -> None:
    lines = [*U_DATA, "9\t20\t0.5\t881250999"]
    for name in ("ratings.csv", "ratings.dat"):
        assert load_movielens(write_set(tmp_path / name, name, lines)).values[-1] == 0.5


def test_windows_line_ends_are_read(tmp_path: Path) -> None:
    folder = write_set(tmp_path, "ratings.csv")
    file = folder / "ratings.csv"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    np.testing.assert_array_equal(load_movielens(folder).values, [4, 5, 1, 3])


def test_a_missing_last_line_break_is_no_fault(tmp_path: Path) -> None:
    folder = write_set(tmp_path)
    file = folder / "u.data"
    file.write_text(file.read_text().rstrip())
    assert len(load_movielens(folder)) == 4


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("9\t20\t6\t881250999", "line 5, column 'rating': expected a rating of 1 to 5.* found 6"),
        ("9\t20\t0\t881250999", "line 5, column 'rating': expected a rating of 1 to 5.* found 0"),
        ("9\t20\t3.5\t881250999", "line 5, column 'rating': .* in steps of 1, found 3.5"),
        ("9\t20\tnan\t881250999", "line 5, column 'rating': expected a number, found nan"),
        ("9\t20\tgood\t881250999", "line 5, column 'rating': expected a number, found 'good'"),
        ("ann\t20\t3\t881250999", "line 5, column 'user': expected a whole number, found 'ann'"),
        ("9.5\t20\t3\t881250999", "line 5, column 'user': expected a whole number, found '9.5'"),
        ("\t20\t3\t881250999", "line 5, column 'user': expected a whole number, found an empty"),
        ("9\t20\t\t881250999", "line 5, column 'rating': expected a number, found an empty field"),
        ("9\t20\t3\t", "line 5, column 'timestamp': .* found an empty field"),
        ("9\t99\t3\t881250999", "line 5, column 'item': expected one of the 4 movies.* found 99"),
        ("9\t20\t3", "line 5: expected the 4 fields .* separated by a tab, found 3 fields"),
        ("9,20,3,881250999", "line 5: .* found 1 fields; it looks separated by ','"),
        ("", "line 5: .* found 1 fields: ''"),
        ("+9\t20\t3\t881250999", r"line 5, column 'user': .* whole number, found '\+9'"),
        ("0x9\t20\t3\t881250999", "line 5, column 'user': .* whole number, found '0x9'"),
        ("9" * 19 + "\t20\t3\t8", "line 5, column 'user': .* whole number, found '999"),
        (U_DATA[1], "line 5, column 'user': repeats the user, item, time of .*line 2"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    folder = write_set(tmp_path, lines=[*U_DATA, line, "9\t30\t2\t881250998"])
    with pytest.raises(DataError, match=rf"u\.data, {message}"):
        load_movielens(folder)


def test_lines_of_csv_files_count_the_header(tmp_path: Path) -> None:
    folder = write_set(tmp_path, "ratings.csv", [*U_DATA, "9\t20\t0.7\t881250999"])
    with pytest.raises(DataError, match=r"line 6, column 'rating': .*0.5 to 5 in steps of 0.5"):
        load_movielens(folder)


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_delimiter_is_named(tmp_path: Path, name: str) -> None:
    folder = write_set(tmp_path, name)
    text = ratings_text(name, U_DATA).replace(",", ";").replace("::", ";").replace("\t", ";")
    (folder / name).write_text(text)
    hint = "expected the header" if name == "ratings.csv" else "looks separated by ';'"
    with pytest.raises(DataError, match=f"{name}, line 1: .*{hint}"):
        load_movielens(folder)


def test_tabs_within_a_dat_file_are_a_wrong_delimiter(tmp_path: Path) -> None:
    folder = write_set(tmp_path, "ratings.dat")
    (folder / "ratings.dat").write_text("1::10::5::881250949\n2\t10\t5\t881250949\n")
    with pytest.raises(DataError, match=r"line 2: .*looks separated by a tab"):
        load_movielens(folder)


def test_a_missing_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: expected a folder or a file, found nothing"):
        load_movielens(tmp_path / "nowhere")


def test_a_folder_without_ratings_says_what_it_looked_for(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match=r"'u\.data', 'ratings\.dat', .* found \['notes\.txt'\]"):
        load_movielens(tmp_path)


@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_file_is_refused(tmp_path: Path, content: str) -> None:
    folder = write_set(tmp_path)
    (folder / "u.data").write_text(content)
    with pytest.raises(DataError, match=r"u\.data: expected at least one line, found an empty"):
        load_movielens(folder)


def test_a_csv_file_with_only_a_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ratings\.csv: expected ratings below the header"):
        load_movielens(write_set(tmp_path, "ratings.csv", []))


def test_a_file_cut_within_a_line_is_refused(tmp_path: Path) -> None:
    folder = write_set(tmp_path)
    file = folder / "u.data"
    whole = file.read_text()
    file.write_text(whole[:-10])
    with pytest.raises(DataError, match=r"u\.data, line 4.*'timestamp'.* an empty field"):
        load_movielens(folder)
    file.write_text(whole[:-4])
    with pytest.raises(DataError, match=r"u\.data, line 4.*881250 is shorter.*cut off"):
        load_movielens(folder)


def test_a_truncated_gzip_file_is_refused(tmp_path: Path) -> None:
    folder = gzipped(write_set(tmp_path))
    file = folder / "u.data.gz"
    file.write_bytes(file.read_bytes()[:-12])
    with pytest.raises(DataError, match=r"u\.data\.gz: expected a whole file, found a damaged"):
        load_movielens(folder)


def test_a_truncated_zip_archive_is_refused(tmp_path: Path) -> None:
    archive = zipped(write_set(tmp_path / "set"))
    archive.write_bytes(archive.read_bytes()[:-60])
    with pytest.raises(DataError, match=r"set\.zip: expected a whole zip archive"):
        load_movielens(archive)


def test_a_damaged_member_of_an_archive_is_named(tmp_path: Path) -> None:
    archive = zipped(write_set(tmp_path / "set"))
    archive.write_bytes(archive.read_bytes().replace(b"881250949", b"881250940"))
    with pytest.raises(DataError, match=r"set\.zip:set/u\.data: expected a whole file.*CRC"):
        load_movielens(archive)


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("u.item", "50|E|x", "line 5: expected 24 fields separated by '|'"),
        (
            "u.item",
            u_item(50, "E", 1).replace("|1|", "|2|"),
            "line 5, column 'Action': .*0 or 1, found '2'",
        ),
        ("u.item", u_item(10, "E"), "line 5, column 'item': repeats the id 10 of line 1"),
        ("movies.dat", "50::E", "line 5: expected 3 fields separated by '::'"),
        ("movies.dat", "x::E::Drama", "line 5, column 'item': expected a whole number, found 'x'"),
        ("movies.csv", "50,E", "line 6: expected 3 fields separated by ','"),
    ],
)
def test_a_wrong_line_of_movies_is_named(
    tmp_path: Path, name: str, line: str, message: str
) -> None:
    ratings_name = next(ratings for ratings, movies in NAMES.items() if movies == name)
    folder = write_set(tmp_path, ratings_name)
    with (folder / name).open("ab") as file:
        file.write(f"{line}\n".encode())
    message = message.replace("|", r"\|")
    with pytest.raises(DataError, match=f"{name}, {message}"):
        load_movielens(folder)


def test_a_foreign_header_of_movies_is_refused(tmp_path: Path) -> None:
    folder = write_set(tmp_path, "ratings.csv")
    (folder / "movies.csv").write_text("id,name\n10,A\n")
    with pytest.raises(DataError, match=r"movies\.csv, line 1: expected the header"):
        load_movielens(folder)


def test_expected_counts_are_checked(tmp_path: Path) -> None:
    folder = write_set(tmp_path)
    assert len(load_movielens(folder, expect=(4, 3, 3))) == 4
    with pytest.raises(DataError, match=r"expected 5 ratings by 3 users.*expect=\(4, 3, 3\)"):
        load_movielens(folder, expect=(5, 3, 3))


def test_counts_in_u_info_are_checked_unless_others_are_given(tmp_path: Path) -> None:
    folder = write_set(tmp_path)
    (folder / "u.info").write_text("3 users\n4 items\n4 ratings\n")
    assert len(load_movielens(folder)) == 4
    (folder / "u.info").write_text(
        "2 users\n4 items\n4 ratings\n"
    )  # an altered copy: one user more
    with pytest.raises(DataError, match=r"4 ratings by 2 users.*u\.info.*found 4 ratings by 3"):
        load_movielens(folder)
    assert len(load_movielens(folder, expect=(4, 3, 3))) == 4
    (folder / "u.info").write_text("hello\n")
    with pytest.raises(DataError, match=r"u\.info: expected numbers of users"):
        load_movielens(folder)


@pytest.mark.parametrize(("folder", "n_official"), [("ml-9z", 7), ("other", 6)])
def test_name_or_size_of_an_official_set_ask_for_its_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, n_official: int
) -> None:
    monkeypatch.setattr(movielens, "OFFICIAL_COUNTS", {"ml-9z": Counts(n_official, 5, 3)})
    with pytest.raises(DataError, match=f"expected {n_official} ratings.* official ml-9z"):
        load_movielens(write_set(tmp_path / folder))


def test_a_part_of_a_set_need_not_have_its_counts(tmp_path: Path) -> None:
    folder = write_set(tmp_path)
    (folder / "u.info").write_text("30 users\n4 items\n40 ratings\n")
    (folder / "u.data").rename(folder / "u1.base")
    assert len(load_movielens(folder / "u1.base")) == 4


def test_another_name_and_size_ask_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(movielens, "OFFICIAL_COUNTS", {"ml-9z": Counts(7, 5, 3)})
    assert len(load_movielens(write_set(tmp_path / "other"))) == 4


@pytest.mark.skipif("RLREC_DATA_DIR" not in os.environ, reason="needs RLREC_DATA_DIR")
def test_the_official_100k_set_is_read_whole() -> None:
    ratings = load_movielens(Path(os.environ["RLREC_DATA_DIR"]) / "ml-100k")
    assert ratings.summary() == "100,000 ratings by 943 users of 1,682 items, mean 3.53"
    assert abs(ratings.values.mean() - 3.52986) < 1e-9
    assert ratings.matrix().nnz == 100_000
    assert ratings.to_log().n_rows == 100_000


def test_only_line_breaks_part_the_lines_of_movies(tmp_path: Path) -> None:
    folder = write_set(tmp_path)
    title = "Caf\x85 \u2028 (1995)"
    lines = ["|".join(line) for line in _with_title(MOVIES["u.item"], title)]
    (folder / "u.item").write_bytes("\r\n".join([*lines, ""]).encode())
    assert load_movielens(folder).catalogue.titles[0] == title


def _with_title(text: str, title: str) -> list[list[str]]:
    """Return the fields of movies, the first one with another title."""
    fields = [line.split("|") for line in text.split("\n")]
    fields[0][1] = title
    return fields


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('50,"E,Drama', "line 6: expected fields whose quotes are closed"),
        ('50,"' + "E" * 200_000, "line 6: expected fields whose quotes are closed"),
        (f"{10**20},E,Drama", "line 6, column 'item': expected a whole number"),
    ],
    ids=["unclosed", "long", "id"],
)
def test_a_broken_row_of_movies_is_named(tmp_path: Path, line: str, message: str) -> None:
    folder = write_set(tmp_path, "ratings.csv")
    with open(folder / "movies.csv", "ab") as file:
        file.write(f"{line}\n".encode())
    with pytest.raises(DataError, match=rf"movies\.csv, {message}"):
        load_movielens(folder)


def test_a_tab_in_ratings_dat_is_named(tmp_path: Path) -> None:
    folder = write_set(tmp_path, "ratings.dat")
    (folder / "ratings.dat").write_text("1::10::5::9\n1::\t20::5::9\n")
    with pytest.raises(DataError, match=r"ratings\.dat, line 2, column 'item'"):
        load_movielens(folder)


@pytest.mark.parametrize(
    ("value", "places", "words"), [(1, (6, 8), "encrypted"), (99, (8, 10), "not supported")]
)
def test_an_archive_that_cannot_be_unpacked_is_refused(
    tmp_path: Path, value: int, places: tuple[int, int], words: str
) -> None:
    path = tmp_path / "ml.ZIP"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ml/u.data", "1\t2\t3\t881250949\n")
    content = bytearray(path.read_bytes())
    content[places[0]] = value
    content[content.find(b"PK\x01\x02") + places[1]] = value
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"ml\.ZIP:ml/u\.data: cannot be unpacked: .*{words}"):
        load_movielens(path)
