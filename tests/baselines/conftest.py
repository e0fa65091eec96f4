"""Made-up interactions that the tests of several models share."""

import numpy as np
import pytest
from scipy.sparse import csr_array

N_USERS, N_ITEMS = 60, 20


@pytest.fixture
def two_tastes() -> csr_array:
    """Even users took six of ten even items, odd users six of ten odd ones."""
    rng = np.random.default_rng(3)
    users = np.repeat(np.arange(N_USERS), 6)
    chosen = np.stack([rng.permutation(10)[:6] for _ in range(N_USERS)]).ravel()
    return csr_array(
        (np.ones(users.size), (users, 2 * chosen + users % 2)), shape=(N_USERS, N_ITEMS)
    )
