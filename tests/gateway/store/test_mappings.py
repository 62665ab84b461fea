"""Decisions about codes: who said what when, what held at any moment, and what a damaged disk does to them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ActError
from gateway.mapping import Decision, Key, Kind
from gateway.mapping.livd import Suggestion
from gateway.store import audit, backup, database, livd, mappings, opening
from gateway.store.database import open_for_acts
from gateway.store.integrity import Check
from gateway.store.journal import Journal

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
GLU = Key(code="GLU", maker="Acme", model="X1", unit="mg/dL", specimen="Serum", result=Kind.NUMBER)


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_for_acts(tmp_path)) as opened:
        yield opened


def decision(loinc: str = "2345-7", key: Key = GLU) -> Decision:
    return Decision(id=0, key=key, loinc=loinc, prop="MCnc", source="by hand", reason="as the maker says")


def test_what_was_said_is_kept_whole_and_audited(conn: sqlite3.Connection) -> None:
    wanted = Decision(
        id=0, key=GLU, loinc="94505-5", name="IgG Ab", prop="ACnc", ucum="[arb'U]/mL", override=True, source="livd 3", reason="so"
    )
    (made,) = mappings.say(conn, [wanted], by="terry", now=NOON)
    (act,) = audit.acts(conn)
    assert (act.by, act.act, act.object) == ("terry", "map", "GLU")
    assert act.detail == {
        "means": "GLU Acme X1 in mg/dL in Serum as number: 94505-5",
        "source": "livd 3",
        "note": "so",
    }
    assert mappings.history(conn) == [made]
    assert (made.key, made.loinc, made.name, made.prop, made.ucum, made.override) == (
        GLU, "94505-5", "IgG Ab", "ACnc", "[arb'U]/mL", True,
    )  # fmt: skip
    assert (made.by, made.at, made.since_act, made.until_act) == ("terry", NOON, act.id, None)
    assert mappings.state(conn) == act.id


def test_the_same_again_is_nothing_new(conn: sqlite3.Connection) -> None:
    mappings.say(conn, [decision()], by="t")
    assert mappings.say(conn, [decision()], by="u") == []
    assert audit.last(conn) == 1


def test_another_word_about_the_same_ends_the_first_and_each_moment_has_its_own(conn: sqlite3.Connection) -> None:
    (first,) = mappings.say(conn, [decision()], by="t")
    (second,) = mappings.say(conn, [decision("2339-0")], by="u", now=NOON)
    mappings.take_back(conn, second.id, by="v", reason="mistaken")
    at = {moment: [one.loinc for one in mappings.at(conn, moment).decisions] for moment in range(4)}
    assert at == {0: [], 1: ["2345-7"], 2: ["2339-0"], 3: []}
    ended = mappings.by_number(conn, first.id)
    assert ended is not None
    assert (ended.until_act, ended.until_by, ended.until_at) == (2, "u", NOON)
    assert [act.act for act in audit.acts(conn)] == ["map", "map", "reopen"]
    assert audit.acts(conn)[1].detail["instead_of"] == "1: GLU Acme X1 in mg/dL in Serum as number: 2345-7"


def test_other_acts_do_not_change_the_moment(conn: sqlite3.Connection) -> None:
    mappings.say(conn, [decision()], by="t")
    with database.transaction(conn):
        audit.record(conn, at=NOON, by="t", act="associate", object_id="D1", detail={})
    assert mappings.state(conn) == 1
    assert not mappings.changed(conn, 1)
    assert mappings.changed(conn, 0)


@pytest.mark.parametrize("number", [7, 1])
def test_only_what_is_in_force_can_be_taken_back(conn: sqlite3.Connection, number: int) -> None:
    mappings.say(conn, [decision()], by="t")
    mappings.take_back(conn, 1, by="t")
    with pytest.raises(ActError, match=f"there is no decision {number} in force; `wardlink unmapped decided` lists them"):
        mappings.take_back(conn, number, by="t")


DECISIVE = ("code", "device", "maker", "model", "unit", "specimen", "loinc", "name", "property", "ucum")


@pytest.mark.parametrize("column", DECISIVE)
def test_a_damaged_decision_decides_nothing_and_is_counted(
    conn: sqlite3.Connection, tmp_path: Path, column: str, caplog: pytest.LogCaptureFixture
) -> None:
    mappings.say(conn, [decision(), decision(key=Key(code="K", device="D1"))], by="t")
    conn.execute(f"UPDATE mappings SET {column} = {column} || 'x' WHERE id = 1")
    assert [one.id for one in mappings.now(conn).decisions] == [2]
    assert "decision 1 about a code is damaged on the disk (checksum)" in caplog.text
    check = Check(tmp_path)
    check.check()
    assert check.progress.as_json()["n_damaged_decisions"] == 1


def suggestion(loinc: str = "2345-7", **more: Any) -> Suggestion:
    about = {
        "place": "row 2",
        "maker": "Acme",
        "model": "X1",
        "code": "GLU",
        "specimen": "Serum",
        "result": "mg/dL",
        "prop": "MCnc",
    }
    return Suggestion(loinc=loinc, **{**about, **more})


async def test_decisions_and_suggestions_come_through_a_backup_and_a_salvage(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    journal = await Journal.open(folder, name="g", reserve_bytes=65536)
    await journal.write(
        lambda tx: mappings.say(tx.conn, [decision(), decision(key=Key(code="K", device="D1"))], by="t", now=NOON)
    )
    await journal.write(lambda tx: mappings.take_back(tx.conn, 2, by="u", now=NOON))
    await journal.write(lambda tx: livd.keep(tx.conn, "acme.csv", [suggestion(doubts=("a doubt",))], by="t", now=NOON))
    decided, suggested = await journal.read(mappings.history), await journal.read(livd.rows)
    await journal.close()
    backup.backup(folder, tmp_path / "copy.sqlite3")
    with closing(sqlite3.connect(tmp_path / "copy.sqlite3")) as copy:
        assert (mappings.history(copy), livd.rows(copy)) == (decided, suggested)
    path = folder / database.FILE
    path.write_bytes(b"\0" * 4096 + path.read_bytes()[4096:])  # the first page, with the schema
    assert opening.look(folder) is not None
    journal = await Journal.open(folder, name="g", reserve_bytes=65536)
    assert (await journal.read(mappings.history), await journal.read(livd.rows)) == (decided, suggested)
    assert await journal.read(mappings.state) == decided[1].until_act
    await journal.close()


async def test_a_decision_after_a_salvage_that_lost_the_audit_trail_is_later_than_those_before(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    journal = await Journal.open(folder, name="g", reserve_bytes=65536)
    await journal.write(
        lambda tx: mappings.say(tx.conn, [decision(), decision(key=Key(code="K", device="D1"))], by="t", now=NOON)
    )
    before = await journal.read(mappings.state)
    await journal.write(lambda tx: tx.conn.execute("DELETE FROM audit"))
    await journal.write(lambda tx: tx.conn.execute("DELETE FROM sqlite_sequence WHERE name = 'audit'"))
    await journal.close()
    path = folder / database.FILE
    path.write_bytes(b"\0" * 4096 + path.read_bytes()[4096:])
    assert opening.look(folder) is not None
    journal = await Journal.open(folder, name="g", reserve_bytes=65536)
    (made,) = await journal.write(lambda tx: mappings.say(tx.conn, [decision("2339-0")], by="t"))
    assert made.since_act > before
    assert [one.loinc for one in (await journal.read(mappings.now)).decisions] == ["2345-7", "2339-0"]
    await journal.close()


def test_a_file_that_comes_twice_is_known_already(conn: sqlite3.Connection) -> None:
    rows = [suggestion(), suggestion("14749-6", result="mmol/L", prop="SCnc")]
    assert livd.keep(conn, "acme.csv", rows, by="t", version="v1") == [1, 2]
    (new,) = livd.keep(conn, "acme-new.csv", [*rows, suggestion(code="K")], by="t")
    assert [row.id for row in livd.rows(conn, code="K")] == [new]
    assert [(act.act, act.object, act.detail["new"]) for act in audit.acts(conn)] == [
        ("import livd", "acme.csv", "2"),
        ("import livd", "acme-new.csv", "1"),
    ]
    assert livd.rows(conn, code="GLU", state=livd.State.SUGGESTED)[1].said == rows[1]


def test_what_is_dismissed_is_suggested_no_more(conn: sqlite3.Connection) -> None:
    livd.keep(conn, "acme.csv", [suggestion(), suggestion(code="K")], by="t")
    assert livd.dismiss(conn, [1], by="u", reason="not ours") == 1
    assert [row.id for row in livd.rows(conn, state=livd.State.SUGGESTED)] == [2]
    (gone,) = livd.rows(conn, numbers=[1])
    assert (gone.state, gone.decided_by) == (livd.State.DISMISSED, "u")
    with pytest.raises(ActError, match="there is no suggestion 9"):
        livd.dismiss(conn, [2, 9], by="u", reason="x")
    assert [row.id for row in livd.rows(conn, state=livd.State.SUGGESTED)] == [2], "all or nothing"
