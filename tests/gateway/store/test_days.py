"""The statement by day: each report counts on the day it was received, whatever clock, zone and people do afterwards."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from gateway.model import Category, Report, Subject
from gateway.patients import acts
from gateway.store import cursors, database, days, remedies, statement, writer
from gateway.store.cursors import Result, State
from gateway.store.items import Pin
from gateway.store.journal import Journal
from gateway.store.remedies import By
from gateway.store.selection import Selection
from gateway.store.statement import Line

PARKED = Selection(destination="engine", states=frozenset({State.PARKED}))
BY = By(whom="n1")

if TYPE_CHECKING:
    from tests.gateway.store.conftest import MakeReport
else:
    MakeReport = object

BERLIN = ZoneInfo("Europe/Berlin")
VITALS = {"engine": frozenset({Category.VITALS})}
Move = Callable[[datetime], None]
Told = tuple[int, int, int, int, int, dict[str, int]]


@pytest.fixture
def move(monkeypatch: pytest.MonkeyPatch) -> Move:
    """The journal's clock shows this from now on."""

    def to(moment: datetime) -> None:
        monkeypatch.setattr(writer, "utc_now", lambda: moment)

    return to


@pytest.fixture
async def berlin(journal: Journal, move: Move) -> Journal:
    """A journal of a gateway in Berlin, on a day in November, with one destination."""
    move(datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
    await journal.count_days(BERLIN)
    await journal.use(VITALS)
    return journal


def told(lines: list[Line]) -> Told:
    """received, delivered, waiting, held, parked, dropped of the one line."""
    (line,) = lines
    assert line.balanced, line
    return line.received, line.delivered, line.waiting, line.held, line.parked, line.dropped


async def by_day(journal: Journal) -> dict[str, Told]:
    """Every day, each of which adds up, and so does the total; and the days make the total."""
    found = await journal.read(statement.days)
    (total,) = await journal.read(statement.statement)
    assert total.balanced
    for what in ("received", "delivered", "waiting", "held", "parked"):
        assert sum(getattr(line, what) for lines in found.values() for line in lines) == getattr(total, what)
    return {day: told(lines) for day, lines in found.items()}


async def settle(journal: Journal, state: State, limit: int = 100) -> None:
    """What is next gets this outcome."""
    batch = await journal.read(
        lambda conn: cursors.batch(conn, "engine", now=datetime(2030, 1, 1, tzinfo=UTC), limit=limit, order="device")
    )
    results = [
        Result(item=item, state=state, reason="no such patient", unpin=True, sent=Pin(f"{item.report}", b"x"))
        for item in batch.items
    ]
    await journal.write(lambda tx: cursors.settle(tx, "engine", results))


async def test_midnight_is_that_of_the_gateways_zone(berlin: Journal, make_report: MakeReport, move: Move) -> None:
    # Berlin is one hour ahead of UTC in November: 23:00 UTC is midnight there
    for minute, at in enumerate([datetime(2026, 11, 21, 22, 59, tzinfo=UTC), datetime(2026, 11, 21, 23, 0, tzinfo=UTC)]):
        move(at + timedelta(seconds=1))
        await berlin.keep([make_report(at=at)] * (minute + 1), device_id="4E-044")
    assert await by_day(berlin) == {"2026-11-21": (1, 0, 1, 0, 0, {}), "2026-11-22": (2, 0, 2, 0, 0, {})}


async def test_what_arrived_before_midnight_and_was_kept_after_it_is_yesterdays(
    berlin: Journal, make_report: MakeReport, move: Move
) -> None:
    move(datetime(2026, 11, 22, 9, 0, tzinfo=UTC))
    await berlin.keep([make_report(at=datetime(2026, 11, 21, 22, 59, 59, tzinfo=UTC))], device_id="4E-044")
    await berlin.keep([make_report(at=datetime(2026, 11, 22, 9, 0, tzinfo=UTC))], device_id="4E-044")
    assert await by_day(berlin) == {"2026-11-21": (1, 0, 1, 0, 0, {}), "2026-11-22": (1, 0, 1, 0, 0, {})}
    await settle(berlin, State.DELIVERED)
    assert await by_day(berlin) == {"2026-11-21": (1, 1, 0, 0, 0, {}), "2026-11-22": (1, 1, 0, 0, 0, {})}


async def test_what_is_delivered_days_later_stays_on_its_day(berlin: Journal, make_report: MakeReport, move: Move) -> None:
    for day in (21, 22, 23):
        move(datetime(2026, 11, day, 12, 0, tzinfo=UTC))
        await berlin.keep([make_report(at=datetime(2026, 11, day, 12, 0, tzinfo=UTC))] * day, device_id="4E-044")
    await settle(berlin, State.DELIVERED, limit=21 + 5)
    move(datetime(2026, 11, 27, 12, 0, tzinfo=UTC))
    await settle(berlin, State.DELIVERED, limit=20)
    assert await by_day(berlin) == {
        "2026-11-21": (21, 21, 0, 0, 0, {}),
        "2026-11-22": (22, 22, 0, 0, 0, {}),
        "2026-11-23": (23, 3, 20, 0, 0, {}),
    }


@pytest.mark.parametrize(
    ("day", "last_minute", "hours"),
    [
        ("2026-10-25", datetime(2026, 10, 25, 22, 59, tzinfo=UTC), 25),
        ("2026-03-29", datetime(2026, 3, 29, 21, 59, tzinfo=UTC), 23),
    ],
    ids=["the day of 25 hours", "the day of 23 hours"],
)
async def test_a_day_on_which_the_clocks_change_has_all_its_hours(
    journal: Journal, make_report: MakeReport, move: Move, day: str, last_minute: datetime, hours: int
) -> None:
    await journal.count_days(BERLIN)
    await journal.use(VITALS)
    first = last_minute - timedelta(hours=hours, minutes=-1)
    for hour in range(-1, hours + 1):
        at = first + timedelta(hours=hour)
        move(at)
        await journal.keep([make_report(at=at)], device_id="4E-044")
    found = await by_day(journal)
    assert found[day][0] == hours
    assert sum(one[0] for one in found.values()) == hours + 2


async def test_a_clock_that_is_put_back_over_midnight_and_goes_on(berlin: Journal, make_report: MakeReport, move: Move) -> None:
    evening, morning = datetime(2026, 11, 21, 20, 0, tzinfo=UTC), datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
    for number, at in enumerate([evening, morning, evening, morning, evening]):
        move(at)
        await berlin.keep([make_report(at=at)] * 10**number, device_id="4E-044")
    assert await by_day(berlin) == {"2026-11-21": (10101, 0, 10101, 0, 0, {}), "2026-11-22": (1010, 0, 1010, 0, 0, {})}
    move(morning)
    await settle(berlin, State.DELIVERED, limit=1000)
    found = await by_day(berlin)
    assert found["2026-11-21"][:2] == (10101, 1 + 100)
    assert found["2026-11-22"][:2] == (1010, 10 + 889)


async def test_another_zone_moves_nothing_that_is_stored(berlin: Journal, make_report: MakeReport, move: Move) -> None:
    at = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)  # Berlin: the 22nd; New York: the 21st
    move(at)
    await berlin.keep([make_report(at=at)], device_id="4E-044")
    await berlin.count_days(ZoneInfo("America/New_York"))
    await berlin.keep([make_report(at=at)] * 2, device_id="4E-044")
    assert await by_day(berlin) == {"2026-11-21": (2, 0, 2, 0, 0, {}), "2026-11-22": (1, 0, 1, 0, 0, {})}
    await settle(berlin, State.DELIVERED)
    assert await by_day(berlin) == {"2026-11-21": (2, 2, 0, 0, 0, {}), "2026-11-22": (1, 1, 0, 0, 0, {})}


