"""wardlink status: what the gateway is doing, what is wrong and what to do; from the running gateway, or from its journal."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from typing import Annotated, Any

import typer

from gateway import config, control
from gateway.cli import soundness
from gateway.cli.advice import findings, span
from gateway.cli.running import running
from gateway.cli.show import ConfigOption, JsonOption, new_app, print_json
from gateway.metrics import process
from gateway.store import moved, overview
from gateway.store.journal import open_reader

app = new_app()

NEEDS_A_PERSON = 1
NOT_RUNNING = 3
WATCH_S = 2.0
WIDTH = 80
"""Columns of a terminal on a service laptop."""

WatchOption = Annotated[bool, typer.Option("--watch", help="again every 2 s, until Ctrl-C")]


@app.command()
def status(as_json: JsonOption = False, watch: WatchOption = False, path: ConfigOption = config.DEFAULT_PATH) -> None:
    """Devices, destinations, journal, and what needs a person; exit 0 all is well, 1 something does, 3 no gateway runs."""
    folder = running(path).gateway.data
    code = _show(folder, as_json=as_json, watch=watch)
    try:
        while watch:
            sleep(WATCH_S)
            code = _show(folder, as_json=as_json, watch=watch)
    except KeyboardInterrupt:
        pass
    if code:
        raise typer.Exit(code)


def _show(folder: Path, *, as_json: bool, watch: bool) -> int:
    """Say it once; the exit code that belongs to it."""
    found, now = snapshot(folder), datetime.now(UTC)
    told = findings(found, now)
    document = {**found, "findings": [{"urgent": one.urgent, "what": one.what, "do": one.do} for one in told]}
    if as_json and watch:
        print(json.dumps(document, default=str), flush=True)
    elif as_json:
        print_json(document)
    else:
        clear = "\x1b[H\x1b[2J" if watch and sys.stdout.isatty() else ""
        print(clear + "\n".join(_lines(document, now)), flush=True)
    return NOT_RUNNING if not found["running"] else NEEDS_A_PERSON if any(one.urgent for one in told) else 0


def snapshot(folder: Path) -> dict[str, Any]:
    """The running gateway's own word; without one, what its journal holds."""
    said = control.ask(folder, "status")
    if isinstance(said, dict) and "journal" in said:
        return {"running": True, **said}
    with closing(open_reader(folder)) as conn:
        conn.execute("BEGIN")
        return {"running": False, "moved": moved.read(folder), "journal": overview.overview(conn), "disk": process.disk(folder)}


def _lines(found: dict[str, Any], now: datetime) -> Iterator[str]:
    yield from _head(found, now)
    if found.get("devices"):
        yield from _table(("DEVICE", "STATE", "REPORTS", "/MIN", "LAST", "CLOCK", "COUNTS"), _devices(found, now), "llrrrrl")
    if found["journal"]["destinations"]:
        heads = ("DESTINATION", "WAITING", "OLDEST", "HELD", "PARKED", "LAST ACK", "ACK p50/p99")
        yield from _table(heads, _destinations(found, now), "lrrrrrl")
    yield from _receivers(found, now)
    yield from _strangers(found)
    yield from _room(found)
    yield from _advice(found["findings"])


def _head(found: dict[str, Any], now: datetime) -> Iterator[str]:
    if not found["running"]:
        yield "No gateway is running on this configuration; this is what its journal holds."
        return
    yield f"{found['gateway']} {found['eui64']}, wardlink {found['version']}, up {_since(found['started'], now)}"
    if own := found.get("config"):
        yield f"configuration {own['path']}, {str(own['sha256'])[:12]}, loaded {_since(own['loaded_at'], now)} ago"


def _devices(found: dict[str, Any], now: datetime) -> Iterator[tuple[str, ...]]:
    rates = found.get("rates", {})
    for one in found["devices"]:
        rate = rates.get(f"device {one['id']}")
        yield (
            one["id"],
            one["state"],
            str(one["reports"]),
            "-" if rate is None else f"{rate:.0f}",
            _since(one["last_report"], now),
            offset(one["clock_offset_s"]),
            counts(one["counts"]),
        )


def _destinations(found: dict[str, Any], now: datetime) -> Iterator[tuple[str, ...]]:
    live = {one["id"]: one for one in found.get("destinations", ())}
    for one in found["journal"]["destinations"]:
        ack = f"{one['last_code']} {_since(one['last_ack_at'], now)}" if one["last_code"] else "never"
        acks = live.get(one["id"], {}).get("acks") or {}
        yield (
            one["id"],
            str(one["waiting"]),
            _since(one["oldest"], now),
            str(one["held"]),
            str(one["parked"]),
            ack,
            f"{milliseconds(acks.get('p50_s'))}/{milliseconds(acks.get('p99_s'))}",
        )


