"""How one analyzer's line differs from ASTM E1381 / LIS01-A2: every deviation seen in the field as a switch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from protocols.astm.records import STANDARD, Delimiters

Mode: TypeAlias = Literal["auto", "framed", "records"]
Checksum: TypeAlias = Literal["required", "if-present", "none"]
FrameEnd: TypeAlias = Literal["CRLF", "CR", "LF", "none"]
FrameNumbers: TypeAlias = Literal["standard", "restart-per-message", "if-present", "ignored", "absent"]

FRAME_MAX = 64_000
"""Bytes of a frame with its overhead (LIS01-A2 §6.3.1.2); E1381-95 allowed 247."""

MESSAGE_MAX = 16 * 1024 * 1024
"""Bytes of one message: five hundred times the largest seen (45 kB with two bitmaps), little enough for an appliance to hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkProfile:
    """An analyzer's line. The defaults are the standard, with an open ear (`mode` auto) for what it does not forbid.

    `mode`: "framed" hears ENQ, frames and EOT only; "records" hears records without frames (LIS02-A2 straight over TCP); "auto"
    tells them apart by the bytes and, like "records", needs neither ENQ nor EOT.
    `checksum`: "if-present" accepts a frame without one, "none" never looks at it.
    `frame_end`: what follows the checksum. More or less than that is tolerated, but a frame that ends with less is
    only known to have ended after `quiet_s`.
    `frame_numbers`: "restart-per-message" begins every message of a session at 1, "if-present" too, and goes by a session's first
    frame: on from its number, or none if it has none; "ignored" takes any digit, "absent" has none.
    """

    mode: Mode = "auto"
    checksum: Checksum = "required"
    frame_end: FrameEnd = "CRLF"
    frame_numbers: FrameNumbers = "standard"
    frame_max: int = FRAME_MAX
    message_max: int = MESSAGE_MAX
    heartbeat: bytes = b"\x00\x02"
    """Bytes between transmissions that mean nothing; more of them than a run of one are no fault."""
    encoding: str | None = None
    """The text's encoding where it is known; UTF-8 and then ISO 8859-1 are tried in any case."""
    delimiters: Delimiters = STANDARD
    """Those of records that no H record stands before (a session that was resumed); an H record always says its own."""
    lf_separates: bool = True
    """LF ends a record like CR; False for an analyzer that puts LF into its texts."""
    close_ends: bool = False
    """The analyzer sends no EOT: a closed link or silence ends a message like an EOT."""
    needs_terminator: bool = False
    """A message without L record is incomplete, whatever ended it: for analyzers that end every record's frame with ETX."""
    ack_stx: bool = False
    """The analyzer sends STX alone and waits for an ACK before its records (Snibe Maglumi, without number and checksum)."""
    ack_eot: bool = False
    """The analyzer waits for an ACK of its EOT."""
    ack_records: bool = False
    """The analyzer waits for an ACK of a message that it sends without frames."""
    enq_restarts: bool = True
    """ENQ within a transfer means that the analyzer began anew; False: it gets a NAK, as E1381 reads literally."""
    silence_s: float = 30.0
    """Receiver's timer in the transfer phase (E1381-95 §6.5.2.4): then what is unfinished is incomplete, the line neutral."""
    reply_s: float = 15.0
    """Sender's timer for a reply (E1381-95 §6.5.2.3): after it the sender has given up, and a late ACK would mislead it."""
    quiet_s: float = 0.5
    """Silence that settles what the next byte would have told: a missing CR LF, an ENQ or EOT where text was due."""


Frames: TypeAlias = Literal["size", "record", "record-etx"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendProfile:
    """How one analyzer wants to be sent messages. The defaults are E1381-95's own.

    `frames`: "size" cuts anywhere after `frame_text` characters; "record" begins a frame with every record, all but the last
    ended by ETB; "record-etx" ends each record's frame with ETX.
    """

    frames: Frames = "size"
    frame_text: int = 240
    """Characters of text in a frame (E1381-95 §6.3.1.2: 247 with the overhead)."""
    patience_s: float = 60.0
    """After this a message is given up: analyzers wait seconds for an answer, and a worklist is sent again anyway."""
