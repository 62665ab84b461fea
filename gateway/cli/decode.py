"""wardlink decode: device bytes through the real codec and driver, offline; readings or messages on stdout."""

from __future__ import annotations

import json
import sys
import tomllib
from collections import Counter
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from msgspec.structs import replace

from gateway.acquire import offline, recording, registry
from gateway.acquire.flow import Flow
from gateway.acquire.written import Written, hint, unwritten
from gateway.cli.show import moment, new_app, read_bytes, say
from gateway.deliver.messages import Renderer, UnsuitedError
from gateway.driver import Driver, Options
from gateway.errors import ConfigError
from gateway.model import DeviceIdentity, Entry, Gateway, Report
from gateway.profiles.finding import as_name
from gateway.readings import readings

NOTHING_UNDERSTOOD = 3
BENCH = Gateway(name="wardlink-decode", eui64="0200000000000000")
"""The sender named in rendered messages: no box, a locally administered EUI-64."""

_WITHOUT_END = "without an end"
_WAYS = (
    (
        "checksum",
        "checksum",
        "checksums that do not fit: {}; if the text was changed since, --option link.checksum=none reads it all the same",
    ),
    (
        "frame number",
        "frame_numbers",
        "frames whose numbers do not follow: {}; if none is missing, --option link.frame_numbers=ignored reads them all the same",
    ),
    (
        _WITHOUT_END,
        "close_ends",
        "transmissions without an end: {}; if nothing is missing, --option link.close_ends=true reads them all the same",
    ),
    (
        "truncated",
        "open_end",
        "blocks without their FS: {}; if nothing else is missing, --option line.open_end=true reads them all the same",
    ),
)
"""What was wrong, the switch of the profile's line that minds it, and what to do."""

app = new_app()


class Form(StrEnum):
    """What is printed."""

    READINGS = "readings"
    PCD01 = "pcd01"
    LAB = "lab"
    LAW = "law"
    POCT = "poct"
    FHIR = "fhir"


@app.command()
def decode(
    file: Annotated[
        Path, typer.Argument(help="raw bytes of the device, a wardlink trace, a pcap or pcapng; - for standard input")
    ],
    driver: Annotated[str, typer.Option(help="driver id, see `wardlink drivers`")],
    profile: Annotated[str, typer.Option(help="analyzer profile, for a driver that has profiles")] = "",
    form: Annotated[Form, typer.Option("--as", help="readings: one JSON object a line; else messages")] = Form.READINGS,
    at: Annotated[str, typer.Option(help="receive time of bytes that carry none, ISO 8601 with offset")] = "",
    timezone: Annotated[str, typer.Option(help="zone of the device's clock")] = "UTC",
    option: Annotated[list[str] | None, typer.Option(help="driver option KEY=VALUE, repeatable")] = None,
    written: Annotated[
        Written,
        typer.Option(
            "--bytes",
            help="raw as they came; names: text with <STX>, [CR], \\x04; hex: digits or a dump; lines: ASTM frames, a line each",
        ),
    ] = Written.RAW,
    data_folder: Annotated[
        Path | None, typer.Option("--data", help="a gateway's data folder: codes as its laboratory decided (`wardlink unmapped`)")
    ] = None,
) -> None:
    """Decode device bytes. Faults go to stderr as counts with offsets; exit 0 if anything was understood, 3 if nothing was."""
    declaration = registry.load(driver)
    chosen = as_name(profile) if profile else _default_profile(declaration)
    options = registry.options(declaration, chosen, _options(option or []))
    start, zone, write = moment(at), _zone(timezone), _decided(_writer(form), data_folder)
    data = read_bytes(file, recording.SIZE_MAX)
    flows = recording.read(None if str(file) == "-" else file, unwritten(str(file), data, written))
    understood, wrong = 0, Counter[str]()
    for flow in flows:
        identity = DeviceIdentity(id=declaration.id, maker=declaration.maker)
        context = declaration.context(identity, options, wall=lambda _: offline.EPOCH, timezone=zone, profile=chosen)
        known = flow.started is not None or start is not None
        count, faults = 0, offline.Faults()
        for item in offline.decode(flow, context.codec(), context, start):
            if isinstance(item, offline.Faults):
                faults = item
            else:
                count += 1
                write(item, known)
        understood += count + faults.silent
        wrong.update(faults.bad, **{_WITHOUT_END: len(faults.incomplete)})
        _tell(flow, len(flows) > 1, count, faults)
    if not understood:
        told = (hint(data) if written is Written.RAW else "") or _advice(wrong, options)
        say(f"nothing was understood as {driver}{f' with profile {chosen}' if chosen else ''}; {told}")
        raise typer.Exit(NOTHING_UNDERSTOOD)


