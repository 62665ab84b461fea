"""What may be given up of what waits, what never, and that each one given up is counted where it was waited for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec
import pytest

from gateway.deliver.destination import Accepted, Outgoing
from gateway.deliver.dispatch import Dispatcher
from gateway.model import Category, Kind, Observation, Report, Subject
from gateway.patients.acts import associate
from gateway.store import cursors, waiting
from gateway.store.cursors import Batch, Pin, Result, State
from gateway.store.journal import Journal
from gateway.store.statement import balanced, statement
from gateway.store.times import utc_now
from gateway.thinning import WAITING_TRENDS, WAITING_WAVEFORMS

MakeReport = Callable[..., Report]
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
VITALS, WAVEFORMS, LAB = Category.VITALS, Category.WAVEFORMS, Category.LAB
EVERYTHING = frozenset({VITALS, WAVEFORMS, LAB, Category.EVENTS})


async def keep(journal: Journal, make: MakeReport, times_s: Sequence[float], device: str = "4E-044", **about: object) -> None:
    for at_s in times_s:
        changed = about.pop("replace", {})
        report = make(device, at=NOON + timedelta(seconds=at_s), **about)
        await journal.keep([msgspec.structs.replace(report, **changed)], device_id=device)  # type: ignore[arg-type]
        about["replace"] = changed


async def sweep(journal: Journal, category: Category = VITALS, interval_s: float = 60) -> int:
    """One whole way through; how many went."""
    (one,) = [one for one in waiting.sweeps(interval_s) if one.category is category]
    gone = 0
    while True:
        found = await journal.read(one.look)
        if found.last is None:
            return gone
        given_up = await journal.write(partial(waiting.give_up, reports=found.reports, category=category, policy=one.policy))
        gone, one.after = gone + given_up.reports, found.last


async def seconds_left(journal: Journal, device: str = "4E-044") -> list[float]:
    rows = await journal.read(
        lambda conn: conn.execute("SELECT received_at FROM reports WHERE device = ? ORDER BY id", (device,)).fetchall()
    )
    return [(datetime.fromisoformat(at) - NOON).total_seconds() for (at,) in rows]


async def batch(journal: Journal, destination: str = "engine", limit: int = 64) -> Batch:
    return await journal.read(partial(cursors.batch, destination=destination, now=utc_now(), limit=limit, order="device"))


async def test_waiting_trends_are_thinned_device_by_device_and_counted(journal: Journal, make_report: MakeReport) -> None:
    await journal.use({"engine": EVERYTHING, "lis": frozenset({LAB})})
    await keep(journal, make_report, range(0, 180, 10))
    await keep(journal, make_report, (175, 185), device="4E-045")
    assert await sweep(journal) == 16
    assert await seconds_left(journal) == [0, 60, 120]
    assert await seconds_left(journal, "4E-045") == [175]
    lines = {(line.destination, line.device): line for line in await journal.read(statement)}
    assert {(key, one.received, one.waiting, one.dropped.get(WAITING_TRENDS)) for key, one in lines.items()} == {
        (("engine", "4E-044"), 18, 3, 15),
        (("engine", "4E-045"), 2, 1, 1),
    }
    assert balanced(list(lines.values()))
    assert await sweep(journal) == 0, "a second way finds nothing more"


async def test_every_waiting_waveform_goes_and_no_trend_with_it(journal: Journal, make_report: MakeReport) -> None:
    await journal.use({"engine": EVERYTHING})
    await keep(journal, make_report, range(5), category=WAVEFORMS)
    await keep(journal, make_report, (7,))
    assert await sweep(journal, WAVEFORMS) == 5
    assert await seconds_left(journal) == [7]
    (line,) = await journal.read(statement)
    assert (line.dropped, line.balanced) == ({WAITING_WAVEFORMS: 5}, True)


EVENT = Observation(kind=Kind.EVENT, vendor_code="MARK", value="on")
CUFF = Observation(kind=Kind.NUMERIC, vendor_code="SYS", value="120", time=NOON)


@pytest.mark.parametrize(
    ("category", "changed"),
    [
        (LAB, {}),
        (Category.QC, {}),
        (Category.EVENTS, {}),
        (VITALS, {"episodic": True}),
        (WAVEFORMS, {"episodic": True}),
        (VITALS, {"observations": (EVENT,)}),
        (VITALS, {"observations": ()}),
    ],
    ids=["lab", "qc", "events", "spot check", "a strip taken on request", "nothing but an event", "what a driver failed at"],
)
async def test_what_comes_once_is_never_given_up(
    journal: Journal, make_report: MakeReport, category: Category, changed: dict[str, object]
) -> None:
    await journal.use({"engine": frozenset({*EVERYTHING, Category.QC})})
    await keep(journal, make_report, range(5), category=category, replace=changed)
    assert await sweep(journal) + await sweep(journal, WAVEFORMS) == 0
    assert await seconds_left(journal) == [0, 1, 2, 3, 4]


async def test_a_value_measured_at_a_new_time_of_its_own_is_kept_among_trends(journal: Journal, make_report: MakeReport) -> None:
    await journal.use({"engine": EVERYTHING})
    for at_s, measured_s in ((0, 0), (10, 0), (20, 15), (30, 15)):
        seen = msgspec.structs.replace(CUFF, time=NOON + timedelta(seconds=measured_s))
        await keep(journal, make_report, (at_s,), replace={"observations": (seen,)})
    assert await sweep(journal) == 2
    assert await seconds_left(journal) == [0, 20]


async def test_a_state_among_the_numbers_is_kept_when_it_changes(journal: Journal, make_report: MakeReport) -> None:
    await journal.use({"engine": EVERYTHING})
    for at_s, word in ((0, "0000"), (1, "0000"), (2, "0008"), (3, "0008"), (4, "0000")):
        seen = msgspec.structs.replace(EVENT, vendor_code="ALARM", value=word)
        await keep(journal, make_report, (at_s,), replace={"observations": (seen, msgspec.structs.replace(CUFF, time=None))})
    assert await sweep(journal) == 2
    assert await seconds_left(journal) == [0, 2, 4]


async def test_what_was_touched_for_any_destination_is_never_given_up(journal: Journal, make_report: MakeReport) -> None:
    await journal.use({"engine": EVERYTHING, "second": frozenset({VITALS})})
    await keep(journal, make_report, range(8))
    items = (await batch(journal)).items
    pins = [(items[number].report, Pin("id", b"bytes")) for number in (0, 6)]
    await journal.write(partial(cursors.pin, destination="engine", pins=pins))
    aside = [Result(item=items[0], state=State.RETRY), *(Result(item=one, state=State.HELD) for one in items[1:3])]
    parked = Result(item=items[3], state=State.PARKED, reason="refused")
    delivered = Result(item=items[4], state=State.DELIVERED)
    await journal.write(partial(cursors.settle, destination="engine", results=[*aside, parked, delivered]))
    assert await sweep(journal) == 3, "the fifth, sixth and eighth: nobody touched them but to deliver one"
    assert await seconds_left(journal) == [0, 1, 2, 3, 6]
    lines = {line.destination: line for line in await journal.read(statement)}
    assert balanced(list(lines.values()))
    assert lines["engine"].dropped == {WAITING_TRENDS: 2}, "the fifth was delivered there"
    assert lines["second"].dropped == {WAITING_TRENDS: 3}


async def test_history_is_nobodys_and_is_not_counted_as_dropped(journal: Journal, make_report: MakeReport) -> None:
    await journal.use({"lis": frozenset({LAB})})
    await keep(journal, make_report, range(5))
    assert await sweep(journal) == 0
    assert await journal.read(statement) == []


async def test_what_was_delivered_is_not_thinned_but_left_to_retention(journal: Journal, make_report: MakeReport) -> None:
    await journal.use({"engine": EVERYTHING})
    await keep(journal, make_report, range(5))
    delivered = [Result(item=item, state=State.DELIVERED) for item in (await batch(journal)).items[:3]]
    await journal.write(partial(cursors.settle, destination="engine", results=delivered))
    assert await sweep(journal) == 1
    assert await seconds_left(journal) == [0, 1, 2, 3]


async def test_a_row_that_cannot_be_read_is_left_for_a_person(journal: Journal, make_report: MakeReport) -> None:
    await journal.use({"engine": EVERYTHING})
    await keep(journal, make_report, range(4))
    await journal.write(lambda tx: tx.conn.execute("UPDATE reports SET payload = 'x' WHERE id IN (2, 3)"))
    assert await sweep(journal) == 1
    assert await seconds_left(journal) == [0, 1, 2]


class Receiver:
    """Takes everything; its list is the oracle."""

    def __init__(self) -> None:
        self.got: list[str] = []

    async def send(self, message: Outgoing) -> Accepted:
        self.got.append(message.id)
        return Accepted("AA")

    async def close(self) -> None: ...


@pytest.mark.parametrize("worn", [True, False], ids=["about to be sent", "about to be held"])
async def test_what_is_given_up_between_its_reading_and_its_pinning_is_neither_sent_nor_held(
    journal: Journal, make_report: MakeReport, monkeypatch: pytest.MonkeyPatch, worn: bool
) -> None:
    await journal.use({"engine": EVERYTHING})
    if worn:
        act = partial(associate, device="4E-044", subject=Subject(patient_id="SYN-1"), at=NOON, by="t", source="test")
        await journal.act(act)
    await keep(journal, make_report, range(5))
    receiver = Receiver()
    dispatcher = Dispatcher(journal, "engine", receiver, lambda entry, _: Outgoing(entry.key, b"x"))
    original = dispatcher._deliver

    async def late(found: Batch) -> None:
        assert len(found.items) == 5
        assert await sweep(journal) == 4
        await original(found)

    monkeypatch.setattr(dispatcher, "_deliver", late)
    await dispatcher._round()  # notices the act, or that there is none
    await dispatcher._round()
    (line,) = await journal.read(statement)
    assert line.balanced
    assert (line.received, line.delivered, line.held, line.waiting) == (5, int(worn), int(not worn), 0)
    assert len(receiver.got) == int(worn)
    assert (await batch(journal)).items == []
    assert await journal.read(lambda conn: conn.execute("SELECT count(*) FROM attempts").fetchone()) == (0,)
