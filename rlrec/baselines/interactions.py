"""What users took or how they rated, as the sparse matrices that models learn from."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse import csr_array, csr_matrix

from rlrec.arrays import Floats, Ints, Observations
from rlrec.baselines.logged_responses import count_responses
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog
from rlrec.data.ratings import Ratings
from rlrec.errors import CatalogueMismatchError, DataError, UnknownNameError

Interactions = sparse.sparray | sparse.spmatrix | Ratings | InteractionLog
"""What a recommender learns from."""

Rated = sparse.sparray | sparse.spmatrix | Ratings
"""What a model of ratings learns from."""


class RatingTriples(NamedTuple):
    """Ratings one by one; the same pair may occur more than once."""

    user_index: Ints
    """Shape (n,)."""
    item_index: Ints
    """Shape (n,)."""
    values: Floats
    """Shape (n,)."""
    n_users: int
    """Rows of the matrix, users without ratings included."""
    n_items: int
    """Columns of the matrix, items without ratings included."""


def interaction_matrix(interactions: Interactions, catalogue: Catalogue | None = None) -> csr_array:
    """Return how often each user took each item, shape (n_users, N), without stored zeros.

    Args:
        interactions: A sparse matrix, ratings or a log.
        catalogue: The items, if the interactions must be of it.

    Raises:
        DataError: A value is negative or not finite, or there are no interactions at all.
        CatalogueMismatchError: The interactions are of other items.
    """
    if isinstance(interactions, InteractionLog):
        matrix = count_responses(interactions, catalogue)
    elif isinstance(interactions, Ratings):
        matrix = _canonical(interactions.matrix(binary=True))
    else:
        matrix = _canonical(interactions)
    if catalogue is not None:
        check_shape(matrix, catalogue.n_items)
    if matrix.nnz == 0:
        raise DataError(f"there are no interactions to learn from in a matrix {matrix.shape}")
    return matrix


def logged_slate_size(interactions: Interactions) -> int | None:
    """Return the slate size of a log, None for other interactions."""
    return interactions.metadata.slate_size if isinstance(interactions, InteractionLog) else None


def implicit_matrix(matrix: csr_array, dtype: type[np.float32] | type[np.float64]) -> csr_matrix:
    """Return a matrix in the one format the `implicit` library takes: 32-bit indices."""
    indices, indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
    return csr_matrix((matrix.data.astype(dtype), indices, indptr), shape=matrix.shape)


def check_histories(histories: csr_array, n_items: int) -> csr_array:
    """Return histories (B, N) without stored zeros; raises DataError for a wrong one."""
    check_shape(histories, n_items)
    return _canonical(histories)


def check_shape(matrix: csr_array, n_items: int) -> None:
    """Raise CatalogueMismatchError unless a matrix has one column for each item."""
    if matrix.ndim != 2 or matrix.shape[1] != n_items:
        raise CatalogueMismatchError(
            f"expected one row a user and {n_items} columns, one for each item of the "
            f"catalogue, got shape {matrix.shape}"
        )


def history_matrix(observations: Observations, n_items: int) -> csr_array:
    """Return how often each user responded to each item in the history observed, (B, N)."""
    if "history_items" not in observations:
        raise UnknownNameError(
            f"a baseline needs the observation key 'history_items', got {sorted(observations)}"
        )
    items = observations["history_items"]
    if items.max(initial=0) > n_items:
        raise CatalogueMismatchError(
            f"history_items must lie in 0..{n_items} (item_index + 1), the number of items the "
            f"model was fitted to, got {items.max()}"
        )
    taken = items > 0
    if "history_responses" in observations:
        taken &= observations["history_responses"][..., 0] > 0
    users, places = np.nonzero(taken)
    cells = (users, items[users, places] - 1)
    counts = sparse.coo_array((np.ones(users.size), cells), shape=(len(items), n_items))
    histories: csr_array = counts.tocsr()  # sums duplicates
    return histories


def rating_triples(ratings: Rated) -> RatingTriples:
    """Return ratings one by one.

    Raises:
        DataError: A rating is not finite, or there are none.
    """
    matrix = ratings.matrix() if isinstance(ratings, Ratings) else ratings
    stored = _as_sparse(matrix).tocoo()
    values = np.asarray(stored.data, dtype=np.float64)
    users, items, shape = stored.row, stored.col, stored.shape
    if values.size == 0:
        raise DataError(f"there are no ratings to learn from in a matrix {shape}")
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        raise DataError(
            f"ratings must be finite; {wrong.size} of {values.size} are not, the first by user "
            f"{users[wrong[0]]} of item {items[wrong[0]]}: {values[wrong[0]]}"
        )
    return RatingTriples(users, items, values, int(shape[0]), int(shape[1]))


def _canonical(matrix: Any) -> csr_array:
    """Return a sparse matrix as float64 CSR, duplicates summed and zeros dropped."""
    canonical: csr_array = csr_array(_as_sparse(matrix).astype(np.float64))
    canonical.sum_duplicates()
    canonical.eliminate_zeros()
    wrong = np.flatnonzero(~(np.isfinite(canonical.data) & (canonical.data > 0)))
    if wrong.size:
        user = int(np.searchsorted(canonical.indptr, wrong[0], side="right")) - 1
        raise DataError(
            f"interactions must be finite and 0 or more; {wrong.size} of {canonical.nnz} are not, "
            f"the first of user {user} with item {canonical.indices[wrong[0]]}: "
            f"{canonical.data[wrong[0]]}"
        )
    return canonical


def _as_sparse(matrix: Any) -> Any:
    shape = getattr(matrix, "shape", ())
    if not sparse.issparse(matrix) or len(shape) != 2:
        raise DataError(
            "expected a sparse matrix (users, items), Ratings or an InteractionLog, got "
            f"{type(matrix).__name__}"
        )
    return matrix
