"""A destination under a new id: its cursor, what waits for it, its bytes and its counts are the same; nothing is doubled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from gateway.errors import ActError
from gateway.model import Category, Report, Subject
from gateway.patients import acts
from gateway.store import cursors, status
from gateway.store.cursors import Pin, Result, State
from gateway.store.journal import Journal
from gateway.store.statement import Line, balanced, statement

MakeReport = Callable[..., Report]
AT = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
VITALS = frozenset({Category.VITALS})


async def batch(journal: Journal, destination: str) -> cursors.Batch:
    query = partial(cursors.batch, destination=destination, now=AT, limit=10, order="device")
    return await journal.read(query)


async def lines(journal: Journal) -> dict[str, Line]:
    found = await journal.read(statement)
    assert balanced(found)
    return {line.destination: line for line in found}


async def settled(journal: Journal, make_report: MakeReport, destination: str = "old") -> None:
    """Of four reports the first is delivered, the second parked, the third was sent and waits, the fourth waits."""
    await journal.use({destination: VITALS})
    await journal.keep([make_report(identity=str(n)) for n in range(4)], device_id="4E-044")
    first, second, third, _ = (await batch(journal, destination)).items
    results = [Result(item=first, state=State.DELIVERED), Result(item=second, state=State.PARKED, reason="no such patient")]
    await journal.write(lambda tx: cursors.settle(tx, destination, results))
    await journal.write(lambda tx: cursors.pin(tx, destination, [(third.report, Pin("ID-3", b"the bytes"))]))


async def test_everything_of_the_former_id_goes_on_under_the_new_one(journal: Journal, make_report: MakeReport) -> None:
    await settled(journal, make_report)
    await journal.use({"new": VITALS}, formerly={"new": "old"})
    found = await batch(journal, "new")
    assert [(one.report, one.pin and one.pin.body) for one in found.items] == [(3, b"the bytes"), (4, None)]
    assert found.parked == 1
    line = (await lines(journal))["new"]
    assert (line.received, line.delivered, line.parked, line.waiting) == (4, 1, 1, 2)
    assert list(await lines(journal)) == ["new"], "nothing is left under the former id"


async def test_the_same_again_changes_nothing(journal: Journal, make_report: MakeReport) -> None:
    await settled(journal, make_report)
    for _ in range(2):
        await journal.use({"new": VITALS}, formerly={"new": "old"})
    assert (await lines(journal))["new"].waiting == 2


async def test_one_that_left_earlier_gets_what_it_missed(journal: Journal, make_report: MakeReport) -> None:
    await settled(journal, make_report)
    await journal.use({})
    await journal.keep([make_report(identity="5")], device_id="4E-044")
    await journal.use({"new": VITALS}, formerly={"new": "old"})
    assert [one.report for one in (await batch(journal, "new")).items] == [3, 4, 5]
    assert (await lines(journal))["new"].received == 5


async def test_a_queue_of_its_own_is_never_mixed_with_a_former_one(journal: Journal, make_report: MakeReport) -> None:
    await settled(journal, make_report)
    await journal.use({"old": VITALS, "new": VITALS})
    await journal.use({"new": VITALS}, formerly={"new": "old"})
    assert {one: line.waiting for one, line in (await lines(journal)).items()} == {"new": 4, "old": 2}


async def test_what_waits_for_one_that_left_is_given_up_by_name_when_it_comes_back_to_take_nothing(
    journal: Journal, make_report: MakeReport
) -> None:
    await settled(journal, make_report)
    await journal.use({})
    await journal.use({"old": frozenset()})
    line = (await lines(journal))["old"]
    assert (line.waiting, line.parked, line.dropped) == (0, 1, {"category no longer taken": 2})


async def test_one_that_left_has_no_present_trouble(journal: Journal, make_report: MakeReport) -> None:
    await settled(journal, make_report)
    await journal.write(lambda tx: cursors.trouble(tx, "old", "nothing listens there"))
    await journal.use({})
    (queue,) = await journal.read(status.queues)
    assert (queue.in_use, queue.trouble, queue.depth) == (False, "", 2)


async def test_what_is_kept_in_the_same_commit_is_counted_once(journal: Journal, make_report: MakeReport) -> None:
    """The writer groups what waits while it is busy: keep, rename and keep fall into one transaction."""
    await journal.use({"old": VITALS})
    busy, free, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()

    def hold(_tx: object) -> None:
        loop.call_soon_threadsafe(busy.set)
        free.wait(10)

    holding = asyncio.ensure_future(journal.write(hold))
    await busy.wait()
    work = [
        asyncio.ensure_future(journal.keep([make_report(identity="a")], device_id="4E-044")),
        asyncio.ensure_future(journal.use({"new": VITALS}, formerly={"new": "old"})),
        asyncio.ensure_future(journal.keep([make_report(identity="b")], device_id="4E-044")),
    ]
    await asyncio.sleep(0)
    free.set()
    await asyncio.gather(holding, *work)
    found = await lines(journal)
    assert {one: (line.received, line.waiting) for one, line in found.items()} == {"new": (2, 2)}


async def test_when_a_part_of_the_change_cannot_be_so_nothing_of_it_is(
    tmp_path: Path, journal: Journal, make_report: MakeReport
) -> None:
    await settled(journal, make_report)
    gateway = journal.gateway
    act = partial(acts.associate, device="4E-044", subject=Subject(patient_id=" "), by="t", source="test")
    with pytest.raises(ActError):
        await journal.use({"new": VITALS}, formerly={"new": "old"}, name="another", act=act)
    assert journal.gateway == gateway
    await journal.keep([make_report(identity="5")], device_id="4E-044")
    assert {one: line.received for one, line in (await lines(journal)).items()} == {"old": 5}


async def test_the_gateways_name_changes_while_it_runs_and_stays(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "data", name="4-east-1", reserve_bytes=65536)
    eui64 = journal.gateway.eui64
    await journal.use({}, name="4-east-2")
    assert (journal.gateway.name, journal.gateway.eui64) == ("4-east-2", eui64)
    await journal.close()
    again = await Journal.open(tmp_path / "data", name="4-east-2", reserve_bytes=65536)
    assert again.gateway == journal.gateway
    await again.close()
