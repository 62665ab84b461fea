"""Nonin oximeters: the modules and handhelds that stream data format 2 or 7, and the models that print a line a second."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, TypeAlias

import msgspec
from pydantic import BeforeValidator

from gateway.driver import Channel, Context, Driver, LineSettings, Mds, Metric, Options, Vmd
from gateway.model import Category, Kind, Observation, Report, Validity
from protocols.sansio import Message
from protocols.vendor.nonin import (
    RATE_HZ,
    RATES,
    RATES_SHOWN,
    SATURATION_MAX,
    SATURATIONS,
    Body,
    Format,
    NoninCodec,
    Packet,
    Stat2,
    Status,
    TextLine,
)


class NoninOptions(Options):
    """`format`: "auto" tells them apart by their bytes. `waveform`: send the plethysmogram too, 75 samples a second."""

    format: Annotated[Format, BeforeValidator(str)] = "auto"
    waveform: bool = False


Ctx: TypeAlias = Context[NoninOptions]

TREE = Mds(
    "MDC_DEV_ANALY_SAT_O2_MDS",
    Vmd(
        "MDC_DEV_ANALY_SAT_O2_VMD",
        Channel(
            "MDC_DEV_ANALY_SAT_O2_CHAN",
            Metric("SpO2", "MDC_PULS_OXIM_SAT_O2", "%", text="SpO2"),
            Metric("SpO2-D", unit="%", text="SpO2 for display, 4-beat average, held 10 s"),
            Metric("SpO2-Fast", unit="%", text="SpO2, 4-beat average, fast response"),
            Metric("SpO2-B-B", unit="%", text="SpO2, beat to beat"),
            Metric("E-SpO2", unit="%", text="SpO2, 8-beat average"),
            Metric("E-SpO2-D", unit="%", text="SpO2 for display, 8-beat average, held 10 s"),
            Metric("PRF", text="Pulse signal: red, yellow or green", kind=Kind.TEXT),
            Metric("PLETH", "MDC_PULS_OXIM_PLETH", text="Plethysmogram, A/D counts", kind=Kind.WAVEFORM),
        ),
        Channel(
            "MDC_DEV_PULS_CHAN",
            Metric("HR", "MDC_PULS_OXIM_PULS_RATE", "/min", text="Pulse rate"),
            Metric("HR-D", unit="/min", text="Pulse rate for display, 4-beat average, held 10 s"),
            Metric("E-HR", unit="/min", text="Pulse rate, 8-beat average"),
            Metric("E-HR-D", unit="/min", text="Pulse rate for display, 8-beat average, held 10 s"),
        ),
        Channel(
            "",
            Metric("SNSD", text="Sensor disconnected", kind=Kind.EVENT),
            Metric("SNSA", text="Sensor alarm: unusable signal or finger removed", kind=Kind.EVENT),
            Metric("OOT", text="Out of track: no consecutive good pulses", kind=Kind.EVENT),
            Metric("BATT", "MDC_EVT_BATT_LO", text="Battery low", kind=Kind.EVENT),
            Metric("SPA", text="SmartPoint: high-quality measurement", kind=Kind.EVENT),
            Metric("MARK", text="Event button pressed", kind=Kind.EVENT),
            Metric("BREATH", text="Breath detected", kind=Kind.TEXT),
        ),
    ),
)
_DOUBT = Status.ARTIFACT | Status.OUT_OF_TRACK | Status.SENSOR_ALARM
_CLOCK_SET = 2000
"""A gateway clock before this year was never set, or the bytes are a file that does not say when they came: no day is near."""
_PERIOD_MS = f"{1000 / RATE_HZ:.4f}"


def interpret(message: Message[Body], ctx: Ctx) -> Iterable[Report]:
    """The values of a packet or line; the events that turned on or off; the plethysmogram where it is wanted."""
    body = message.body
    if isinstance(body, TextLine):
        device_time = _near(body.time, ctx.wall(message.at), ctx)
        notes = (f"device clock shows {body.time!r}",) if body.time and device_time is None else ()
        yield ctx.report(message, _text(body), device_time=device_time, notes=notes)
        yield from _turned(message, ctx, {"MARK": body.mark}, device_time=device_time)
        return
    device = msgspec.structs.replace(ctx.device, firmware=ctx.device.firmware or str(body.revision))
    yield ctx.report(message, _values(body), device=device)
    if ctx.options.waveform:
        samples = TREE.observe("PLETH", " ".join(map(str, body.pleth)))
        wave = msgspec.structs.replace(samples, period_ms=_PERIOD_MS)
        yield ctx.report(message, [wave], category=Category.WAVEFORMS, device=device)
    yield from _turned(message, ctx, _states(body))


def _values(packet: Packet) -> Iterable[Observation]:
    status = packet.status
    for name in SATURATIONS:
        yield _value(name, packet.saturation(name), status, _saturations(packet.rate("HR")))
    for name in RATES:
        yield _value(name, packet.rate(name), status, RATES_SHOWN)
    if packet.perfusion:
        yield TREE.observe("PRF", packet.perfusion)


def _value(name: str, number: int | None, status: Status, possible: range) -> Observation:
    if number is None:
        lost = Validity.OFF if status & (Status.DISCONNECTED | Status.SENSOR_ALARM) else Validity.NOT_AVAILABLE
        return TREE.observe(name, None, validity=lost)
    if status & Status.DISCONNECTED or number not in possible:
        why = Validity.OFF if status & Status.DISCONNECTED else Validity.INVALID
        return TREE.observe(name, None, validity=why, notes=(f"device sent {number}",))
    return TREE.observe(name, str(number), validity=Validity.QUESTIONABLE if status & _DOUBT else Validity.OK)


def _states(packet: Packet) -> Mapping[str, bool]:
    status, stat2 = packet.status, packet.stat2
    return {
        "SNSD": bool(status & Status.DISCONNECTED),
        "SNSA": bool(status & Status.SENSOR_ALARM),
        "OOT": bool(status & Status.OUT_OF_TRACK),
        "BATT": bool(stat2 & Stat2.LOW_BATTERY),
        "SPA": bool(stat2 & Stat2.SMART_POINT),
    }


def _saturations(rate: int | None) -> range:
    """The specifications' range begins at 0; without a pulse a 0 is no saturation."""
    return range(0 if rate in RATES_SHOWN else 1, SATURATION_MAX + 1)


