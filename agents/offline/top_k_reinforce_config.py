"""Settings of TopKReinforce."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from rlrec.agents.settings import CheckedSettings, Rule, above_0, count, not_negative, share

Head = Literal["items", "slate"]
Propensities = Literal["log", "fitted"]
LearnsFrom = Literal["shown", "responded"]
Baseline = Literal["value", "mean", "none"]


@dataclass(frozen=True, kw_only=True)
class TopKReinforceConfig(CheckedSettings):
    """Settings of `TopKReinforce`."""

    head: Head = "items"
    """What a log's rows are the likelihood of in `pretrain`: each shown item by itself (`items`, a
    softmax, corrected for K slots), or the whole `slate` in its order, which is exact but of a
    ratio that varies with the power of K. `learn` always takes the slate that it drew."""
    propensities: Propensities = "log"
    """Where the probabilities of the logging policy come from. `log`: from the log, as far as it
    has them, for `items` its `propensity_marginal` divided by K, for the `slate` its
    `log_propensity`; else, and always with `fitted`, from a model fitted to what was shown."""
    learns_from: LearnsFrom = "shown"
    """`shown`: every item shown is praised or blamed. `responded`: only those responded to, as
    published; what is shown at steps without a response is then never blamed for them, so that an
    item which is often taken looks good whatever it leads to."""
    baseline: Baseline = "value"
    """What is taken from the return: the critic's `value`, the `mean` of the batch, or `none`."""
    top_k_correction: bool = True
    """Whether the gradient of `items` is that of the chance of being among K draws. Without it, all
    mass goes to the best item and the other slots are left to chance."""
    cap: float = 10.0
    """Most that a ratio of probabilities counts, above 0."""
    self_normalised: bool = False
    """Whether the weights of a batch are divided by their mean."""
    warmup_share: float = 0.1
    """Part of the updates of `pretrain` in which only the critic and the model of the logging
    policy learn, in 0..1."""
    discount: float = 0.95
    """Weight of the reward one step ahead, in 0..1."""
    learning_rate: float = 1e-3
    """Step size of Adam, above 0; in `pretrain` it falls to a tenth."""
    n_transitions: int = 1_024
    """Transitions of all users together for one update of `learn`."""
    batch_size: int = 256
    """Logged rows an update."""
    entropy: float = 0.01
    """Weight of the entropy, in nats: in `pretrain` of the softmax over items, in `learn` the mean
    of a slot; 0 or more."""
    value_scale: float = 10.0
    """Returns are learned from in this unit, above 0."""
    max_grad_norm: float = 1.0
    """Longest gradient, above 0."""
    item_size: int = 32
    """Length of an item's vector."""
    hidden: int = 128
    """Width of the two hidden layers."""

    rules: ClassVar[tuple[Rule, ...]] = (
        above_0("learning_rate value_scale max_grad_norm"),
        Rule("cap", lambda x: x > 0, "be above 0"),
        share("discount warmup_share"),
        not_negative("entropy"),
        count("n_transitions batch_size item_size hidden"),
    )
    choices: ClassVar[dict[str, tuple[str, ...]]] = {
        "head": get_args(Head),
        "propensities": get_args(Propensities),
        "learns_from": get_args(LearnsFrom),
        "baseline": get_args(Baseline),
    }
