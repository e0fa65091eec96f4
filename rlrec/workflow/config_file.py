"""Reading a configuration file: YAML in, a checked `RunConfig` out, errors with line and column."""

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rlrec.errors import ConfigError, nearest_hint
from rlrec.workflow.config import RunConfig

KeyPath = tuple[str | int, ...]
Config = TypeVar("Config", bound=BaseModel)
Places = dict[KeyPath, str]
"""Where each key of a configuration was written, in words."""

_JSON_KINDS = frozenset(("str", "int", "float", "bool", "null", "seq", "map"))
_DEEPEST = 50


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Return the configuration in a YAML file, with some values replaced.

    Args:
        path: The file.
        overrides: `a.b=value`, the value in YAML; a number in the path picks from a list.

    Raises:
        ConfigError: The file or an override breaks a rule; the message says which and where.
        FileNotFoundError: There is no such file.
    """
    values, places = read_yaml(path)
    return check_config(*apply_overrides(values, places, overrides), str(path), RunConfig)


def read_yaml(path: str | Path) -> tuple[dict[str, Any], Places]:
    """Return the values in a YAML file and where each was written.

    Raises:
        ConfigError: It is not YAML, has a key twice, or is not a mapping at the top.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: a configuration must be text in UTF-8, byte {error.start} is not"
        ) from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, path: str) -> tuple[dict[str, Any], Places]:
    """Return the values in YAML text and where in the file `path` each was written."""
    try:
        loader = _StrictLoader(text)
        node = loader.get_single_node()
        values = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise ConfigError(f"{path}{_mark(error.problem_mark)}: {_problem(error)}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not readable as YAML: {_one_line(error)}") from None
    if not isinstance(values, dict):
        found = "nothing" if values is None else type(values).__name__
        raise ConfigError(f"{path}, line 1: a configuration must be a mapping, found {found}")
    return values, {place: f"{path}{_mark(mark)}" for place, mark in _marks(node, ())}


def apply_overrides(
    values: dict[str, Any], places: Places, overrides: Sequence[str]
) -> tuple[dict[str, Any], Places]:
    """Put each `a.b=value` into `values` and name it as the place of what it sets."""
    for override in overrides:
        keys, value = _parse_assignment(override, "--set")
        _set(values, keys, value, override)
        written = {place: at for place, at in places.items() if place[: len(keys)] != keys}
        places = {**written, keys: f"--set {override}"}
    return values, places


def parse_assignments(words: Sequence[str], option: str) -> dict[str, Any]:
    """Return `name=value` words as a dictionary, values in YAML."""
    parsed = (_parse_assignment(word, option) for word in words)
    return {".".join(map(str, keys)): value for keys, value in parsed}


def check_config(values: dict[str, Any], places: Places, source: str, kind: type[Config]) -> Config:
    """Return `values` as a configuration, or raise ConfigError for the first broken rule.

    Args:
        values: As read.
        places: Where each was written.
        source: The file.
        kind: What they must be.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = [_describe(detail, places, source, kind) for detail in error.errors()]
        rest = f" (and {len(problems) - 1} more to mend)" if len(problems) > 1 else ""
        raise ConfigError(problems[0] + rest) from None


def dump_config(config: RunConfig) -> str:
    """Return a configuration as YAML, every default written out."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def differences(old: RunConfig, new: RunConfig) -> list[str]:
    """Return one line for each value in which two configurations differ."""
    before, after = _flat(old.model_dump(mode="json")), _flat(new.model_dump(mode="json"))
    return [
        f"{key}: {before.get(key, 'not set')!r} before, {after.get(key, 'not set')!r} now"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]


