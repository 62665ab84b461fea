"""OBR of a PCD-01 (IHE PCD TF-2 B.7)."""

from __future__ import annotations

from gateway.lint.finding import Line
from gateway.lint.forms import check_dtm, check_ei


def check_obr(obr: Line, seen: set[str]) -> None:
    """All rules of OBR; `seen` holds the filler numbers so far."""
    if obr.text(1) != str(obr.number):
        obr.add("obr-1", 1, str(obr.number))
    if obr.require("obr-2", 2, "a placer number; without an order the filler's"):
        if not (obr.text(2) and (obr.text(2, 2) or (obr.text(2, 3) and obr.text(2, 4)))):
            obr.add("obr-2", 2, "EI-1 and EI-2, or EI-3 and EI-4")
        check_ei(obr, 2)
    if obr.require("obr-3", 3, "a unique, persistent filler number"):
        _filler(obr, seen)
    if obr.require("obr-4", 4, "182777000^monitoring of patient^SCT or another service") and not (obr.text(4) and obr.text(4, 3)):
        obr.add("obr-4", 4, "code and coding system")
    obr.forbid("obr-forbidden", 5, 6, 9)
    obr.require("obr-7", 7, "the time of the observations")
    start, end = check_dtm(obr, 7), check_dtm(obr, 8)
    if start and end and end <= start:
        obr.add("obr-8", 8, "later than OBR-7: the interval is open at its end")


def _filler(obr: Line, seen: set[str]) -> None:
    if not obr.text(3):
        obr.add("obr-3", 3, "an id in the first component", component=1)
    if not (obr.text(3, 3) and obr.text(3, 4)):
        obr.add("obr-3-authority", 3, "…^…^EUI64^EUI-64")
    check_ei(obr, 3)
    if obr.raw(3) in seen:
        obr.add("obr-3-unique", 3, "a number of its own for each OBR")
    seen.add(obr.raw(3))
