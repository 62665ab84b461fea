"""What acquisition's tests share: a clock that moves by hand, a scripted codec, a keeper that writes down the order of things."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.acquire.clock import Pairing
from gateway.acquire.links import Link
from gateway.acquire.pump import Pump
from gateway.acquire.status import DeviceStatus
from gateway.driver import Context, Driver, Options
from gateway.errors import StoreError
from gateway.model import Category, DeviceIdentity, Kind, Observation, Report
from gateway.thinning import Policy
from protocols.sansio import BadFrame, Event, Fragment, Incomplete, Message, Note

EPOCH = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class FakeClock:
    """Time that stands still until `advance`; `step_s` is what somebody set the wall clock by."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.step_s = 0.0
        self.slept: list[float] = []
        self._timeouts: list[tuple[float, asyncio.Timeout]] = []
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self._news = asyncio.Event()

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> datetime:
        return EPOCH + timedelta(seconds=self.now - 1000.0 + self.step_s)

    def timeout(self, deadline: float | None) -> asyncio.Timeout:
        if deadline is not None and deadline <= self.now:
            return asyncio.timeout(0)
        timeout = asyncio.timeout(None)
        if deadline is not None:
            self._timeouts = [(deadline, timeout)]
        self._news.set()
        return timeout

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        future = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + seconds, future))
        self._news.set()
        await future

    async def sleeping(self) -> None:
        """Wait until somebody sleeps."""
        async with asyncio.timeout(5):
            while not any(not future.done() for _, future in self._sleepers):
                self._news.clear()
                await self._news.wait()

    def advance(self, seconds: float) -> None:
        self.now += seconds
        due, self._timeouts = [t for t in self._timeouts if t[0] <= self.now], [t for t in self._timeouts if t[0] > self.now]
        for _, timeout in due:
            with contextlib.suppress(RuntimeError):
                timeout.reschedule(asyncio.get_running_loop().time())
        for at, future in self._sleepers:
            if at <= self.now and not future.done():
                future.set_result(None)


class LineCodec:
    """A line is an event: m text a message, t one that waits for its answer, f a fragment, i incomplete, b bad, n noted."""

    def __init__(self, log: list[str], poll_s: float | None = None) -> None:
        self.log, self.poll_s = log, poll_s
        self.answer = True
        self._buffer = b""
        self._out = b""
        self._token = 0
        self._due: float | None = None

    def start(self, now: float) -> None:
        self._buffer = b""
        self._out = b"start\n" if self.poll_s else b""
        self._due = now + self.poll_s if self.poll_s else None
        self.log.append("start")

    def receive(self, data: bytes, now: float) -> Sequence[Event[str]]:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return [self._event(line, now) for line in lines]

    def _event(self, line: bytes, now: float) -> Event[str]:
        text = line[1:].decode("ascii", "replace").strip()
        match line[:1]:
            case b"m":
                return Message(text, line, now)
            case b"t" | b"f":
                self._token += 1
                return Message(text, line, now, self._token) if line[:1] == b"t" else Fragment(line, now, self._token)
            case b"i":
                return Incomplete(line, now, text)
            case b"n":
                return Note(text)
            case b"!":
                raise ZeroDivisionError("a bug in the codec")
        return BadFrame(0, len(line), line, "garbage")

    def data_to_send(self) -> bytes:
        data, self._out = self._out, b""
        return data

    def deadline(self) -> float | None:
        return self._due

    def on_deadline(self, now: float) -> Sequence[Event[str]]:
        assert self.poll_s is not None
        self.log.append(f"poll {now}")
        self._out += b"poll\n"
        self._due = now + self.poll_s
        return ()

    def confirm(self, token: int) -> None:
        self.log.append(f"confirm {token}")
        self._out += b"ACK %d\n" % token

    def reject(self, token: int) -> None:
        self.log.append(f"reject {token}")
        self._out += b"NAK %d\n" % token

    def end(self, now: float) -> Sequence[Event[str]]:
        left, self._buffer = self._buffer, b""
        return [Incomplete(left, now, "link end")] if left else []


