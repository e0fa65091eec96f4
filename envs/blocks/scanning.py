"""How a user scans a slate from the top: by position, as a cascade, or on and on after a click."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Bools, Floats
from rlrec.envs.arguments import check_flag, check_number
from rlrec.envs.blocks.choice import ChoiceModel


class Attraction(Protocol):
    """Turns scores into the probability that an item is taken once it is looked at."""

    def of(self, scores: Floats) -> Floats:
        """Return probabilities of the shape of `scores`; 0 where a score is -inf."""
        ...


_LARGEST_LOGIT = 700.0  # exp overflows above 709; here the probability is 1 long since


class LogisticAttraction:
    """P(taken | looked at) = 1 / (1 + exp(-slope * (score - offset))).

    Args:
        slope: Above 0.
        offset: Score at which half of those who look take the item.
    """

    def __init__(self, slope: float = 1.0, offset: float = 0.0) -> None:
        check_number("slope of attraction", slope, 0.0, above=True)
        check_number("offset of attraction", offset)
        self.slope = slope
        self.offset = offset

    def of(self, scores: Floats) -> Floats:
        """Return logistic probabilities."""
        odds = scores - self.offset
        odds *= self.slope
        np.minimum(odds, _LARGEST_LOGIT, out=odds)
        np.exp(odds, out=odds)
        odds /= odds + 1.0
        return odds


class ProportionalAttraction:
    """P(taken | looked at) = scale * (score - minimum), clipped to 0..1.

    Args:
        scale: Above 0.
        minimum: Score at which an item is never taken.
    """

    def __init__(self, scale: float = 1.0, minimum: float = 0.0) -> None:
        check_number("scale of attraction", scale, 0.0, above=True)
        check_number("minimum of attraction", minimum)
        self.scale = scale
        self.minimum = minimum

    def of(self, scores: Floats) -> Floats:
        """Return the clipped probabilities."""
        return np.clip(self.scale * (scores - self.minimum), 0.0, 1.0)


class ExponentialAttraction:
    """P(taken | looked at) = scale * exp(score), clipped to 0..1.

    Args:
        scale: Above 0.
    """

    def __init__(self, scale: float = 1.0) -> None:
        check_number("scale of attraction", scale, 0.0, above=True)
        self.scale = scale

    def of(self, scores: Floats) -> Floats:
        """Return the clipped probabilities."""
        attraction: Floats = np.exp(np.minimum(scores + np.log(self.scale), 0.0))
        return attraction


class Scan(NamedTuple):
    """How users go through a slate, slot by slot from the top."""

    attraction: Floats
    """Shape (B, K). P(taken | looked at)."""
    after_taking: float | Floats
    """P(looks at the next slot | looked at this one and took it); one for all, or (B, K)."""
    after_passing: float
    """P(looks at the next slot | looked at this one and did not take it)."""

    @property
    def is_complete(self) -> bool:
        """Whether every slot is looked at, whatever happens."""
        if isinstance(self.after_taking, np.ndarray):
            return False
        return self.after_taking == self.after_passing == 1.0

    def goes_on(self, slot: int) -> float | Floats:
        """Return P(looks at the next slot | looked at `slot` and took it), for all or (B,)."""
        after = self.after_taking
        return after[:, slot] if isinstance(after, np.ndarray) else after


class ScanningChoice(ChoiceModel, Protocol):
    """A choice model that is a scan of the slate."""

    def scan(self, scores: Floats) -> Scan:
        """Return how users with scores (B, K) go through the slate."""
        ...


class PositionBasedChoice:
    """Takes each item on its own: P(taken at slot k) = attraction * examination of slot k.

    The examination of slot k (from 0) is `decay ** k`; with `two_way` half of the users begin at
    the bottom, so it is the mean of that and its reverse.

    Args:
        attraction: P(taken | looked at) of a score.
        decay: In 0..1; 1 makes positions alike.
        two_way: Whether half of the users browse from the bottom.

    Reference:
        Craswell, Zoeter, Taylor and Ramsey, 2008, "An Experimental Comparison of Click
        Position-Bias Models".
    """

    takes_one = False

    def __init__(self, attraction: Attraction, decay: float = 0.85, two_way: bool = False) -> None:
        self.attraction = attraction
        self.decay = _probability("decay of examination", decay)
        check_flag("two_way", two_way)
        self.two_way = two_way
        self._examination = np.empty(0)

    def examination(self, slate_size: int) -> Floats:
        """Return the probability that each slot is looked at, (K,); read-only."""
        if len(self._examination) != slate_size:  # kept: it is asked for at every step
            downward = np.power(self.decay, np.arange(slate_size))
            both_ways = 0.5 * (downward + downward[::-1])
            self._examination = both_ways if self.two_way else downward
            self._examination.setflags(write=False)
        return self._examination

    def scan(self, scores: Floats) -> Scan:
        """Return a scan that looks at all slots, with attraction and examination in one."""
        attraction = self.attraction.of(scores)
        attraction *= self.examination(scores.shape[1])
        return Scan(attraction, 1.0, 1.0)

    def probabilities(self, scores: Floats) -> Floats:
        """Return attraction times examination, and the probability that nothing is taken."""
        return scan_probabilities(self.scan(scores))


class CascadeChoice:
    """Looks from the top down and stops at the first item taken: at most one.

    P(taken at slot k) = a_k * product over the slots above of (1 - a_j), with a = attention *
    attraction.

    Args:
        attraction: P(taken | looked at) of a score.
        attention: Factor in 0..1 on every attraction.

    Reference:
        Craswell, Zoeter, Taylor and Ramsey, 2008, "An Experimental Comparison of Click
        Position-Bias Models"; with attention in Ie et al., 2019, "RecSim".
    """

    takes_one = True

    def __init__(self, attraction: Attraction, attention: float = 1.0) -> None:
        self.attraction = attraction
        self.attention = _probability("attention", attention)

    def scan(self, scores: Floats) -> Scan:
        """Return a scan that ends with the first item taken."""
        return Scan(self.attention * self.attraction.of(scores), 0.0, 1.0)

    def probabilities(self, scores: Floats) -> Floats:
        """Return the probability of each slot, and of nothing."""
        return scan_probabilities(self.scan(scores))


class DependentClickChoice:
    """A cascade that goes on: after an item is taken the next slot is looked at with `go_on`.

    `go_on` = 0 is the cascade, 1 looks at every slot. `after_passing` below 1 lets users tire.

    Args:
        attraction: P(taken | looked at) of a score.
        go_on: P(looks on | took the item), in 0..1.
        after_passing: P(looks on | did not take it), in 0..1; 1 in the published model.

    Reference:
        Guo, Liu and Wang, 2009, "Efficient Multiple-Click Models in Web Search".
    """

    takes_one = False

    def __init__(
        self, attraction: Attraction, go_on: float = 0.7, after_passing: float = 1.0
    ) -> None:
        self.attraction = attraction
        self.go_on = _probability("go_on", go_on)
        self.after_passing = _probability("after_passing", after_passing)

    def scan(self, scores: Floats) -> Scan:
        """Return a scan that may go on after an item is taken."""
        return Scan(self.attraction.of(scores), self.go_on, self.after_passing)

    def probabilities(self, scores: Floats) -> Floats:
        """Return the probability that each slot is taken, and that none is."""
        return scan_probabilities(self.scan(scores))


class DynamicBayesianChoice:
    """Looks on until something satisfies, or patience ends; several items may be taken.

    An item looked at is taken with its attraction; once taken it satisfies with a probability of
    its own, and then nothing more is looked at. Who is not satisfied looks on with `go_on`. With a
    satisfaction that is the same for all items this is `DependentClickChoice`.

    Args:
        attraction: P(taken | looked at) of a score.
        satisfaction: P(satisfied | taken) of a score.
        go_on: P(looks on | not satisfied), in 0..1.

    Reference:
        Chapelle and Zhang, 2009, "A Dynamic Bayesian Network Click Model for Web Search Ranking".
    """

    takes_one = False

    def __init__(
        self, attraction: Attraction, satisfaction: Attraction, go_on: float = 0.9
    ) -> None:
        self.attraction = attraction
        self.satisfaction = satisfaction
        self.go_on = _probability("go_on", go_on)

    def scan(self, scores: Floats) -> Scan:
        """Return a scan that ends with the first item that satisfies."""
        unsatisfied = 1.0 - self.satisfaction.of(scores)
        return Scan(self.attraction.of(scores), self.go_on * unsatisfied, self.go_on)

    def probabilities(self, scores: Floats) -> Floats:
        """Return the probability that each slot is taken, and that none is."""
        return scan_probabilities(self.scan(scores))


def scan_probabilities(scan: Scan) -> Floats:
    """Return P(slot taken) of each slot and P(nothing taken), shape (B, K + 1)."""
    attraction = scan.attraction
    n_users, slate_size = attraction.shape
    probabilities = np.empty((n_users, slate_size + 1))
    looking = np.ones(n_users)  # P(looks at this slot)
    passed = np.ones(n_users)  # P(looks at this slot, and took nothing above)
    nothing = np.zeros(n_users)  # P(stopped above, and took nothing)
    for slot in range(slate_size):
        a = attraction[:, slot]
        probabilities[:, slot] = looking * a
        looking = looking * (a * scan.goes_on(slot) + (1.0 - a) * scan.after_passing)
        passed = passed * (1.0 - a)
        nothing += passed * (1.0 - scan.after_passing)
        passed = passed * scan.after_passing
    probabilities[:, -1] = nothing + passed
    return probabilities


def scan_responses(scan: Scan, draws: Floats) -> Bools:
    """Return which slots are taken, shape (B, K); one draw in [0, 1) a slot, shape (B, K)."""
    taken: NDArray[np.bool_] = draws < scan.attraction
    if scan.is_complete:
        return taken
    looking = np.ones(len(draws), bool)
    for slot in range(draws.shape[1]):
        a, draw = scan.attraction[:, slot], draws[:, slot]
        taken[:, slot] &= looking
        # The same draw decides whether to look on: its place within the part it fell into.
        goes_on = np.where(
            taken[:, slot],
            draw < a * scan.goes_on(slot),
            draw < a + (1.0 - a) * scan.after_passing,
        )
        looking &= goes_on
    return taken


def _probability(name: str, value: float) -> float:
    check_number(name, value, 0.0, 1.0)
    return value
