"""How likely looks are when tastes drift and topics satiate: a filter over each sequence."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rlrec.envs.fitting.slates.topic_sequences import NEW_VISIT, Looks

_NODES = 9


class Dynamics(NamedTuple):
    """The parameters, scalar tensors but for the appeals; or of n sequences each, (n,).

    An item i of topic j attracts at step t with the score

        a_i + b_j + d_jt - strength * z_jt - offset

    with the taste b_j ~ Normal(0, taste_sd^2) of the person, a deviation d_jt around 0 of standard
    deviation `drift_sd` that keeps the share `persistence` from step to step and is drawn anew at
    each visit, and satiation z_jt, which begins a visit at 0: after each step
    z <- memory * (z + items of the topic taken). An item looked at is taken with the logistic of
    its score; slot k of a slate is looked at with probability decay ** k.
    """

    offset: Tensor
    """Score at which half of those who look take an item: the level of taking nothing."""
    decay: Tensor
    """In (0, 1]."""
    taste_sd: Tensor
    persistence: Tensor
    """In (0, 1)."""
    drift_sd: Tensor
    """Of the deviation itself, not of a step."""
    strength: Tensor
    """0 or more."""
    memory: Tensor
    """In (0, 1)."""
    appeals: Tensor
    """Shape (N,)."""


class Filtered(NamedTuple):
    """What a filter makes of n sequences."""

    log_likelihoods: Tensor
    """Shape (n,)."""
    tastes: Tensor
    """Shape (n,). Mean of the taste of the pair, given all its looks."""
    variances: Tensor
    """Shape (n,). Of that."""


class _Belief(NamedTuple):
    """Normal belief about taste and deviation of each pair, and its satiation."""

    taste: Tensor
    deviation: Tensor
    taste_var: Tensor
    deviation_var: Tensor
    covariance: Tensor
    satiation: Tensor


def filtered(looks: Looks, dynamics: Dynamics) -> Filtered:
    """Return log-likelihoods of sequences of looks, tastes integrated out.

    After each look the belief about taste and deviation is replaced by a normal one of the same
    mean and variance along the score (assumed-density filtering), with 9 nodes of Gauss-Hermite
    quadrature.

    Reference:
        Minka, 2001, "Expectation Propagation for Approximate Bayesian Inference" (its section on
        assumed-density filtering); the model is ours.
    """
    total = torch.zeros(len(looks.rows), dtype=torch.float64)
    done: list[tuple[Tensor, Tensor, Tensor]] = []
    belief = _first_belief(len(looks.rows), dynamics)
    for likely, after in _filtering(looks, dynamics):
        n_active = len(likely)
        if n_active < len(total):  # the longest come first: those at the end are over
            done.append((total[n_active:], belief.taste[n_active:], belief.taste_var[n_active:]))
            total = total[:n_active]
        total, belief = total + likely, after
    done.append((total, belief.taste, belief.taste_var))
    return Filtered(*(torch.cat(parts[::-1]) for parts in zip(*done, strict=True)))


def probabilities_of_looks(looks: Looks, dynamics: Dynamics) -> Tensor:
    """Return the probability (L, n) that the item of each look is taken, given the looks before.

    Where a sequence has no look of that number it is nan.
    """
    found = torch.full(looks.taken.shape, torch.nan, dtype=torch.float64)
    with torch.no_grad():
        for number, (likely, _) in enumerate(_filtering(looks, dynamics)):
            n = len(likely)
            taken = _tensor(looks.taken[number, :n])
            found[number, :n] = torch.where(taken, likely.exp(), -torch.expm1(likely))
    return found


def _filtering(looks: Looks, dynamics: Dynamics) -> Iterator[tuple[Tensor, _Belief]]:
    """Yield for each number of look how likely it was, and the belief after it, (n_active,)."""
    belief = _first_belief(len(looks.rows), dynamics)
    for number, n_active in enumerate(looks.n_active):
        if n_active < len(belief.taste):
            belief = _Belief(*(part[:n_active] for part in belief))
            dynamics = _of_first(dynamics, n_active)
        belief = _moved(belief, looks, number, dynamics)
        likely, belief = _updated(belief, looks, number, dynamics)
        yield likely, belief


def _of_first(dynamics: Dynamics, n: int) -> Dynamics:
    """Return the parameters of the first sequences, where each has its own."""
    own = {name: getattr(dynamics, name) for name in Dynamics._fields[:-1]}
    return dynamics._replace(**{name: part[:n] for name, part in own.items() if part.dim()})


def _first_belief(n: int, dynamics: Dynamics) -> _Belief:
    zeros = torch.zeros(n, dtype=torch.float64)
    taste_var = (dynamics.taste_sd**2).expand(n)
    return _Belief(zeros, zeros, taste_var, (dynamics.drift_sd**2).expand(n), zeros, zeros)


def _moved(belief: _Belief, looks: Looks, number: int, dynamics: Dynamics) -> _Belief:
    """Return the belief before a look, after the steps since the last one."""
    n = len(belief.taste)
    gap = _tensor(looks.gap[number, :n])
    is_new = gap == NEW_VISIT
    gap = gap.clamp(min=0).double()
    kept = torch.where(is_new, 0.0, dynamics.persistence**gap)
    left = torch.where(is_new, 0.0, dynamics.memory**gap)
    before = _tensor(looks.before[number, :n]).double()
    return belief._replace(
        deviation=kept * belief.deviation,
        deviation_var=kept**2 * belief.deviation_var + (1 - kept**2) * dynamics.drift_sd**2,
        covariance=kept * belief.covariance,
        satiation=left * (belief.satiation + before),
    )


def _updated(
    belief: _Belief, looks: Looks, number: int, dynamics: Dynamics
) -> tuple[Tensor, _Belief]:
    """Return the log-probability of a look, and the belief after it."""
    n = len(belief.taste)
    variance = belief.taste_var + 2 * belief.covariance + belief.deviation_var
    sd = variance.sqrt()
    cost = dynamics.strength * belief.satiation + dynamics.offset
    appeal = dynamics.appeals[_tensor(looks.item[number, :n])]
    centre = belief.taste + belief.deviation + appeal - cost
    nodes, log_weights = _quadrature()
    log_taken = F.logsigmoid(centre[:, None] + sd[:, None] * nodes)
    slot = _tensor(looks.slot[number, :n]).double()
    log_taken = log_taken + (slot * dynamics.decay.log())[:, None]
    log_left = torch.log(-torch.expm1(log_taken.clamp(max=-1e-12)))
    taken = _tensor(looks.taken[number, :n])[:, None]
    joint = torch.where(taken, log_taken, log_left) + log_weights
    likely = joint.logsumexp(dim=1)
    shares = (joint - likely[:, None]).exp()
    mean = (shares * nodes).sum(dim=1)
    spread = (shares * nodes**2).sum(dim=1) - mean**2
    # The score moves by `moved` and its variance shrinks by `shrunk`; both follow along.
    moved, shrunk = sd * mean, variance * (1 - spread)
    for_taste = (belief.taste_var + belief.covariance) / variance
    for_deviation = (belief.deviation_var + belief.covariance) / variance
    return likely, belief._replace(
        taste=belief.taste + for_taste * moved,
        deviation=belief.deviation + for_deviation * moved,
        taste_var=belief.taste_var - for_taste**2 * shrunk,
        deviation_var=belief.deviation_var - for_deviation**2 * shrunk,
        covariance=belief.covariance - for_taste * for_deviation * shrunk,
    )


def _quadrature() -> tuple[Tensor, Tensor]:
    """Return nodes and logarithms of weights of a standard normal."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    return torch.from_numpy(nodes), torch.from_numpy(np.log(weights / weights.sum()))


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