class _StrictLoader(yaml.SafeLoader):
    """Safe YAML that holds what JSON can: finite numbers, text, lists, mappings; no aliases.

    A key may stand once, and 1e-4 is a number, as in YAML 1.2.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        if self._depth > _DEEPEST:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, f"nested {_DEEPEST} levels deep", mark)
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not taken", mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        kind = str(node.tag).removeprefix("tag:yaml.org,2002:")
        try:
            value = super().construct_object(node, deep) if kind in _JSON_KINDS else None
        except ValueError:  # text that has the form of a number and is none
            value = math.nan
        if kind not in _JSON_KINDS or (isinstance(value, float) and not math.isfinite(value)):
            found = node.value if isinstance(node, yaml.ScalarNode) else f"a {kind}"
            raise yaml.constructor.ConstructorError(
                None,
                None,
                "a value must be text, a finite number, true, false, null, a list or a mapping, "
                f"found {found!r:.60} (quotes make it text)",
                node.start_mark,
            )
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"a key must be text, found {key!r}", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands here a second time", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _marks(node: yaml.Node | None, place: KeyPath) -> Iterable[tuple[KeyPath, yaml.Mark]]:
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            here = (*place, key_node.value)
            yield here, key_node.start_mark
            yield from _marks(value_node, here)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*place, index), item.start_mark
            yield from _marks(item, (*place, index))


def _mark(mark: yaml.Mark | None) -> str:
    return "" if mark is None else f", line {mark.line + 1}, column {mark.column + 1}"


def _problem(error: yaml.MarkedYAMLError) -> str:
    context = f" {error.context}," if error.context else ""
    if isinstance(error, yaml.constructor.ConstructorError) and not error.context:
        return str(error.problem)
    return f"not readable as YAML:{context} {error.problem}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _parse_assignment(word: str, option: str) -> tuple[KeyPath, Any]:
    path, equals, text = word.partition("=")
    keys = tuple(
        int(key) if re.fullmatch(r"[0-9]{1,9}", key) else key for key in path.strip().split(".")
    )
    if not equals or not all(str(key) for key in keys):
        raise ConfigError(f"{option} takes key=value, got {word!r}")
    try:
        loader = _StrictLoader(text)
        return keys, loader.get_single_data()
    except yaml.YAMLError as error:
        problem = _problem(error) if isinstance(error, yaml.MarkedYAMLError) else _one_line(error)
        raise ConfigError(f"{option} {word}: {problem}") from None


def _set(values: dict[str, Any], keys: KeyPath, value: Any, override: str) -> None:
    target: Any = values
    for depth, key in enumerate(keys):
        above = ".".join(map(str, keys[:depth])) or "the configuration"
        if isinstance(target, list):
            if not isinstance(key, int) or key >= len(target):
                raise ConfigError(
                    f"--set {override}: {above} is a list of {len(target)}, "
                    f"pick one by its number from 0, got {key!r}"
                )
        elif not isinstance(target, dict):
            raise ConfigError(f"--set {override}: {above} has no keys, it is {target!r}")
        else:
            key = str(key)
        if depth == len(keys) - 1:
            target[key] = value
        else:
            if isinstance(target, dict) and target.get(key) is None:
                target[key] = {}
            target = target[key]


def _describe(detail: ErrorDetails, places: Places, source: str, kind: type[BaseModel]) -> str:
    keys = tuple(detail["loc"])
    at = next((places[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in places), None)
    if at is None:  # a rule about several keys, or a missing one: an override may have broken it
        overrides = [place for place in places.values() if place.startswith("--set ")]
        at = ", ".join(dict.fromkeys([source, *overrides]))
    name = ".".join(map(str, keys))
    if detail["type"] == "extra_forbidden":
        parent = ".".join(map(str, keys[:-1])) or "a configuration"
        hint = nearest_hint(str(keys[-1]), _known_keys(keys[:-1], kind))
        return f"{at}: {parent} has no key {str(keys[-1])!r}.{hint}"
    if detail["type"] == "missing":
        return f"{at}: the key {name!r} is missing"
    rule = detail["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    if detail["type"] == "value_error":
        return f"{at}: {rule}"
    return f"{at}: {name} must be {rule}, got {_shortened(detail['input'])}"


def _shortened(value: Any) -> str:
    words = repr(value)
    return words if len(words) <= 60 else words[:57] + "..."


def _known_keys(keys: KeyPath, kind: type[BaseModel]) -> Iterable[str]:
    """Return the fields of the section at `keys`."""
    section: type[BaseModel] | None = kind
    for key in keys:
        if isinstance(key, str) and section is not None and key in section.model_fields:
            section = _section_in(section.model_fields[key].annotation)
    return () if section is None else section.model_fields


def _section_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, UnionType, tuple, Annotated):
        found = (_section_in(part) for part in get_args(annotation))
        return next((section for section in found if section is not None), None)
    return None


def _flat(values: Any, above: str = "") -> dict[str, Any]:
    if isinstance(values, list):
        values = {str(index): value for index, value in enumerate(values)}
    if not isinstance(values, dict) or not values:
        return {above: values}
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{above}.{key}" if above else str(key))
    return flat
