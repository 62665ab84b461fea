"""wardlink operators and wardlink patients, by hand."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.store import audit
from gateway.store.journal import open_reader

Wardlink = Callable[..., Any]


def test_an_operator_is_added_listed_and_removed_and_all_of_it_is_audited_without_the_password(
    wardlink: Wardlink, toml: Path
) -> None:
    added = wardlink(
        *("operators", "add", "5047", "--family-name", "Example", "--level", "supervisor", "--method", "Glu", "--at", "4E"),
        *("--password", "-c", toml),
        stdin=b"s3cr3t\n",
    )
    assert (added.code, added.out) == (0, "operator 5047: kept\n")
    found = wardlink("operators", "list", "--json", "-c", toml)
    (one,) = found.json["operators"]
    assert (one["id"], one["level"], one["methods"], one["where"], one["password"]) == (
        "5047",
        "supervisor",
        ["Glu"],
        ["4E"],
        True,
    )
    shown = wardlink("operators", "list", "-c", toml).out
    assert "supervisor, password" in shown
    assert wardlink("operators", "remove", "5047", "-c", toml).out == "operator 5047: removed\n"
    assert wardlink("operators", "list", "-c", toml).out == "no operators\n"
    with closing(open_reader(toml.parent / "data")) as conn:
        acts = audit.acts(conn)
    assert [(act.act, act.object) for act in acts] == [("put operator", "5047"), ("drop operator", "5047")]
    assert "s3cr3t" not in f"{acts} {found.out} {shown} {added.out}"


def test_the_password_is_kept_for_the_devices(wardlink: Wardlink, toml: Path) -> None:
    wardlink("operators", "add", "5047", "--password", "-c", toml, stdin=b"s3cr3t\r\n")
    with closing(sqlite3.connect(toml.parent / "data" / "journal.sqlite3")) as conn:
        (payload,) = conn.execute("SELECT payload FROM operators").fetchone()
    assert '"password":{"text":"s3cr3t"}' in payload


def test_a_file_is_taken_whole_and_may_come_twice_and_may_replace_the_rest(wardlink: Wardlink, toml: Path) -> None:
    wardlink("operators", "add", "1", "-c", toml)
    table = b"id,level\n5047,user\n5048,supervisor\n"
    first = wardlink("operators", "import", "-", "--json", "-c", toml, stdin=table).json
    again = wardlink("operators", "import", "-", "--replace", "-c", toml, stdin=table).out
    assert [row["outcome"] for row in first] == ["kept", "kept"]
    assert again == "operator 5047: known already\noperator 5048: known already\noperator 1: removed\n"


def test_of_a_file_with_a_mistake_nothing_is_taken(wardlink: Wardlink, toml: Path) -> None:
    refused = wardlink("operators", "import", "-", "-c", toml, stdin=b"id,level\n5047,user\n5048," + b"x" * 81 + b"\n")
    assert refused.code == 2
    assert "operator 5048: level: got 81 characters, expected at most 80 printable ones; nothing was taken" in refused.err
    assert wardlink("operators", "list", "-c", toml).out == "no operators\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("operators", "remove", "9"), "there is no operator '9'; `wardlink operators list` shows them"),
        (("operators", "add", " "), "operator id: got none, expected one"),
        (("operators", "add", "1", "--valid-until", "tomorrow"), "expected ISO 8601 with an offset"),
        (
            ("operators", "add", "1", "--valid-from", "2027-01-02T00:00:00Z", "--valid-until", "2027-01-01T00:00:00Z"),
            "expected a time behind valid from",
        ),
        (("patients", "remove", "SYN-9"), "nobody listed that patient"),
        (("patients", "add", "SYN-1", "--birth-date", "31.1.1970"), "birth date: expected YYYYMMDD"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(wardlink: Wardlink, toml: Path, words: tuple[str, ...], told: str) -> None:
    refused = wardlink(*words, "-c", toml)
    assert (refused.code, told in refused.err) == (2, True), refused.err


def test_patients_are_listed_with_why_each_is_there(wardlink: Wardlink, toml: Path) -> None:
    wardlink("patients", "add", "SYN-1", "--family-name", "Test", "--birth-date", "19700131", "--point-of-care", "4E", "-c", toml)
    table = b"patient_id,family_name\nSYN-2,Other\nSYN-1,Test\n"
    assert wardlink("patients", "import", "-", "-c", toml, stdin=table).out == "SYN-2: listed\nSYN-1: listed\n"
    assert wardlink("associate", _devices(toml)[0], "SYN-3", "-c", toml).code == 0
    rows = wardlink("patients", "list", "--json", "-c", toml).json
    assert [(row["patient_id"], row["source"]) for row in rows] == [
        ("SYN-1", "list"),
        ("SYN-2", "list"),
        ("SYN-3", "wears a device"),
    ]
    assert wardlink("patients", "remove", "SYN-2", "-c", toml).out == "SYN-2: off the list\n"
    assert "SYN-2" not in wardlink("patients", "list", "-c", toml).out
    with closing(open_reader(toml.parent / "data")) as conn:
        assert [act.act for act in audit.acts(conn)] == ["list patient"] * 3 + ["associate", "unlist patient"]


def _devices(toml: Path) -> list[str]:
    return [line.split('"')[1] for line in toml.read_text("utf-8").split("[[device]]")[1].splitlines() if line.startswith("id")]
