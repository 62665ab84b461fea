"""The conservation statement: received = delivered + waiting + held + parked + dropped + lost, per device and destination.

The two sides have different origins on purpose. `received`, `delivered`, `dropped` and `lost` are counters, written in the same
transactions as what they count; `waiting`, `held` and `parked` are counted from the rows themselves. A lost or doubled row
makes a line that does not balance. By day the same holds: a day's counters and its rows are counted apart (gateway.store.days).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from gateway.store.days import Days

_DROPPED = "dropped:"
_LOST = "lost:"
_TOTAL = "SELECT destination, device, what, n FROM tally"
_PRESENT = "SELECT destination, device, what, n - elsewhere FROM tally WHERE n <> elsewhere"
_OF_DAY = "SELECT destination, device, what, n FROM tally_days WHERE day = ?"
_ASIDE = (
    "SELECT destination, device, state, count(*) FROM behind"  # by its key: a day of a long queue is a range, not the whole of it
    " WHERE destination IN (SELECT id FROM destinations) AND report BETWEEN ? AND ? AND again = 0"
    " GROUP BY destination, device, state"
)
_PASSED = "SELECT destination, device, count(*) FROM ahead WHERE report BETWEEN ? AND ? GROUP BY destination, device"
_TAKES = "SELECT id, takes, cursor, coalesce(until, 9223372036854775807) FROM destinations ORDER BY id"
_AHEAD = "SELECT device, count(*) FROM reports WHERE category = ? AND id > ? AND id <= ? GROUP BY device"
_EVERYTHING = [(0, 2**63 - 1)]


@dataclass(slots=True)
class Line:
    """A device and a destination. `waiting`: being sent or tried again too; `dropped` is by policy, `lost` by cause."""

    device: str
    destination: str
    received: int = 0
    delivered: int = 0
    waiting: int = 0
    held: int = 0
    parked: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)

    @property
    def balanced(self) -> bool:
        """Whether everything received is accounted for."""
        return self.received == self.accounted

    @property
    def accounted(self) -> int:
        """What the line can account for."""
        gone = sum(self.dropped.values()) + sum(self.lost.values())
        return self.delivered + self.waiting + self.held + self.parked + gone

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
            "lost": dict(self.lost),
            "balanced": self.balanced,
        }


def statement(conn: sqlite3.Connection) -> list[Line]:
    """Every line, by destination and device, from one consistent state."""
    with _state(conn):
        return _lines(conn, conn.execute(_TOTAL).fetchall(), _EVERYTHING)


def of_day(conn: sqlite3.Connection, day: str) -> list[Line]:
    """What was received on a day (its date), and what has become of that since; `day` empty: before days were counted."""
    with _state(conn):
        return _day(conn, Days(conn), day)


def days(conn: sqlite3.Connection) -> dict[str, list[Line]]:
    """Every day that is known, oldest first, from one consistent state."""
    with _state(conn):
        found = Days(conn)
        known = {day for (day,) in conn.execute("SELECT DISTINCT day FROM tally_days").fetchall()}
        known |= {day for day, _, _ in found.runs()} | {found.present}
        lines = {day: _day(conn, found, day) for day in sorted(known)}
        return {day: one for day, one in lines.items() if one}


def _day(conn: sqlite3.Connection, known: Days, day: str) -> list[Line]:
    tallies = conn.execute(_PRESENT).fetchall() if day == known.present else conn.execute(_OF_DAY, (day,)).fetchall()
    return _lines(conn, tallies, [(first, last) for _, first, last in known.runs(day)])


def _lines(
    conn: sqlite3.Connection, tallies: Sequence[tuple[str, str, str, int]], reports: Sequence[tuple[int, int]]
) -> list[Line]:
    """The lines of these counters and of the rows in these ranges of report numbers."""
    lines: dict[tuple[str, str], Line] = {}

    def line(destination: str, device: str) -> Line:
        return lines.setdefault((destination, device), Line(device=device, destination=destination))

    for destination, device, what, n in tallies:
        _count(line(destination, device), what, n)
    for first, last in reports:
        for destination, device, state, n in conn.execute(_ASIDE, (first, last)).fetchall():
            _stand(line(destination, device), state, n)
        for destination, device, n in conn.execute(_PASSED, (first, last)).fetchall():
            line(destination, device).waiting -= n
        for destination, device, n in _ahead(conn, first, last):
            line(destination, device).waiting += n
    return [lines[key] for key in sorted(lines)]


def _ahead(conn: sqlite3.Connection, first: int, last: int) -> Iterator[tuple[str, str, int]]:
    for destination, takes, cursor, until in conn.execute(_TAKES).fetchall():
        for category in msgspec.json.decode(takes, type=list[str]):
            after, upto = max(cursor, first - 1), min(until, last)
            for device, n in conn.execute(_AHEAD, (category, after, upto)).fetchall() if after < upto else ():
                yield destination, device, n


def _count(line: Line, what: str, n: int) -> None:
    if what == "received":
        line.received += n
    elif what == "delivered":
        line.delivered += n
    elif what.startswith(_LOST):
        cause = what.removeprefix(_LOST)
        line.lost[cause] = line.lost.get(cause, 0) + n
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


@contextmanager
def _state(conn: sqlite3.Connection) -> Iterator[None]:
    """One consistent state: the caller's transaction, or one of its own."""
    own = not conn.in_transaction
    if own:
        conn.execute("BEGIN")
    try:
        yield
    finally:
        if own:
            conn.execute("COMMIT")


def balanced(lines: Sequence[Line]) -> bool:
    """Whether every line balances."""
    return all(line.balanced for line in lines)


def render(lines: Sequence[Line]) -> str:
    """The statement for people: a table, and a last line that says whether it balances."""
    lost = any(line.lost for line in lines)
    head = ("device", "destination", "received", "delivered", "waiting", "held", "parked", "dropped", *(("lost",) * lost), "")
    rows = [head, *(_cells(line, lost=lost) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    text = "\n".join(_row(row, widths) for row in rows)
    wrong = sum(not line.balanced for line in lines)
    verdict = (
        "Everything received is accounted for."
        if not wrong
        else f"{wrong} line(s) do not balance: this is a fault of the gateway."
    )
    return f"{text}\n{verdict}\n"


def _cells(line: Line, *, lost: bool) -> tuple[str, ...]:
    gone = (_words(line.dropped), *((_words(line.lost),) * lost))
    counts = (line.received, line.delivered, line.waiting, line.held, line.parked)
    verdict = "" if line.balanced else f"NOT BALANCED: {line.received - line.accounted:+d} unaccounted"
    return (line.device, line.destination, *(str(n) for n in counts), *gone, verdict)


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {what}" for what, n in sorted(counts.items())) or "0"


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    aligned = [
        cell.rjust(width) if 2 <= column <= 6 else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(aligned).rstrip()
