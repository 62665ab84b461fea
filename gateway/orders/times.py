"""Times of orders: ISO 8601 in files, DTM in HL7; one without an offset is the gateway's own."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from gateway.errors import ActError

_DTM = re.compile(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(?:\.\d+)?(?:([+-])(\d\d)(\d\d))?")


def moment(text: str, where: str) -> datetime | None:
    """ISO 8601 with an offset; None when empty. Raises ActError."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ActError(f"{where}: got the time {text!r}, expected ISO 8601 with an offset, such as 2026-11-21T08:00:00+01:00")
    return found


def of_hl7(text: str, zone: tzinfo = UTC) -> datetime | None:
    """An HL7 time (YYYYMMDD[HHMM[SS]][+ZZZZ]); None when it is none: an order is worth more than its time."""
    match = _DTM.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    sign, hours, minutes = match.groups()[6:]
    try:
        offset = (
            zone if sign is None else timezone(timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1))
        )
        return datetime(year, month, day, hour, minute, second, tzinfo=offset)
    except ValueError:
        return None
