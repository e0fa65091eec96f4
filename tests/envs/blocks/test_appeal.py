"""Items that attract by their quality."""

import numpy as np
import pytest

from rlrec.envs.blocks import QualityAppeal
from rlrec.envs.documents import KeptDocuments, TopicDocuments
from rlrec.errors import ConfigError


def test_quality_attracts_by_its_weight_wherever_it_is_shown() -> None:
    items = KeptDocuments(TopicDocuments([1.0, 2.0], 0.5), 5, seed=1)
    block = QualityAppeal(source=items, weight=2.0)
    quality = items.offer_quality({})
    whole = block.adjust({}, items.offer({}), np.ones((3, 5)))
    np.testing.assert_allclose(whole, 1.0 + 2.0 * np.repeat(quality, 3, axis=0))
    slates = np.array([[4, 0], [2, 2], [1, 3]])
    some = block.adjust({}, items.shown({}, slates), np.ones((3, 2)))
    np.testing.assert_allclose(some, 1.0 + 2.0 * quality[0, slates])
    neutral = QualityAppeal(source=items, weight=0.0)
    np.testing.assert_array_equal(neutral.adjust({}, items.offer({}), np.ones((3, 5))), 1.0)
    with pytest.raises(ConfigError, match="weight of quality must be finite"):
        QualityAppeal(source=items, weight=np.nan)
