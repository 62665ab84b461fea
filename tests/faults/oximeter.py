"""A streaming device in this process: numbered lines of a Rad-8 for known patients; it hears nothing and repeats nothing."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.faults.hl7 import fields

LINE = "{at} SN={serial} SPO2={spo2:03d}% BPM={bpm:03d} PI={pi:05.2f}% SPCO=--.-% SPMET=--.-% DESAT=-- PIDELTA=+-- ALARM=0000 EXC=000800\r\n"
"""ASCII 1 as a Rad-8 prints it (operator's manual, serial interface)."""
PULSES, SATURATIONS = range(60, 210), range(80, 100)
_CODES = {"BPM": "149530^", "SPO2": "150456^", "PI": "150488^"}
"""IEEE 11073-10101: MDC_PULS_OXIM_PULS_RATE, MDC_PULS_OXIM_SAT_O2, MDC_BLD_PERF_INDEX."""
PAUSE_S = 0.05
"""Before it dials again; a real cable does not wait at all."""


def line(serial: str, number: int, at: datetime) -> bytes:
    """Line `number` of a device: no two have the same three values."""
    rest, bpm = divmod(number, len(PULSES))
    pi, spo2 = divmod(rest, len(SATURATIONS))
    shown = LINE.format(
        at=f"{at:%m/%d/%y %H:%M:%S}", serial=serial, spo2=SATURATIONS[spo2], bpm=PULSES[bpm], pi=1 + pi % 1900 / 100
    )
    return shown.encode()


def number_of(body: str) -> int:
    """The number of the line that a PCD-01 message tells of."""
    codes, told = fields(body, "OBX", 3), fields(body, "OBX", 5)
    found = {key: next(v for c, v in zip(codes, told, strict=True) if c.startswith(code)) for key, code in _CODES.items()}
    pi = round(float(found["PI"]) * 100) - 100
    return (pi * len(SATURATIONS) + SATURATIONS.index(int(found["SPO2"]))) * len(PULSES) + PULSES.index(int(found["BPM"]))


@dataclass(slots=True)
class Oximeter:
    """`said` holds the patient of each line by its number; `calls` the first line of each connection."""

    device: str
    port: int
    serial: str
    interval_s: float
    patient: str
    host: str = "127.0.0.1"
    clock_ahead_s: float = 0.0
    """How far the device's own clock is off."""
    said: list[str] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    silent: bool = False
    connected: bool = False
    _task: asyncio.Task[None] | None = None

    @property
    def last_pulse(self) -> int:
        """The pulse rate of the last line."""
        return PULSES[(len(self.said) - 1) % len(PULSES)]

    @property
    def in_this_call(self) -> int:
        """How many lines it has said on the present connection."""
        return len(self.said) - self.calls[-1] if self.calls else 0

    def start(self) -> None:
        """Switch it on."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Switch it off."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(self.host, self.port)
                try:
                    self.connected = True
                    await self._talk(reader, writer)
                finally:
                    self.connected = False
                    writer.transport.abort()
            await asyncio.sleep(PAUSE_S)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Lines until the gateway hangs up; what is in the socket by then is lost, as on a cable."""
        self.calls.append(len(self.said))
        gone = asyncio.create_task(reader.read())
        try:
            while not gone.done():
                if not self.silent:
                    at = datetime.fromtimestamp(datetime.now(UTC).timestamp() + self.clock_ahead_s, UTC)
                    writer.write(line(self.serial, len(self.said), at))
                    self.said.append(self.patient)
                    await writer.drain()
                await asyncio.wait([gone], timeout=self.interval_s)
        finally:
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await gone
