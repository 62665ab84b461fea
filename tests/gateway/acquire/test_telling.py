"""Lists for a device: told when it lets us, one at a time, noted once it has them, never in the way of anything."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.acquire.asking import Asking
from gateway.acquire.clock import Pairing
from gateway.acquire.telling import AGAIN_S, LISTS_S
from gateway.driver import Context, Driver, Listing, Lists, ListTold, Options, Telling
from gateway.errors import StoreError
from gateway.model import DeviceIdentity, Location, Subject
from protocols.sansio import Message, Quiet, Sent, Unsent

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ANNA = Subject(patient_id="SYN-1", family_name="Test")


class Mouth(Quiet):
    """A codec that notes what it is to send."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.clear = True

    def receive(self, data: bytes, now: float) -> tuple[()]:
        return ()

    def end(self, now: float) -> tuple[()]:
        return ()

    def send(self, text: bytes, now: float) -> int:
        self.sent.append(text)
        return len(self.sent)

    def withdraw(self, token: int) -> bool:
        return False


class Port:
    """A store with a list of one operator, whose name is `word`."""

    def __init__(self) -> None:
        self.word = "nora"
        self.told_: dict[str, ListTold] = {}
        self.asked: list[tuple[str, str]] = []
        self.error: StoreError | None = None

    async def lists(self, device_id: str, point_of_care: str) -> Lists:
        if self.error is not None:
            raise self.error
        self.asked.append((device_id, point_of_care))
        return Lists(told=dict(self.told_), patients=(Subject(patient_id=self.word),))

    async def patient(self, number: str) -> Subject | None:
        return ANNA if number == "SYN-1" else None

    async def told(self, device_id: str, name: str, then: ListTold) -> None:
        if self.error is not None:
            raise self.error
        self.told_[name] = then


def _write(message: Message[str], lists: Lists, _context: Any, at: datetime) -> Sequence[Telling]:
    if message.body == "boom":
        raise KeyError("a driver's bug")
    word, told = lists.patients[0].patient_id, lists.told.get("operators")
    if message.body == "status: never had any":
        told = told if told is not None and told.fresh else None
    if told is not None and told.entries == {"1": word}:
        return []
    then = ListTold(serial="S", at=at, entries={"1": word})
    return [Telling("operators", b"" if word == "huge" else word.encode(), then, "too long" if word == "huge" else "")]


LISTING: Listing[str, Options] = Listing(
    takes=lambda message, _: message.body.startswith("status") or message.body == "boom",
    write=_write,
    asks=lambda message, _: message.body[1:] if message.body.startswith("?") else None,
    patient=lambda _m, subject, _c, _at: b"nobody" if subject is None else subject.patient_id.encode(),
)


class Desk:
    def __init__(self, clock: Any) -> None:
        driver: Driver[str, Options] = Driver(
            id="x",
            maker="",
            models=(),
            source="",
            options=Options,
            codec=lambda _: Mouth(),
            interpret=lambda *_: (),
            listing=LISTING,
        )
        pairing = Pairing(clock)
        context: Context[Options] = driver.context(
            DeviceIdentity(id="POCT-1"), Options(), wall=pairing.wall, location=Location(point_of_care="4E")
        )
        self.mouth, self.port, self.counts = Mouth(), Port(), list[str]()
        self.asking = Asking(
            context=context, codec=self.mouth, port=None, clock=clock, now=lambda: clock.now, count=self._count, lists=self.port
        )
        self.asking.begin(live=True)

    async def _count(self, what: str) -> None:
        self.counts.append(what)

    async def hear(self, body: str) -> list[bytes]:
        before = len(self.mouth.sent)
        await self.asking.heard(Message(body, b"", 0.0))
        return self.mouth.sent[before:]


@pytest.fixture
def desk(clock: Any) -> Desk:
    return Desk(clock)


async def test_a_list_is_told_after_the_message_that_lets_us_and_noted_once_the_device_has_it(desk: Desk) -> None:
    assert await desk.hear("a result") == []
    assert await desk.hear("status") == [b"nora"]
    assert desk.port.asked == [("POCT-1", "4E")]
    assert desk.port.told_ == {}
    await desk.asking.settle(Sent(1))
    assert desk.port.told_["operators"].entries == {"1": "nora"}
    assert desk.counts == ["lists: operators told"]
    assert await desk.hear("status") == [], "it has it"


