"""wardlink status, account, parked: what the journal says when no gateway runs, and what a person does about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway import control
from gateway.cli import status

if TYPE_CHECKING:
    from tests.gateway.cli.conftest import Wardlink
else:
    Wardlink = object


def test_status_without_a_gateway_tells_what_the_journal_holds_and_exits_1(wardlink: Wardlink, ran: Path) -> None:
    said = wardlink("status", "-c", ran)
    assert said.code == status.NOT_RUNNING
    assert "No gateway is running" in said.out
    assert "engine: 2 parked: no such patient" in said.out
    assert "engine: held until a patient is known: 4E-045 1" in said.out
    assert "incomplete transmission of 4E-045, 2026-11-21" in said.out
    assert "link end (4 bytes)" in said.out


def test_status_for_scripts(wardlink: Wardlink, ran: Path) -> None:
    said = wardlink("status", "--json", "--config", ran)
    assert said.code == status.NOT_RUNNING
    assert said.json["running"] is False
    (engine,) = said.json["journal"]["destinations"]
    assert {key: engine[key] for key in ("delivered", "waiting", "held", "parked", "last_code")} == {
        "delivered": 1, "waiting": 0, "held": 1, "parked": 2, "last_code": "AA",
    }  # fmt: skip
    (counter,) = said.json["journal"]["counters"]
    assert (counter["device"], counter["what"], counter["n"]) == ("4E-045", "checksum", 2)


def test_status_of_a_running_gateway_is_its_own_word(wardlink: Wardlink, ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = wardlink("status", "--json", "-c", ran).json["journal"]
    device = {"id": "4E-044", "driver": "masimo", "state": "up", "last_report": "2020-01-01T00:00:00+00:00", "clock_offset_s": -61.6,
              "counts": {"checksum": 3}, "reason": "", "link": "tcp 10.1.2.3:4001"}  # fmt: skip
    route = {"id": "engine", "state": "idle", "describe": "localhost:2575", "plaintext": True}
    answer: dict[str, Any] = {
        "journal": journal, "gateway": "4-east-1", "eui64": "02A0C90000000001", "version": "9", "devices": [device], "destinations": [route],
    }  # fmt: skip
    monkeypatch.setattr(control, "ask", lambda _folder, word: answer if word == "status" else None)
    said = wardlink("status", "-c", ran)
    assert said.code == 0
    assert said.out.startswith("4-east-1 02A0C90000000001, wardlink 9\n")
    for words in ("-62 s", "3 checksum", "tcp 10.1.2.3:4001", "localhost:2575 PLAINTEXT", " d ago"):
        assert words in said.out


@pytest.mark.parametrize(
    "command", [["status"], ["account"], ["parked", "list"], ["associations"], ["export", "--since", "2026-01-01T00:00Z"]]
)
def test_a_gateway_that_never_ran_has_no_journal_and_none_is_made(wardlink: Wardlink, toml: Path, command: list[str]) -> None:
    said = wardlink(*command, "-c", toml)
    assert said.code == 2
    assert said.err.startswith(
        f"wardlink: there is no journal at {toml.parent / 'data'}/journal.sqlite3: expected the data folder"
    )
    assert said.out == ""
    assert not (toml.parent / "data").exists()


def test_the_account_adds_up(wardlink: Wardlink, ran: Path) -> None:
    said = wardlink("account", "-c", ran)
    assert said.code == 0
    rows = [line.split() for line in said.out.splitlines()]
    assert ["4E-044", "engine", "3", "1", "0", "0", "2", "0"] in rows
    assert ["4E-045", "engine", "1", "0", "0", "1", "0", "0"] in rows
    assert said.out.endswith("Everything received is accounted for.\n")
    assert wardlink("account", "--json", "-c", ran).json["balanced"] is True


def test_an_account_that_does_not_add_up_exits_1(wardlink: Wardlink, ran: Path) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(ran.parent / "data" / "journal.sqlite3")) as conn, conn:
        conn.execute("UPDATE tally SET n = n + 1 WHERE what = 'received' AND device = '4E-044'")
    said = wardlink("account", "-c", ran)
    assert said.code == 1
    assert "1 line(s) do not balance" in said.out
    assert wardlink("account", "--json", "-c", ran).json["balanced"] is False


def test_what_is_parked_is_listed_with_its_reason(wardlink: Wardlink, ran: Path) -> None:
    found = wardlink("parked", "list", "engine", "--json", "-c", ran).json
    assert [(one["report"], one["device"], one["code"], one["reason"]) for one in found] == [
        (2, "4E-044", "AR", "no such patient"), (3, "4E-044", "AR", "no such patient"),
    ]  # fmt: skip
    assert wardlink("parked", "list", "-c", ran).out.count("no such patient") == 2
    assert wardlink("parked", "list", "another", "--json", "-c", ran).json == []


def test_one_is_sent_again_and_one_is_given_up(wardlink: Wardlink, ran: Path) -> None:
    assert wardlink("parked", "replay", "engine", "2", "-c", ran).out == "engine: 1 will be sent again\n"
    assert wardlink("parked", "dismiss", "engine", "--reason", "no such patient", "-c", ran).out == "engine: 1 given up\n"
    (first, _) = wardlink("account", "--json", "-c", ran).json["lines"]
    assert (first["waiting"], first["parked"], first["dropped"]) == (1, 0, {"dismissed": 1})
    said = wardlink("parked", "replay", "engine", "-c", ran)
    assert (said.code, said.err) == (2, "wardlink: engine: nothing that was asked for is parked there\n")


@pytest.mark.parametrize(
    ("seconds", "said"), [(None, "-"), (0.0, "+0 s"), (-61.6, "-62 s"), (3600.2, "+3600 s")]
)  # fmt: skip
def test_an_offset_is_told_in_seconds_with_its_sign(seconds: float | None, said: str) -> None:
    assert status.offset(seconds) == said
