"""How often each user of an interaction log responded to each item."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from rlrec.arrays import Ints
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog
from rlrec.data.log_columns import items_shown, response_column
from rlrec.errors import CatalogueMismatchError, DataError


def count_responses(log: InteractionLog, catalogue: Catalogue | None = None) -> csr_array:
    """Return the number of responses by user and item, shape (n_users, N).

    The log is read in blocks. Users are in the order of their sorted ids; channel 0 above 0 is a
    response.

    Args:
        log: Slates of items with an identity.
        catalogue: The items; without it, N is the highest item shown + 1.

    Raises:
        DataError: The slates are of fresh candidates without identity.
        CatalogueMismatchError: The log was recorded with another catalogue.
    """
    check_belongs(log, catalogue)
    names = ["user_id", "slate", response_column(log.metadata.response_channels[0])]
    if log.has("candidates"):
        names.append("candidates")
    user_ids, responders, items = [], [], []
    highest = -1
    for block in log.blocks(names):
        shown = items_shown(block)
        rows, slots = np.nonzero(block[names[2]] > 0)
        user_ids.append(np.unique(block["user_id"]))
        responders.append(block["user_id"][rows])
        items.append(shown[rows, slots])
        highest = max(highest, int(block.get("candidates", shown).max()))
    n_items = highest + 1 if catalogue is None else catalogue.n_items
    if highest >= n_items:
        raise CatalogueMismatchError(
            f"{log.name}: items must lie in 0..{n_items - 1}, those of the catalogue, got {highest}"
        )
    return _matrix(np.unique(np.concatenate(user_ids)), responders, items, n_items)


def check_belongs(log: InteractionLog, catalogue: Catalogue | None) -> None:
    """Check that the items of a log have an identity, and are those of a catalogue.

    Raises:
        DataError: They are fresh candidates.
        CatalogueMismatchError: They are of another catalogue.
    """
    if log.has("candidate_features") and not log.has("candidates"):
        raise DataError(
            f"{log.name}: its slates are of fresh candidates without identity, from which nothing "
            "can be learned of single items"
        )
    recorded = log.metadata.catalogue_fingerprint
    if catalogue is not None and recorded not in (None, catalogue.fingerprint):
        raise CatalogueMismatchError(
            f"{log.name} was recorded with the catalogue {recorded}, the one given is "
            f"{catalogue.fingerprint}"
        )


def _matrix(
    user_ids: NDArray[Any], responders: list[NDArray[Any]], items: list[Ints], n_items: int
) -> csr_array:
    users = np.searchsorted(user_ids, np.concatenate(responders))
    counts = coo_array(
        (np.ones(users.size), (users, np.concatenate(items))), shape=(len(user_ids), n_items)
    )
    matrix: csr_array = counts.tocsr()  # sums duplicates
    return matrix
