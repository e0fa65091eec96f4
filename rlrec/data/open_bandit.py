"""The Open Bandit Dataset: fashion items shown by two policies, with propensities and clicks."""

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from rlrec.arrays import Bools, Floats, Floats32, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog, LogMetadata
from rlrec.data.raw_files import RawFile
from rlrec.data.tables import Table
from rlrec.errors import ConfigError, DataError, PropensityError, UnknownNameError, nearest_hint

_logger = logging.getLogger(__name__)

Campaign = Literal["all", "men", "women"]
LoggingPolicy = Literal["random", "bts"]

N_POSITIONS = 3
N_ITEMS: dict[str, int] = {"all": 80, "men": 34, "women": 46}
"""Items of each campaign, from its readme file."""
KNOWN_ROWS: dict[tuple[str, str], tuple[int, ...]] = {
    (campaign, policy): (10_000, *whole)
    for campaign, policy, whole in (
        ("all", "random", (1_374_327,)),
        ("men", "random", (452_949,)),
        ("women", "random", (864_585,)),
        ("all", "bts", (12_357_200,)),
        ("men", "bts", ()),
        ("women", "bts", ()),
    )
}
"""Rows of the published sample and, where sources agree, of the whole release."""

_COLUMNS = ("timestamp", "item_id", "position", "click")
_PROPENSITY = ("propensity_score", "action_prob")
_USER = re.compile(r"user_feature_\d+")
TERMS = (
    "published by ZOZO Research as CC BY 4.0: name the source (Saito, Aihara, Matsutani and "
    "Narita, 2021) wherever you show results or pass rows on"
)


@dataclass(frozen=True, eq=False)
class OpenBandit:
    """One campaign as one policy logged it.

    Stability: experimental.
    """

    log: InteractionLog
    """A round a row: slates of one item, `response.click` as reward, propensities, and as
    `context` the position on the page, one-hot. `user` is the hashed features, one-hot."""
    catalogue: Catalogue
    """The items; their hashed categories one-hot, after the one number that is published."""
    positions: Ints
    """Shape (n_rows,). Position on the page, 0 (left) to 2."""
    user_columns: tuple[str, ...]
    """Feature and category of each column of `user`."""

    def probabilities(self, by_item_and_position: Floats) -> Floats:
        """Return a policy of each position as probabilities of all items in each row, (n_rows, N).

        Args:
            by_item_and_position: Shape (N, 3), columns summing to 1.
        """
        expected = (self.catalogue.n_items, N_POSITIONS)
        if np.shape(by_item_and_position) != expected:
            raise DataError(
                f"probabilities by item and position must have shape {expected}, got "
                f"{np.shape(by_item_and_position)}"
            )
        chances: Floats = np.asarray(by_item_and_position, np.float64).T[self.positions]
        return chances


def load_open_bandit(
    folder: str | Path,
    campaign: Campaign = "all",
    policy: LoggingPolicy = "random",
    expect: int | None = None,
) -> OpenBandit:
    """Read a campaign of the Open Bandit Dataset, sample or whole.

    The files are `<policy>/<campaign>/<campaign>.csv` (or `.csv.gz`) with `item_context.csv`
    beside it. The data do not say who a user is, so each round is a user of its own; intervals
    then take rounds as independent, although one person may stand behind several.

    Args:
        folder: That holds the folders `random` and `bts`.
        campaign: `all`, `men` or `women`.
        policy: `random` (uniform) or `bts` (Bernoulli Thompson sampling).
        expect: Rows there must be; by default the published counts near which the file comes.

    Returns:
        The log, ordered by time to the second.

    Raises:
        UnknownNameError: No campaign or policy has that name.
        DataError: A file is missing, damaged or breaks a rule; names file, line and column.
        PropensityError: A propensity is outside (0, 1].

    Reference:
        Saito, Aihara, Matsutani and Narita, 2021, "Open Bandit Dataset and Pipeline".
    """
    _check_name("campaign", campaign, get_args(Campaign))
    _check_name("policy", policy, get_args(LoggingPolicy))
    if expect is not None and (type(expect) is not int or expect < 1):
        raise ConfigError(f"expect must be a number of rows, 1 or more, got {expect!r}")
    place = Path(folder) / policy / campaign
    path = _file(place, f"{campaign}.csv")
    catalogue = _items(_file(place, "item_context.csv"))
    features = _user_features(path)
    needed = {*_COLUMNS, *_PROPENSITY, *features}
    # The affinities, most of the file, are left out.
    columns = tuple(name for name in _header(path) if name in needed)
    table = Table(path, ids=features, columns=columns)
    rows = _rounds(table, path, catalogue)
    _check_counts(path, campaign, policy, len(rows.clicks), catalogue.n_items, expect)
    order = np.argsort(rows.seconds, kind="stable")
    user, user_columns = _one_hot({name: table.ids(name) for name in features})
    n_rows = len(order)
    positions = rows.positions[order]
    log = InteractionLog.from_columns(
        {
            "user_id": np.arange(n_rows),
            "episode_id": np.zeros(n_rows, np.int64),
            "step": np.zeros(n_rows, np.int64),
            "timestamp": rows.seconds[order],
            "slate": rows.items[order, None],
            "response.click": rows.clicks[order, None],
            "reward": rows.clicks[order],
            "terminated": np.ones(n_rows, bool),
            "truncated": np.zeros(n_rows, bool),
            "user": user[order],
            "context": np.eye(N_POSITIONS, dtype=np.float32)[positions],
            "log_propensity": np.log(rows.propensities[order]),
            "propensity_given_prefix": rows.propensities[order, None],
        },
        LogMetadata(
            slate_size=1,
            response_channels=("click",),
            catalogue_fingerprint=catalogue.fingerprint,
            n_topics=catalogue.n_topics,
            logging_policy=f"Open Bandit, {campaign}, {policy}",
        ),
    )
    _logger.info(
        "%s: %s rounds of %d items, %d clicks (%.4f a round), propensities %.3g to %.3g; %s",
        path,
        f"{n_rows:,}",
        catalogue.n_items,
        int(rows.clicks.sum()),
        rows.clicks.mean(),
        rows.propensities.min(),
        rows.propensities.max(),
        TERMS,
    )
    return OpenBandit(log, catalogue, positions, user_columns)