def _advice(wrong: Counter[str], options: Options) -> str:
    """What to do about a recording of which nothing was understood, by what was wrong with it."""
    link = getattr(options, "link", getattr(options, "line", None))
    ways = (said.format(wrong[reason]) for reason, key, said in _WAYS if wrong[reason] and hasattr(link, key))
    return next(ways, "is it the right driver?")


def _tell(flow: Flow, several: bool, count: int, faults: offline.Faults) -> None:
    if several and not count and not faults.silent:
        say(f"{flow.name}: nothing understood in this direction")
    if flow.missing:
        say(f"{flow.name}: {flow.missing} bytes are missing in the capture: lost, or cut by its snap length")
    for line in faults.lines():
        say(f"{flow.name}: {line}")


def _writer(form: Form) -> Any:
    if form is Form.READINGS:
        return _print_readings
    render, ids = _renderer(form), iter(range(1, sys.maxsize))

    def write(report: Report, known: bool) -> None:
        report = report if known else _timed_by_itself(report)
        entry = Entry(id=next(ids), epoch="00000000", stored_at=report.received_at, report=report)
        try:
            body = render(entry, None).body
        except UnsuitedError as error:
            say(f"not sent as {form.value}: {error}")
            return
        if form is not Form.FHIR and sys.stdout.isatty():
            body = body.replace(b"\r", b"\n")
        sys.stdout.buffer.write(body.rstrip(b"\n") + b"\n")
        sys.stdout.buffer.flush()

    return write


def _decided(write: Any, folder: Path | None) -> Any:
    """Writes reports with what the laboratory of a gateway decided about codes; decisions for one device hold for none here."""
    if folder is None:
        return write
    from gateway.store import mappings
    from gateway.store.database import open_reader

    with closing(open_reader(folder)) as conn:
        overlay = mappings.now(conn)
    return lambda report, known: write(overlay.apply(report).report, known)


def _timed_by_itself(report: Report) -> Report:
    """Nobody knows when it was received: the device's own time, where it has one, stands for that, and no clock is judged."""
    return replace(report, received_at=report.device_time or report.received_at, clock_offset_s=None)


def _renderer(form: Form) -> Renderer:
    if form is Form.PCD01:
        from gateway.deliver.messages import pcd01
        from gateway.settings.pcd01 import Pcd01Settings

        return pcd01.renderer(Pcd01Settings(), BENCH)
    if form is Form.LAB:
        from gateway.deliver.messages import lab
        from gateway.settings.lab import LabSettings

        return lab.renderer(LabSettings(), BENCH)
    if form is Form.LAW:
        from gateway.deliver.messages import law
        from gateway.settings.lab import LawSettings

        return law.renderer(LawSettings(), BENCH)
    if form is Form.POCT:
        from gateway.deliver.messages import poct
        from gateway.settings.lab import PoctSettings

        return poct.renderer(PoctSettings(), BENCH)
    from gateway.deliver.messages import fhir
    from gateway.settings.fhir import FhirMessageSettings

    return fhir.renderer(FhirMessageSettings(), BENCH)


def _print_readings(report: Report, known: bool) -> None:
    for reading in readings(report, received_known=known):
        sys.stdout.write(json.dumps(reading, ensure_ascii=False) + "\n")


def _default_profile(declaration: Driver[Any, Any]) -> str:
    return "generic" if "generic" in registry.profiles(declaration) else ""


def _options(pairs: list[str]) -> dict[str, Any]:
    """The table that the pairs say; a key with points is one of a table in it: `link.checksum=none`."""
    table: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"--option {pair!r}: expected KEY=VALUE")
        *tables, key = name.split(".")
        within = table
        for one in tables:
            within = within.setdefault(one, {})
            if not isinstance(within, dict):
                raise ConfigError(f"--option {pair!r}: {one} was given a value before, and can be no table")
        within[key] = _value(pair, value)
    return table


def _value(pair: str, text: str) -> Any:
    """A value as it stands, but a list or a table as TOML has them: `specimen_id=["O.4.1"]`."""
    if text[:1] not in ("[", "{"):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"--option {pair!r}: {error}") from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(f"--timezone {name!r}: expected an IANA name, such as Europe/Berlin") from None
