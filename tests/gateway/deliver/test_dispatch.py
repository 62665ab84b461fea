"""From the journal to the receiver's word: right patient, in order, the same bytes, whatever fails."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from gateway.deliver.backoff import Backoff
from gateway.deliver.destination import Accepted, Outcome, Outgoing, Refused, Retry
from gateway.model import Category, Entry, Subject
from gateway.patients import acts
from gateway.settings.dispatch import DispatchSettings
from gateway.store import cursors
from gateway.store.cursors import Pin, Result, State

if TYPE_CHECKING:
    from tests.gateway.deliver.conftest import Bench
else:
    Bench = object

LINK_DOWN = Retry("connection refused", link=True)
UNSENT = Retry("nothing listens there", link=True, unsent=True)
NOT_NOW = Retry("AE: record locked")
STRICT = DispatchSettings(order="strict")


def answers(*outcomes: Outcome) -> Callable[[Outgoing], Outcome]:
    """These outcomes in turn, then acceptance."""
    left = list(outcomes)
    return lambda _message: left.pop(0) if left else Accepted("AA")


def unless(body: bytes, outcome: Outcome) -> Callable[[Outgoing], Outcome]:
    """Acceptance, but for messages that begin with `body`."""
    return lambda message: outcome if message.body.startswith(body) else Accepted("AA")


async def test_reports_go_out_in_the_order_of_the_journal_with_their_patient(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.wears("D2", "B")
    await bench.keep("D1", "97")
    await bench.keep("D2", "88")
    await bench.keep("D1", "98")
    async with bench.sending():
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["D1 97 SYN-A", "D2 88 SYN-B", "D1 98 SYN-A"]
    assert [(line.device, line.received, line.delivered) for line in await bench.lines()] == [("D1", 2, 2), ("D2", 1, 1)]
    queue = await bench.queue()
    assert (queue.depth, queue.oldest, queue.last_code, queue.last_ack_at) == (0, None, "AA", bench.clock.now())


async def test_new_reports_wake_an_idle_dispatcher(bench: Bench) -> None:
    await bench.wears("D1", "A")
    async with bench.sending():
        await bench.clock.quiet()
        await bench.keep("D1", "97")
        await bench.clock.quiet()
        assert bench.receiver.bodies == ["D1 97 SYN-A"]


async def test_the_patient_is_the_one_of_the_reports_time_not_of_the_sending_time(bench: Bench) -> None:
    await bench.wears("D1", "A", minute=0)
    await bench.wears("D1", "B", minute=10)
    await bench.takes_off("D1", minute=20)
    for minute in (5, 10, 15):
        await bench.keep("D1", str(minute), minute=minute)
    async with bench.sending():
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["D1 5 SYN-A", "D1 10 SYN-B", "D1 15 SYN-B"]


async def test_more_than_a_batch(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.keep("D1", *(str(n) for n in range(23)))
    async with bench.sending(DispatchSettings(batch=5)):
        await bench.clock.quiet()
    assert bench.receiver.bodies == [f"D1 {n} SYN-A" for n in range(23)]


async def test_categories_that_are_not_taken_are_passed_over(bench: Bench) -> None:
    await bench.journal.use({"engine": frozenset({Category.LAB})})
    await bench.keep("D1", "1")
    await bench.keep("D1", "2", category=Category.LAB)
    async with bench.sending():
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["D1 2 -"]
    assert [(line.received, line.delivered) for line in await bench.lines()] == [(1, 1)]


WITHOUT_PATIENT = {
    "vitals wait": (Category.VITALS, True, False),
    "events wait": (Category.EVENTS, True, False),
    "waveforms wait": (Category.WAVEFORMS, True, False),
    "lab results travel on their specimen id": (Category.LAB, True, True),
    "quality control has no patient": (Category.QC, True, True),
    "unless the destination says otherwise": (Category.VITALS, False, True),
}


@pytest.mark.parametrize(("category", "hold", "sent"), WITHOUT_PATIENT.values(), ids=WITHOUT_PATIENT)
async def test_while_no_patient_is_known(bench: Bench, category: Category, hold: bool, sent: bool) -> None:
    await bench.keep("D1", "97", category=category)
    async with bench.sending(DispatchSettings(hold=hold)):
        await bench.clock.quiet()
    assert bench.receiver.bodies == (["D1 97 -"] if sent else [])
    (line,) = await bench.lines()
    assert (line.delivered, line.held) == ((1, 0) if sent else (0, 1))
    assert (await bench.queue()).held == ({} if sent else {"D1": 1})


async def test_quality_control_never_goes_to_the_patient_beside_the_analyzer(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.keep("D1", "97", category=Category.QC)
    async with bench.sending():
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["D1 97 -"]


async def test_held_reports_do_not_hold_up_others_and_go_when_their_patient_is_known(bench: Bench) -> None:
    await bench.wears("D2", "B")
    await bench.keep("D1", "1", minute=1)
    await bench.keep("D1", "2", minute=30)
    await bench.keep("D2", "3")
    async with bench.sending():
        await bench.clock.quiet()
        assert bench.receiver.bodies == ["D2 3 SYN-B"]
        await bench.wears("D1", "A", minute=20)
        await bench.clock.quiet()
        assert bench.receiver.bodies == ["D2 3 SYN-B", "D1 2 SYN-A"], "only what the association's time covers"
        await bench.wears("D1", "A", minute=0)
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["D2 3 SYN-B", "D1 2 SYN-A", "D1 1 SYN-A"]
    await bench.lines()


async def test_a_word_for_the_time_after_a_clock_was_set_back_frees_what_was_held_then(bench: Bench) -> None:
    """The release is dated by a clock that was ahead; what comes after it is of its time, and only a word for that time frees it."""
    ahead = bench.clock.now() + timedelta(days=3650)
    who, said = Subject(patient_id="SYN-B"), {"by": "n", "source": "test"}
    before = ahead - timedelta(hours=1)
    await bench.journal.act(lambda conn: acts.associate(conn, "D1", Subject(patient_id="SYN-A"), at=before, now=before, **said))
    await bench.journal.act(lambda conn: acts.release(conn, "D1", at=ahead, now=ahead, **said))
    await bench.keep("D1", "1")
    async with bench.sending():
        await bench.clock.quiet()
        assert bench.receiver.bodies == [], "nobody wears it"
        await bench.journal.act(lambda conn: acts.associate(conn, "D1", who, at=ahead, now=ahead + timedelta(seconds=1), **said))
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["D1 1 SYN-B"]
    await bench.lines()


async def test_an_association_from_another_process_is_noticed_at_the_next_poll(bench: Bench) -> None:
    await bench.keep("D1", "97", minute=1)
    code = (
        "import sys; from pathlib import Path; from datetime import datetime; from gateway.model import Subject;"
        "from gateway.patients.acts import *; associate(open_for_acts(Path(sys.argv[1])), 'D1',"
        " Subject(patient_id='SYN-A'), at=datetime.fromisoformat('2026-11-21T08:00:00Z'), by='n', source='cli')"
    )
    async with bench.sending():
        await bench.clock.quiet()
        assert bench.receiver.bodies == []
        await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code, str(bench.folder)], check=True, timeout=60)
        bench.clock.tick()
        await bench.clock.quiet()
        assert bench.receiver.bodies == ["D1 97 SYN-A"]


async def test_when_a_destination_stops_holding_what_is_held_goes(bench: Bench) -> None:
    await bench.keep("D1", "97")
    async with bench.sending():
        await bench.clock.quiet()
    async with bench.sending(DispatchSettings(hold=False)):
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["D1 97 -"]


async def test_while_the_receiver_is_out_of_reach_the_head_waits_and_nothing_is_parked(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.keep("D1", "1", "2", "3")
    bench.receiver.answer = answers(*[LINK_DOWN] * 300)
    async with bench.sending(DispatchSettings(retry_budget_h=1)):
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["D1 1 SYN-A", "D1 2 SYN-A", "D1 3 SYN-A"]
    assert {message.body for message in bench.receiver.got[:301]} == {b"D1 1 SYN-A"}
    assert len({message.id for message in bench.receiver.got[:301]}) == 1
    assert bench.clock.pauses[:9] == [5, 10, 20, 40, 80, 160, 320, 600, 600]
    assert len(bench.clock.pauses) == 300


async def test_why_nothing_goes_out_can_be_read(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.keep("D1", "1")
    stuck = asyncio.Event()

    async def hang(event: asyncio.Event, timeout_s: float | None) -> None:
        stuck.set()
        await event.wait()

    bench.receiver.answer = answers(LINK_DOWN)
    bench.clock.wait = hang  # type: ignore[method-assign]
    async with bench.sending() as dispatcher, asyncio.timeout(30):
        await stuck.wait()
        assert dispatcher.state == "waiting: connection refused"
        queue = await bench.queue()
        assert (queue.trouble, queue.depth) == ("connection refused", 1)
        assert queue.oldest == bench.clock.now() - timedelta(hours=1)


async def test_a_refused_message_is_parked_and_holds_up_nothing(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.keep("D1", "1", "2", "3")
    bench.receiver.answer = unless(b"D1 2", Refused("unknown patient", "AR"))
    async with bench.sending():
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["D1 1 SYN-A", "D1 3 SYN-A"]
    (one,) = await bench.parked()
    assert (one.device, one.code, one.reason) == ("D1", "AR", "unknown patient")
    assert (await bench.queue()).parked == {"unknown patient": 1}
    assert [(line.delivered, line.parked) for line in await bench.lines()] == [(2, 1)]


async def test_in_strict_order_a_refused_message_holds_up_everything_until_a_person_acts(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.wears("D2", "B")
    await bench.keep("D1", "1")
    await bench.keep("D2", "2")
    bench.receiver.answer = answers(Refused("no", "AR"))
    async with bench.sending(STRICT) as dispatcher:
        await bench.clock.quiet()
        assert bench.receiver.bodies == []
        assert "strict" in dispatcher.state
        assert await bench.replay() == 1
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["D1 1 SYN-A", "D2 2 SYN-B"]
    await bench.lines()


async def test_a_not_now_holds_up_its_own_device_only(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.wears("D2", "B")
    for n in range(3):
        await bench.keep("D1", f"1{n}")
        await bench.keep("D2", f"2{n}")
    refusals = [NOT_NOW, NOT_NOW]
    bench.receiver.answer = lambda message: refusals.pop() if message.body.startswith(b"D1 10") and refusals else Accepted("AA")
    async with bench.sending():
        await bench.clock.quiet()
    bodies = bench.receiver.bodies
    assert bodies[:3] == ["D2 20 SYN-B", "D2 21 SYN-B", "D2 22 SYN-B"]
    assert bodies[3:] == ["D1 10 SYN-A", "D1 11 SYN-A", "D1 12 SYN-A"]
    assert bench.clock.pauses == [5, 10]
    await bench.lines()


async def test_what_comes_later_from_a_waiting_device_waits_too(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.keep("D1", "1")
    late = [False]

    def answer(message: Outgoing) -> Outcome:
        if message.body.startswith(b"D1 1 ") and not late[0]:
            late[0] = True
            return NOT_NOW
        return Accepted("AA")

    bench.receiver.answer = answer
    real = bench.clock.wait
    kept: list[int | None] = []

    async def keep_while_waiting(event: asyncio.Event, timeout_s: float | None) -> None:
        if not kept:
            kept.extend(await bench.keep("D1", "2", "3"))
            return
        await real(event, timeout_s)

    bench.clock.wait = keep_while_waiting  # type: ignore[method-assign]
    async with bench.sending(DispatchSettings(batch=1)):
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["D1 1 SYN-A", "D1 2 SYN-A", "D1 3 SYN-A"]
    await bench.lines()


async def test_in_strict_order_a_not_now_holds_up_everything(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.wears("D2", "B")
    await bench.keep("D1", "1")
    await bench.keep("D2", "2")
    bench.receiver.answer = answers(NOT_NOW, NOT_NOW)
    async with bench.sending(STRICT):
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["D1 1 SYN-A", "D2 2 SYN-B"]
    assert bench.clock.pauses == [5, 10]


@pytest.mark.parametrize("order", ["device", "strict"])
async def test_a_message_whose_budget_is_spent_is_parked_with_its_bytes(bench: Bench, order: str) -> None:
    await bench.wears("D1", "A")
    await bench.keep("D1", "1", "2")
    bench.receiver.answer = unless(b"D1 1", NOT_NOW)
    settings = DispatchSettings.model_validate({"order": order, "retry_budget_h": 0.5})
    async with bench.sending(settings):
        await bench.clock.quiet()
        # 5 + 10 + 20 + 40 + 80 + 160 + 320 = 635, then 600 each: with the ninth pause 1835 s, past half an hour
        assert [m.body[:4] for m in bench.receiver.got].count(b"D1 1") == 9
        (one,) = await bench.parked()
        assert one.reason == "AE: record locked"
        assert bench.receiver.bodies == ([] if order == "strict" else ["D1 2 SYN-A"])
        await bench.wears("D1", "B")
        bench.receiver.answer = answers()
        await bench.replay(reason="AE: record locked")
        await bench.clock.quiet()
    first = next(m for m in bench.receiver.accepted if m.body.startswith(b"D1 1"))
    assert first.body == b"D1 1 SYN-A", "its fate was unknown, so its bytes stay, whatever was learnt since"
    await bench.lines()


async def test_refusals_that_mean_not_now_are_a_setting(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.keep("D1", "1")
    bench.receiver.answer = answers(Refused("busy", "AR"))
    async with bench.sending(DispatchSettings(refused_retry=frozenset({"AR"}))):
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["D1 1 SYN-A"]


async def test_a_pause_that_the_receiver_asks_for_is_kept(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.keep("D1", "1")
    bench.receiver.answer = answers(Retry("503", after_s=120, link=True), Retry("503", after_s=10**9, link=True))
    async with bench.sending():
        await bench.clock.quiet()
    assert bench.clock.pauses == [120, 3600]


async def test_three_not_now_in_a_row_are_the_receivers_trouble(bench: Bench) -> None:
    for device in ("D1", "D2", "D3", "D4"):
        await bench.wears(device, "A")
        await bench.keep(device, "1")
    bench.receiver.answer = answers(NOT_NOW, NOT_NOW, NOT_NOW)
    async with bench.sending():
        await bench.clock.quiet()
    assert [message.body[:2] for message in bench.receiver.got[:3]] == [b"D1", b"D2", b"D3"]
    assert bench.clock.pauses[0] == 5, "before D4 was tried"
    assert sorted(bench.receiver.bodies) == ["D1 1 SYN-A", "D2 1 SYN-A", "D3 1 SYN-A", "D4 1 SYN-A"]


async def test_a_destination_that_raises_is_survived(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.keep("D1", "1")
    faults = [RuntimeError("SYN secret")]

    def answer(_message: Outgoing) -> Outcome:
        if faults:
            raise faults.pop()
        return Accepted("AA")

    bench.receiver.answer = answer
    async with bench.sending():
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["D1 1 SYN-A"]


async def test_what_cannot_be_rendered_is_parked_and_renders_once_mended(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    await bench.wears("D1", "A")
    await bench.keep("D1", "1", "2")

    def broken(entry: Entry, subject: Subject | None) -> Outgoing:
        if entry.report.observations[0].value == "1":
            raise KeyError("SYN-A is secret")
        return Outgoing(entry.key, b"fine")

    async with bench.sending(renderer=broken):
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["fine"]
    assert (await bench.queue()).parked == {"cannot be rendered: KeyError": 1}
    assert "KeyError" in caplog.text
    assert "secret" not in caplog.text.replace('raise KeyError("SYN-A is secret")', "")
    async with bench.sending():
        await bench.replay()
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["fine", "D1 1 SYN-A"]
    await bench.lines()


async def test_a_row_that_cannot_be_read_is_parked(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.keep("D1", "1", "2")
    await bench.journal.write(lambda tx: tx.conn.execute("UPDATE reports SET payload = '{' WHERE id = 1"))
    async with bench.sending():
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["D1 2 SYN-A"]
    assert [one.report for one in await bench.parked()] == [1]


@pytest.mark.parametrize(
    ("trouble", "again"),
    [
        pytest.param(LINK_DOWN, b"D1 1 SYN-A", id="some of it may have arrived: the same bytes"),
        pytest.param(UNSENT, b"D1 1 SYN-B", id="no byte of it has left: the patient that is known now"),
    ],
)
async def test_what_may_have_left_is_never_redirected_what_has_not_is(bench: Bench, trouble: Retry, again: bytes) -> None:
    """The wrong patient is corrected while the link is down: the first message was tried, the second was not."""
    await bench.wears("D1", "A", minute=0)
    await bench.keep("D1", "1", "2", minute=1)
    corrected: list[bool] = []

    async def correct(_event: asyncio.Event, _timeout_s: float | None) -> None:
        if not corrected:
            corrected.append(True)
            await bench.wears("D1", "B", minute=0)

    real = bench.clock.wait

    async def wait(event: asyncio.Event, timeout_s: float | None) -> None:
        if timeout_s is not None:
            await correct(event, timeout_s)
        else:
            await real(event, timeout_s)

    bench.clock.wait = wait  # type: ignore[method-assign]
    bench.receiver.answer = answers(trouble)
    async with bench.sending():
        await bench.clock.quiet()
    assert [message.body for message in bench.receiver.got] == [b"D1 1 SYN-A", again, b"D1 2 SYN-B"]
    assert len({message.id for message in bench.receiver.got}) == 2


async def test_after_a_stop_in_the_middle_of_sending_the_same_bytes_go_out_again(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.keep("D1", "1", "2")
    reached = asyncio.Event()

    async def hang(message: Outgoing) -> Outcome:
        bench.receiver.got.append(message)
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    answering, bench.receiver.send = bench.receiver.send, hang  # type: ignore[method-assign]
    async with bench.sending():
        async with asyncio.timeout(30):
            await reached.wait()
    bench.receiver.send = answering  # type: ignore[method-assign]
    await bench.wears("D1", "B")

    def remapped(entry: Entry, subject: Subject | None) -> Outgoing:
        return Outgoing(entry.key, b"another mapping")

    async with bench.sending(renderer=remapped):
        await bench.clock.quiet()
    tried, again = bench.receiver.got[0], bench.receiver.accepted[0]
    assert (tried.id, tried.body) == (again.id, again.body)
    await bench.lines()


async def test_what_was_sent_is_recorded_on_the_way_out(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.keep("D1", "1", "2")
    second = asyncio.Event()
    answering = bench.receiver.send

    async def hang_at_second(message: Outgoing) -> Outcome:
        if message.body.startswith(b"D1 2"):
            second.set()
            await asyncio.Event().wait()
        return await answering(message)

    bench.receiver.send = hang_at_second  # type: ignore[method-assign]
    async with bench.sending():
        async with asyncio.timeout(30):
            await second.wait()
    (line,) = await bench.lines()
    assert (line.delivered, line.waiting) == (1, 1)


async def test_outcomes_said_twice_count_once(bench: Bench) -> None:
    """After a failed sync nobody knows whether the commit took, so the dispatcher says it again."""
    await bench.keep("D1", "1", "2")
    journal = bench.journal
    batch = await journal.read(lambda conn: cursors.batch(conn, "engine", now=bench.clock.now(), limit=9, order="device"))
    await journal.write(lambda tx: cursors.pin(tx, "engine", [(item.report, Pin("x", b"y")) for item in batch.items]))
    results = [Result(item=item, state=State.DELIVERED, unpin=True) for item in batch.items]
    for _ in range(2):
        await journal.write(lambda tx: cursors.settle(tx, "engine", results))
    (line,) = await bench.lines()
    assert (line.received, line.delivered) == (2, 2)


async def test_while_outcomes_cannot_be_recorded_nothing_further_is_sent(bench: Bench) -> None:
    await bench.wears("D1", "A")
    await bench.keep("D1", "1", "2")
    await bench.journal.write(
        lambda tx: tx.conn.execute(
            "CREATE TRIGGER t BEFORE UPDATE OF cursor ON destinations BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    )
    real = bench.clock.wait
    sent_meanwhile: list[int] = []

    async def mend(event: asyncio.Event, timeout_s: float | None) -> None:
        if timeout_s is not None and len(sent_meanwhile) < 3:
            sent_meanwhile.append(len(bench.receiver.got))
            if len(sent_meanwhile) == 3:
                await bench.journal.write(lambda tx: tx.conn.execute("DROP TRIGGER t"))
        await real(event, timeout_s)

    bench.clock.wait = mend  # type: ignore[method-assign]
    async with bench.sending(DispatchSettings(batch=1)):
        await bench.clock.quiet()
    assert sent_meanwhile == [1, 1, 1]
    assert bench.receiver.bodies == ["D1 1 SYN-A", "D1 2 SYN-A"]
    await bench.lines()


async def test_dismissed_messages_are_dropped_by_name(bench: Bench) -> None:
    await bench.wears("D1", "A")
    (report,) = await bench.keep("D1", "1")
    assert report is not None
    bench.receiver.answer = answers(Refused("no", "AR"))
    async with bench.sending():
        await bench.clock.quiet()
    assert await bench.dismiss(State.PARKED) == 1
    (line,) = await bench.lines()
    assert (line.parked, line.dropped) == (0, {"dismissed": 1})


def test_pauses_double_to_a_cap_and_vary() -> None:
    plain = Backoff(5, 600, 0.2, lambda: 0.5)
    assert [plain.delay_s(n) for n in (0, 1, 2, 6, 7, 8, 10**6)] == [5, 10, 20, 320, 600, 600, 600]
    assert Backoff(5, 600, 0.2, lambda: 0.0).delay_s(0) == pytest.approx(4)
    assert Backoff(5, 600, 0.2, lambda: 1.0).delay_s(0) == pytest.approx(6)


OUTCOMES: Sequence[Outcome] = (Accepted("AA"), Accepted("CA"), LINK_DOWN, NOT_NOW, Refused("no", "AR"))


@pytest.mark.parametrize("order", ["device", "strict"])
@pytest.mark.parametrize("seed", range(12))
async def test_whatever_the_receiver_says_all_is_accounted_for(bench: Bench, seed: int, order: str) -> None:
    """Random answers, half of the devices without a patient: it balances, an id has one body, a device keeps its order."""
    dice = random.Random(seed)
    bench.receiver.answer = lambda _message: dice.choice(OUTCOMES)
    for device in ("D1", "D2", "D3"):
        await bench.wears(device, device[-1])
    for number in range(40):
        await bench.keep(f"D{dice.randrange(1, 6)}", str(number))
    settings = DispatchSettings.model_validate({"order": order, "batch": 7})
    async with bench.sending(settings):
        await bench.clock.quiet()
        for _ in range(500):  # polls: with something held or parked a retry is never further away than the next one
            if not (await bench.queue()).depth:
                break
            if order == "strict" and await bench.parked():
                await bench.replay()
            bench.clock.tick(600)
            await bench.clock.quiet()
    sent: dict[str, set[bytes]] = {}
    for message in bench.receiver.got:
        sent.setdefault(message.id, set()).add(message.body)
    assert all(len(bodies) == 1 for bodies in sent.values())
    assert len(bench.receiver.accepted) == len({message.id for message in bench.receiver.accepted})
    for device in ("D1", "D2", "D3"):
        mine = [int(body.split()[1]) for body in bench.receiver.bodies if body.startswith(device)]
        assert mine == sorted(mine)
    lines = await bench.lines()
    assert sum(line.waiting for line in lines) == 0
    assert sum(line.delivered for line in lines) == len(bench.receiver.accepted)
    assert {line.device for line in lines if line.held} <= {"D4", "D5"}
