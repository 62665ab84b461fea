"""wardlink status: what the gateway is doing, from the running gateway and its journal."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from gateway import config, control
from gateway.cli import soundness
from gateway.cli.show import ConfigOption, JsonOption, new_app, print_json, table
from gateway.store import overview
from gateway.store.journal import open_reader

app = new_app()
NOT_RUNNING = 1


@app.command()
def status(as_json: JsonOption = False, path: ConfigOption = config.DEFAULT_PATH) -> None:
    """Devices, journal and destinations; exit 1 when no gateway runs on this configuration."""
    folder = config.load(path).gateway.data
    found = snapshot(folder)
    if as_json:
        print_json(found)
    else:
        _print(found)
    if not found["running"]:
        raise typer.Exit(NOT_RUNNING)


def snapshot(folder: Path) -> dict[str, Any]:
    """The running gateway's own word; without one, what its journal holds."""
    said = control.ask(folder, "status")
    if isinstance(said, dict) and "journal" in said:
        return {"running": True, **said}
    with closing(open_reader(folder)) as conn:
        conn.execute("BEGIN")
        return {"running": False, "journal": overview.overview(conn)}


def _print(found: dict[str, Any]) -> None:
    if found["running"]:
        print(f"{found['gateway']} {found['eui64']}, wardlink {found['version']}")
        columns: tuple[str, ...] = ("device", "driver", "state", "last report", "clock", "counts", "where / why")
        table("Devices", columns, [_device(one) for one in found["devices"]])
    else:
        print("No gateway is running on this configuration.")
    for line in soundness.lines(found):
        print(line)
    states = {one["id"]: one for one in found.get("destinations", ())}
    columns = ("destination", "state", "waiting", "oldest", "held", "parked", "last ack", "where")
    rows = [_route(one, states.get(one["id"], {})) for one in found["journal"]["destinations"]]
    table("Destinations", columns, rows)
    for one in found["journal"]["destinations"]:
        for reason, n in one["parked_by_reason"].items():
            print(f"{one['id']}: {n} parked: {reason}")
        if one["held_by_device"]:
            waiting = ", ".join(f"{device} {n}" for device, n in one["held_by_device"].items())
            print(f"{one['id']}: held until a patient is known: {waiting}")
    for one in found["journal"]["incomplete"]:
        print(f"incomplete transmission of {one['device']}, {one['received_at']}: {one['reason']} ({one['size']} bytes)")


def _device(one: dict[str, Any]) -> tuple[object, ...]:
    clock, why = offset(one["clock_offset_s"]), one["reason"] or one["link"]
    return one["id"], one["driver"], one["state"], age(one["last_report"]), clock, counts(one["counts"]), why


def _route(one: dict[str, Any], live: dict[str, Any]) -> tuple[object, ...]:
    ack = f"{one['last_code']} {age(one['last_ack_at'])}" if one["last_code"] else "never"
    where = live.get("describe", "") + (" PLAINTEXT" if live.get("plaintext") else "")
    state = live.get("state", "not running")
    return one["id"], state, one["waiting"], age(one["oldest"]), one["held"], one["parked"], ack, where


def age(moment: str | datetime | None) -> str:
    """How long ago, in the largest unit that says it."""
    if not moment:
        return "-"
    seconds = (datetime.now(UTC) - datetime.fromisoformat(str(moment))).total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return f"{max(0, int(seconds))} s ago"


def offset(seconds: float | None) -> str:
    """A device clock's offset."""
    return "-" if seconds is None else f"{seconds:+.0f} s"


def counts(found: dict[str, int]) -> str:
    """Counts by reason."""
    return ", ".join(f"{n} {what}" for what, n in found.items()) or "-"
