"""Acknowledgements: MSA and ERR, read and built (HL7 v2.6 chapter 2, clause 2.9; IHE PCD TF-2 B.2, B.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from protocols.hl7v2.message import CHARSETS, Message, Segment, field, parse, segment

ERRORS_MAX: Final = 20
"""ERR segments that are read of one answer: enough for a person to see what is wrong."""

TEXT_MAX: Final = 500
"""Characters of a peer's explanation that are kept: it goes to logs and screens."""


class Code(StrEnum):
    """HL7 table 0008: accept level (C.) and application level (A.) answers."""

    AA = "AA"
    AE = "AE"
    AR = "AR"
    CA = "CA"
    CE = "CE"
    CR = "CR"


_TRIGGERS: Final = {"R30": "R33", "R31": "R33", "R32": "R33"}
"""Point-of-care results have an acknowledgement of a trigger of its own (HL7 v2.5 chapter 7, clause 7.3.4)."""

_CODES: Final = frozenset(code.value for code in Code)


@dataclass(frozen=True, slots=True)
class Error:
    """An ERR segment. `code` is of HL7 table 0357 (101 required field missing, 206 record locked), `severity` E, W or I."""

    code: str
    severity: str = "E"
    location: str = ""
    """ERR-2 as it stands: segment^sequence^field^…"""
    text: str = ""
    application_code: str = ""


@dataclass(frozen=True, slots=True)
class Ack:
    """An answer: to the message whose MSH-10 is `control_id`. `text` is the peer's explanation, controls made visible, capped."""

    code: Code
    control_id: str
    text: str = ""
    errors: tuple[Error, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether the receiver has taken responsibility."""
        return self.code in (Code.AA, Code.CA)


def read(body: bytes) -> Ack | None:
    """The answer in `body`; None when it holds no MSA with a code of table 0008. Never raises."""
    message = parse(body)
    msa = message.first("MSA") if message else None
    if message is None or msa is None or msa.text(1) not in _CODES:
        return None
    errors = tuple(_error(err) for err in message.every("ERR")[:ERRORS_MAX])
    spoken = [_plain(msa.text(3)), *(error.text for error in errors)]
    text = "; ".join(dict.fromkeys(part for part in spoken if part))[:TEXT_MAX]
    return Ack(Code(msa.text(1)), msa.text(2), text, errors)


def _error(err: Segment) -> Error:
    """An ERR of 2.5 and later; of one before that, ERR-1 holds location and code (segment^sequence^field^code&text)."""
    if not err.raw(3):
        old = "^".join(err.text(1, n) for n in (1, 2, 3)).rstrip("^")
        return Error(_plain(err.text(1, 4)), "E", _plain(old), _plain(err.text(1, 4, sub=2)))
    text = next((found for found in (err.text(8), err.text(7), err.text(3, 9), err.text(3, 2)) if found), "")
    return Error(_plain(err.text(3)), _plain(err.text(4)) or "E", _plain(err.raw(2)), _plain(text), _plain(err.text(5)))


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text[:TEXT_MAX]).strip()


_ORDERS: Final = {"O21": ("ORL", "O22", "ORL_O22"), "O33": ("ORL", "O34", "ORL_O34"), "O01": ("ORR", "O02")}
"""Orders are answered by a message of their own type (HL7 v2.5.1 chapter 4, clauses 4.4.2, 4.4.7, 4.4.9)."""


def build(
    received: Message | None,
    code: Code,
    *,
    control_id: str,
    time: datetime,
    errors: tuple[Error, ...] = (),
    kind: str = "",
    echo: Sequence[int] = (),
    says: Sequence[str] = (),
) -> bytes:
    """The answer to `received` (None: what came was no message). `time` must be aware.

    MSA-1 and -2 only (TF-2 B.2); each ERR has ERR-3 and ERR-4 and no ERR-1 (B.3); charset, processing id and version are those
    of `received`. `kind` is its MSH-9 where it is no ACK, `echo` fields of the sender's MSH that it wants to see again, `says`
    what goes into MSA-3 and on.
    """
    msh = received.first("MSH") if received else None
    back = msh or Segment("MSH", ())
    declared = back.text(18) if back.text(18) in CHARSETS else ""
    who = [_again(back, n) for n in (5, 6, 3, 4)]
    head = ["^~\\&", *who, f"{time:%Y%m%d%H%M%S%z}", "", kind or _kind(back), field(control_id)]
    head += [field(back.text(11) or "P"), field(back.text(12) or "2.6"), "", "", "", "", "", declared, "", "", ""]
    for number in echo:
        head[number - 2] = _again(back, number)
    lines = [segment("MSH", *head), segment("MSA", code.value, field(back.text(10)), *map(field, says))]
    lines += [_err(error) for error in errors]
    return "".join(lines).encode(CHARSETS[declared], "replace")


def _kind(msh: Segment) -> str:
    """MSH-9 of the answer."""
    trigger = msh.text(9, 2)
    if msh.text(9) in {"OML", "ORM"} and trigger in _ORDERS:
        return field(*_ORDERS[trigger])
    trigger = _TRIGGERS.get(trigger, trigger)
    return field("ACK", trigger, "ACK") if trigger else "ACK"


def _again(msh: Segment, number: int) -> str:
    """A field of the sender's, in our delimiters."""
    return field(*(msh.text(number, n) for n in (1, 2, 3)))


def _err(error: Error) -> str:
    location = field(*error.location.split("^")) if error.location else ""
    application = field(error.application_code)
    return segment(
        "ERR", "", location, field(error.code, "", "HL70357"), field(error.severity), application, "", "", field(error.text)
    )
