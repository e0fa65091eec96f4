"""Parts of users from a configuration: names and numbers, as they stand in YAML, to objects."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter, signature
from numbers import Real
from typing import Any, NamedTuple

from rlrec.envs.arguments import check_flag, check_number, plain
from rlrec.envs.blocks.priors import Clipped, Fixed, LogNormal, Normal, Prior, Uniform
from rlrec.errors import ConfigError, UnknownNameError, nearest_hint

_PRIORS: dict[str, Callable[..., Prior]] = {
    "fixed": Fixed,
    "uniform": Uniform,
    "normal": Normal,
    "log_normal": LogNormal,
}


@dataclass(frozen=True)
class Part:
    """A kind of part that a configuration can name."""

    make: Callable[..., Any]
    """Takes its parameters as keyword arguments; their defaults are those of the configuration."""
    given: tuple[str, ...] = ()
    """Parameters that the environment sets."""
    parts: Mapping[str, "Menu"] = field(default_factory=dict)
    """Parameters that are parts themselves, with what they may be; the first is the default."""

    @property
    def parameters(self) -> dict[str, Parameter]:
        """What a configuration may set."""
        every = signature(self.make).parameters
        return {name: p for name, p in every.items() if name not in self.given}


Menu = Mapping[str, Part]
"""Parts by name."""


class Built(NamedTuple):
    """A part, and the configuration that makes it again."""

    part: Any
    settings: dict[str, Any]
    """Every parameter, defaults written out, ready for JSON."""

    @property
    def described(self) -> str:
        """The parameters in words."""
        return _in_words(self.settings)


def build(kind: str, spec: Any, menu: Menu, given: Mapping[str, Any] | None = None) -> Built:
    """Return the part that a configuration asks for; `settings` has its `name`.

    Args:
        kind: What is configured, such as "choice"; for messages.
        spec: A name on the menu, or a mapping of `name` and parameters.
        menu: What there is.
        given: What the environment sets.

    Raises:
        UnknownNameError: There is no such part, or it has no such parameter.
        ConfigError: A value is outside its range.
    """
    settings = {"name": spec} if isinstance(spec, str) else plain(spec)
    if len(menu) == 1 and isinstance(settings, Mapping):  # there is nothing else to name
        settings = {"name": next(iter(menu)), **settings}
    if not isinstance(settings, Mapping) or not isinstance(settings.get("name"), str):
        first = next(iter(menu))
        raise ConfigError(
            f'{kind} must be a name, or a mapping such as {{"name": "{first}", ...}} with '
            f"parameters, got {spec!r}"
        )
    name = settings["name"]
    if name not in menu:
        raise UnknownNameError(f"no {kind} is called {name!r}.{nearest_hint(name, menu)}")
    others = {key: value for key, value in settings.items() if key != "name"}
    built = build_part(f"{kind} {name!r}", others, menu[name], given)
    return Built(built.part, {"name": name, **built.settings})


def build_part(
    where: str, settings: Mapping[str, Any], part: Part, given: Mapping[str, Any] | None = None
) -> Built:
    """Return a part made with these parameters, all others at their defaults.

    Args:
        where: What is configured; for messages.
        settings: Parameters by name.
        part: What to make.
        given: What the environment sets.

    Raises:
        UnknownNameError: The part has no such parameter.
        ConfigError: A value is outside its range.
    """
    if not isinstance(settings, Mapping):
        raise ConfigError(f"{where} must be a mapping of parameters, got {settings!r}")
    for name in settings:
        if name not in part.parameters:
            hint = nearest_hint(str(name), part.parameters)
            raise UnknownNameError(f"{where} has no parameter {name!r}.{hint}")
    settings = plain(settings)
    arguments = {name: (given or {})[name] for name in part.given}
    written: dict[str, Any] = {}
    for name, parameter in part.parameters.items():
        value = settings.get(name, parameter.default)
        if name in part.parts:
            default = next(iter(part.parts[name]))
            nested = build(name, settings.get(name, default), part.parts[name], given)
            arguments[name], written[name] = nested.part, nested.settings
        else:
            arguments[name] = _read(f"{name} of {where}", value, parameter)
            written[name] = _written(value)
    try:
        return Built(part.make(**arguments), written)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def read_prior(where: str, value: Any) -> Prior:
    """Return a number as a fixed prior, and such as {"uniform": [0, 1]} as a prior.

    Raises:
        UnknownNameError: No prior is called so.
        ConfigError: It is something else, or its parameters are wrong.
    """
    if _is_number(value):
        check_number(where, value)
        return Fixed(float(value))
    if not isinstance(value, Mapping) or len(value) != 1:
        raise ConfigError(
            f'{where} must be a number or a prior such as {{"uniform": [0, 1]}}, got {value!r}'
        )
    ((name, parameters),) = value.items()
    if name not in _PRIORS:
        raise UnknownNameError(
            f"{where}: no prior is called {name!r}.{nearest_hint(str(name), _PRIORS)}"
        )
    make = _PRIORS[name]
    names = list(signature(make).parameters)
    numbers = parameters if isinstance(parameters, list | tuple) else [parameters]
    if len(numbers) != len(names) or not all(_is_number(number) for number in numbers):
        raise ConfigError(f"{where}: {name!r} takes {names}, all numbers, got {parameters!r}")
    try:
        return make(*map(float, numbers))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _read(where: str, value: Any, parameter: Parameter) -> Any:
    """Return a parameter's value as its part takes it, after a look at its type."""
    default = parameter.default
    if isinstance(value, Fixed | Uniform | Normal | LogNormal | Clipped):
        return value  # a default
    if value is None and "None" in str(parameter.annotation):
        return None
    if "Prior" in str(parameter.annotation):
        return read_prior(where, value)
    if isinstance(default, bool):
        check_flag(where, value)
        return value
    if isinstance(default, Real):
        if not _is_number(value):
            raise ConfigError(f"{where} must be a number, got {value!r}")
        return value if isinstance(default, int) else float(value)
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _written(value: Any) -> Any:
    """Return a parameter as it stands in a configuration."""
    for name, kind in _PRIORS.items():
        if type(value) is kind:
            numbers = list(vars(value).values())
            return numbers[0] if kind is Fixed else {name: numbers}
    if isinstance(value, Mapping):
        return {key: _written(part) for key, part in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _in_words(settings: Mapping[str, Any]) -> str:
    words = []
    for name, value in settings.items():
        if isinstance(value, Mapping) and "name" in value:
            words.append(f"{name} ({_in_words(value)})")
        elif isinstance(value, Mapping):
            ((prior, numbers),) = value.items()
            words.append(f"{name} {prior}({', '.join(map(str, numbers))})")
        elif name == "name":
            words.append(str(value))
        else:
            words.append(f"{name} {value}")
    return ", ".join(words) or "no parameters"
