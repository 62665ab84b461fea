"""Forms of times and identifiers, checked wherever they stand (IHE PCD TF-2 appendix C)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from gateway.lint.finding import Line

_DTM: Final = re.compile(r"(\d{4}(?:\d{2}){0,5})(\.\d{1,4})?([+-]\d{4})?", re.ASCII)
_EUI64: Final = re.compile("[0-9A-F]{16}")
_EI_TYPES: Final = ("EUI-64", "ISO", "URN")
_OID: Final = re.compile(r"[0-2](\.(0|[1-9]\d*))+", re.ASCII)
_FORMATS: Final = {4: "%Y", 6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


def check_dtm(line: Line, number: int, *, exact: bool = True, value: str | None = None) -> datetime | None:
    """Judge a DTM; `exact`: seconds and offset are required. The time, where it has both."""
    text = line.text(number) if value is None else value
    if not text:
        return None
    match = _DTM.fullmatch(text)
    moment = _moment(match) if match else None
    if match is None or moment is None:
        line.add("dtm-form", number, "YYYYMMDDHHMMSS[.S…]+ZZZZ, a real date", got=text)
        return None
    if not exact:
        return None
    if len(match[1]) < 14:
        line.add("dtm-seconds", number, "seconds at least", got=text)
        return None
    if match[3] is None:
        line.add("dtm-offset", number, "an offset from UTC, +ZZZZ or -ZZZZ", got=text)
        return None
    return moment


def _moment(match: re.Match[str]) -> datetime | None:
    digits, fraction, offset = match.groups()
    if fraction and len(digits) != 14:
        return None
    try:
        return datetime.strptime(digits + (offset or "+0000"), _FORMATS[len(digits)] + "%z")  # noqa: DTZ007 - the format ends with %z
    except ValueError:
        return None


def check_ei(line: Line, number: int) -> None:
    """Judge EI-3 and EI-4, or HD-2 and HD-3 in MSH: type, and the id's form for the type."""
    first = 2 if line.name == "MSH" and number < 7 else 3
    universal, kind = line.text(number, first), line.text(number, first + 1)
    if kind and kind not in _EI_TYPES:
        line.add("ei-type", number, "EUI-64, ISO or URN", component=first + 1, got=kind)
    if kind == "EUI-64" and not _EUI64.fullmatch(universal):
        line.add("eui64", number, "16 upper-case hexadecimal digits", component=first, got=universal)
    if kind == "ISO" and not _OID.fullmatch(universal):
        line.add("ei-type", number, "an OID for type ISO", component=first, got=universal)
