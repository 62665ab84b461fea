"""OBX of a PCD-01 (IHE PCD TF-2 B.8)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from gateway.lint.finding import Line
from gateway.lint.forms import check_dtm, check_ei
from gateway.lint.nomenclature import check_code, check_unit
from gateway.lint.value import check_value

_PLACE: Final = re.compile(r"\d+(?:\.\d+){3,5}", re.ASCII)
_LIMITS: Final = re.compile(r"[<>]=?\s*-?\d+(\.\d+)?|-?\d+(\.\d+)?\s*-\s*-?\d+(\.\d+)?", re.ASCII)
_STATES: Final = {
    **dict.fromkeys(("INV", "NAV", "BUSY", "NI", "NA", "OFF", "MSK", "OTH", "NAN", "PINF", "NINF"), "X"),
    **dict.fromkeys(("QUES", "CAL", "TEST", "DEMO", "EARLY", "ALACT", "ALINH"), "R"),
}
_FLAGS: Final = (
    frozenset(["N", "L", "LL", "H", "HH", "A", "AA", "<", ">", "PN", "PL", "PM", "PH", "SP", "ST", "SA"]) | _STATES.keys()
)
_STATUSES: Final = frozenset(["R", "F", "X", "C", "D", "W", "P", "S", "U"])
_METHODS: Final = frozenset(["AMEAS", "MMEAS", "ASET", "MSET", "ACALC", "MCALC", "UNSPEC"])


@dataclass(slots=True)
class Group:
    """What the rows of one OBR have shown so far."""

    obr: Line | None
    places: list[tuple[int, ...]] = field(default_factory=list)
    count: int = 0
    identified: bool = False
    synchronised: bool = False


def is_device(obx: Line) -> bool:
    """Whether the row is of an MDS, VMD or channel: its last level is 0 (and OBX-4 is of a form at all)."""
    return bool(_PLACE.fullmatch(obx.text(4))) and obx.text(4).split(".")[3] == "0" and obx.text(4).count(".") == 3


def check_obx(obx: Line, group: Group, number: int) -> None:
    """All rules of OBX; `number` is its place in the message, counted from 1."""
    group.count += 1
    if obx.text(1) not in (str(number), str(group.count)):
        obx.add("obx-1", 1, f"{number}, or {group.count} within its OBR")
    obx.forbid("obx-forbidden", 9, 12, 13)
    _identifier(obx, group)
    _place(obx, group)
    check_value(obx, device=is_device(obx))
    if obx.raw(6):
        check_unit(obx)
    limits = obx.text(7)
    if limits and not is_device(obx) and not _LIMITS.fullmatch(limits):
        obx.add("obx-7", 7, "limits: 50-120, <500 or >140")
    _states(obx)
    _times(obx, group)
    if obx.raw(17) and obx.text(17) not in _METHODS:
        obx.add("obx-17", 17, "AMEAS, MMEAS, ASET, MSET, ACALC, MCALC or UNSPEC")
    _device(obx, group)


def _identifier(obx: Line, group: Group) -> None:
    if not obx.require("obx-3", 3, "code^REFID^MDC"):
        return
    if not obx.text(3):
        obx.add("obx-3", 3, "a code in the first component", component=1)
    if not obx.text(3, 3):
        obx.add("obx-3-system", 3, "a coding system: MDC, LN, SCT or 99…", component=3)
    for first in (1, 4):
        if obx.text(3, first + 2) == "MDC":
            check_code(obx, 3, first)
    if obx.text(3, 3).startswith(("99", "L")) and obx.text(3, 3) != "LN":
        obx.add("obx-3-private", 3, "an MDC, LOINC or SNOMED code, where there is one", component=3)
    group.synchronised |= obx.text(3) in ("67975", "67983", "68072")


def _place(obx: Line, group: Group) -> None:
    if not obx.require("obx-4", 4, "MDS.VMD.CHAN.METRIC"):
        return
    text = obx.text(4)
    if len(text) > 20:
        obx.add("obx-4-length", 4, "20 characters at most")
        return
    if not _PLACE.fullmatch(text):
        obx.add("obx-4", 4, "four to six numbers with dots between")
        return
    place = tuple(int(part) for part in text.split("."))
    if place in group.places:
        obx.add("obx-4-unique", 4, "a place of its own within the OBR")
    elif group.places and place < max(group.places) and not _devices_first(place, group.places):
        obx.add("obx-4-order", 4, "numeric dictionary order, or all device rows before all metrics")
    group.places.append(place)


def _devices_first(place: tuple[int, ...], before: list[tuple[int, ...]]) -> bool:
    """Whether device rows come first, then metrics, each in its order: the other order that TF-2 allows."""
    kind = place[3] == 0
    same = [other for other in before if (other[3] == 0) == kind]
    return (not kind or len(same) == len(before)) and (not same or place > max(same))


def _states(obx: Line) -> None:
    status = obx.text(11)
    if not obx.require("obx-11", 11, "R, F, X, …"):
        return
    if status not in _STATUSES:
        obx.add("obx-11-table", 11, "R, F, X, C, D, W, P, S or U")
    if is_device(obx) and status != "X" and not obx.raw(7):
        obx.add("obx-11-device", 11, "X for a device row that tells no range")
    flags = [obx.text(8, 1, n) for n in range(1, len(obx.segment.repeats(8)) + 1)]
    for flag in flags:
        if flag not in _FLAGS:
            obx.add("obx-8", 8, "a code of HL7 table 0078 as IHE extends it", got=flag)
        elif _STATES.get(flag) == "X" and status != "X":
            obx.add("obx-11-state", 11, f"X beside {flag}")
    if status == "X" and not is_device(obx) and not any(flag in _STATES for flag in flags):
        obx.add("obx-8-reason", 8, "the reason why there is no value: NAV, INV, OFF, …")


def _times(obx: Line, group: Group) -> None:
    for number in (14, 19):
        check_dtm(obx, number)
    same = group.obr is not None and obx.raw(14) and obx.raw(14) == group.obr.raw(7)
    if same and not is_device(obx) and obx.text(3) != "67975":
        obx.add("obx-14-periodic", 14, "nothing: the value inherits OBR-7")


def _device(obx: Line, group: Group) -> None:
    if not obx.raw(18):
        return
    group.identified = True
    if len(obx.segment.repeats(18)) > 1:
        obx.add("obx-18-count", 18, "one device id: the lowest level's")
    if not (obx.text(18, 3) and obx.text(18, 4)):
        obx.add("obx-18-authority", 18, "EUI64^^EUI64^EUI-64, or serial^model^oid or urn^ISO or URN")
    check_ei(obx, 18)


def check_group(group: Group) -> None:
    """What the rows of an OBR must hold together."""
    if group.obr is None or not group.count:
        return
    if not group.identified:
        group.obr.judge.add("obx-18", f"OBR[{group.obr.number}]", "", "OBX-18 on a device row or a metric: which device it was")
    if not group.synchronised:
        group.obr.judge.add("time-sync", f"OBR[{group.obr.number}]", "", "a row MDC_ATTR_TIME_ABS, or a relative time")
