from pathlib import Path

import pytest

from rlrec.errors import ConfigError
from rlrec.workflow.config import RunConfig
from rlrec.workflow.config_file import (
    differences,
    dump_config,
    load_config,
    parse_assignments,
    parse_yaml,
)


def edited(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def refusal(path: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as error:
        load_config(path, overrides)
    message = str(error.value)
    assert "\n" not in message
    return message


def test_a_file_becomes_a_configuration_with_defaults_for_the_rest(config_file: Path) -> None:
    config = load_config(config_file)
    assert config.logging.n_steps == 100
    assert config.environment.arguments == {"n_items": 50}
    assert config.finetuning.n_steps == 200_000


def test_numbers_like_1e_2_are_numbers(config_file: Path) -> None:
    assert load_config(config_file).baselines[0].settings == {"regularisation": 0.01}


def test_a_misspelt_key_is_refused_with_its_place_and_the_nearest_name(config_file: Path) -> None:
    path = edited(config_file, "n_steps", "n_stesp")
    assert refusal(path) == (
        f"{path}, line 6, column 3: logging has no key 'n_stesp'. Did you mean 'n_steps'?"
    )


def test_a_misspelt_key_at_the_top_is_refused_with_its_place(config_file: Path) -> None:
    path = edited(config_file, "logging:", "loging:")
    assert refusal(path).startswith(
        f"{path}, line 5, column 1: a configuration has no key 'loging'. Did you mean 'logging'?"
    )


def test_a_misspelt_key_in_a_list_is_refused_with_its_place(config_file: Path) -> None:
    path = edited(config_file, "    settings:", "    setings:")
    assert refusal(path) == (
        f"{path}, line 9, column 5: baselines.0 has no key 'setings'. Did you mean 'settings'?"
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("many", "logging.n_steps must be a valid integer, got 'many'"),
        ("2.5", "logging.n_steps must be a valid integer, got 2.5"),
        ("true", "logging.n_steps must be a valid integer, got True"),
        ("'100'", "logging.n_steps must be a valid integer, got '100'"),
        ("0", "logging.n_steps must be greater than or equal to 1, got 0"),
        ("null", "logging.n_steps must be a valid integer, got None"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(config_file: Path, value: str, words: str) -> None:
    path = edited(config_file, "n_steps: 100", f"n_steps: {value}")
    assert refusal(path) == f"{path}, line 6, column 3: {words}"


def test_a_missing_key_is_named(config_file: Path) -> None:
    path = edited(config_file, "name: small\n", "")
    assert refusal(path) == f"{path}: the key 'name' is missing"


def test_a_key_that_stands_twice_is_refused_with_its_place(config_file: Path) -> None:
    path = edited(config_file, "  n_steps: 100\n", "  n_steps: 100\n  n_steps: 200\n")
    assert refusal(path) == (
        f"{path}, line 7, column 3: the key 'n_steps' stands here a second time"
    )


def test_a_syntax_error_is_refused_with_its_place(config_file: Path) -> None:
    path = edited(config_file, "{n_items: 50}", "{n_items: 50")
    message = refusal(path)
    assert message.startswith(f"{path}, line 5, column 8: not readable as YAML: ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: a configuration must be a mapping, found nothing"),
        ("- a\n- b\n", "line 1: a configuration must be a mapping, found list"),
        ("name: &a [*a]\n", "line 1, column 11: not readable as YAML: aliases (*name)"),
        ("1: a\n", "line 1, column 1: a key must be text, found 1"),
        ("a: " + "[" * 5000, "line 1, column 53: not readable as YAML: nested 50 levels deep"),
        ("seed: " + "9" * 5000, "line 1, column 7: a value must be text, a finite number"),
        ("name: a\x00b\n", ": not readable as YAML: unacceptable character #x0000"),
    ],
)
def test_what_is_no_configuration_at_all_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    assert words in refusal(path)


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("name: caf\xe9\n".encode("latin-1"))
    assert "must be text in UTF-8, byte 9 is not" in refusal(path)


def test_several_problems_are_told_as_the_first_and_a_count(config_file: Path) -> None:
    path = edited(config_file, "n_steps: 100", "n_steps: many\n  n_usres: 3")
    message = refusal(path)
    assert "n_steps must be a valid integer" in message
    assert message.endswith("(and 1 more to mend)")


def test_overrides_replace_values_and_are_read_as_yaml(config_file: Path) -> None:
    config = load_config(
        config_file,
        [
            "logging.n_steps=7",
            "baselines.0.settings.factors=8",
            "data.path=ml",
            "agent.settings={}",
        ],
    )
    assert config.logging.n_steps == 7
    assert config.baselines[0].settings == {"regularisation": 0.01, "factors": 8}
    assert config.data is not None and config.data.path == "ml"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("logging.n_stps=3", "logging has no key 'n_stps'. Did you mean 'n_steps'?"),
        ("logging.n_steps=many", "logging.n_steps must be a valid integer, got 'many'"),
        ("logging.n_steps", "--set takes key=value, got 'logging.n_steps'"),
        ("=3", "--set takes key=value, got '=3'"),
        ("name.x=3", "name has no keys, it is 'small'"),
        ("baselines.4.name=als", "baselines is a list of 1, pick one by its number from 0, got 4"),
        ("data={path: [}", "--set data={path: [}: not readable as YAML"),
        ("baselines.²=1", "--set baselines.²=1: baselines is a list of 1"),
        ("seed=.nan", "--set seed=.nan: a value must be text, a finite number"),
        ("environment.arguments.d=2020-01-01", "--set environment.arguments.d=2020-01-01: a value"),
        ("environment.arguments.d=!!set {a}", "found 'a set'"),
        ("logging.temperature=1e999", "a finite number"),
        ("seed=10000", "--set seed=10000: evaluation.seed must differ from seed"),
    ],
)
def test_a_wrong_override_is_refused_by_name(config_file: Path, override: str, words: str) -> None:
    assert words in refusal(config_file, override)


