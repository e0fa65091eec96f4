import pytest

from rlrec.baselines import ALS, BASELINE_NAMES, ItemKNN, make_baseline
from rlrec.errors import ConfigError, UnknownNameError


def test_settings_reach_the_model() -> None:
    model = make_baseline("als", factors=8, slate_size=5)
    assert isinstance(model, ALS)
    assert (model.factors, model.slate_size) == (8, 5)


def test_the_two_item_knn_differ_in_their_similarity() -> None:
    cosine, tfidf = make_baseline("itemknn"), make_baseline("itemknn_tfidf")
    assert isinstance(cosine, ItemKNN) and isinstance(tfidf, ItemKNN)
    assert (cosine.similarity, tfidf.similarity) == ("cosine", "tfidf")


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'itemknn_tfidf'"):
        make_baseline("itemknn_tfid")


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'ease'.*'factors'"):
        make_baseline("ease", factors=3)


def test_every_name_makes_a_model() -> None:
    assert [make_baseline(name).n_neighbours for name in BASELINE_NAMES if "knn" in name]  # type: ignore[attr-defined]
    assert len({type(make_baseline(name)) for name in BASELINE_NAMES}) == 5
