"""All estimators by name, and what each is an estimate of: rounds, slates or sessions.

`docs/architecture.md` has the table of names with what each needs beyond propensities.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints

from rlrec.errors import ConfigError, UnknownNameError, nearest_hint
from rlrec.evaluation.offline.arguments import check_once, names_of
from rlrec.evaluation.offline.bandit import (
    DM,
    DR,
    SNDR,
    ClippedDR,
    DRos,
    SubGaussianDR,
    SwitchDR,
)
from rlrec.evaluation.offline.bandit_menu import FIXED, TUNABLE, bandit_estimator
from rlrec.evaluation.offline.bandit_sample import BanditSample
from rlrec.evaluation.offline.latent_slates import LatentIPS
from rlrec.evaluation.offline.marginalised import MARGINALISED
from rlrec.evaluation.offline.mips import MIPS, SNMIPSOfMarginals
from rlrec.evaluation.offline.mrdr import MRDR
from rlrec.evaluation.offline.pseudo_inverse import PseudoInverse
from rlrec.evaluation.offline.sequential import SEQUENTIAL, SequentialDM
from rlrec.evaluation.offline.session_sample import SessionSample
from rlrec.evaluation.offline.slate import (
    CascadeDR,
    IndependentIPS,
    JointIPS,
    RewardInteractionIPS,
    SlateSample,
)
from rlrec.evaluation.offline.slope import Criterion, Tuned

Sample = BanditSample | SlateSample | SessionSample
"""What estimators take."""

Kind = Literal["rounds", "slates", "sessions"]

_KINDS: dict[type, Kind] = {
    BanditSample: "rounds",
    SlateSample: "slates",
    SessionSample: "sessions",
}

_SLATE_ESTIMATORS = (
    JointIPS(),
    JointIPS(self_normalised=True),
    IndependentIPS(),
    IndependentIPS(self_normalised=True),
    RewardInteractionIPS(),
    RewardInteractionIPS(self_normalised=True),
    CascadeDR(),
    PseudoInverse(),
    PseudoInverse(self_normalised=True),
    LatentIPS(),
    LatentIPS(self_normalised=True),
)
_SESSION_ESTIMATORS = (*SEQUENTIAL, *MARGINALISED)

_SLATES: Mapping[str, Any] = {each.name: each for each in _SLATE_ESTIMATORS}
_SESSIONS: Mapping[str, Any] = {each.name: each() for each in _SESSION_ESTIMATORS}

_IN_SESSIONS = {
    "ips": "tis",
    "snips": "sntis",
    "dm": "sequential_dm",
    "fqe": "sequential_dm",
    "dr": "sequential_dr",
    "sndr": "sequential_sndr",
}
"""What a name of rounds means in a log of sessions."""
_IN_ROUNDS = {"tis": "ips", "pdis": "ips", "sntis": "snips", "snpdis": "snips", "fqe": "dm"}
"""What a name of sessions means where every session has one step."""


_MODELLED = (DM, DR, SNDR, ClippedDR, SwitchDR, DRos, SubGaussianDR)


@dataclass(frozen=True)
class Chosen:
    """An estimator under the name that tables show."""

    name: str
    kind: Kind
    estimator: Any

    @property
    def is_direct(self) -> bool:
        """Whether it needs no propensities."""
        return isinstance(self.estimator, DM | SequentialDM)

    @property
    def needs(self) -> tuple[str, ...]:
        """What it needs of a sample beside rewards and propensities, where it says so."""
        return tuple(getattr(self.estimator, "needs", ()))

    @property
    def needs_slots(self) -> bool:
        """Whether it needs rewards and propensities of slots, not of the slate alone."""
        of_whole = JointIPS | PseudoInverse | LatentIPS
        return self.kind == "slates" and not isinstance(self.estimator, of_whole)

    @property
    def is_of_choices(self) -> bool:
        """Whether it needs something of each choice, so that a slate is not one action of two."""
        return isinstance(self.estimator, MRDR | MIPS | SNMIPSOfMarginals)

    @property
    def needs_model(self) -> bool:
        """Whether it needs a model of rewards or returns."""
        if isinstance(self.estimator, Tuned):
            return self.estimator.make in _MODELLED
        return isinstance(self.estimator, _MODELLED) or "v_hat" in self.needs

    @property
    def own_support(self) -> bool:
        """Whether it does without the weights of whole actions: these then say nothing of it."""
        return bool(getattr(self.estimator, "own_support", False))

    def doubt(self, sample: Sample) -> str:
        """Return what makes its estimate unsupported whatever its weights; "" for nothing."""
        find = getattr(self.estimator, "doubt", None)
        return "" if find is None else str(find(sample))


def kind_of(sample: Sample) -> Kind:
    """Return what a sample is of."""
    return _KINDS[type(sample)]


def choose(estimators: Any, is_sessions: bool) -> list[Chosen]:
    """Return estimators given by name or as objects, checked to fit the log.

    Args:
        estimators: Names such as `snips`, `clipped_ips=100` (a name with its `lambda_`) and
            `switch_dr=slope` (tuned), or estimators (objects with `name` and `terms(sample)`).
        is_sessions: Whether the log has sessions of several steps.

    Raises:
        UnknownNameError: No estimator has that name.
        ConfigError: An estimator is of the other kind of log, or stands twice.
    """
    chosen = [
        _named(each, is_sessions) if isinstance(each, str) else _given(each)
        for each in names_of(estimators)
    ]
    check_once([each.name for each in chosen])
    for each in chosen:
        if (each.kind == "sessions") != is_sessions:
            here = "sessions of several steps" if is_sessions else "single steps"
            known = known_names(is_sessions)
            raise ConfigError(
                f"estimator {each.name!r} is one of {each.kind}, but this log has {here}; known "
                f"for it: {known}"
            )
    return chosen


def known_names(is_sessions: bool) -> list[str]:
    """Return the names that a log of sessions, or of single steps, knows."""
    if is_sessions:
        return [*_SESSIONS, *_IN_SESSIONS]
    return list(dict.fromkeys([*FIXED, *TUNABLE, *_SLATES, *_IN_ROUNDS]))


def _named(text: str, is_sessions: bool) -> Chosen:
    name, _, setting = text.partition("=")
    meant = (_IN_SESSIONS if is_sessions else _IN_ROUNDS).get(name, name)
    if meant in FIXED or meant in TUNABLE:
        return Chosen(text, "rounds", bandit_estimator(meant, *_setting(name, setting)))
    if setting:
        raise ConfigError(f"{name} does not use lambda_, so {setting!r} must be left out")
    if meant in _SLATES:
        return Chosen(text, "slates", _SLATES[meant])
    if meant in _SESSIONS:
        return Chosen(text, "sessions", _SESSIONS[meant])
    raise UnknownNameError(
        f"no estimator is called {name!r}.{nearest_hint(name, known_names(is_sessions))}"
    )


def _setting(name: str, text: str) -> tuple[float | None, Criterion | None]:
    """Return `lambda_` or the way to tune it, from what stands after the name."""
    for criterion in get_args(Criterion):
        if text == criterion:
            return None, criterion
    if not text:
        return None, None
    try:
        return float(text), None
    except ValueError:
        raise ConfigError(
            f"{name}= must be followed by a number, or by slope, mse or mse_bound, got {text!r}"
        ) from None


def _given(estimator: Any) -> Chosen:
    """Return an estimator object, its kind read from what its method `terms` takes."""
    try:
        taken = get_type_hints(type(estimator).terms)["sample"]
        return Chosen(str(estimator.name), _KINDS[taken], estimator)
    except (AttributeError, KeyError, NameError, TypeError):
        raise ConfigError(
            f"an estimator must be a name, or an object with `name` and a method "
            f"terms(sample: BanditSample | SlateSample | SessionSample) annotated with one of "
            f"them, got {estimator!r}"
        ) from None