def _text(line: TextLine) -> Iterable[Observation]:
    notes = ("fast response",) if line.fast else ()
    spo2, rate = (None if text is None else int(text) for text in (line.spo2, line.hr))
    for name, number, possible in (("SpO2", spo2, _saturations(rate)), ("HR", rate, RATES_SHOWN)):
        seen = _value(name, number, Status(0), possible)
        yield msgspec.structs.replace(seen, notes=(*notes, *seen.notes))
    if line.breath:
        yield TREE.observe("BREATH", "B")


def _turned(
    message: Message[Body], ctx: Ctx, states: Mapping[str, bool], *, device_time: datetime | None = None
) -> Iterable[Report]:
    words = {code: "on" if state else "off" for code, state in states.items()}
    events = [TREE.observe(code, word) for code, word in words.items() if ctx.changed(code, word, usual="off")]
    if events:
        yield ctx.report(message, events, category=Category.EVENTS, device_time=device_time)


def _near(clock: str, received_at: datetime, ctx: Ctx) -> datetime | None:
    """A line shows HH:MM:SS and no date: the day that brings it nearest to when it came, if that is known."""
    if not clock or received_at.year < _CLOCK_SET:
        return None
    here = received_at.astimezone(ctx.timezone)
    shown = datetime.combine(here.date(), datetime.strptime(clock, "%H:%M:%S").time())  # noqa: DTZ007 - localised below
    days = (ctx.localise(shown + timedelta(days=days)) for days in (-1, 0, 1))
    return min(days, key=lambda day: abs(day - here))


DRIVER = Driver(
    id="nonin",
    maker="Nonin",
    models=("Xpod", "OEM III", "WristOx2 3150", "7500", "8500", "9600", "9847", "Avant 4000"),
    source="Nonin OEM III / Xpod data formats 2 and 7; operator's manuals 7500, 8500, 9600, 9847, Avant 4000: serial output",
    options=NoninOptions,
    codec=lambda options: NoninCodec(options.format),
    interpret=interpret,
    tree=TREE,
    line=LineSettings(),
    silence_s=5.0,
)
