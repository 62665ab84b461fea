"""A Nonin oximeter: data format 2 or 7 at 75 frames a second, or a line of text a second. It listens to nothing."""

from __future__ import annotations

from collections.abc import Mapping

from protocols.vendor.nonin import FRAMES, NO_RATE, NO_SATURATION, RATE_HZ, RATES, REVISION, SATURATIONS, Status
from simulators.contract import Simulation
from simulators.scenario import Scenario

_FIRMWARE = 48
_LATE_MAX_S = 2.0
"""A host that slept longer than this goes on with the present: a real cable would have lost the past, too."""


def sensor_off(window: str, t_s: float) -> bool:
    """Whether `t_s` lies in `window`, "20-30": the seconds in which the sensor is off the patient; "" never."""
    if not window:
        return False
    first, _, last = window.partition("-")
    return float(first) <= t_s < float(last)


def packet_floats(spo2: int, rate: int) -> bytes:
    """The 25 FLOAT bytes: every average shows the same, as on a steady patient."""
    floats = bytearray(FRAMES)
    floats[REVISION - 1] = _FIRMWARE
    for frame in SATURATIONS.values():
        floats[frame - 1] = spo2
    for frame in RATES.values():
        floats[frame - 1], floats[frame] = rate >> 7, rate & 0x7F
    return bytes(floats)


class NoninSimulator:
    """Frames or lines by the clock, from the scenario's patient. Faults come once a packet, in a frame that moves."""

    def __init__(self, scenario: Scenario, options: Mapping[str, str]) -> None:
        self._scenario = scenario
        self._format = options.get("format", "2")
        if self._format not in {"2", "7", "ascii"}:
            raise ValueError(f"format: got {self._format!r}, expected 2, 7 or ascii")
        self._off = options.get("off", "")
        sensor_off(self._off, 0.0)
        self._step_s = 1.0 if self._format == "ascii" else 1 / RATE_HZ
        self._start = 0.0
        self._next = 0
        self._floats = b""
        self._out = bytearray()

    def start(self, now: float) -> None:
        """Switched on: the text models print a header first."""
        self._start, self._next = now, 0
        self._out.clear()
        if self._format == "ascii":
            self._out += f"NONIN MODEL 7500 {self._scenario.at(0.0):%m/%d/%y %H:%M:%S}\r\n".encode()

    def receive(self, data: bytes, now: float) -> None:
        """Nothing listens in the device."""

    def data_to_send(self) -> bytes:
        """What is due on the wire."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def deadline(self) -> float | None:
        """When the next frame or line is due."""
        return self._start + self._next * self._step_s

    def on_deadline(self, now: float) -> None:
        """Every frame or line up to now."""
        due = int((now - self._start) / self._step_s + 1e-6)
        self._next = max(self._next, due - int(_LATE_MAX_S / self._step_s))
        while self._next <= due:
            t_s = self._next * self._step_s
            self._out += self._due(t_s)
            self._next += 1

    def _due(self, t_s: float) -> bytes:
        if self._format == "ascii":
            return self._scenario.fault(self._line(t_s), t_s)
        packet, index = divmod(self._next, FRAMES)
        frame = self._frame(index, t_s)
        return self._scenario.fault(frame, t_s) if index == packet * 7 % FRAMES else frame

    def _line(self, t_s: float) -> bytes:
        vitals = self._scenario.vitals(t_s)
        if sensor_off(self._off, t_s):
            return b"SPO2=--- HR=---\r\n"
        return f"SPO2={vitals.spo2:03d} HR={vitals.pulse:03d}\r\n".encode()

    def _frame(self, index: int, t_s: float) -> bytes:
        off = sensor_off(self._off, t_s)
        vitals = self._scenario.vitals(t_s)
        if index == 0 or not self._floats:
            self._floats = packet_floats(NO_SATURATION, NO_RATE) if off else packet_floats(vitals.spo2, vitals.pulse)
        status = 0x80 | (Status.SYNC if index == 0 else 0)
        status |= Status.SENSOR_ALARM | Status.OUT_OF_TRACK if off else Status.GREEN
        pleth = 0 if off else vitals.pleth
        shape = (status, pleth, 0) if self._format == "7" else (0x01, status, pleth)
        body = bytes((*shape, self._floats[index]))
        return body + bytes([sum(body) & 0xFF])


SIMULATOR = Simulation(
    id="nonin",
    link="serial",
    build=NoninSimulator,
    options_help={
        "format": "2, 7 or ascii; default 2",
        "off": "seconds with the sensor off the patient, as 20-30",
    },
)
