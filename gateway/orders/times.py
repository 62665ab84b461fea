"""Times of orders in HL7 (DTM); one without an offset is the gateway's own."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

_DTM = re.compile(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(?:\.\d+)?(?:([+-])(\d\d)(\d\d))?")


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