class Keeper:
    """Keeps in memory, writes into the log what it did; fails the next `fail` times."""

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.fail = 0
        self.reports: list[Report] = []
        self.counts: dict[str, int] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self._waiters: deque[tuple[int, asyncio.Event]] = deque()
        self.known: set[str] = set()
        self.policy = Policy()
        self.dropped: Counter[tuple[str, str, str]] = Counter()

    async def _attempt(self, what: str) -> None:
        await self.gate.wait()
        await asyncio.sleep(0)
        if self.fail:
            self.fail -= 1
            self.log.append(f"failed {what}")
            self._tell()
            raise StoreError("disk full")
        self.log.append(what)

    async def keep(self, reports: Sequence[Report], *, device_id: str, ends_transmission: bool = False) -> list[int | None]:
        words = " ".join(_words(report) for report in reports)
        await self._attempt(f"keep {words}{' ends' if ends_transmission else ''}")
        ids: list[int | None] = []
        for report in reports:
            repeat = bool(report.identity) and report.identity in self.known
            self.known.add(report.identity)
            ids.append(None if repeat else len(self.reports) + 1)
            self.reports += [] if repeat else [report]
        self._tell()
        return ids

    async def keep_fragment(self, device_id: str, raw: bytes, at: datetime) -> None:
        await self._attempt(f"fragment {raw.decode()}")
        self._tell()

    async def keep_incomplete(self, device_id: str, raw: bytes, at: datetime, reason: str) -> None:
        await self._attempt(f"incomplete {raw.decode()}: {reason}")
        self._tell()

    async def count(self, device_id: str, what: str, n: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + n
        self._tell()

    def drop(self, device_id: str, category: Category, policy: str, n: int = 1) -> None:
        self.dropped[device_id, category.value, policy] += n

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition`, asked after each thing that happens here."""
        async with asyncio.timeout(5):
            while not condition():
                event = asyncio.Event()
                self._waiters.append((0, event))
                await event.wait()

    def _tell(self) -> None:
        while self._waiters:
            self._waiters.popleft()[1].set()


def _words(report: Report) -> str:
    return ",".join(str(seen.value) for seen in report.observations) or report.notes[0]


def interpret(message: Message[str], context: Context[Options]) -> Iterator[Report]:
    """A report of one numeric a word; "boom" is a bug, "none" says nothing, "event" an event, "id=x" an identity."""
    category, identity = Category.VITALS, ""
    for word in message.body.split():
        if word == "none":
            return
        if word == "event":
            category = Category.EVENTS
            continue
        if word.startswith("id="):
            identity = word
            continue
        if word == "boom":
            raise KeyError("a bug in the driver")
        seen = Observation(kind=Kind.NUMERIC, vendor_code="X", value=word, unit="%")
        yield context.report(message, [seen], category=category, identity=identity)


class Bench:
    """One device's pump with everything around it in the test's hands."""

    def __init__(self, **about: Any) -> None:
        self.log: list[str] = []
        self.clock = FakeClock()
        self.poll_s: float | None = about.pop("poll_s", None)
        self.driver = Driver(
            id="fake", maker="Nobody", models=("One",), source="this file", options=Options,
            codec=lambda _: LineCodec(self.log, self.poll_s), interpret=interpret, **about,
        )  # fmt: skip
        self.codec = LineCodec(self.log, self.poll_s)
        self.keeper = Keeper(self.log)
        self.status = DeviceStatus("BED-1", "fake", "memory", EPOCH)
        self.announced: list[int | None] = []

    def pump(self, link: Link, interval_s: float = 0) -> Pump:
        pairing = Pairing(self.clock)
        context = self.driver.context(DeviceIdentity(id="BED-1"), Options(), wall=pairing.wall)
        return Pump(
            context=context, codec=self.codec, link=link, keeper=self.keeper, clock=self.clock, pairing=pairing, status=self.status,
            random=lambda: 1.0, on_kept=lambda _, ids: self.announced.extend(ids), interval_s=interval_s,
        )  # fmt: skip


@pytest.fixture
async def bench() -> Callable[..., Bench]:
    return Bench


@pytest.fixture
async def clock() -> FakeClock:
    return FakeClock()
