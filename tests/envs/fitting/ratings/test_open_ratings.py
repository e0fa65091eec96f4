"""What a fitted catalogue openly says of its items."""

import numpy as np

from rlrec.envs import fit_users
from rlrec.envs.fitting.ratings.made_up_ratings import made_up_ratings


def test_open_features_follow_the_ratings_of_persons_trained_on() -> None:
    model = fit_users(made_up_ratings())
    averages, counts = model.catalogue.features[:, -2], model.catalogue.features[:, -1]
    for column in (averages, counts):
        assert abs(column.mean()) < 1e-5
        assert abs(column.std() - 1) < 1e-4
    # the fitted bias of an item is another estimate of the same: how it is rated on the whole
    assert np.corrcoef(averages, model.item_bias)[0, 1] > 0.8
