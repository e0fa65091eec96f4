"""Where users simulated from slates behave like those of a log, and where they do not."""

import numpy as np

from rlrec.arrays import Bools, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog
from rlrec.envs.fitting.validation.behaviour import ASPECTS, behaviour_by_person
from rlrec.envs.fitting.validation.comparing import FEWEST_PERSONS, Behaviour, Comparison, compared
from rlrec.envs.fitting.validation.replaying import replayed
from rlrec.errors import DataError
from rlrec.simulation import SteppedSimulator

_FEWEST_VISITS = 10


def fidelity(
    simulator: SteppedSimulator,
    log: InteractionLog,
    catalogue: Catalogue,
    *,
    channel: str | None = None,
    n_halvings: int = 5,
    n_permutations: int = 199,
    seed: int = 0,
) -> Comparison:
    """Return a verdict for each aspect of behaviour (`behaviour_by_person`, `compared`).

    Half of the persons of the log are compared with the other half, and with as many visits of
    simulated users, who are shown what the log shows and cut off as it cuts visits off
    (`replayed`). A classifier tries to tell visits apart. Give a log of persons or of a time that
    the users were not fitted to, or the verdict is too kind.

    Args:
        simulator: Users over the items of the log, slates of the same size.
        log: Slates with responses, of 20 persons or more.
        catalogue: Its items, with topics.
        channel: Above 0 where an item was taken; by default the first.
        n_halvings: 1 or more; distances are means over them.
        n_permutations: Of persons, for each test; 0 for none.
        seed: Of halves and simulated users.

    Raises:
        DataError: The log has fewer than 20 persons, or none of its slates was responded to.
    """
    log = log.in_memory()
    persons = np.unique(log.column("user_id"))
    if len(persons) < FEWEST_PERSONS:
        raise DataError(
            f"{log.name} has {len(persons)} persons; halving it takes {FEWEST_PERSONS} or more"
        )
    own = behaviour_by_person(log, catalogue, channel)

    def make(rows: Ints, own_seed: int) -> Behaviour:
        part = _part(log, np.isin(log.column("user_id"), persons[rows]))
        made = replayed(simulator, part, _n_users(part), own_seed)
        return behaviour_by_person(made, catalogue)

    return compared(
        own, make, ASPECTS, n_halvings=n_halvings, n_permutations=n_permutations, seed=seed
    )


def _n_users(log: InteractionLog) -> int:
    """Return how many users are to be simulated: persons of the log, with ten visits at least."""
    n_persons = len(np.unique(log.column("user_id")))
    n_visits = int((log.column("step") == 0).sum())
    return max(1, min(n_persons, n_visits // _FEWEST_VISITS))


def _part(log: InteractionLog, rows: Bools) -> InteractionLog:
    columns = {name: log.column(name)[rows] for name in log.column_names}
    return InteractionLog.from_columns(columns, log.metadata)
