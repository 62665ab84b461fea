"""A profile that is written for a person: TOML that reads back, valid at once, every key in it with its meaning."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest

from gateway.acquire import registry
from gateway.profiles import finding, schema, toml, writing

DRIVERS = [one.id for one in finding.drivers()]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (5, "5"),
        (0.5, "0.5"),
        ("a", '"a"'),
        ('say "x"', '"say \\"x\\""'),
        (r"-{2,}(\.-+)?", r"'-{2,}(\.-+)?'"),
        ("a\\'b", '"a\\\\\'b"'),
        (["O.3", "O.4"], '["O.3", "O.4"]'),
        ([], "[]"),
        ({}, "{}"),
        ({"10*3/uL": "x", "why": None}, '{ "10*3/uL" = "x" }'),
        ([{"at": "O.4.3", "among": ["M"]}], '[{ at = "O.4.3", among = ["M"] }]'),
    ],
)
def test_a_value_is_written_as_toml_has_it(value: Any, text: str) -> None:
    assert toml.value(value) == text
    if value != {"10*3/uL": "x", "why": None}:
        assert tomllib.loads(f"key = {text}")["key"] == value


def test_a_long_list_is_broken_and_reads_back() -> None:
    value = [f"element {n} of a long list" for n in range(12)]
    lines = toml.pair("a key", value)
    assert lines[0] == '"a key" = ['
    assert len(lines) == 14
    assert tomllib.loads("\n".join(lines)) == {"a key": value}


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_profile_from_nothing_is_valid_and_sets_nothing(driver: str) -> None:
    chosen = registry.load(driver)
    text = writing.written("acme", chosen, {})
    assert tomllib.loads(text) == {}
    assert registry.checked(chosen, tomllib.loads(text)) == chosen.options()


@pytest.mark.parametrize("driver", DRIVERS)
def test_every_key_of_the_schema_is_in_it_once_and_can_be_taken_in_as_it_stands(driver: str) -> None:
    """Every `# key = default` without its # is still the default."""
    chosen = registry.load(driver)
    text = re.sub(r"^# (\[[\w.]+\]|\w+ = .*|  .*,|\])$", r"\1", writing.written("acme", chosen, {}), flags=re.MULTILINE)
    said = tomllib.loads(text)
    for key in schema.leaves(schema.keys(chosen.options)):
        inside: Any = said
        for name in key.path[:-1]:
            inside = inside[name]
        if key.default is not None:
            assert inside[key.path[-1]] == key.default, key.name
    assert registry.checked(chosen, said) == chosen.options()


@pytest.mark.parametrize(
    ("driver", "profile"), [(one.id, name) for one in finding.drivers() for name in registry.profiles(one) if name != "generic"]
)
def test_every_profile_that_is_taken_over_makes_the_same_options(driver: str, profile: str) -> None:
    chosen = registry.load(driver)
    table = registry.profile_table(chosen, profile)
    text = writing.written("acme", chosen, table, base=profile)
    assert registry.checked(chosen, tomllib.loads(text)) == registry.options(chosen, profile, {})


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_schema_says_what_every_key_means(driver: str) -> None:
    """A docstring below the key: `wardlink drivers ID`, `profile new` and `profile explain` tell it."""
    found = schema.leaves(schema.keys(registry.load(driver).options))
    assert [key.name for key in found if not key.about] == []