class BetaPrior(NamedTuple):
    """What Bernoulli Thompson sampling believes of each item's click rate."""

    alpha: Floats
    """Shape (N,), above 0."""
    beta: Floats
    """Shape (N,), above 0."""


def load_beta_prior(path: str | Path, campaign: Campaign) -> BetaPrior:
    """Read the prior with which the policy `bts` was published, a YAML file (`prior_bts.yaml`).

    Args:
        path: The file: for each campaign, lists `alpha` and `beta` with an entry an item.
        campaign: Whose prior.

    Raises:
        DataError: The file has another form.
    """
    _check_name("campaign", campaign, get_args(Campaign))
    source = RawFile(Path(path))
    try:
        content = yaml.safe_load(source.read())[campaign]
        prior = BetaPrior(*(np.asarray(content[name], np.float64) for name in BetaPrior._fields))
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{source}: expected lists of numbers 'alpha' and 'beta' under {campaign!r} ({error!r})"
        ) from error
    _check_prior(prior)
    return prior


def thompson_probabilities(
    prior: BetaPrior, n_draws: int = 100_000, seed: int = 0, n_positions: int = N_POSITIONS
) -> Floats:
    """Return how often Bernoulli Thompson sampling puts each item at each position, by simulation.

    Each draw samples a click rate for every item and shows the highest, best first. A probability
    p errs by sqrt(p (1 - p) / n_draws).

    Args:
        prior: Of the click rates.
        n_draws: 1 or more.
        seed: Of the draws.
        n_positions: K, at most N.

    Returns:
        Shape (N, K), columns summing to 1.
    """
    _check_prior(prior)
    n_items = len(prior.alpha)
    if n_draws < 1 or not 1 <= n_positions <= n_items:
        raise ConfigError(
            f"n_draws must be 1 or more and n_positions in 1..{n_items}, got {n_draws!r} and "
            f"{n_positions!r}"
        )
    rng = np.random.default_rng(seed)
    counts = np.zeros((n_items, n_positions))
    for start in range(0, n_draws, _DRAWS_AT_ONCE):
        size = (min(_DRAWS_AT_ONCE, n_draws - start), n_items)
        best = np.argsort(-rng.beta(prior.alpha, prior.beta, size=size), axis=1)[:, :n_positions]
        for position in range(n_positions):
            counts[:, position] += np.bincount(best[:, position], minlength=n_items)
    return counts / n_draws


_DRAWS_AT_ONCE = 10_000


class _Rounds(NamedTuple):
    seconds: Ints
    items: Ints
    positions: Ints
    clicks: Floats
    propensities: Floats


def _rounds(table: Table, path: Path, catalogue: Catalogue) -> _Rounds:
    item, position, click = (table.numbers(name) for name in ("item_id", "position", "click"))
    n_items = catalogue.n_items
    _refuse(table, "item_id", ~np.isin(item, np.arange(n_items)), item, f"0 to {n_items - 1}")
    _refuse(table, "position", ~np.isin(position, (1, 2, 3)), position, "1, 2 or 3")
    _refuse(table, "click", ~np.isin(click, (0, 1)), click, "0 or 1")
    name = next((each for each in _PROPENSITY if each in _header(path)), _PROPENSITY[0])
    propensities = table.numbers(name)
    wrong = ~((propensities > 0) & (propensities <= 1))
    _refuse(table, name, wrong, propensities, "a propensity in (0, 1]", PropensityError)
    return _Rounds(
        table.seconds("timestamp"),
        item.astype(np.int64),
        position.astype(np.int64) - 1,
        click,
        propensities,
    )


