"""A Masimo oximeter: an ASCII 1 line a second, in the layout of the model. It listens to nothing."""

from __future__ import annotations

from collections.abc import Mapping

from protocols.vendor.masimo import Exc
from simulators.contract import Simulation
from simulators.scenario import Scenario, Vitals

_MODELS = {
    "rad5": "SPO2={spo2}% BPM={bpm} PI={pi}% ALARM=00 EXC={exc:03X}",
    "rad8": "SN={sn} SPO2={spo2}% BPM={bpm} PI={pi}% SPCO=--.-% SPMET=--.-% DESAT=-- PIDELTA=+-- ALARM=0000 EXC={exc:06X}",
    "radical7": (
        "SN={sn} SPO2={spo2}% BPM={bpm} PI={pi} SPCO=--% SPMET=--.-% SPHB=--.- SPOC=-- RESVD=--- DESAT=-- PIDELTA=+-- "
        "PVI=--- ALARM=000000 EXC={exc:07X} EXC1=00000000"
    ),
}
_LOW_PERFUSION = 0.5
"""% at which the Rad-8's display turns red."""
_LATE_MAX = 2
"""Lines that a host which slept makes up for; the rest a real cable would have lost, too."""


class MasimoSimulator:
    """Lines by the clock, from the scenario's patient; the device's clock is the scenario's, without a zone."""

    def __init__(self, scenario: Scenario, options: Mapping[str, str]) -> None:
        self._scenario = scenario
        model = options.get("model", "rad8")
        if model not in _MODELS:
            raise ValueError(f"model: got {model!r}, expected one of {', '.join(_MODELS)}")
        self._layout = _MODELS[model]
        self._serial = options.get("serial", "0000012345")
        first, _, last = options.get("off", "").partition("-")
        self._off = (float(first), float(last)) if first else (0.0, 0.0)
        self._start = 0.0
        self._next = 0
        self._out = bytearray()

    def start(self, now: float) -> None:
        """Switched on."""
        self._start, self._next = now, 0
        self._out.clear()

    def receive(self, data: bytes, now: float) -> None:
        """Nothing listens in the device."""

    def data_to_send(self) -> bytes:
        """What is due on the wire."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def deadline(self) -> float | None:
        """When the next line is due."""
        return self._start + self._next

    def on_deadline(self, now: float) -> None:
        """Every line up to now."""
        due = int(now - self._start + 1e-6)
        self._next = max(self._next, due - _LATE_MAX)
        while self._next <= due:
            self._out += self._scenario.fault(self._line(float(self._next)), float(self._next))
            self._next += 1

    def _line(self, t_s: float) -> bytes:
        vitals = self._scenario.vitals(t_s)
        off = self._off[0] <= t_s < self._off[1]
        shown = self._layout.format(
            sn=self._serial,
            spo2="---" if off else f"{vitals.spo2:03d}",
            bpm="---" if off else f"{vitals.pulse:03d}",
            pi="--.--" if off else f"{vitals.perfusion:05.2f}",
            exc=int(_exceptions(vitals, off=off)),
        )
        return f"{self._scenario.at(t_s):%m/%d/%y %H:%M:%S} {shown}\r\n".encode()


def _exceptions(vitals: Vitals, *, off: bool) -> Exc:
    if off:
        return Exc.MASIMO_SET | Exc.SENSOR_OFF
    return Exc.MASIMO_SET | Exc.LOW_PERFUSION if vitals.perfusion < _LOW_PERFUSION else Exc.MASIMO_SET


SIMULATOR = Simulation(
    id="masimo",
    link="serial",
    build=MasimoSimulator,
    options_help={
        "model": f"{', '.join(_MODELS)}; default rad8",
        "serial": "ten digits the device shows as SN; default 0000012345",
        "off": "seconds with the sensor off the patient, as 20-30",
    },
)
