"""MSH of a PCD-01 (IHE PCD TF-2 B.1)."""

from __future__ import annotations

import re
from typing import Final

from gateway.lint.finding import Line
from gateway.lint.forms import check_dtm, check_ei
from protocols.hl7v2.message import CHARSETS

PROFILES: Final = frozenset({"1.3.6.1.4.1.19376.1.6.1.1.1", "1.3.6.1.4.1.19376.1.6.4.1"})
"""PCD-01's own OID, and its old spelling that NIST accepts too."""


def check_msh(msh: Line) -> None:
    """All rules of MSH."""
    if (msh.raw(1), msh.raw(2)) != ("|", "^~\\&"):
        msh.add("msh-delimiters", 2, "| and ^~\\&", got=msh.raw(1) + msh.raw(2))
    _parties(msh)
    if msh.require("msh-7", 7, "the time at which the message was made"):
        check_dtm(msh, 7)
    msh.forbid("msh-forbidden", 8, 20, 22, 23, 24, 25)
    msh.forbid("msh-unused", 13, 14)
    if [msh.text(9, n) for n in (1, 2, 3)] != ["ORU", "R01", "ORU_R01"]:
        msh.add("msh-9", 9, "ORU^R01^ORU_R01")
    if msh.require("msh-10", 10, "an id, unique with MSH-3") and len(msh.text(10)) > 199:
        msh.add("msh-10-length", 10, "199 characters at most")
    _modes(msh)
    _locale(msh)
    _profile(msh)


def _parties(msh: Line) -> None:
    if msh.require("msh-3", 3, "name^EUI64^EUI-64"):
        if not (msh.text(3, 2) and msh.text(3, 3)):
            msh.add("msh-3-universal", 3, "name^EUI64^EUI-64: a universal id is required in production")
        check_ei(msh, 3)
    for number in (4, 5, 6):
        if msh.raw(number) and not msh.text(number):
            msh.add("msh-hd", number, "a first component where the field has a value")


def _modes(msh: Line) -> None:
    if msh.text(11) not in ("P", "D", "T"):
        msh.add("msh-11", 11, "P, D or T")
    if msh.text(12) != "2.6":
        msh.add("msh-12", 12, "2.6")
    if msh.text(15) != "AL":
        msh.add("msh-15", 15, "AL (original mode and NE/AL are older usage)")
    if msh.text(16) != "NE":
        msh.add("msh-16", 16, "NE (original mode and NE/AL are older usage)")


def _locale(msh: Line) -> None:
    if msh.raw(17) and not re.fullmatch("[A-Z]{3}", msh.text(17)):
        msh.add("msh-17", 17, "three capital letters")
    if len(msh.segment.repeats(18)) > 1 or msh.text(18) not in {*CHARSETS, "UNICODE UTF-16", "UNICODE UTF-32"}:
        msh.add("msh-18", 18, "one character set of HL7 table 0211")


def _profile(msh: Line) -> None:
    if not any(
        msh.text(21, 3, n) in PROFILES and msh.text(21, 4, n) == "ISO" for n in range(1, len(msh.segment.repeats(21)) + 1)
    ):
        msh.add("msh-21", 21, "…^…^1.3.6.1.4.1.19376.1.6.1.1.1^ISO")