def _refuse(
    table: Table,
    name: str,
    wrong: Bools,
    values: Floats,
    wanted: str,
    error: type[DataError] = DataError,
) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        raise error(
            f"{table.where(row, name)}: expected {wanted}, found {values[row]:g} "
            f"({int(wrong.sum())} such rows)"
        )


def _items(path: Path) -> Catalogue:
    """Return the catalogue: a number and hashed categories, of which the first are the topics."""
    names = [name for name in _header(path) if re.fullmatch(r"item_feature_\d+", name)]
    table = Table(path, ids=tuple(names[1:]))
    written = table.numbers("item_id")
    item_ids = np.arange(len(written))
    if (written != item_ids).any():
        row = int((written != item_ids).argmax())
        raise DataError(
            f"{table.where(row, 'item_id')}: items must be numbered 0, 1, 2, ... in order, found "
            f"{written[row]:g}"
        )
    if len(names) < 2:
        raise DataError(f"{path}, line 1: expected columns item_feature_0, item_feature_1, ...")
    number = table.numbers(names[0])
    categories, _ = _one_hot({name: table.ids(name) for name in names[1:]})
    topic_names, topics = np.unique(table.ids(names[1]).astype(str), return_inverse=True)
    return Catalogue(
        item_ids=item_ids,
        topics=topics,
        features=np.column_stack([number.astype(np.float32), categories]),
        topic_names=tuple(topic_names.tolist()),
    )


def _one_hot(columns: dict[str, NDArray[Any]]) -> tuple[Floats32, tuple[str, ...]]:
    """Return categories one-hot, each column's in alphabetical order, and their names."""
    parts: list[Floats32] = []
    names: list[str] = []
    for name, values in columns.items():
        numbers, found = pd.factorize(values)  # no copy of the texts, unlike np.unique
        distinct, places = np.unique(found.astype(str), return_inverse=True)
        codes = places[numbers]
        parts.append(np.eye(len(distinct), dtype=np.float32)[codes])
        names += [f"{name}={category}" for category in distinct]
    return np.concatenate(parts, axis=1), tuple(names)


def _user_features(path: Path) -> tuple[str, ...]:
    names = tuple(name for name in _header(path) if _USER.fullmatch(name))
    if not names:
        raise DataError(f"{path}, line 1: expected columns user_feature_0, user_feature_1, ...")
    return names


def _header(path: Path) -> list[str]:
    first = RawFile(path).first_line()
    return first.decode("utf-8-sig", "replace").strip().split(",")


def _file(place: Path, name: str) -> Path:
    for path in (place / name, place / f"{name}.gz"):
        if path.is_file():
            return path
    raise DataError(
        f"{place / name}: expected a file (or with .gz), found nothing there; the folder to name "
        f"is the one that holds 'random' and 'bts'"
    )


def _check_name(what: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise UnknownNameError(f"no {what} is called {name!r}.{nearest_hint(str(name), known)}")


def _check_counts(
    path: Path, campaign: str, policy: str, n_rows: int, n_items: int, expect: int | None
) -> None:
    if n_items != N_ITEMS[campaign] and expect is None:
        raise DataError(
            f"{path.parent / 'item_context.csv'}: the campaign {campaign!r} has "
            f"{N_ITEMS[campaign]} items, found {n_items}; pass expect={n_rows} if it is meant so"
        )
    near = [count for count in KNOWN_ROWS[campaign, policy] if abs(n_rows - count) < count / 50]
    wanted = [expect] if expect is not None else near
    if wanted and n_rows not in wanted:
        raise DataError(
            f"{path}: expected {wanted[0]:,} rows, found {n_rows:,}; the file is cut off or "
            f"altered. If it is meant to be so, pass expect={n_rows}"
        )
    if not wanted:
        _logger.info("%s: %s rows, not a published count; none checked", path, f"{n_rows:,}")


def _check_prior(prior: BetaPrior) -> None:
    alpha, beta = prior
    if alpha.shape != beta.shape or alpha.ndim != 1 or not len(alpha):
        raise DataError(
            f"alpha and beta must be of one length, an entry an item, got shapes {alpha.shape} "
            f"and {beta.shape}"
        )
    if not (min(alpha.min(), beta.min()) > 0 and np.isfinite(alpha + beta).all()):
        raise DataError("alpha and beta must be finite and above 0")
