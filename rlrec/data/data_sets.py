"""The public data sets and formats there are loaders for, by name."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rlrec.data import (
    coat,
    jester,
    kuairand,
    kuairec,
    lastfm,
    minari,
    movielens,
    msweb,
    open_bandit,
    recbole,
    sequences,
    tables,
)
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog
from rlrec.data.ratings import Ratings
from rlrec.errors import ConfigError, UnknownNameError, nearest_hint

_YOURS = "those of the data you give"


class Opened(NamedTuple):
    """A data set as a log."""

    log: InteractionLog
    catalogue: Catalogue | None
    """The items; None where they are not known."""


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """One data set or format.

    Stability: experimental.
    """

    name: str
    title: str
    files: str
    """What must be at the path that is given."""
    becomes: str
    """Ratings, or a log, and what is special about them."""
    source: str
    """Who publishes it, and the paper."""
    terms: str
    """Under which it is published."""
    load: Callable[..., Any]
    """Takes the path, and the arguments."""
    opened: Callable[[Any], Opened]
    """Makes a log of what was loaded."""
    streams: bool = False
    """Whether `load` writes the log itself, to its argument `path`, and memory stays small."""

    @property
    def arguments(self) -> dict[str, object]:
        """Arguments of `load` with their defaults; those without one have `...`."""
        parameters = list(inspect.signature(self.load).parameters.values())[1:]
        return {
            each.name: ... if each.default is inspect.Parameter.empty else each.default
            for each in parameters
            if each.name not in ("path", "overwrite")
        }

    def open(
        self, path: str | Path, arguments: Mapping[str, Any], out: Path | None = None
    ) -> Opened:
        """Load the data set as a log.

        Args:
            path: Where its files are.
            arguments: Of `load`, by name.
            out: Folder of the log to write; None keeps it in memory.

        Raises:
            ConfigError: An argument is unknown or missing, or outside what it may be.
            DataError: A file is missing, damaged or breaks a rule; names file, line and column.
        """
        self._check_arguments(arguments)
        if self.streams:
            return self.opened(self.load(path, path=out, **arguments))
        opened = self.opened(self.load(path, **arguments))
        if out is not None:
            opened.log.write(out, catalogue=opened.catalogue)
        return opened

    def _check_arguments(self, arguments: Mapping[str, Any]) -> None:
        for name in arguments:
            if name not in self.arguments:
                hint = nearest_hint(name, self.arguments)
                raise ConfigError(f"{self.name} takes no argument {name!r}.{hint}")
        for name, default in self.arguments.items():
            if default is ... and name not in arguments:
                raise ConfigError(f"{self.name} needs the argument {name!r}")


def find_data_set(name: str) -> DataSet:
    """Return a data set by its name.

    Raises:
        UnknownNameError: There is none of this name.
    """
    for entry in DATA_SETS:
        if entry.name == name:
            return entry
    hint = nearest_hint(name, [entry.name for entry in DATA_SETS])
    raise UnknownNameError(f"no data set is called {name!r}.{hint}")


def _of_ratings(ratings: Ratings) -> Opened:
    return Opened(ratings.to_log(), ratings.catalogue)


def _of_parts(found: Any) -> Opened:
    return Opened(found.log, found.catalogue)


class _CoatPart(NamedTuple):
    log: InteractionLog
    catalogue: Catalogue


def _load_coat(folder: Path, part: Literal["random", "chosen"] = "random") -> _CoatPart:
    loaded = coat.load_coat(folder)
    return _CoatPart(loaded.rounds(part), loaded.chosen.catalogue)


def _load_minari(name: str | Path, propensity_key: str | None = None) -> InteractionLog:
    return minari.from_minari(str(name), propensity_key)


DATA_SETS = (
    DataSet(
        name="movielens",
        title="MovieLens: ratings of films, 100K to 32M",
        files="u.data, ratings.dat or ratings.csv, with u.item, movies.dat or movies.csv beside it",
        becomes="ratings with times; genres are topics",
        source="grouplens.org, datasets; Harper and Konstan, 2015",
        terms=movielens.TERMS,
        load=movielens.load_movielens,
        opened=_of_ratings,
    ),
    DataSet(
        name="lastfm",
        title="Last.fm of HetRec 2011: how often users listened to artists",
        files="user_artists.dat, and artists.dat for names",
        becomes="ratings (counts, or their logarithm with values=log) without times",
        source="grouplens.org, HetRec 2011; Cantador, Brusilovsky and Kuflik, 2011",
        terms=lastfm.TERMS,
        load=lastfm.load_lastfm,
        opened=_of_ratings,
    ),
    DataSet(
        name="jester",
        title="Jester: ratings of jokes, of which some users rated all",
        files="one CSV file without header (or .xls where pandas can), and jokes.txt for titles",
        becomes="ratings from -10 to 10 without times; fully_observed gives the full block",
        source="Eigentaste project, UC Berkeley; Goldberg, Roeder, Gupta and Perkins, 2001",
        terms=jester.TERMS,
        load=jester.load_jester,
        opened=_of_ratings,
    ),
    DataSet(
        name="msweb",
        title="Anonymous Microsoft Web Data: areas of a web site that users visited",
        files="a folder with anonymous-msweb.data and anonymous-msweb.test, or one of them",
        becomes="ratings of 1 without times; titles of areas",
        source="UCI Machine Learning Repository; Breese, Heckerman and Kadie, 1998",
        terms=msweb.TERMS,
        load=msweb.load_msweb,
        opened=_of_ratings,
    ),
    DataSet(
        name="coat",
        title="Coat Shopping: ratings of chosen coats, and of coats drawn at random",
        files="a folder with train.ascii, test.ascii, user_item_features and propensities.ascii",
        becomes="a log of rounds; part=random has propensities 1 / 300, part=chosen none",
        source="cs.cornell.edu, page of Tobias Schnabel; Schnabel et al., 2016",
        terms=coat.TERMS,
        load=_load_coat,
        opened=_of_parts,
    ),
    DataSet(
        name="open-bandit",
        title="Open Bandit Dataset: fashion items shown by two policies",
        files="a folder with random/CAMPAIGN/CAMPAIGN.csv and bts/..., item_context.csv beside",
        becomes="a log of rounds with propensities and clicks",
        source="ZOZO Research, research.zozo.com; Saito, Aihara, Matsutani and Narita, 2021",
        terms=open_bandit.TERMS,
        load=open_bandit.load_open_bandit,
        opened=_of_parts,
    ),
    DataSet(
        name="kuairec",
        title="KuaiRec: how far users watched videos, and a block that is nearly full",
        files="a folder with big_matrix.csv or small_matrix.csv, item_categories.csv, "
        "user_features.csv",
        becomes="a log of visits (watched, watch_ratio, play_seconds) without propensities",
        source="kuairec.com; Gao et al., CIKM 2022, KuaiRec",
        terms=kuairec.TERMS,
        load=kuairec.load_kuairec,
        opened=_of_parts,
        streams=True,
    ),
    DataSet(
        name="kuairand",
        title="KuaiRand: videos recommended or drawn at random, with many responses",
        files="a folder with log_standard_*.csv and log_random_*.csv, video_features_basic_*.csv, "
        "user_features_*.csv",
        becomes="a log of visits; part=random of rounds with propensities 1 / 7,583",
        source="kuairand.com; Gao et al., CIKM 2022, KuaiRand",
        terms=kuairand.TERMS,
        load=kuairand.load_kuairand,
        opened=_of_parts,
        streams=True,
    ),
    DataSet(
        name="sequences",
        title="Lines of user and item in order of time, such as Amazon Beauty of BERT4Rec",
        files="one text file, a space or tab between user and item",
        becomes="ratings of 1 in order, without times",
        source="repositories of SASRec and BERT4Rec; McAuley et al., 2015, Sun et al., 2019",
        terms=sequences.TERMS,
        load=sequences.load_sequences,
        opened=_of_ratings,
    ),
    DataSet(
        name="recbole",
        title="Atomic files of RecBole, into which it has put many data sets",
        files="NAME.inter, with NAME.item and NAME.user beside it",
        becomes="ratings, with times if there are any; genres or categories are topics",
        source="recbole.io; Zhao et al., 2021",
        terms=recbole.TERMS,
        load=recbole.load_recbole,
        opened=lambda found: _of_ratings(found.ratings),
    ),
    DataSet(
        name="table",
        title="Tables of your own, CSV or Parquet with named columns",
        files="one file with a row for each rating or event",
        becomes="ratings, with times if a column holds them",
        source="yours",
        terms=_YOURS,
        load=tables.load_table,
        opened=_of_ratings,
    ),
    DataSet(
        name="minari",
        title="Local data sets of Minari, with discrete actions",
        files="the name of the data set instead of a path (extra minari)",
        becomes="a log; slates are the actions",
        source="minari.farama.org, or to_minari; Younis et al., 2024",
        terms=_YOURS,
        load=_load_minari,
        opened=lambda log: Opened(log, None),
    ),
)
"""In the order in which they are listed."""