async def test_a_list_that_is_under_way_is_not_told_again(desk: Desk) -> None:
    await desk.hear("status")
    assert await desk.hear("status") == []


async def test_what_changes_is_told_a_device_that_stays_when_the_line_is_free(desk: Desk, clock: Any) -> None:
    assert desk.asking.due() is None, "it did not let us yet"
    await desk.hear("status")
    await desk.asking.settle(Sent(1))
    desk.port.word = "olga"
    due = desk.asking.due()
    assert due == clock.now + LISTS_S
    await desk.asking.look()
    assert desk.mouth.sent == [b"nora"]
    clock.advance(LISTS_S)
    desk.mouth.clear = False
    await desk.asking.look()
    assert desk.mouth.sent == [b"nora"]
    clock.advance(LISTS_S)
    desk.mouth.clear = True
    await desk.asking.look()
    assert desk.mouth.sent == [b"nora", b"olga"]


async def test_what_a_device_refuses_is_tried_again_at_the_next_conversation(desk: Desk, clock: Any) -> None:
    await desk.hear("status")
    await desk.asking.settle(Unsent(1, "the device refused OPL.R01"))
    assert desk.counts == ["lists: operators not told, the device refused OPL.R01"]
    assert desk.port.told_ == {}
    clock.advance(LISTS_S)
    await desk.asking.look()
    assert await desk.hear("status") == []
    desk.asking.begin(live=True)
    assert desk.asking.due() is None
    assert await desk.hear("status") == [b"nora"]


async def test_a_device_that_stays_connected_is_told_again_what_it_refused_long_ago(desk: Desk, clock: Any) -> None:
    await desk.hear("status")
    await desk.asking.settle(Unsent(1, "the device refused OPL.R01"))
    clock.advance(AGAIN_S - 1)
    await desk.asking.look()
    assert desk.mouth.sent == [b"nora"]
    clock.advance(LISTS_S)
    await desk.asking.look()
    assert desk.mouth.sent == [b"nora", b"nora"]


async def test_what_a_device_said_before_it_was_told_does_not_count(desk: Desk) -> None:
    assert await desk.hear("status: never had any") == [b"nora"]
    await desk.asking.settle(Sent(1))
    assert await desk.hear("status: never had any") == [], "it says so of a time before"
    desk.asking.begin(live=True)
    assert await desk.hear("status: never had any") == [b"nora"], "it has lost it"


async def test_a_device_that_asks_for_a_patient_is_answered_also_that_nobody_knows_them(desk: Desk) -> None:
    assert await desk.hear("?SYN-1") == [b"SYN-1"]
    assert await desk.hear("?SYN-2") == [b"nobody"]
    assert await desk.hear("?") == [b"nobody"]
    for event in (Sent(1), Sent(2), Unsent(3, "no answer")):
        await desk.asking.settle(event)
    assert desk.counts == ["lists: patient told", "lists: patient not known, said so", "lists: patient not told, no answer"]


async def test_a_list_that_cannot_be_told_is_said_once(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.port.word = "huge"
    assert await desk.hear("status") == await desk.hear("status") == []
    assert desk.counts == ["lists: operators not told as they are"]
    assert [record.getMessage() for record in caplog.records] == ["POCT-1: the list of operators: too long"]


async def test_a_store_that_fails_tells_nothing_and_stops_nothing(desk: Desk) -> None:
    desk.port.error = StoreError("disk gone")
    assert await desk.hear("status") == []
    assert desk.counts == ["lists: the store failed"]
    desk.port.error = None
    assert await desk.hear("status") == [b"nora"]
    desk.port.error = StoreError("disk full")
    await desk.asking.settle(Sent(1))
    desk.port.error = None
    desk.asking.begin(live=True)
    assert await desk.hear("status") == [b"nora"], "that it was told could not be noted: it is told again"


async def test_a_drivers_bug_stops_nothing(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    assert await desk.hear("boom") == []
    assert desk.counts == ["lists: driver failed"]
    assert len(caplog.records) == 1
    assert await desk.hear("status") == [b"nora"]


async def test_a_recording_is_told_nothing(desk: Desk) -> None:
    desk.asking.begin(live=False)
    assert await desk.hear("status") == []
    assert desk.asking.due() is None
