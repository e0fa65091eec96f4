"""Made-up ratings, so that users can be fitted and judged without any data."""

import numpy as np

from rlrec.arrays import Floats
from rlrec.data.catalogue import Catalogue
from rlrec.data.ratings import Ratings
from rlrec.slates import sample_plackett_luce

N_PERSONS, N_ITEMS, N_TOPICS, N_RATED = 200, 120, 6, 40


def made_up_ratings(seed: int = 0) -> Ratings:
    """Return ratings from 1 to 5 by 200 persons, 40 each, of 120 items with 6 topics.

    A person chooses by liking for topics and by the items' appeal, and rates by a liking of its
    own for items and by their quality; the more appealing items are the poorer ones.
    """
    rng = np.random.default_rng(seed)
    topics = np.arange(N_ITEMS) % N_TOPICS
    quality = rng.standard_normal(N_ITEMS)
    appeal = -0.5 * quality + 0.8 * rng.standard_normal(N_ITEMS)
    attracts = 1.2 * rng.standard_normal((N_PERSONS, N_TOPICS))[:, topics] + appeal
    pleases = 0.6 * rng.standard_normal((N_PERSONS, N_TOPICS))[:, topics] + 0.8 * quality
    chosen = sample_plackett_luce(attracts, N_RATED, rng).slates  # (P, rated)
    persons = np.repeat(np.arange(N_PERSONS), N_RATED)
    items = chosen.ravel()
    return Ratings(
        user_ids=np.arange(1, N_PERSONS + 1),
        user_index=persons,
        item_index=items,
        values=_stars(pleases[persons, items] + 0.5 * rng.standard_normal(len(items))),
        timestamps=None,
        catalogue=Catalogue(
            item_ids=np.arange(1, N_ITEMS + 1),
            topics=topics,
            features=np.eye(N_TOPICS, dtype=np.float32)[topics],
            topic_names=tuple(f"topic {number}" for number in range(N_TOPICS)),
        ),
    )


def made_up_block(
    n_persons: int = 300, n_items: int = 40, complete_share: float = 0.4, seed: int = 0
) -> Ratings:
    """Return ratings from -10 to 10 by persons of whom some rated everything.

    The others rated two thirds of the items each, at random. A rating is a level of the person, a
    quality of the item, a taste in two dimensions, and noise.

    Args:
        n_persons: U.
        n_items: N.
        complete_share: Of the persons who rated everything.
        seed: Of all that is drawn.
    """
    rng = np.random.default_rng(seed)
    taste = rng.standard_normal((n_persons, 2)) @ rng.standard_normal((2, n_items))
    level, quality = 1.5 * rng.standard_normal((n_persons, 1)), 2.0 * rng.standard_normal(n_items)
    values = level + quality + 1.5 * taste + 2.0 * rng.standard_normal((n_persons, n_items))
    rated = rng.random((n_persons, n_items)) < 2 / 3
    rated[: round(complete_share * n_persons)] = True
    persons, items = np.nonzero(rated)
    return Ratings(
        user_ids=np.arange(n_persons),
        user_index=persons,
        item_index=items,
        values=np.clip(values, -10.0, 10.0)[rated],
        timestamps=None,
        catalogue=Catalogue.of_ids(np.arange(1, n_items + 1)),
    )


def _stars(satisfaction: Floats) -> Floats:
    return np.clip(np.rint(3.5 + satisfaction), 1.0, 5.0)
