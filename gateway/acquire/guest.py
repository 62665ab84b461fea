"""One call of an unknown device: spoken to with a generic codec, acknowledged once every byte is durable; no reading made."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

from gateway.acquire import first_bytes, registry
from gateway.acquire.backoff import Backoff
from gateway.acquire.clock import Clock, Pairing
from gateway.acquire.first_bytes import ASTM, HL7, RAW
from gateway.acquire.links import Connection
from gateway.errors import LinkError, StoreError, place
from gateway.model import Caller, DeviceIdentity
from protocols.sansio import Codec, Event, Fragment, Message, Punctual

_log = logging.getLogger(__name__)

MESSAGE_MAX = 2 * 1024 * 1024
"""Bytes of one message of an unknown device: forty times the largest seen; thirty-two devices must not fill the memory."""
PART_MAX = 256 * 1024
"""Bytes that are kept at the latest when no message ends: on the disk they cost nothing."""
SILENT_S = 300.0
"""A connection on which nothing was ever said is closed after this: an analyzer that holds one open dials again."""
IDLE_MAX = 4096
"""Of bytes that say nothing, those between two messages: a heartbeat a second for an hour."""
IDLE_BYTES = b"\x00\x02\x04\x05\r\n "
"""What a call may consist of without saying anything: heartbeats, and sessions with nothing in them."""
_GENERIC: dict[str, dict[str, Any]] = {
    ASTM: {"link": {"message_max": MESSAGE_MAX}},
    HL7: {"line": {"block_max": MESSAGE_MAX}, "orders": {"answer": False}},
}
"""What is set otherwise than in the drivers' own generic profiles."""


class TurnedAwayError(StoreError):
    """It is not taken: there is no room for it, or a person dismissed the device. `why`: a short fixed phrase."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(text)
        self.why = why


class Ward(Protocol):
    """Where what unknown devices say becomes durable."""

    async def keep(self, caller: Caller, raw: bytes, at: datetime, *, messages: int, call: int | None) -> int | None:
        """Keep it, and give the call its number. Raises StoreError when that could not be, TurnedAwayError when it may not."""
        ...


def generic_codec(spoken: str, wall: Callable[[float], datetime]) -> Codec[Any]:
    """A codec of that driver's generic profile; it answers no question for orders, because nobody asks it to."""
    driver = registry.load(spoken)
    options = registry.options(driver, "generic", _GENERIC.get(spoken, {}))
    return driver.context(DeviceIdentity(id="unknown"), options, wall=wall, profile="generic").codec()


