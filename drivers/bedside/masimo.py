"""Masimo oximeters that print ASCII 1 lines: Rad-5, Rad-8, Rad-57, Rad-87, Radical-7."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TypeAlias

import msgspec

from gateway.driver import Channel, Context, Driver, LineSettings, Mds, Metric, Options, Vmd
from gateway.model import Category, Kind, Observation, Report, Validity
from gateway.terms.decimals import decimal_text
from protocols.sansio import Message
from protocols.vendor.masimo import DateOrder, Exc, MasimoCodec, Reading, number


class MasimoOptions(Options):
    """`date`: "dmy" for a device whose clock shows the day before the month."""

    date: DateOrder = "mdy"


Ctx: TypeAlias = Context[MasimoOptions]

_CONDITIONS = {
    "EXC.001": (Exc.NO_SENSOR, "No sensor"),
    "EXC.002": (Exc.DEFECTIVE_SENSOR, "Defective sensor"),
    "EXC.004": (Exc.LOW_PERFUSION, "Low perfusion"),
    "EXC.008": (Exc.PULSE_SEARCH, "Pulse search"),
    "EXC.010": (Exc.INTERFERENCE, "Interference"),
    "EXC.020": (Exc.SENSOR_OFF, "Sensor off"),
    "EXC.040": (Exc.AMBIENT_LIGHT, "Ambient light"),
    "EXC.080": (Exc.UNRECOGNIZED_SENSOR, "Unrecognized sensor"),
    "EXC.400": (Exc.LOW_SIGNAL_IQ, "Low Signal IQ"),
}
TREE = Mds(
    "MDC_DEV_ANALY_SAT_O2_MDS",
    Vmd(
        "MDC_DEV_ANALY_SAT_O2_VMD",
        Channel(
            "MDC_DEV_ANALY_SAT_O2_CHAN",
            Metric("SPO2", "MDC_PULS_OXIM_SAT_O2", "%", text="SpO2"),
            Metric("SPCO", "MDC_PULS_OXIM_HB_CO_ART", "%", text="SpCO"),
            Metric("SPMET", "MDC_PULS_OXIM_HB_MET_ART", "%", text="SpMet"),
            Metric("SPHB", text="SpHb; its unit is a setting of the device and is not sent"),
            Metric("SPOC", text="SpOC"),
            Metric("RESVD", text="Reserved by the maker"),
            Metric("DESAT", text="Desaturation index"),
        ),
        Channel(
            "MDC_DEV_PULS_CHAN",
            Metric("BPM", "MDC_PULS_OXIM_PULS_RATE", "/min", text="Pulse rate"),
            Metric("PR", "MDC_PULS_OXIM_PULS_RATE", "/min", text="Pulse rate, in trend output"),
        ),
        Channel(
            "MDC_DEV_ANALY_PERF_REL_CHAN",
            Metric("PI", "MDC_BLD_PERF_INDEX", "%", text="Perfusion index"),
            Metric("PIDELTA", text="Perfusion index delta"),
            Metric("PVI", unit="%", text="Pleth variability index"),
        ),
        Channel(
            "",
            Metric("ALARM", text="Alarm word, hexadecimal; its bits are not published", kind=Kind.EVENT),
            Metric("EXC", text="Exception word, hexadecimal", kind=Kind.EVENT),
            Metric("EXC1", text="Second exception word, hexadecimal", kind=Kind.EVENT),
            *(Metric(code, text=text, kind=Kind.EVENT) for code, (_, text) in _CONDITIONS.items()),
        ),
    ),
)
_WORDS = ("ALARM", "EXC", "EXC1")
_LOST = Exc.NO_SENSOR | Exc.DEFECTIVE_SENSOR | Exc.SENSOR_OFF | Exc.UNRECOGNIZED_SENSOR
_DOUBT = _LOST | Exc.LOW_PERFUSION | Exc.PULSE_SEARCH | Exc.INTERFERENCE | Exc.AMBIENT_LIGHT | Exc.LOW_SIGNAL_IQ
_NEVER_ZERO = frozenset({"SPO2", "BPM", "PR"})
"""The manuals' ranges begin at 1; 000 stands for no value."""
_MOST = {"SPO2": 100, "SPCO": 100, "SPMET": 100, "PVI": 100, "BPM": 240, "PR": 240}
"""Where the manuals' ranges end (Rad-8 and Radical-7, specifications): what lies above has a damaged digit."""


def interpret(message: Message[Reading], ctx: Ctx) -> Iterable[Report]:
    """The values of a line; and what changed of its alarm and exception words."""
    reading = message.body
    device = msgspec.structs.replace(ctx.device, serial=ctx.device.serial or reading.serial)
    notes = tuple(f"device sent {word!r}" for word in reading.words)
    if "EXC" not in reading.fields:
        notes = (*notes, "device sent no exception word: it says nothing about the values' quality")
    if reading.time is None:
        notes = (*notes, f"device clock shows {reading.clock!r}")
    values = [_value(key, text, reading.exc) for key, text in reading.fields.items() if key not in {"SN", *_WORDS}]
    yield ctx.report(message, values, device_time=reading.time, device=device, notes=notes)
    if events := list(_events(reading, ctx)):
        yield ctx.report(message, events, category=Category.EVENTS, device_time=reading.time, device=device)


def _value(code: str, text: str, exc: Exc) -> Observation:
    value, unit = number(text)
    lost = Validity.OFF if exc & _LOST else Validity.NOT_AVAILABLE
    if value is None:
        return TREE.observe(code, None, validity=lost, vendor_unit=unit)
    if exc & Exc.NO_SENSOR or _impossible(code, value):
        why = Validity.OFF if exc & _LOST else Validity.INVALID
        return TREE.observe(code, None, validity=why, vendor_unit=unit, notes=(f"device sent {text!r}",))
    return TREE.observe(code, value, validity=Validity.QUESTIONABLE if exc & _DOUBT else Validity.OK, vendor_unit=unit)


def _impossible(code: str, value: str) -> bool:
    digits = decimal_text(value)
    if digits is None:
        return False
    shown = Decimal(digits)
    return shown > _MOST.get(code, Decimal("inf")) or (code in _NEVER_ZERO and shown <= 0)


def _events(reading: Reading, ctx: Ctx) -> Iterable[Observation]:
    for key in _WORDS:
        if key in reading.fields and ctx.changed(key, reading.fields[key]):
            yield TREE.observe(key, reading.fields[key])
    for code, (bit, _) in _CONDITIONS.items():
        word = "on" if reading.exc & bit else "off"
        if ctx.changed(code, word, usual="off"):
            yield TREE.observe(code, word)


DRIVER = Driver(
    id="masimo",
    maker="Masimo",
    models=("Rad-5", "Rad-8", "Rad-57", "Rad-87", "Radical-7"),
    source="Rad-8, Rad-57 and Rad-87 operator's manuals: serial interface, ASCII 1, exception messages",
    options=MasimoOptions,
    codec=lambda options: MasimoCodec(options.date),
    interpret=interpret,
    tree=TREE,
    line=LineSettings(),
    silence_s=5.0,
)
