"""What a person does about messages, and what of it the receiver sees: the same bytes, one id one content, an account that adds up."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from gateway.deliver.destination import Accepted, Outcome, Outgoing, Refused, Retry
from gateway.deliver.job import NO_PATIENT, OTHERWISE
from gateway.errors import ActError
from gateway.model import Entry, Subject
from gateway.settings.dispatch import DispatchSettings
from gateway.store import audit, queued, remedies
from gateway.store.items import State
from gateway.store.remedies import By

if TYPE_CHECKING:
    from tests.gateway.deliver.conftest import Bench
else:
    Bench = object

NO = Refused("no such test", "AR")
NOT_NOW = Retry("AE: record locked")


def first(outcome: Outcome) -> Callable[[Outgoing], Outcome]:
    """This outcome once, then acceptance."""
    left = [outcome]
    return lambda _message: left.pop() if left else Accepted("AA")


async def line(bench: Bench) -> tuple[int, int, int, int, int, dict[str, int]]:
    """received, delivered, waiting, held, parked, dropped; it must balance."""
    (one,) = await bench.lines()
    return one.received, one.delivered, one.waiting, one.held, one.parked, one.dropped


async def test_a_delivered_message_goes_again_as_it_was_and_counts_once(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.keep("D1", "1", "2")
    async with bench.sending():
        await bench.clock.quiet()
        assert await bench.replay(State.DELIVERED, reports=(1,)) == 1
        await bench.clock.quiet()
    got = bench.receiver.got
    assert [message.body for message in got] == [b"D1 1 SYN-A", b"D1 2 SYN-A", b"D1 1 SYN-A"]
    assert got[2].id == got[0].id
    assert await line(bench) == (2, 2, 0, 0, 0, {})
    (fate,) = (await bench.journal.read(lambda conn: queued.kept(conn, 1))).fates
    assert fate.delivery is not None
    assert (fate.delivery.again, fate.delivery.sha256) == (1, hashlib.sha256(b"D1 1 SYN-A").digest())


async def test_while_a_replay_waits_it_counts_as_delivered_and_is_told_as_again(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.keep("D1", "1")
    async with bench.sending():
        await bench.clock.quiet()
    await bench.replay(State.DELIVERED)
    assert await line(bench) == (1, 1, 0, 0, 0, {})
    (one,) = await bench.journal.read(lambda conn: queued.listed(conn, bench.chosen(State.DUE), 9))
    assert one.again
    assert await bench.replay(State.DELIVERED) == 0, "it is under way already"


async def test_a_replay_that_would_read_otherwise_is_parked_and_never_sent_under_the_old_id(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.keep("D1", "1", minute=1)
    async with bench.sending():
        await bench.clock.quiet()
        await bench.wears("D1", "B")
        await bench.replay(State.DELIVERED)
        await bench.clock.quiet()
        assert [one.reason for one in await bench.parked()] == [OTHERWISE]
        await bench.takes_off("D1", minute=0)
        await bench.replay()
        await bench.clock.quiet()
        assert [one.reason for one in await bench.parked()] == [NO_PATIENT]
    assert bench.receiver.bodies == ["D1 1 SYN-A"]
    assert await line(bench) == (1, 1, 0, 0, 0, {})
    assert await bench.dismiss(State.PARKED) == 1
    assert await line(bench) == (1, 1, 0, 0, 0, {}), "what was delivered stays delivered"


async def test_an_edited_message_takes_the_place_of_a_refused_one_under_an_id_of_its_own(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.keep("D1", "1")
    bench.receiver.answer = first(NO)
    async with bench.sending():
        await bench.clock.quiet()
        new = await bench.edit(1, b"D1 one SYN-A", replaces=bench.receiver.got[0].id)
        await bench.clock.quiet()
        assert [(m.id == new, m.body) for m in bench.receiver.got] == [(False, b"D1 1 SYN-A"), (True, b"D1 one SYN-A")]
        assert await line(bench) == (1, 1, 0, 0, 0, {})
        await bench.replay(State.DELIVERED)
        await bench.clock.quiet()
    assert (bench.receiver.got[2].id, bench.receiver.got[2].body) == (new, b"D1 one SYN-A"), "a replay is what was delivered"
    (fate,) = (await bench.journal.read(lambda conn: queued.kept(conn, 1))).fates
    (edited,) = fate.edits
    assert (edited.message_id, edited.replaces, edited.by, edited.reason) == (new, bench.receiver.got[0].id, "n", "a test")
    assert [act.act for act in fate.acts] == ["edit", "replay"]


async def test_an_edit_that_is_refused_too_keeps_its_bytes(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.keep("D1", "1")
    bench.receiver.answer = lambda _message: NO
    async with bench.sending():
        await bench.clock.quiet()
        new = await bench.edit(1, b"D1 one SYN-A")
        await bench.clock.quiet()
        bench.receiver.answer = lambda _message: Accepted("AA")
        await bench.replay()
        await bench.clock.quiet()
    assert [(message.id, message.body) for message in bench.receiver.accepted] == [(new, b"D1 one SYN-A")]


async def test_a_delivered_message_can_be_corrected_by_a_new_one(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.keep("D1", "1")
    async with bench.sending():
        await bench.clock.quiet()
        new = await bench.edit(1, b"D1 one SYN-A")
        await bench.clock.quiet()
    assert [message.id for message in bench.receiver.accepted][1] == new
    assert await line(bench) == (1, 1, 0, 0, 0, {})


@pytest.mark.parametrize("state", ["waiting", "held"])
async def test_what_is_neither_parked_nor_delivered_cannot_be_edited(bench: Bench, state: str) -> None:
    await bench.keep("D1", "1")
    if state == "held":
        async with bench.sending():
            await bench.clock.quiet()
    with pytest.raises(ActError, match=r"parked n?or delivered"):
        await bench.edit(1, b"x")


async def test_held_and_retrying_messages_can_be_given_up_by_name(bench: Bench) -> None:
    await bench.wears("D2", "B")
    await bench.keep("D1", "1")
    await bench.keep("D2", "2")
    bench.receiver.answer = lambda _message: NOT_NOW
    stuck = asyncio.Event()

    async def hang(event: asyncio.Event, timeout_s: float | None) -> None:
        stuck.set()
        await event.wait()

    bench.clock.wait = hang  # type: ignore[method-assign]
    async with bench.sending():
        async with asyncio.timeout(30):
            await stuck.wait()
    assert await bench.dismiss(State.HELD) == 1
    assert await bench.dismiss(State.RETRY) == 1
    lines = await bench.lines()
    assert [(one.device, one.dropped) for one in lines] == [("D1", {"dismissed": 1}), ("D2", {"dismissed": 1})]


async def test_a_retry_ends_a_pause_of_the_whole_line(bench: Bench) -> None:
    """The receiver was out of reach and the pause is long; somebody mended the cable."""
    await bench.wears("D1", "A")
    await bench.keep("D1", "1")
    paused, looked = asyncio.Event(), asyncio.Event()

    async def wait(event: asyncio.Event, timeout_s: float | None) -> None:
        if timeout_s is not None:
            paused.set()
        await event.wait()

    async def poll(_seconds: float) -> None:
        await asyncio.sleep(0)
        await looked.wait()

    bench.clock.wait, bench.clock.poll = wait, poll  # type: ignore[method-assign]
    bench.receiver.answer = first(Retry("connection refused", link=True))
    async with bench.sending(), asyncio.timeout(30):
        await paused.wait()
        await bench.journal.act(lambda conn: remedies.retry(conn, bench.chosen(), By(whom="n")))
        looked.set()
        while not bench.receiver.accepted:
            await asyncio.sleep(0)
    assert bench.receiver.bodies == ["D1 1 SYN-A"]


async def test_a_retry_goes_now_instead_of_later(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.keep("D1", "1")
    bench.receiver.answer = first(NOT_NOW)
    real, waited = bench.clock.wait, asyncio.Event()

    async def wait(event: asyncio.Event, timeout_s: float | None) -> None:
        if timeout_s is None:
            await real(event, timeout_s)
            return
        waited.set()
        await event.wait()

    bench.clock.wait = wait  # type: ignore[method-assign]
    async with bench.sending():
        async with asyncio.timeout(30):
            await waited.wait()
        done = await bench.journal.act(lambda conn: remedies.retry(conn, bench.chosen(), By(whom="n")))
        assert done.n == 1
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["D1 1 SYN-A"]
    assert bench.clock.pauses == [], "no time has passed"


async def test_an_act_on_many_goes_in_small_steps_each_audited(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remedies, "ACT_MAX", 2)
    await bench.wears("D1", "A")
    await bench.keep("D1", "1", "2", "3", "4", "5")
    async with bench.sending():
        await bench.clock.quiet()
    found, after = [], 0
    while True:
        chosen = bench.chosen(State.DELIVERED)
        done = await bench.journal.act(lambda conn, c=chosen, a=after: remedies.replay(conn, c, By(whom="n"), a))  # type: ignore[misc]
        found.append(done.n)
        if done.last is None:
            break
        after = done.last
    assert found == [2, 2, 1]
    told = await bench.journal.read(audit.acts)
    assert [act.detail["n"] for act in told if act.act == "replay"] == ["2", "2", "1"]


SELECTED = {
    "by report": ({"reports": (2,)}, [2]),
    "by device": ({"device": "D2"}, [3]),
    "by code": ({"reason": "AR"}, [1, 2, 3]),
    "by words in the reason, in any case": ({"reason": "SUCH Test"}, [1, 2, 3]),
    "by patient": ({"patient": "SYN-B"}, [3]),
    "by a patient whom nobody is": ({"patient": "B"}, []),
    "from a time on": ({"since": 5}, [2, 3]),
    "up to a time": ({"until": 5}, [1]),
}


@pytest.mark.parametrize(("words", "reports"), SELECTED.values(), ids=SELECTED)
@pytest.mark.parametrize("state", [State.PARKED, State.DELIVERED])
async def test_messages_are_chosen(bench: Bench, state: State, words: dict[str, object], reports: list[int]) -> None:
    from dataclasses import replace
    from datetime import timedelta

    start = bench.clock.now() - timedelta(hours=1)
    words = {key: start + timedelta(minutes=value) if isinstance(value, int) else value for key, value in words.items()}
    if state is State.DELIVERED and "reason" in words:
        words["reason"] = "AA"
    await bench.wears("D1", "A")
    await bench.wears("D2", "B")
    await bench.keep("D1", "1", minute=0)
    await bench.keep("D1", "2", minute=5)
    await bench.keep("D2", "3", minute=9)
    bench.receiver.answer = lambda _message: NO if state is State.PARKED else Accepted("AA")
    async with bench.sending():
        await bench.clock.quiet()
    chosen = replace(bench.chosen(state), **words)  # type: ignore[arg-type]
    assert [one.report for one in await bench.journal.read(lambda conn: queued.listed(conn, chosen, 9))] == reports
    if state is State.PARKED:
        assert (await bench.journal.act(lambda conn: remedies.dismiss(conn, chosen, By(whom="n")))).n == len(reports)


# ---- order by patient


async def test_by_patient_what_waits_for_one_holds_up_that_patients_others_on_any_device(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.wears("D2", "A")
    await bench.wears("D3", "B")
    await bench.keep("D1", "1")
    await bench.keep("D2", "2")
    await bench.keep("D3", "3")
    bench.receiver.answer = first(NOT_NOW)
    async with bench.sending(DispatchSettings(order="patient")):
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["D3 3 SYN-B", "D1 1 SYN-A", "D2 2 SYN-A"]


async def test_by_patient_a_device_that_went_to_another_patient_goes_on(bench: Bench) -> None:
    await bench.wears("D1", "A", minute=0)
    await bench.wears("D1", "B", minute=10)
    await bench.keep("D1", "1", minute=5)
    await bench.keep("D1", "2", minute=15)
    bench.receiver.answer = first(NOT_NOW)
    async with bench.sending(DispatchSettings(order="patient", batch=1)):
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["D1 2 SYN-B", "D1 1 SYN-A"]


# ---- late data


def marking(entry: Entry, subject: Subject | None) -> Outgoing:
    """value, and whether it says that it is late."""
    return Outgoing(entry.key, f"{entry.report.observations[0].value} {'late' if entry.late else 'fresh'}".encode())


@pytest.mark.parametrize("mark", [True, False])
async def test_what_is_sent_late_says_so_where_the_destination_wants_it(bench: Bench, mark: bool) -> None:
    await bench.wears("D1", "A")
    await bench.keep("D1", "1", minute=44)  # the clock stands at 60 minutes
    await bench.keep("D1", "2", minute=46)
    async with bench.sending(DispatchSettings(mark_late=mark, late_after_s=900), renderer=marking) as dispatcher:
        await bench.clock.quiet()
        assert dispatcher.late == 1
        bench.clock.time = bench.clock.time.replace(hour=23)
        await bench.replay(State.DELIVERED)
        await bench.clock.quiet()
    once = ["1 late", "2 fresh"] if mark else ["1 fresh", "2 fresh"]
    assert bench.receiver.bodies == once * 2, "a replay reads as it did the first time"
    kept = [await bench.journal.read(lambda conn, n=n: queued.kept(conn, n)) for n in (1, 2)]  # type: ignore[misc]
    assert [one.fates[0].delivery.late for one in kept if one.fates[0].delivery] == [True, False], "noted in any case"
