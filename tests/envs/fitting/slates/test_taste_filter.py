"""The filter against integrals over tastes and their drift."""

import numpy as np
import pytest
import torch

from rlrec.envs.fitting.slates.taste_filter import Dynamics, Filtered, filtered
from rlrec.envs.fitting.slates.topic_sequences import NEW_VISIT, Looks

N_DRAWS = 400_000
COLUMNS = Looks._fields[:5]


def dynamics(**changed: float) -> Dynamics:
    values = {
        "offset": 0.4,
        "decay": 0.8,
        "taste_sd": 1.0,
        "persistence": 0.9,
        "drift_sd": 0.7,
        "strength": 0.4,
        "memory": 0.7,
        **changed,
    }
    tensors = {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}
    return Dynamics(**tensors, appeals=torch.tensor([0.3, -0.2], dtype=torch.float64))


def one_sequence() -> Looks:
    """Return a dozen looks in two visits."""
    gap = [NEW_VISIT, 0, 1, 2, 0, 1, NEW_VISIT, 1, 1, 4, 0, 1]
    taken = [1, 0, 1, 0, 1, 0, 1, 1, 0, 0, 1, 0]
    before = [0, 0, 1, 1, 0, 1, 0, 1, 1, 0, 0, 1]
    n = len(gap)

    def column(values: list[int]) -> np.ndarray:
        return np.array(values, np.int64)[:, None]

    return Looks(
        slot=column([0, 3, 1, 2, 4, 0, 0, 1, 2, 0, 1, 3]),
        item=column([0, 1] * (n // 2)),
        taken=column(taken) > 0,
        gap=column(gap),
        before=column(before),
        n_active=[1] * n,
        rows=np.zeros(1, np.int64),
    )


def first(looks: Looks, length: int, copies: int = 1) -> dict[str, np.ndarray]:
    """Return the first looks of a sequence, side by side so many times."""
    return {name: np.repeat(getattr(looks, name)[:length], copies, axis=1) for name in COLUMNS}


def by_chance(looks: Looks, told: Dynamics, seed: int = 0) -> tuple[float, float, float]:
    """Return the log-likelihood, its standard error, and the mean taste, from drawn tastes."""
    p = {name: float(value) for name, value in zip(told._fields[:-1], told[:-1], strict=True)}
    rng = np.random.default_rng(seed)
    taste = p["taste_sd"] * rng.standard_normal(N_DRAWS)
    deviation, satiation, log_likely = np.zeros(N_DRAWS), 0.0, np.zeros(N_DRAWS)
    for at in range(len(looks.n_active)):
        gap, z = int(looks.gap[at, 0]), rng.standard_normal(N_DRAWS)
        if gap == NEW_VISIT:
            deviation, satiation = p["drift_sd"] * z, 0.0
        else:
            kept = p["persistence"] ** gap
            deviation = kept * deviation + p["drift_sd"] * np.sqrt(1 - kept**2) * z
            satiation = p["memory"] ** gap * (satiation + int(looks.before[at, 0]))
        score = float(told.appeals[int(looks.item[at, 0])]) + taste + deviation
        score -= p["strength"] * satiation + p["offset"]
        chance = p["decay"] ** int(looks.slot[at, 0]) / (1 + np.exp(-score))
        log_likely += np.log(chance if looks.taken[at, 0] else 1 - chance)
    likely = np.exp(log_likely)
    mean = likely.mean()
    error = likely.std() / np.sqrt(N_DRAWS) / mean
    return float(np.log(mean)), float(error), float((likely * taste).mean() / mean)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"drift_sd": 1e-4},
        {"taste_sd": 1e-4},
        {"strength": 0.0},
        {"persistence": 0.3, "drift_sd": 1.2},
        {"decay": 1.0},
    ],
    ids=lambda changed: ", ".join(changed) or "all",
)
def test_likelihood_and_taste_are_those_of_drawn_tastes(changed: dict[str, float]) -> None:
    looks, told = one_sequence(), dynamics(**changed)
    found = filtered(looks, told)
    likely, error, taste = by_chance(looks, told)
    # 4 standard errors of 400,000 draws, and what the normal beliefs lose
    assert float(found.log_likelihoods[0]) == pytest.approx(likely, abs=4 * error + 0.01)
    assert float(found.tastes[0]) == pytest.approx(taste, abs=4 * error + 0.02)


def test_sequences_side_by_side_are_those_one_by_one() -> None:
    whole = one_sequence()
    lengths = [12, 7, 3]

    n_active = [sum(length > at for length in lengths) for at in range(12)]
    several = Looks(**first(whole, 12, 3), n_active=n_active, rows=np.arange(3))
    together = filtered(several, dynamics())
    for row, length in enumerate(lengths):
        alone = Looks(**first(whole, length), n_active=[1] * length, rows=np.zeros(1, np.int64))
        for name in Filtered._fields:
            one = getattr(filtered(alone, dynamics()), name)[0]
            assert getattr(together, name)[row] == pytest.approx(float(one), abs=1e-12)


def test_the_gradient_is_that_of_difference_quotients() -> None:
    looks, told = one_sequence(), dynamics()
    point = torch.stack(told[:-1]).requires_grad_()

    def likely(at: torch.Tensor) -> torch.Tensor:
        parts = dict(zip(Dynamics._fields[:-1], at, strict=True))
        return filtered(looks, Dynamics(**parts, appeals=told.appeals)).log_likelihoods.sum()

    (gradient,) = torch.autograd.grad(likely(point), point)
    for number in range(len(point)):
        step = torch.zeros(len(point), dtype=torch.float64)
        step[number] = 1e-5
        above, below = (float(likely(point.detach() + sign * step)) for sign in (1, -1))
        assert float(gradient[number]) == pytest.approx((above - below) / 2e-5, abs=1e-6)
