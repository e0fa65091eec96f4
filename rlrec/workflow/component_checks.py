"""What can be refused of a configuration before a run starts, instead of minutes into it."""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rlrec.agents.menu import agent_settings
from rlrec.data.loading import check_columns
from rlrec.envs import FitSettings, describe_environments, fit_users, make_simulator
from rlrec.errors import ConfigError, DataError, UnknownNameError, nearest_hint
from rlrec.workflow.config import BaselineConfig, DataConfig, EnvironmentConfig, RunConfig
from rlrec.workflow.saved_policies import ORACLE_LOGGER, unfitted


def check_components(config: RunConfig) -> None:
    """Refuse settings that a component would refuse minutes later.

    Raises:
        ConfigError, UnknownNameError: A name or setting of a component is not known, or two of
            them do not go together.
        DataError: The data are not there.
    """
    agent_settings(config.agent.name, config.agent.settings)
    logger = config.logging.baseline
    informed = [] if logger is None or logger.name == ORACLE_LOGGER else [logger]
    rankings = (config.data.rankings or ()) if config.data is not None else ()
    ranked = [baseline for ranking in rankings for baseline in ranking.baselines or ()]
    for baseline in (*config.baselines, *informed, *ranked):
        unfitted(baseline)
    _check_item_factors(config)
    if config.data is not None:
        _check_data(config.data)
    sizes = dict(_slate_sizes(config))
    if len(set(sizes.values())) > 1:
        raise ConfigError(f"training, validation and test users need one slate size, got {sizes}")
    _check_slate_sizes([*config.baselines, *informed], sizes["training"])


def _check_item_factors(config: RunConfig) -> None:
    wanted = config.agent.item_factors
    for baseline in config.baselines:
        if baseline.title == wanted and not unfitted(baseline).has_item_factors:
            raise ConfigError(
                f"agent.item_factors: the baseline {wanted!r} has no item factors; name one of "
                "ALS, or null"
            )


def _check_data(data: DataConfig) -> None:
    if not Path(data.path).exists():
        raise DataError(f"data.path: there is no file or folder {data.path!r}")
    try:
        check_columns(data.columns)
    except ConfigError as error:
        raise ConfigError(f"data.columns: {error}") from None
    known = inspect.signature(fit_users).parameters.keys() - {"ratings", "propensities", "progress"}
    for name in data.users:
        if name not in known:
            hint = nearest_hint(name, known)
            raise ConfigError(f"data.users: fit_users has no setting {name!r}.{hint}")
    shares = data.users.get("shares")
    changed = {"shares": tuple(shares)} if isinstance(shares, list) else {}
    try:
        FitSettings(**{**data.users, **changed})
    except ConfigError as error:
        raise ConfigError(f"data.users: {error}") from None


def _slate_sizes(config: RunConfig) -> Iterator[tuple[str, int | None]]:
    """Yield the slate size for each kind of users, None where it cannot be told yet.

    Raises:
        ConfigError: A baseline is asked for, but items have no identity.
    """
    for purpose, arguments in _arguments(config.environment):
        if config.data is not None:  # the users are not fitted yet
            known = _known_arguments(config.environment.id, arguments)
            yield purpose, {**known, **arguments}.get("slate_size")
            continue
        simulator = make_simulator(config.environment.id, 1, **arguments)
        if simulator.catalogue is None and config.baselines:
            raise ConfigError(
                f"baselines recommend items of a catalogue; those of {config.environment.id} with "
                f"the arguments {arguments} have no identity: leave the baselines out"
            )
        yield purpose, simulator.slate_size


def _arguments(environment: EnvironmentConfig) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "training", environment.arguments
    yield "validation", {**environment.arguments, **environment.validation}
    yield "test", {**environment.arguments, **environment.evaluation}


def _check_slate_sizes(baselines: list[BaselineConfig], slate_size: int | None) -> None:
    for baseline in baselines:
        own = baseline.settings.get("slate_size")
        if None not in (own, slate_size) and own != slate_size:
            raise ConfigError(
                f"the baseline {baseline.title!r} has slate_size {own}, but the environment has "
                f"slates of {slate_size}; leave it out, the log tells it"
            )


def _known_arguments(env_id: str, arguments: Mapping[str, object]) -> Mapping[str, Any]:
    """Return the defaults of an environment; check the names of the arguments given."""
    entries = {entry.env_id: entry for entry in describe_environments()}
    if env_id not in entries:
        raise UnknownNameError(
            f"no environment is called {env_id!r}.{nearest_hint(env_id, entries)}"
        )
    known = entries[env_id].arguments
    for name in arguments:
        if name not in known:
            raise UnknownNameError(f"{env_id} has no argument {name!r}.{nearest_hint(name, known)}")
    return known
