"""OBX, INV and times of laboratory messages, whichever transaction carries them (HL7 v2.5.1 chapters 7 and 13)."""

from __future__ import annotations

import re
from typing import Final

from gateway import terms
from gateway.lint.finding import Line

_DTM: Final = re.compile(r"\d{4}(?:\d{2}){0,5}(?:\.\d{1,4})?([+-]\d{4})?", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)", re.ASCII)
_STRUCTURED: Final = re.compile(r"(<|<=|>|>=|=|<>)?\^-?\d+(\.\d+)?(\^[-+/.:](\^-?\d+(\.\d+)?)?)?", re.ASCII)
_STATUSES: Final = frozenset("CDFINOPRSUWX")
_TYPES: Final = frozenset({"RSLT", "SCI", "AOE", "ASC"})


def check_time(line: Line, number: int) -> None:
    """A time's form, and its offset where it has hours."""
    text = line.text(number)
    if not text:
        return
    match = _DTM.fullmatch(text)
    if match is None:
        line.add("dtm-form", number, "YYYYMMDDHHMMSS[.S…][+-ZZZZ]")
    elif match[1] is None and len(text) > 8:
        line.add("time-offset", number, "an offset from UTC, +ZZZZ or -ZZZZ")


def check_result(obx: Line, *, seen: set[tuple[str, str]]) -> None:
    """What every OBX must hold; `seen` are the codes and sub ids of its order so far."""
    obx.require("obx-1", 1, "its number within the order")
    if obx.require("obx-3", 3, "code^text^system") and not (
        (obx.text(3) and obx.text(3, 3)) or (obx.text(3, 4) and obx.text(3, 6))
    ):
        obx.add("obx-3", 3, "a code and its coding system")
    place = obx.raw(3), obx.raw(4), obx.raw(2)
    if place[:2] in seen and place[2] != "CE":  # Roche says each result once more as CE
        obx.add("obx-4-unique", 4, "another sub id than the result before with this code")
    seen.add(place[:2])
    _value(obx)
    status = obx.text(11)
    if obx.require("obx-11", 11, "F, P, C, X …") and status not in _STATUSES:
        obx.add("obx-11", 11, "a result status of HL7 table 0085")
    for number in (14, 19):
        check_time(obx, number)
    if not (obx.raw(14) or obx.raw(19)):
        obx.add("obx-14", 14, "when it was measured, here or in OBX-19")
    obx.require("obx-18", 18, "which device")
    if obx.raw(29) and obx.text(29) not in _TYPES:
        obx.add("obx-29", 29, "RSLT, SCI, AOE or ASC")


def _value(obx: Line) -> None:
    kind, value, status = obx.text(2), obx.raw(5), obx.text(11)
    told = bool(value.strip("^ ")) or kind == "CE"
    if not told and status != "X":
        obx.add("obx-5", 5, "a value, or OBX-11 X")
    if value and status == "X" and kind in ("NM", "SN"):
        obx.add("obx-11-value", 5, "no number beside OBX-11 X: somebody might count with it")
    if value and not kind:
        obx.add("obx-2", 2, "the type of OBX-5")
    if kind == "NM" and value and not _NUMBER.fullmatch(value):
        obx.add("obx-5-number", 5, "a decimal number; SN for one with a comparator")
    if kind == "SN" and value and not _STRUCTURED.fullmatch(value):
        obx.add("obx-5-structured", 5, "comparator^number^separator^number")
    if kind in ("NM", "SN") and value:
        _unit(obx)


def _unit(obx: Line) -> None:
    if not obx.raw(6):
        obx.add("obx-6", 6, "a unit, unless the number has none")
    elif obx.text(6, 3) == "UCUM" and terms.dimension(obx.text(6)) is None:
        obx.add("obx-6-ucum", 6, "a UCUM unit", component=1)


def check_material(inv: Line) -> None:
    """What an INV must hold."""
    if not (inv.raw(1) and inv.raw(2)):
        inv.add("inv-1", 1, "the substance and its status")
    check_time(inv, 12)
    if inv.text(3) in ("SR", "MR", "RC", "CO") and not inv.raw(16):
        inv.add("inv-lot", 16, "the manufacturer's lot number")
