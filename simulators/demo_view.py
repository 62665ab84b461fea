"""What the demo shows: devices with their last values and ages, the journal, each destination's cursor and acknowledgements."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

VALUES = 6
"""Values shown a device: a line's worth."""
FIRST = ("SpO2", "SPO2", "BPM", "PI", "HR", "F70", "F71", "F73", "F77", "WBC", "HGB", "PLT")
"""Codes worth a glance, first."""
MARKS = {"up": "[green]● up[/green]", "silent": "[yellow]▲ silent[/yellow]", "connecting": "[yellow]■ connecting[/yellow]"}


def view(status: dict[str, Any] | None) -> RenderableType:
    """The whole screen."""
    if status is None:
        return Text("The gateway does not answer.")
    journal = status["journal"]
    title = Text(f"{status['gateway']} {status['eui64']}   journal: {journal['last_report']} reports", style="bold")
    return Group(
        title, _devices(status["devices"]), _destinations(status, journal["destinations"]), Text("Ctrl-C ends.", style="dim")
    )


def _devices(devices: list[dict[str, Any]]) -> Table:
    table = Table("device", "driver", "state", "reports", "last", "clock", "values", box=box.SIMPLE_HEAD)
    for one in devices:
        clock = one["clock_offset_s"]
        table.add_row(
            one["id"],
            one["driver"],
            MARKS.get(one["state"], f"[red]◆ {one['state']}[/red]"),
            str(one["reports"]),
            age(one["last_report"]),
            "-" if clock is None else f"{clock:+.0f} s",
            _values(one["values"]),
        )
    return table


def _values(values: dict[str, list[Any]]) -> str:
    ranked = sorted(values, key=lambda code: FIRST.index(code) if code in FIRST else len(FIRST))
    shown = []
    for code in ranked[:VALUES]:
        value, unit, validity, _at = values[code]
        shown.append(f"{code} {validity or 'none'}" if value is None else f"{code} [bold]{value}[/bold] {unit}".strip())
    return "  ".join(shown)


def _destinations(status: dict[str, Any], queues: list[dict[str, Any]]) -> Table:
    table = Table("destination", "state", "delivered", "waiting", "held", "parked", "last ack", "where", box=box.SIMPLE_HEAD)
    live = {one["id"]: one for one in status["destinations"]}
    for queue in queues:
        own = live.get(queue["id"], {})
        ack = f"{queue['last_code']} {age(queue['last_ack_at'])}" if queue["last_code"] else "-"
        counts = (str(queue[key]) for key in ("delivered", "waiting", "held", "parked"))
        table.add_row(queue["id"], own.get("state", ""), *counts, ack, own.get("describe", ""))
    return table


def age(moment: str | None) -> str:
    """Seconds since then."""
    if not moment:
        return "-"
    return f"{max(0.0, (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()):.0f} s ago"


class Lines:
    """The view of a pipe: one line every few seconds."""

    EVERY_S = 5.0

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = 0.0

    def show(self, status: dict[str, Any] | None) -> None:
        """Print a line when it is time."""
        if status is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self.EVERY_S
        devices = ", ".join(f"{one['id']} {one['state']} {one['reports']}" for one in status["devices"])
        queues = status["journal"]["destinations"]
        routes = ", ".join(
            f"{one['id']} {one['delivered']} delivered {one['waiting']} waiting {one['held']} held" for one in queues
        )
        self._console.print(f"{devices} | {routes}", highlight=False, soft_wrap=True)


def next_steps(config: Path | None) -> str:
    """Where to look next."""
    lines = ["", "Next:"]
    if config is not None:
        lines += [
            f"  {config.parent}                    the journal, logs, and what the receivers got",
            f"  .venv/bin/wardlink status --config {config}",
            f"  .venv/bin/wardlink export --since 2020-01-01T00:00:00Z --format csv --config {config}",
        ]
    else:
        lines.append("  ./dev demo --keep                  keeps the journal, logs, and what the receivers got")
    lines += [
        "  ./dev demo --garble 0.05           a noisy line: bad bytes are counted, nothing wrong is sent",
        "  .venv/bin/wardlink drivers         what can be read; docs/drivers has a page for each",
        "  README.md                          where to go next, for each kind of user",
    ]
    return "\n".join(lines)