def _gone(account: Sequence[dict[str, Any]], destination: str) -> str:
    """What was dropped or lost, by reason, of all devices."""
    total: dict[str, int] = {}
    for line in account:
        if line["destination"] == destination:
            for what, n in [*line["dropped"].items(), *((f"lost {cause}", n) for cause, n in line.get("lost", {}).items())]:
                total[what] = total.get(what, 0) + n
    return counts(total)


def _receivers(found: dict[str, Any], now: datetime) -> Iterator[str]:
    live = {one["id"]: one for one in found.get("destinations", ())}
    for one in found["journal"]["destinations"]:
        its = live.get(one["id"])
        parts = [f"{its['state']}; {its['describe']}" if its else "not at work"]
        if its:
            parts += [f"{whose} certificate {_days(what, now)} days left" for whose, what in its.get("certificates", {}).items()]
            tries = {**{f"tries: {why}": n for why, n in its.get("retries", {}).items()}, "refused": its.get("refused", 0)}
            parts += [counts({what: n for what, n in tries.items() if n})] if any(tries.values()) else []
            parts += [f"{its['late']} sent late"] if its.get("late") else []
        gone = _gone(found["journal"]["account"], one["id"])
        yield from _wrapped(f"{one['id']}: {'; '.join(parts)}{f'; dropped: {gone}' if gone != '-' else ''}")


def _strangers(found: dict[str, Any]) -> Iterator[str]:
    """Devices that nobody configured, in a line: each that waits for a person is told of below."""
    told = found["journal"].get("unknown", ())
    live = found.get("unknown") or {}
    if told or live.get("doors"):
        kept = sum(one["quarantined"] for one in told)
        waiting = sum(one["status"] == "open" for one in told)
        doors = ", ".join(f"{door} {state}" for door, state in live.get("doors", {}).items() if not state.startswith("listening"))
        refused = counts(live.get("refused", {}))
        parts = [f"{waiting} wait for a person, {kept} messages quarantined", f"{live.get('connections', 0)} connected"]
        parts += [f"refused: {refused}"] if refused != "-" else []
        yield from _wrapped(f"unknown devices: {'; '.join([*parts, *([doors] if doors else [])])}")


def _days(certificate: dict[str, Any], now: datetime) -> int:
    return (datetime.fromisoformat(str(certificate["not_after"])) - now).days


def _room(found: dict[str, Any]) -> Iterator[str]:
    disk, room, commits = found.get("disk"), found.get("room") or {}, found.get("commits") or {}
    if not disk:
        return
    parts = [f"journal {megabytes(disk['size_bytes'])} and its log {megabytes(disk['wal_bytes'])}"]
    parts.append(room.get("words") or f"disk {megabytes(disk['disk_free_bytes'])} free")
    if checking := soundness.progress(found):
        parts.append(checking)
    if commits.get("count"):
        parts.append(f"commits {milliseconds(commits['p50_s'])}/{milliseconds(commits['p99_s'])} (p50/p99)")
    yield from _wrapped("; ".join(parts))


def _advice(told: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield ""
    for title, urgent in (("Needs a person:", True), ("Good to know:", False)):
        chosen = [one for one in told if one["urgent"] is urgent]
        if chosen:
            yield title
        for one in chosen:
            yield from _wrapped(f"- {one['what']}", "  ")
            yield from _wrapped(f"  → {one['do']}", "    ")
    if not any(one["urgent"] for one in told):
        yield "All is well."


def _table(heads: Sequence[str], rows: Iterator[tuple[str, ...]], sides: str) -> Iterator[str]:
    """Columns as wide as their widest cell; the last takes what is left of the line, the first gives way if need be."""
    drawn = [tuple(heads), *rows]
    widths = [max(len(row[column]) for row in drawn) for column in range(len(heads))]
    rest = _width() - sum(widths[1:-1]) - 2 * (len(heads) - 1)
    widths[0] = min(widths[0], max(len(heads[0]), rest - len(heads[-1])))
    widths[-1] = max(len(heads[-1]), rest - widths[0])
    yield ""
    for row in drawn:
        cells = [_cell(cell, width, side) for cell, width, side in zip(row, widths, sides, strict=True)]
        yield "  ".join(cells).rstrip()


def _cell(text: str, width: int, side: str) -> str:
    shown = text if len(text) <= width else f"{text[: width - 1]}…"
    return shown.rjust(width) if side == "r" else shown.ljust(width)


def _wrapped(text: str, indent: str = "  ") -> list[str]:
    return textwrap.wrap(text, _width(), subsequent_indent=indent, break_on_hyphens=False)


def _width() -> int:
    return max(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)


def _since(moment: str | datetime | None, now: datetime) -> str:
    return "-" if not moment else span((now - datetime.fromisoformat(str(moment))).total_seconds())


def offset(seconds: float | None) -> str:
    """A device clock's offset."""
    return "-" if seconds is None else f"{seconds:+.0f} s"


def milliseconds(seconds: float | None) -> str:
    """A latency."""
    return "-" if seconds is None else f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def counts(found: dict[str, int]) -> str:
    """Counts by reason."""
    return ", ".join(f"{n} {what}" for what, n in found.items()) or "-"
