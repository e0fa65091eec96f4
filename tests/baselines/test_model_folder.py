import json
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from rlrec.baselines import ALS, BASELINE_NAMES, EASE, load_baseline, make_baseline
from rlrec.errors import ModelFileError

FEW_FACTORS: dict[str, dict[str, int]] = {"als": {"factors": 4}, "puresvd": {"factors": 3}}


@pytest.fixture
def saved(tmp_path: Path, two_tastes: csr_array) -> Path:
    EASE(slate_size=3).fit(two_tastes).save(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("name", BASELINE_NAMES)
def test_a_saved_model_comes_back_equal(name: str, tmp_path: Path, two_tastes: csr_array) -> None:
    made = make_baseline(name, slate_size=3, exclude_history=True, **FEW_FACTORS.get(name, {}))
    model = made.fit(two_tastes).softened(0.5)
    model.save(tmp_path / "model")
    loaded = load_baseline(tmp_path / "model")
    assert type(loaded) is type(model)
    assert loaded.settings == model.settings
    assert (loaded.slate_size, loaded.temperature) == (3, 0.5)
    users = np.arange(60)
    np.testing.assert_array_equal(loaded.scores(users), model.scores(users))
    np.testing.assert_array_equal(loaded.fold_in(two_tastes), model.fold_in(two_tastes))


def test_saving_again_replaces_the_model(saved: Path, two_tastes: csr_array) -> None:
    EASE(regularisation=7.0).fit(two_tastes).save(saved)
    assert EASE.load(saved).regularisation == 7.0
    assert [path.name for path in saved.parent.iterdir()] == ["model"]


def test_settings_may_be_numpy_numbers(tmp_path: Path, two_tastes: csr_array) -> None:
    EASE(regularisation=np.float32(2.5), slate_size=np.int64(4)).fit(two_tastes).save(tmp_path)  # type: ignore[arg-type]
    loaded = EASE.load(tmp_path)
    assert (loaded.regularisation, loaded.slate_size) == (2.5, 4)


def test_a_save_that_fails_leaves_the_old_model(
    saved: Path, two_tastes: csr_array, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_text", full_disk)
    with pytest.raises(OSError, match="no space left"):
        EASE(regularisation=7.0).fit(two_tastes).save(saved)
    monkeypatch.undo()
    assert EASE.load(saved).regularisation == 100.0
    assert [path.name for path in saved.parent.iterdir()] == ["model"]


def test_a_folder_with_other_files_is_never_replaced(tmp_path: Path, two_tastes: csr_array) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ModelFileError, match="holds other files"):
        EASE().fit(two_tastes).save(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"no saved model in .*nowhere"):
        load_baseline(tmp_path / "nowhere")


def test_truncated_arrays_are_refused(saved: Path) -> None:
    arrays = saved / "arrays.safetensors"
    arrays.write_bytes(arrays.read_bytes()[:-8])
    with pytest.raises(ModelFileError, match="damaged"):
        load_baseline(saved)


def test_missing_arrays_are_refused(saved: Path) -> None:
    (saved / "arrays.safetensors").unlink()
    with pytest.raises(ModelFileError, match=r"arrays\.safetensors cannot be read"):
        load_baseline(saved)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": "other"}', "\x80"])
def test_a_foreign_card_is_refused(text: str, saved: Path) -> None:
    (saved / "model.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelFileError, match=r"model\.json"):
        load_baseline(saved)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("version", 99, "version 99"),
        ("settings", {"colour": "red"}, "damaged"),
        ("settings", {"regularisation": -1.0}, "damaged"),
        ("settings", None, "settings"),
        ("state", {}, "damaged"),
        ("model", "oracle", "oracle"),
    ],
)
def test_a_changed_card_is_refused(key: str, value: object, message: str, saved: Path) -> None:
    card = json.loads((saved / "model.json").read_text())
    (saved / "model.json").write_text(json.dumps({**card, key: value}))
    with pytest.raises(ModelFileError, match=message):
        load_baseline(saved)


def test_a_model_of_another_class_is_refused(saved: Path) -> None:
    with pytest.raises(ModelFileError, match="'ease', not 'als'"):
        ALS.load(saved)
