"""A Puritan Bennett 840: answers RSET, SNDA and SNDF with fixed-width replies from the scenario, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from protocols.vendor.pb840 import FIRST_FIELD
from simulators.contract import Simulation
from simulators.scenario import Scenario

COMMAND_MAX = 64
"""Bytes without a CR: more is noise, and the ventilator forgets it."""
REPLY_S = 0.05
"""Seconds from a command to its reply, as a processor of 1997 takes them."""
WIDTHS = {
    "MISCF": {6: 18, 7: 12, 8: 9, 50: 9, 53: 18, 55: 9, 66: 9},
    "MISCA": {6: 18, 8: 12, 62: 12, 100: 9},
}
COUNTS = {"MISCF": 169, "MISCA": 97}
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


class Pb840:
    """The ventilator's side of the line; options as in `options_help`."""

    def __init__(self, scenario: Scenario, options: Mapping[str, str]) -> None:
        self._scenario = scenario
        self._serial = options.get("serial", f"35{scenario.seed % 10**8:08d}")
        self._drift_s = 60 * float(options.get("drift_min", "0"))
        self._alarm_every_s = float(options.get("alarm_every_s", "60"))
        self._start = 0.0
        self._line = bytearray()
        self._out = b""
        self._due: list[tuple[float, str]] = []

    def start(self, now: float) -> None:
        self._start = now
        self._line.clear()
        self._due.clear()

    def receive(self, data: bytes, now: float) -> None:
        self._line += data
        *commands, rest = self._line.split(b"\r")
        self._line = rest if len(rest) <= COMMAND_MAX else bytearray()
        for command in (bytes(line).strip() for line in commands):
            if command == b"RSET":
                self._due.clear()
            elif command in {b"SNDA", b"SNDF"}:
                self._due.append((now + REPLY_S, "MISCA" if command == b"SNDA" else "MISCF"))

    def data_to_send(self) -> bytes:
        out, self._out = self._out, b""
        return out

    def deadline(self) -> float | None:
        return self._due[0][0] if self._due else None

    def on_deadline(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            _, name = self._due.pop(0)
            t_s = now - self._start
            self._out += self._scenario.fault(self._reply(name, t_s), t_s)

    def _reply(self, name: str, t_s: float) -> bytes:
        values = self._miscf(t_s) if name == "MISCF" else self._misca(t_s)
        widths = WIDTHS[name]
        numbers = range(FIRST_FIELD, FIRST_FIELD + COUNTS[name])
        body = "".join(f"{values.get(number, ''):<{widths.get(number, 6)}}," for number in numbers)
        count = f"{COUNTS[name]} " if name == "MISCF" else f"{COUNTS[name]}"
        return f"{name},{len(body)},{count},\x02{body}\x03\r".encode("ascii")

    def _clock(self, t_s: float) -> tuple[str, str]:
        shown = self._scenario.at(t_s + self._drift_s)
        return f"{shown:%H:%M} ", f"{MONTHS[shown.month - 1]} {shown:%d %Y} "

    def _miscf(self, t_s: float) -> dict[int, str]:
        time, date = self._clock(t_s)
        now = self._scenario.vitals(t_s)
        high = 50
        alarms = dict.fromkeys(range(106, 154), "NORMAL")
        if self._alarm_every_s and int(t_s / self._alarm_every_s) % 2:
            alarms[110] = "HIGH"
        return alarms | {
            5: time, 6: f"840 {self._serial}", 7: date, 8: "INVASIVE", 9: "A/C", 10: "VC", 12: "V-Trig", 13: "14.0",
            14: "0.480", 15: "55.0", 16: f"{now.oxygen}", 18: "5.0", 19: "0.0", 20: "20", 21: "0.500", 22: "20.0",
            23: "55.0", 24: "100", 27: "RAMP", 28: "VC", 32: "RAMP", 33: "OFF", 34: f"{high}", 36: "23.000", 37: "2.500",
            38: "1200", 39: "200", 40: "1200", 41: "200", 42: "40", 44: "4.5", 45: "3.0", 53: "HME", 55: "Enabled",
            56: "75", 60: "70.0", 66: "ADULT", 69: f"{now.peak_pressure:.1f}", 70: f"{now.respiration:.1f}",
            71: f"{now.tidal_volume:.3f}", 72: f"{now.minute_volume:.3f}", 73: f"{now.peak_pressure:.1f}",
            74: f"{now.mean_pressure:.1f}", 75: "2.00", 76: "1:2.00", 77: f"{now.oxygen}", 78: f"{now.tidal_volume:.3f}",
            87: f"{now.peep:.1f}", 105: "OFF",
        }  # fmt: skip

    def _misca(self, t_s: float) -> dict[int, str]:
        time, date = self._clock(t_s)
        now = self._scenario.vitals(t_s)
        alarms = dict.fromkeys((48, 51, 52, 53, 54, 55, 57, 94, 95), "NORMAL")
        return alarms | {
            5: time, 6: f"840 {self._serial}", 8: date, 9: "CMV", 10: "14.0", 11: "0.48", 12: "55", 13: f"{now.oxygen}",
            14: "0.0", 15: "5.0", 16: "0.0", 21: "20", 22: "0.50", 23: "20.0", 24: "55", 25: "100", 27: "RAMP", 30: "OFF",
            34: f"{now.respiration}", 35: f"{now.tidal_volume:.2f}", 36: f"{now.minute_volume:.2f}", 37: "0.0",
            38: f"{now.peak_pressure:.1f}", 39: f"{now.mean_pressure:.1f}", 40: f"{now.peak_pressure:.1f}", 41: "2.00",
            42: "50", 45: "0.20", 46: "2.5", 47: "40", 60: time, 62: date, 93: "OFF", 101: "1:2.00",
        }  # fmt: skip


SIMULATOR = Simulation(
    id="pb840",
    link="serial",
    build=Pb840,
    options_help={
        "serial": "serial number it tells",
        "drift_min": "minutes its clock is ahead",
        "alarm_every_s": "seconds between a high pressure alarm's coming and going; 0: never",
    },
)
