from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rlrec.errors import ConfigError, DataError
from rlrec.workflow.config import BaselineConfig, DataConfig, RankingConfig, RunConfig
from rlrec.workflow.data_stages import describe_data
from rlrec.workflow.run_folder import Results, RunFolder
from rlrec.workflow.runner import StageContext

COLUMNS = {"user": "user", "item": "item", "rating": "stars", "timestamp": "time"}
POPULARITY = BaselineConfig(name="popularity")


@pytest.fixture
def ratings_file(tmp_path: Path) -> Path:
    """30 users who rated 20 of 25 items each, in random order."""
    rng = np.random.default_rng(5)
    items = np.concatenate([rng.permutation(25)[:20] for _ in range(30)])
    path = tmp_path / "ratings.csv"
    pd.DataFrame(
        {
            "user": np.repeat(np.arange(30), 20),
            "item": items,
            "stars": rng.integers(3, 6, size=600),
            "time": np.tile(np.arange(20), 30),
        }
    ).to_csv(path, index=False)
    return path


def described(config: RunConfig, data: DataConfig | None, path: Path) -> Results:
    folder = RunFolder.create(config.model_copy(update={"data": data}), path / "run")
    results = describe_data(StageContext(folder, "data", folder.begin("data")))
    folder.finish("data", results, 0.0)
    return results


def test_without_real_ratings_there_is_nothing_to_describe(
    config: RunConfig, tmp_path: Path
) -> None:
    assert described(config, None, tmp_path) == {}


def test_ratings_are_counted_and_baselines_ranked_on_both_splits(
    config: RunConfig, ratings_file: Path, tmp_path: Path
) -> None:
    data = DataConfig(path=str(ratings_file), columns=COLUMNS)
    results = described(config, data, tmp_path)
    assert results["summary"].startswith("600 ratings by 30 users of 25 items")
    splits = [(row["split"], row["baseline"]) for row in results["rankings"]]
    assert splits == [("leave_one_out", "als"), ("positive_by_time", "als")]
    assert all(0 < row["ndcg"] <= 1 for row in results["rankings"])
    table = pd.read_csv(tmp_path / "run" / "stages" / "data" / "ranking.csv")
    assert table["ndcg"].tolist() == [row["ndcg"] for row in results["rankings"]]


def test_one_held_out_item_of_at_most_six_left_is_always_among_the_first_ten(
    config: RunConfig, ratings_file: Path, tmp_path: Path
) -> None:
    ranking = RankingConfig(split="leave_one_out", k=10, baselines=(POPULARITY,))
    data = DataConfig(path=str(ratings_file), columns=COLUMNS, rankings=(ranking,))
    (row,) = described(config, data, tmp_path)["rankings"]
    # 25 items less the 19 known: 6 candidates, so the held-out one is in every top 10
    assert row["hit_rate"] == 1.0 and row["recall"] == 1.0
    assert row["precision"] == pytest.approx(0.1)
    assert row["n_users"] == 30


def test_ratings_without_times_are_ranked_only_where_the_configuration_asks(
    config: RunConfig, ratings_file: Path, tmp_path: Path
) -> None:
    columns = {name: column for name, column in COLUMNS.items() if name != "timestamp"}
    data = DataConfig(path=str(ratings_file), columns=columns)
    assert described(config, data, tmp_path)["rankings"] == []
    asked = data.model_copy(update={"rankings": (RankingConfig(split="leave_one_out"),)})
    with pytest.raises(DataError, match="needs timestamps"):
        described(config, asked, tmp_path / "asked")


def test_what_counts_as_an_event_can_be_chosen(
    config: RunConfig, ratings_file: Path, tmp_path: Path
) -> None:
    def ranked(threshold: float, core: int) -> Results:
        ranking = RankingConfig(
            split="positive_by_time", threshold=threshold, core=core, baselines=(POPULARITY,)
        )
        data = DataConfig(path=str(ratings_file), columns=COLUMNS, rankings=(ranking,))
        return described(config, data, tmp_path / f"{threshold}-{core}")

    (row,) = ranked(5, 3)["rankings"]
    assert row["split"] == "positive_by_time, core 3, threshold 5"
    with pytest.raises(DataError, match="no items and users with 5 ratings of at least 6 each"):
        ranked(6, 5)


def test_an_argument_the_loader_lacks_is_refused(
    config: RunConfig, ratings_file: Path, tmp_path: Path
) -> None:
    data = DataConfig(path=str(ratings_file), columns={**COLUMNS, "colour": "red"})
    with pytest.raises(ConfigError, match=r"data\.columns: .*colour"):
        described(config, data, tmp_path)


def test_a_broken_file_is_refused_with_its_place(
    config: RunConfig, ratings_file: Path, tmp_path: Path
) -> None:
    lines = ratings_file.read_text().splitlines()
    lines[7] = lines[7].rsplit(",", 2)[0] + ",five,3"
    ratings_file.write_text("\n".join(lines))
    data = DataConfig(path=str(ratings_file), columns=COLUMNS)
    with pytest.raises(DataError, match=r"ratings\.csv.*line 8"):
        described(config, data, tmp_path)