class Guest:
    """A connection of somebody unknown. `run` serves it to its end; `cut` ends it."""

    def __init__(
        self, connection: Connection, *, address: str, door: str, ward: Ward, clock: Clock, refused: Counter[str] | None = None
    ) -> None:
        self.address, self.door = address, door
        self._refused = Counter() if refused is None else refused
        self._connection, self._ward, self._clock = connection, ward, connection.clock or clock
        self._pairing = Pairing(self._clock)
        self._codec: Codec[Any] | None = None
        self._spoken = ""
        self._says = ""
        self._call: int | None = None
        self._raw = bytearray()
        self._at = self._clock.monotonic()
        self._opened = self._at
        self._anything = self._transmitted = False
        self._backoff = Backoff(lambda: 1.0)

    async def run(self) -> None:
        """Serve it. Never raises but when cancelled."""
        try:
            while (data := await self._read()) != b"":
                self._pairing.check()
                if data is None:
                    await self._wait_no_longer()
                else:
                    await self._take(data)
                await asyncio.sleep(0)  # a flood must not keep the devices waiting
        except TurnedAwayError as error:
            self._refused[error.why] += 1
        except LinkError as error:
            _log.debug("%s: %s", self._connection.describe(), error)
        except Exception as error:  # noqa: BLE001 - a codec's bug: this call ends, its bytes are kept
            _log.error("an unknown device's call failed: %s", place(error), exc_info=error)
        finally:
            try:
                await self._end()
            finally:
                await self._connection.close()

    async def _read(self) -> bytes | None:
        due = self._codec.deadline() if self._codec is not None else None
        if not self._anything:
            due = self._opened + SILENT_S
        try:
            async with self._clock.timeout(due):
                return await self._connection.read()
        except TimeoutError:
            return None

    async def _wait_no_longer(self) -> None:
        if not self._anything:
            raise LinkError("nothing was said")
        if self._codec is not None:
            await self._settle(self._codec.on_deadline(self._clock.monotonic()))

    async def _take(self, data: bytes) -> None:
        now = self._clock.monotonic()
        if not self._raw.strip(IDLE_BYTES):
            self._at = now  # heartbeats and an ENQ are no message's first byte
        self._anything = True
        self._raw += data
        if self._codec is None and self._spoken != RAW:
            data = self._begin()
        if self._spoken == RAW:
            await self._hold(0 if self._transmitted else 1)
            self._transmitted = True
        elif self._codec is not None:
            await self._settle(self._codec.receive(data, now))
            await self._spill()

    def _begin(self) -> bytes:
        """Find out what it speaks; the bytes for its codec, once that is known."""
        spoken = first_bytes.protocol(bytes(self._raw))
        if spoken is None:
            if not self._raw.strip(first_bytes.FILL):
                del self._raw[:-1]  # heartbeats, for as long as it has nothing to say
            return b""
        self._spoken = spoken
        if spoken != RAW:
            self._codec = generic_codec(spoken, self._pairing.wall)
            self._codec.start(self._at)
        return bytes(self._raw)

    async def _settle(self, events: Sequence[Event[Any]]) -> None:
        """Make what was said durable, in order, and answer."""
        loose = 0
        assert self._codec is not None
        for event in events:
            if not isinstance(event, Message | Fragment):
                continue
            loose += isinstance(event, Message)
            if event.token is not None:
                await self._answered(event.token, loose)
                loose = 0
        if loose:
            await self._hold(loose)
        await self._send()

    async def _spill(self) -> None:
        """Nothing grows without end while no message comes to one."""
        if len(self._raw) > PART_MAX:
            await self._hold(0)
        elif len(self._raw) > IDLE_MAX and not self._raw.strip(IDLE_BYTES):
            self._raw.clear()

    async def _answered(self, token: int, messages: int) -> None:
        assert self._codec is not None
        try:
            await self._keep(messages)
        except StoreError as error:
            self._raw.clear()  # refused: the device keeps it, and sends it again
            self._look_at_the_clock()
            self._codec.reject(token)
            await self._send()
            if isinstance(error, TurnedAwayError):
                raise
            _log.warning("an unknown device was refused: %s", error)
        else:
            self._look_at_the_clock()
            self._codec.confirm(token)
            await self._send()

    def _look_at_the_clock(self) -> None:
        """A disk that stalls may have kept the device waiting for longer than it waits."""
        if isinstance(self._codec, Punctual):
            self._codec.late(self._clock.monotonic())

    async def _hold(self, messages: int) -> None:
        """What is not acknowledged is not sent again: nothing is read until it is kept."""
        while True:
            try:
                await self._keep(messages)
            except TurnedAwayError:
                raise
            except StoreError:
                await self._clock.sleep(self._backoff.next())
            else:
                self._backoff.reset()
                return

    async def _keep(self, messages: int) -> None:
        raw = bytes(self._raw)
        self._says = first_bytes.says(self._spoken, raw) or self._says
        caller = Caller(address=self.address, door=self.door, protocol=self._spoken or RAW, says=self._says)
        self._call = await self._ward.keep(caller, raw, self._pairing.wall(self._at), messages=messages, call=self._call)
        self._raw.clear()

    async def _send(self) -> None:
        assert self._codec is not None
        if data := self._codec.data_to_send():
            await self._connection.write(data)

    async def _end(self) -> None:
        """What is left was not acknowledged, but may tell a person something."""
        if not self._anything:
            return
        if not self._raw.strip(IDLE_BYTES):
            self._raw.clear()
            if self._call is not None:
                return
        try:
            await self._keep(0)
        except StoreError as error:
            _log.debug("the rest of an unknown device's call was not kept: %s", error)