async def test_what_is_given_up_replayed_or_gets_its_patient_later_stays_on_its_day(
    berlin: Journal, make_report: MakeReport, move: Move
) -> None:
    await berlin.keep([make_report(at=datetime(2026, 11, 21, 12, 0, tzinfo=UTC))] * 5, device_id="4E-044")
    await settle(berlin, State.PARKED, limit=3)
    await settle(berlin, State.HELD)
    assert await by_day(berlin) == {"2026-11-21": (5, 0, 0, 2, 3, {})}
    move(datetime(2026, 11, 23, 12, 0, tzinfo=UTC))
    await berlin.act(lambda conn: remedies.dismiss(conn, replace(PARKED, reports=(1,)), BY))
    await berlin.act(lambda conn: remedies.replay(conn, replace(PARKED, reports=(2,)), BY))
    who = Subject(patient_id="SYN-1")
    since = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
    await berlin.act(lambda conn: acts.associate(conn, "4E-044", who, at=since, by="n1", source="scan", reason="late"))
    await berlin.write(lambda tx: cursors.free_held(tx, "engine"))
    assert await by_day(berlin) == {"2026-11-21": (5, 0, 3, 0, 1, {"dismissed": 1})}
    await settle(berlin, State.DELIVERED)
    assert await by_day(berlin) == {"2026-11-21": (5, 3, 0, 0, 1, {"dismissed": 1})}