def test_two_baselines_of_one_title_are_refused(config_file: Path) -> None:
    path = edited(config_file, "  - name: als\n", "  - name: als\n  - name: als\n")
    assert "each baseline needs a label of its own, repeated: ['als']" in refusal(path)


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("Random slates", "no baseline may be called 'Random slates'"),
        ("slateq, Fine-Tuned", "no baseline may be called"),
        ("auto", "no baseline may be called 'auto'"),
        ("done.json", "no baseline may be called"),
        ("..", "needs a letter and at most 80 characters"),
        ("", "needs a letter and at most 80 characters"),
        ("a" * 81, "needs a letter and at most 80 characters"),
    ],
)
def test_a_title_that_the_run_needs_itself_or_no_folder_can_have_is_refused(
    config_file: Path, label: str, words: str
) -> None:
    assert words in refusal(config_file, f"baselines.0.label='{label}'")


def test_titles_that_share_a_folder_are_refused(config_file: Path) -> None:
    message = refusal(config_file, "baselines=[{name: als, label: a/b}, {name: als, label: A b}]")
    assert "each baseline needs a label of its own, repeated: ['A b', 'a/b']" in message


def test_item_factors_of_an_unknown_baseline_are_refused(config_file: Path) -> None:
    message = refusal(config_file, "agent.item_factors=ease")
    assert "must be auto, null or the title of a baseline ['als'], got 'ease'" in message


def test_a_dumped_configuration_comes_back_equal(config_file: Path, tmp_path: Path) -> None:
    config = load_config(config_file)
    again = tmp_path / "again.yaml"
    again.write_text(dump_config(config))
    assert load_config(again) == config


def test_differences_name_each_value_that_changed(config: RunConfig) -> None:
    changed = config.model_copy(update={"seed": 4})
    assert differences(config, config) == []
    assert differences(config, changed) == ["seed: 3 before, 4 now"]


def test_arguments_on_the_command_line_are_read_as_yaml() -> None:
    words = ["n_items=1000", "tastes_observed=true", "rate=1e-3"]
    parsed = parse_assignments(words, "--arg")
    assert parsed == {"n_items": 1000, "tastes_observed": True, "rate": 1e-3}


def test_yaml_text_is_told_with_the_places_of_its_keys() -> None:
    values, places = parse_yaml("a:\n  b: [1, 2]\n", "x.yaml")
    assert values == {"a": {"b": [1, 2]}}
    assert places[("a", "b", 1)] == "x.yaml, line 2, column 10"


@pytest.mark.parametrize("name", ["quickstart", "movielens"])
def test_the_shipped_configurations_are_valid(name: str) -> None:
    root = Path(__file__).resolve().parents[2]
    assert load_config(root / "experiments" / f"{name}.yaml").name == name
