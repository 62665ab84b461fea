"""Which results the journal holds whose code nobody knows: counted from the reports themselves, so it is true at every moment."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from gateway.mapping import Decision, Key, Overlay, key_of
from gateway.mapping.decisions import is_subject
from gateway.model import Category, DeviceIdentity, Kind, Observation, Report, decode
from gateway.store import mappings
from gateway.store.entries import first_since
from gateway.store.times import from_text

log = logging.getLogger(__name__)

CODES_MAX = 20_000
"""Different codes that are told apart: a device that makes up codes must not fill the memory."""
EXAMPLE_MAX = 40
"""Characters of a value that is shown: a result, no letter."""
_ROWS = (
    "SELECT id, received_at, CAST(payload AS BLOB) FROM reports WHERE id >= ?1 AND category IN (SELECT value FROM json_each(?2))"
    " AND (?3 = '' OR device = ?3) ORDER BY id"
)


@dataclass(slots=True)
class Seen:
    """A code of a device, how often it came, and an example; no patient in it."""

    key: Key
    text: str
    loinc: str
    """What it is called now; empty: nobody knows."""
    decided: Decision | None
    n: int
    first_at: datetime
    last_at: datetime
    report: int
    """The last report that holds it."""
    example: str
    unit: str
    """As the device writes it."""
    ucum: str
    """What that means; empty: there is none, or nobody knows."""

    @property
    def unmapped(self) -> bool:
        """Whether somebody should decide about it."""
        return not self.loinc and (self.decided is None or not self.decided.ignores)


LABORATORY = frozenset({Category.LAB, Category.QC})


def seen(
    conn: sqlite3.Connection,
    *,
    since: datetime | None = None,
    device: str = "",
    categories: Collection[Category] = LABORATORY,
) -> list[Seen]:
    """Every code of the reports kept since, the most frequent first: what it means now, or that nobody knows."""
    overlay = mappings.now(conn)
    found: dict[tuple[object, ...], Seen] = {}
    for number, at, report in reports(conn, since=since, device=device, categories=categories):
        own = (*_named(report.device), report.specimen.type if report.specimen is not None else "")
        for one in report.observations:
            apart = (*own, one.vendor_code, one.unit, one.vendor_unit, one.kind, one.loinc, one.refid)
            known = found.get(apart)
            if known is not None:
                _count(known, number, at, one)
            elif is_subject(one) and len(found) < CODES_MAX:
                found[apart] = _first(overlay, number, at, report, one)
    return sorted(found.values(), key=lambda one: (-one.n, one.key.code, one.key.device))


def _named(device: DeviceIdentity) -> tuple[str, str, str]:
    return device.id, device.maker, device.model


def reports(
    conn: sqlite3.Connection, *, since: datetime | None, device: str, categories: Collection[Category]
) -> Iterator[tuple[int, datetime, Report]]:
    """(number, received, report) of what the journal holds; what cannot be read is passed over: its own turn tells of it."""
    first = 0 if since is None else first_since(conn, since)
    wanted = msgspec.json.encode(sorted(categories)).decode()
    for number, at, payload in conn.execute(_ROWS, (first, wanted, device)):
        try:
            yield number, from_text(at), decode(payload)
        except (msgspec.DecodeError, ValueError):
            log.warning("report %d cannot be read: its codes are not counted", number)


def _count(known: Seen, number: int, at: datetime, one: Observation) -> None:
    known.n += 1
    known.first_at, known.last_at = min(known.first_at, at), max(known.last_at, at)
    known.report, known.example = number, _example(one) or known.example


def _first(overlay: Overlay, number: int, at: datetime, report: Report, one: Observation) -> Seen:
    decided = overlay.find(report, one)
    loinc = one.loinc if decided is None else decided.loinc
    return Seen(
        key=key_of(report, one),
        text=one.vendor_text,
        loinc=loinc or "",
        decided=decided,
        n=1,
        first_at=at,
        last_at=at,
        report=number,
        example=_example(one),
        unit=one.vendor_unit,
        ucum=one.unit or "",
    )


def _example(one: Observation) -> str:
    """A value as an example. Of a text only its length: a device may write a name or a remark there."""
    if not one.value:
        return ""
    return f"text of {len(one.value)}" if one.kind is Kind.TEXT else f"{one.comparator}{one.value}"[:EXAMPLE_MAX]
