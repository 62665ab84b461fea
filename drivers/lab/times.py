"""ASTM dates and times (LIS02-A2 §5.6.2), and the ways analyzers write that there is none."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache

_TIME = re.compile(
    r"(?P<day>\d{8}|\d{4}([-/])\d\d\2\d\d(?=[ T]))[ T]?(?P<hour>\d\d):?(?P<minute>\d\d)(?::?(?P<second>\d\d))?(?:\.\d+)?\s*"
    r"(?P<offset>[+-]\d\d:?\d\d)?\Z"
)
_DOTTED = re.compile(r"(?<![:\d])(\d\d:\d\d)\.(\d\d)(?=\s*(?:[+-]|\Z))")
"""The Accre8's "16:35.16": seconds behind a point."""
_NO_TIME = "21060207062815"
"""The last second of a clock that counts 32 bits of seconds since 1970, all bits set: the DxC's way to say that there is none."""
_YEAR_MIN = 1900
"""No analyzer is older; 18991230 is the zero of the date type that several analyzers' software is written with."""


@lru_cache(maxsize=1024)  # the results of a message share a few times, and each is asked for twice
def device_time(text: str) -> datetime | None:
    """The moment a text names: naive unless it carries an offset; None for no time, a zero, or a day without an hour.

    `YYYYMMDDHHMM[SS][+HHMM]`, and `YYYYMMDD HH:MM:SS`, `YYYY-MM-DD HH:MM:SS` or an offset +HH:MM as some write it. A day alone is
    no moment: making it midnight would be an invention.
    """
    match = _TIME.match(_DOTTED.sub(r"\1:\2", text.strip()))
    if match is None or text.startswith(_NO_TIME):
        return None
    try:
        found = datetime.strptime(  # noqa: DTZ007 - the zone is the device's, which the caller knows
            match["day"].replace("-", "").replace("/", "") + match["hour"] + match["minute"] + (match["second"] or "00"),
            "%Y%m%d%H%M%S",
        )
    except ValueError:
        return None
    if found.year < _YEAR_MIN:
        return None
    return found.replace(tzinfo=_zone(match["offset"])) if match["offset"] else found


def _zone(offset: str) -> timezone:
    sign = -1 if offset[0] == "-" else 1
    return timezone(sign * timedelta(hours=min(int(offset[1:3]), 23), minutes=min(int(offset[-2:]), 59)))
