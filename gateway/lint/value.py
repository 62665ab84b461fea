"""OBX-2, OBX-5 and OBX-6 together: type, value, unit (IHE PCD TF-2 B.8.2, B.8.5, B.8.6)."""

from __future__ import annotations

import re
from typing import Final

from gateway.lint.finding import Line
from gateway.lint.forms import check_dtm

_TYPES: Final = frozenset(
    ["CNE", "CWE", "CF", "DR", "DTM", "ED", "FT", "NA", "NM", "NR", "PN", "SN", "ST", "TM", "TS", "XCN", "XPN"]
)
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d*)?|[+-]?\.\d+", re.ASCII)
_STRUCTURED: Final = re.compile(r"(<|<=|>|>=|=|<>)?\^-?\d+(\.\d+)?(\^[-+/.:](\^-?\d+(\.\d+)?)?)?", re.ASCII)
_SENTINELS: Final = frozenset({"-1", "-100", "-999", "-99.9", "-9999", "9999", "32767", "-32768", "8388607", "8388608"})
"""What devices write for "no value"; one of them as a real value is possible, so it is a warning."""


def check_value(obx: Line, *, device: bool) -> None:
    """Type and value, and that a device row or an unavailable one has none."""
    kind, value, unavailable = obx.text(2), obx.raw(5), obx.text(11) == "X"
    if not unavailable:
        obx.require("obx-2", 2, "a value type: only a row with OBX-11 X goes without")
    if kind and kind not in _TYPES:
        obx.add("obx-2-type", 2, "a value type of TF-2 B.8.2")
    if device and value:
        obx.add("obx-5-device", 5, "nothing: the row is a device's")
    elif unavailable and value:
        obx.add("obx-5-unavailable", 5, "nothing beside OBX-11 X")
    elif not value and not unavailable and not device:
        obx.add("obx-5", 5, "a value, or OBX-11 X and its reason in OBX-8")
    if value and not device:
        _form(obx, kind, value)


def _form(obx: Line, kind: str, value: str) -> None:
    if kind in ("NM", "SN") and not obx.raw(6):
        obx.add("obx-6", 6, "a unit; 262656^MDC_DIM_DIMLESS^MDC for none")
    if kind == "NM":
        if not _NUMBER.fullmatch(value):
            obx.add("obx-5-number", 5, "a decimal number")
        elif value in _SENTINELS:
            obx.add("obx-5-sentinel", 5, "no number for a missing value")
    elif kind == "SN" and not _STRUCTURED.fullmatch(value):
        obx.add("obx-5-structured", 5, "comparator^number^separator^number")
    elif kind == "NA" and not all(not one or _NUMBER.fullmatch(one) for one in re.split(r"[\^~]", value)):
        obx.add("obx-5-array", 5, "numbers separated by ^")
    elif kind in ("CWE", "CNE", "CF") and not (obx.text(5) and obx.text(5, 3)) and not obx.text(5, 2):
        obx.add("obx-5-coded", 5, "code^text^system")
    elif kind in ("DTM", "TS"):
        check_dtm(obx, 5)
