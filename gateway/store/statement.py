"""The conservation statement: received = delivered + waiting + held + parked + dropped, per device and destination.

The two sides have different origins on purpose. `received`, `delivered` and `dropped` are counters, written in the same
transactions as what they count; `waiting`, `held` and `parked` are counted from the rows themselves. A lost or doubled row
makes a line that does not balance.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

_DROPPED = "dropped:"
_TAKES = "SELECT id, takes, cursor, coalesce(until, 9223372036854775807) FROM destinations ORDER BY id"
_AHEAD = "SELECT device, count(*) FROM reports WHERE category = ? AND id > ? AND id <= ? GROUP BY device"


@dataclass(slots=True)
class Line:
    """A device and a destination. `waiting` includes what is being sent or tried again; `dropped` is by named policy."""

    device: str
    destination: str
    received: int = 0
    delivered: int = 0
    waiting: int = 0
    held: int = 0
    parked: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    @property
    def balanced(self) -> bool:
        """Whether everything received is accounted for."""
        return self.received == self.accounted

    @property
    def accounted(self) -> int:
        """What the line can account for."""
        return self.delivered + self.waiting + self.held + self.parked + sum(self.dropped.values())

    def as_json(self) -> dict[str, str | int | bool | dict[str, int]]:
        """The line for a program."""
        return {
            "device": self.device,
            "destination": self.destination,
            "received": self.received,
            "delivered": self.delivered,
            "waiting": self.waiting,
            "held": self.held,
            "parked": self.parked,
            "dropped": dict(self.dropped),
            "balanced": self.balanced,
        }


def statement(conn: sqlite3.Connection) -> list[Line]:
    """Every line, by destination and device, from one consistent state."""
    own = not conn.in_transaction
    if own:
        conn.execute("BEGIN")
    try:
        return _lines(conn)
    finally:
        if own:
            conn.execute("COMMIT")


def _lines(conn: sqlite3.Connection) -> list[Line]:
    lines: dict[tuple[str, str], Line] = {}

    def line(destination: str, device: str) -> Line:
        return lines.setdefault((destination, device), Line(device=device, destination=destination))

    for destination, device, what, n in conn.execute("SELECT destination, device, what, n FROM tally").fetchall():
        _count(line(destination, device), what, n)
    aside = "SELECT destination, device, state, count(*) FROM behind GROUP BY destination, device, state"
    for destination, device, state, n in conn.execute(aside).fetchall():
        _stand(line(destination, device), state, n)
    for destination, takes, cursor, until in conn.execute(_TAKES).fetchall():
        for category in msgspec.json.decode(takes, type=list[str]):
            for device, n in conn.execute(_AHEAD, (category, cursor, until)).fetchall():
                line(destination, device).waiting += n
    return [lines[key] for key in sorted(lines)]


def _count(line: Line, what: str, n: int) -> None:
    if what == "received":
        line.received += n
    elif what == "delivered":
        line.delivered += n
    else:
        policy = what.removeprefix(_DROPPED)
        line.dropped[policy] = line.dropped.get(policy, 0) + n


def _stand(line: Line, state: str, n: int) -> None:
    if state == "held":
        line.held += n
    elif state == "parked":
        line.parked += n
    else:
        line.waiting += n


def balanced(lines: Sequence[Line]) -> bool:
    """Whether every line balances."""
    return all(line.balanced for line in lines)


def render(lines: Sequence[Line]) -> str:
    """The statement for people: a table, and a last line that says whether it balances."""
    head = ("device", "destination", "received", "delivered", "waiting", "held", "parked", "dropped", "")
    rows = [head, *(_cells(line) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    text = "\n".join(_row(row, widths) for row in rows)
    wrong = sum(not line.balanced for line in lines)
    verdict = (
        "Everything received is accounted for."
        if not wrong
        else f"{wrong} line(s) do not balance: this is a fault of the gateway."
    )
    return f"{text}\n{verdict}\n"


def _cells(line: Line) -> tuple[str, ...]:
    dropped = ", ".join(f"{n} {policy}" for policy, n in sorted(line.dropped.items())) or "0"
    counts = (line.received, line.delivered, line.waiting, line.held, line.parked)
    verdict = "" if line.balanced else f"NOT BALANCED: {line.received - line.accounted:+d} unaccounted"
    return (line.device, line.destination, *(str(n) for n in counts), dropped, verdict)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    aligned = [
        cell.rjust(width) if 2 <= column <= 6 else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(aligned).rstrip()