async def test_what_was_delivered_and_is_sent_again_is_counted_once_on_its_day(
    berlin: Journal, make_report: MakeReport, move: Move
) -> None:
    await berlin.keep([make_report(at=datetime(2026, 11, 21, 12, 0, tzinfo=UTC))] * 3, device_id="4E-044")
    await settle(berlin, State.DELIVERED)
    move(datetime(2026, 11, 23, 12, 0, tzinfo=UTC))
    delivered: dict[str, Told] = {"2026-11-21": (3, 3, 0, 0, 0, {})}
    await berlin.act(lambda conn: remedies.replay(conn, replace(PARKED, states=frozenset({State.DELIVERED})), BY))
    assert await berlin.read(lambda conn: conn.execute("SELECT count(*) FROM behind").fetchone()) == (3,)
    assert await by_day(berlin) == delivered
    await settle(berlin, State.DELIVERED, limit=2)
    assert await by_day(berlin) == delivered
    await settle(berlin, State.PARKED)
    assert await by_day(berlin) == delivered
    await berlin.act(lambda conn: remedies.dismiss(conn, PARKED, BY))
    assert await by_day(berlin) == delivered


async def test_an_act_from_another_process_counts_on_the_right_day_too(
    berlin: Journal, make_report: MakeReport, move: Move, tmp_path: Path
) -> None:
    await berlin.keep([make_report(at=datetime(2026, 11, 21, 12, 0, tzinfo=UTC))], device_id="4E-044")
    move(datetime(2026, 11, 22, 12, 0, tzinfo=UTC))
    await berlin.keep([make_report(at=datetime(2026, 11, 22, 12, 0, tzinfo=UTC))], device_id="4E-044")
    await settle(berlin, State.PARKED)
    with closing(database.open_for_acts(tmp_path / "data")) as conn:
        remedies.dismiss(conn, PARKED, BY)
    assert await by_day(berlin) == {
        "2026-11-21": (1, 0, 0, 0, 0, {"dismissed": 1}),
        "2026-11-22": (1, 0, 0, 0, 0, {"dismissed": 1}),
    }


async def test_a_destination_that_comes_or_takes_less_counts_on_the_days_of_the_reports(
    journal: Journal, make_report: MakeReport, move: Move
) -> None:
    for day in (21, 22):
        move(datetime(2026, 11, day, 12, 0, tzinfo=UTC))
        await journal.keep([make_report(at=datetime(2026, 11, day, 12, 0, tzinfo=UTC))] * day, device_id="4E-044")
    await journal.use(VITALS)
    assert await by_day(journal) == {"2026-11-21": (21, 0, 21, 0, 0, {}), "2026-11-22": (22, 0, 22, 0, 0, {})}
    await journal.use({"engine": frozenset({Category.LAB})})
    gone = "category no longer taken"
    assert await by_day(journal) == {"2026-11-21": (21, 0, 0, 0, 0, {gone: 21}), "2026-11-22": (22, 0, 0, 0, 0, {gone: 22})}


async def test_days_survive_pruning_and_a_restart(make_report: MakeReport, move: Move, tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "data", name="4-east-1", reserve_bytes=65536)
    await journal.use(VITALS)
    for day in (21, 22):
        move(datetime(2026, 11, day, 12, 0, tzinfo=UTC))
        await journal.keep([make_report(at=datetime(2026, 11, day, 12, 0, tzinfo=UTC))], device_id="4E-044")
    await settle(journal, State.DELIVERED)
    assert await journal.prune(datetime(2027, 1, 1, tzinfo=UTC)) == 2
    await journal.close()
    move(datetime(2027, 2, 1, tzinfo=UTC))
    again = await Journal.open(tmp_path / "data", name="4-east-1", reserve_bytes=65536)
    await again.keep([make_report(at=datetime(2027, 2, 1, tzinfo=UTC))], device_id="4E-044")
    assert await by_day(again) == {
        "2026-11-21": (1, 1, 0, 0, 0, {}),
        "2026-11-22": (1, 1, 0, 0, 0, {}),
        "2027-02-01": (1, 0, 1, 0, 0, {}),
    }
    await again.close()


async def test_days_are_forgotten_after_400_unless_a_report_of_theirs_is_left(
    journal: Journal, make_report: MakeReport, move: Move
) -> None:
    await journal.use(VITALS)
    for day in (1, 2):
        move(datetime(2026, 1, day, tzinfo=UTC))
        await journal.keep([make_report(at=datetime(2026, 1, day, tzinfo=UTC))], device_id="4E-044")
    await settle(journal, State.DELIVERED, limit=1)
    await journal.prune(datetime(2027, 1, 1, tzinfo=UTC))
    move(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=400))
    await journal.keep([make_report(at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=400))], device_id="4E-044")
    assert list(await journal.read(statement.days)) == ["2026-01-01", "2026-01-02", "2027-02-05"]
    move(datetime(2028, 1, 1, tzinfo=UTC))
    await journal.write(lambda _tx: None)
    found = await journal.read(statement.days)
    assert [(day, told(lines)) for day, lines in found.items()] == [
        ("2026-01-02", (1, 0, 1, 0, 0, {})),
        ("2027-02-05", (1, 0, 1, 0, 0, {})),
    ]
    assert statement.balanced(await journal.read(statement.statement))


