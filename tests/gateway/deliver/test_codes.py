"""What was decided about codes, in every state that a report can be in: waiting, held, parked, under way, delivered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.deliver.destination import Accepted, Outcome, Outgoing, Refused, Retry
from gateway.deliver.job import OTHERWISE
from gateway.mapping import Decision, Key
from gateway.model import Category, DeviceIdentity, Entry, Kind, Observation, Report, Subject
from gateway.settings.dispatch import DispatchSettings
from gateway.settings.lab import LabSettings
from gateway.store import mappings, queued
from gateway.store.items import UNMAPPED, State

if TYPE_CHECKING:
    from tests.gateway.deliver.conftest import Bench
else:
    Bench = object

HOLD = DispatchSettings(unmapped="hold")


def coded(entry: Entry, _subject: Subject | None) -> Outgoing:
    """The codes of a report, such as "QQQ=2345-7"."""
    named = (f"{one.vendor_code}={one.loinc or '-'}" for one in entry.report.observations)
    return Outgoing(id=entry.message_id, body=" ".join(named).encode())


async def keep(bench: Bench, *codes: str, category: Category = Category.LAB, unit: str = "mg/dL", maker: str = "Acme") -> None:
    """One report with a result for each code."""
    results = [Observation(kind=Kind.NUMERIC, vendor_code=code, value="98", unit=unit, vendor_unit=unit) for code in codes]
    report = Report(
        device=DeviceIdentity(id="LAB-1", maker=maker, model="X1"),
        driver="astm",
        category=category,
        received_at=datetime(2026, 11, 21, 8, 0, tzinfo=UTC),
        observations=tuple(results),
    )
    await bench.journal.keep([report], device_id="LAB-1")


async def decide(bench: Bench, code: str, loinc: str = "2345-7") -> Decision:
    wanted = Decision(id=0, key=Key(code=code, maker="Acme"), loinc=loinc, prop="MCnc", source="by hand")
    (made,) = await bench.journal.act(lambda conn: mappings.say(conn, [wanted], by="t"))
    return made


async def reasons(bench: Bench, state: State = State.HELD) -> list[tuple[str, str]]:
    rows = await bench.journal.read(lambda conn: queued.listed(conn, bench.chosen(state), 100))
    return [(row.code, row.reason) for row in rows]


async def account(bench: Bench) -> tuple[int, int, int, int, int]:
    """received, delivered, waiting, held, parked; it must balance."""
    (one,) = await bench.lines()
    return one.received, one.delivered, one.waiting, one.held, one.parked


async def test_what_waits_has_the_code_that_is_decided_when_its_turn_comes(bench: Bench) -> None:
    await keep(bench, "QQQ")
    await decide(bench, "QQQ")
    async with bench.sending(renderer=coded):
        await bench.clock.quiet()
        await keep(bench, "QQQ", "ZZZ")
        await bench.clock.quiet()
        await decide(bench, "ZZZ", "14749-6")  # mmol/L: not beside mg/dL
        await decide(bench, "QQQ", "2339-0")
        await keep(bench, "QQQ", "ZZZ")
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["QQQ=2345-7", "QQQ=2345-7 ZZZ=-", "QQQ=2339-0 ZZZ=-"]


async def test_by_default_what_nobody_knows_is_sent_under_its_own_code(bench: Bench) -> None:
    await keep(bench, "QQQ")
    async with bench.sending(renderer=coded):
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["QQQ=-"]


async def test_held_until_every_code_is_decided_about_and_ignoring_is_deciding(bench: Bench) -> None:
    await keep(bench, "QQQ", "ZZZ")
    async with bench.sending(HOLD, coded):
        await bench.clock.quiet()
        assert await reasons(bench) == [(UNMAPPED, "unmapped QQQ, ZZZ: `wardlink unmapped list`")]
        assert await account(bench) == (1, 0, 0, 1, 0)
        assert (await bench.queue()).unmapped == {"LAB-1": 1}
        await decide(bench, "QQQ")
        await bench.clock.quiet()
        assert await reasons(bench) == [(UNMAPPED, "unmapped ZZZ: `wardlink unmapped list`")]
        await decide(bench, "ZZZ", "")
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["QQQ=2345-7 ZZZ=-"]
    assert await account(bench) == (1, 1, 0, 0, 0)


async def test_another_process_decides_and_the_next_poll_sends(bench: Bench) -> None:
    await keep(bench, "QQQ")
    async with bench.sending(HOLD, coded):
        await bench.clock.quiet()
        wanted = Decision(id=0, key=Key(code="QQQ"), loinc="2345-7", prop="MCnc")
        await bench.journal.write(lambda tx: mappings.say(tx.conn, [wanted], by="t"))  # nobody here is told
        bench.clock.tick()
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["QQQ=2345-7"]


async def test_no_patient_frees_what_is_held_for_its_code(bench: Bench) -> None:
    await keep(bench, "QQQ")
    async with bench.sending(HOLD, coded):
        await bench.clock.quiet()
        (before,) = await bench.journal.read(lambda conn: queued.listed(conn, bench.chosen(State.HELD), 9))
        await bench.wears("LAB-1", "A")
        await bench.clock.quiet()
        (after,) = await bench.journal.read(lambda conn: queued.listed(conn, bench.chosen(State.HELD), 9))
    assert after.since == before.since, "it was not even taken up"
    assert bench.receiver.bodies == []


async def test_vital_signs_are_never_held_for_a_code(bench: Bench) -> None:
    await bench.wears("LAB-1", "A")
    await keep(bench, "QQQ", category=Category.VITALS)
    async with bench.sending(HOLD, coded):
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["QQQ=-"]


async def test_controls_are_held_like_results(bench: Bench) -> None:
    await keep(bench, "QQQ", category=Category.QC)
    async with bench.sending(HOLD, coded):
        await bench.clock.quiet()
    assert await account(bench) == (1, 0, 0, 1, 0)


async def test_a_destination_that_holds_no_more_sends_what_was_held(bench: Bench) -> None:
    await keep(bench, "QQQ")
    async with bench.sending(HOLD, coded):
        await bench.clock.quiet()
    async with bench.sending(renderer=coded):
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["QQQ=-"]
    assert await account(bench) == (1, 1, 0, 0, 0)


class Inferring(LabSettings, DispatchSettings):
    """A laboratory destination that takes what the terms only infer."""


async def test_what_a_destination_is_sent_as_inferred_is_not_held(bench: Bench) -> None:
    # of the terms: Sysmex IPF in % is inferred, never explicit
    await keep(bench, "IPF", unit="%", maker="Sysmex")
    async with bench.sending(HOLD, coded):
        await bench.clock.quiet()
        assert await account(bench) == (1, 0, 0, 1, 0)
    async with bench.sending(Inferring(unmapped="hold", inferred=True), coded):
        await bench.clock.quiet()
        assert await account(bench) == (1, 1, 0, 0, 0)
        await keep(bench, "QQQ", unit="%", maker="Sysmex")
        await bench.clock.quiet()
    assert await account(bench) == (2, 1, 0, 1, 0), "nothing is inferred for a code that nobody has"


async def test_what_was_refused_has_the_code_when_it_is_sent_again(bench: Bench) -> None:
    bench.receiver.answer = lambda message: Accepted("AA") if b"2345-7" in message.body else Refused("no such code", "AR")
    await keep(bench, "QQQ")
    async with bench.sending(renderer=coded):
        await bench.clock.quiet()
        assert await account(bench) == (1, 0, 0, 0, 1)
        await decide(bench, "QQQ")
        await bench.replay()
        await bench.clock.quiet()
    assert [message.body for message in bench.receiver.got] == [b"QQQ=-", b"QQQ=2345-7"]
    assert await account(bench) == (1, 1, 0, 0, 0)


def deciding_in_the_first_pause(bench: Bench, loinc: str) -> list[Decision]:
    """Somebody decides about QQQ while the dispatcher pauses; what they decided, once they have."""
    decided: list[Decision] = []

    async def wait(event: asyncio.Event, timeout_s: float | None) -> None:
        if timeout_s is not None and not decided:
            decided.append(await decide(bench, "QQQ", loinc))
        await original(event, timeout_s)

    original, bench.clock.wait = bench.clock.wait, wait  # type: ignore[method-assign]
    return decided


async def test_bytes_that_may_have_arrived_go_again_as_they_were(bench: Bench) -> None:
    answers: list[Outcome] = [Retry("no answer", link=True), Accepted("AA")]
    bench.receiver.answer = lambda _message: answers.pop(0)
    await keep(bench, "QQQ")
    decided = deciding_in_the_first_pause(bench, "2345-7")
    async with bench.sending(renderer=coded):
        await bench.clock.quiet()
    assert decided, "it was decided while the message was under way"
    assert [message.body for message in bench.receiver.got] == [b"QQQ=-", b"QQQ=-"]
    (fate,) = (await bench.journal.read(lambda conn: queued.kept(conn, 1))).fates
    assert fate.delivery is not None
    assert fate.delivery.mapping == 0, "it says under which decisions it was made"


async def test_a_replay_is_what_was_delivered_whatever_was_decided_since(bench: Bench) -> None:
    await keep(bench, "QQQ")
    first = await decide(bench, "QQQ")
    async with bench.sending(renderer=coded):
        await bench.clock.quiet()
        await decide(bench, "QQQ", "2339-0")
        await bench.replay(State.DELIVERED, reports=(1,))
        await bench.clock.quiet()
        assert await bench.parked() == []
    assert bench.receiver.bodies == ["QQQ=2345-7", "QQQ=2345-7"]
    assert bench.receiver.got[0].id == bench.receiver.got[1].id
    (fate,) = (await bench.journal.read(lambda conn: queued.kept(conn, 1))).fates
    assert fate.delivery is not None
    assert (fate.delivery.mapping, fate.delivery.again) == (first.since_act, 1)


async def test_a_replay_that_was_not_wanted_yet_goes_again_as_it_was_delivered(bench: Bench) -> None:
    await keep(bench, "QQQ")
    await decide(bench, "QQQ")
    decided = deciding_in_the_first_pause(bench, "2339-0")
    async with bench.sending(renderer=coded):
        await bench.clock.quiet()
        assert not decided
        answers: list[Outcome] = [Retry("AE: record locked"), Accepted("AA")]
        bench.receiver.answer = lambda _message: answers.pop(0)
        await bench.replay(State.DELIVERED, reports=(1,))
        await bench.clock.quiet()
        assert decided
        assert await reasons(bench, State.PARKED) == []
    assert [message.body for message in bench.receiver.got] == [b"QQQ=2345-7"] * 3


async def test_a_replay_whose_decision_was_damaged_is_parked_and_not_sent_otherwise(bench: Bench) -> None:
    await keep(bench, "QQQ")
    made = await decide(bench, "QQQ")
    async with bench.sending(renderer=coded):
        await bench.clock.quiet()
    await bench.journal.write(lambda tx: tx.conn.execute("UPDATE mappings SET loinc = '2339-0' WHERE id = ?", (made.id,)))
    async with bench.sending(renderer=coded):
        await bench.replay(State.DELIVERED, reports=(1,))
        await bench.clock.quiet()
    assert await reasons(bench, State.PARKED) == [("", OTHERWISE)]
    assert bench.receiver.bodies == ["QQQ=2345-7"]


def test_the_moments_of_a_journal_are_read_once() -> None:
    asked: list[Sequence[int]] = []

    class Connection:
        def execute(self, sql: str, values: Sequence[int] = ()) -> Connection:
            if "FROM mappings WHERE since_act" in sql:
                asked.append(values)
            return self

        def fetchone(self) -> tuple[int]:
            return (5,)

        def fetchall(self) -> list[object]:
            return []

    remembered = mappings.Remembered()
    states = [remembered.at(Connection(), moment).state for moment in (None, 5, None, *range(20), 19, 19)]  # type: ignore[arg-type]
    assert states == [5, 5, 5, *range(20), 19, 19]
    assert asked.count((5,)) == 1
    assert asked.count((19,)) == 1