async def test_a_change_that_fails_leaves_the_days_as_they_were(berlin: Journal, make_report: MakeReport, move: Move) -> None:
    await berlin.keep([make_report(at=datetime(2026, 11, 21, 12, 0, tzinfo=UTC))], device_id="4E-044")
    move(datetime(2026, 11, 22, 12, 0, tzinfo=UTC))
    with pytest.raises(ZeroDivisionError):
        await berlin.write(lambda _tx: 1 // 0)
    await berlin.keep([make_report(at=datetime(2026, 11, 22, 12, 0, tzinfo=UTC))] * 2, device_id="4E-044")
    assert await by_day(berlin) == {"2026-11-21": (1, 0, 1, 0, 0, {}), "2026-11-22": (2, 0, 2, 0, 0, {})}


async def test_what_was_stored_before_days_were_counted_is_on_none_and_still_adds_up(
    tmp_path: Path, make_report: MakeReport, move: Move
) -> None:
    move(datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
    journal = await Journal.open(tmp_path / "data", name="4-east-1", reserve_bytes=65536)
    await journal.use(VITALS)
    await journal.keep([make_report()] * 3, device_id="4E-044")
    await settle(journal, State.DELIVERED, limit=1)
    await journal.close()
    with closing(sqlite3.connect(tmp_path / "data" / "journal.sqlite3")) as conn, conn:  # as schema 5 leaves an old file
        conn.executescript(
            "DELETE FROM day_runs; DELETE FROM tally_days; UPDATE tally SET elsewhere = 0; DELETE FROM meta WHERE key = 'day'"
        )
    again = await Journal.open(tmp_path / "data", name="4-east-1", reserve_bytes=65536)
    await again.keep([make_report(at=datetime(2026, 11, 21, 12, 0, tzinfo=UTC))], device_id="4E-044")
    assert await by_day(again) == {"": (3, 1, 2, 0, 0, {}), "2026-11-21": (1, 0, 1, 0, 0, {})}
    await settle(again, State.DELIVERED)
    assert await by_day(again) == {"": (3, 3, 0, 0, 0, {}), "2026-11-21": (1, 1, 0, 0, 0, {})}
    await again.close()


@pytest.mark.parametrize(
    ("wrong", "days_wrong"),
    [
        ("DELETE FROM behind WHERE report = 1", {"2026-11-21"}),
        ("UPDATE destinations SET cursor = cursor + 1", {"2026-11-22"}),
        ("UPDATE tally SET n = n + 1 WHERE what = 'received'", {"2026-11-22"}),
        ("UPDATE tally_days SET n = n - 1 WHERE what = 'received'", {"2026-11-21"}),
    ],
    ids=["a row lost", "a row skipped", "counted twice today", "a count of yesterday's lost"],
)
async def test_a_day_that_does_not_add_up_is_seen(
    journal: Journal, make_report: MakeReport, move: Move, wrong: str, days_wrong: set[str]
) -> None:
    await journal.use(VITALS)
    for day in (21, 22):
        move(datetime(2026, 11, day, 12, 0, tzinfo=UTC))
        await journal.keep([make_report(at=datetime(2026, 11, day, 12, 0, tzinfo=UTC))], device_id="4E-044")
    await settle(journal, State.PARKED, limit=1)
    await journal.write(lambda tx: tx.conn.execute(wrong).rowcount)
    found = await journal.read(statement.days)
    assert {day for day, lines in found.items() if not statement.balanced(lines)} == days_wrong


def test_the_bounds_of_a_day_are_its_first_instants() -> None:
    assert days.bounds("2026-11-21", timezone(timedelta(hours=5, minutes=45))) == (
        "2026-11-20T18:15:00.000000Z",
        "2026-11-21T18:15:00.000000Z",
    )
    # Beirut 2022: the clocks went from 00:00 to 01:00 on 27 March, so that day began at 22:00 UTC and had 23 hours
    assert days.bounds("2022-03-27", ZoneInfo("Asia/Beirut")) == ("2022-03-26T22:00:00.000000Z", "2022-03-27T21:00:00.000000Z")


def test_a_clock_at_the_end_of_all_time_has_a_day(make_report: Callable[..., Report]) -> None:
    assert days.label("9999-12-31T23:59:59.000000Z", BERLIN) == "9999-12-31"
