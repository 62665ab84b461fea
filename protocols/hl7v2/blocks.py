"""Messages out of what analyzers send for MLLP: blocks, blocks with a damaged end or beginning, and messages without a frame."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from protocols.hl7v2.mllp import BLOCK_MAX, VT
from protocols.sansio import SAMPLE_MAX, BadFrame

FS: Final = 0x1C
_ENDS: Final = re.compile(b"[\x0b\x1c]")
_BARE: Final = re.compile(rb"MSH[!-/:-@\[-`{-~]{4}")
"""An MSH with its delimiters: what a message without a frame begins with."""
_BARE_SIZE: Final = 7
_ENVELOPE: Final = re.compile(rb"(?:(?<=[\r\n])|\A)[FB](?:HS|TS)(?:[!-/:-@\[-`{-~][^\r\n]*)?(?:[\r\n]+|\Z)")
"""FHS, BHS, BTS, FTS: the lines around a batch, which say nothing that its messages do not."""
_AGAIN: Final = re.compile(rb"(?<=[\x00-\x1f])(?=MSH[!-/:-@\[-`{-~]{4})")
"""Before an MSH that is not the first: behind a line end or a heartbeat, which Mindray's counters send between messages too."""
_NEXT: Final = re.compile(rb"(?<=[\x00-\x20])MSH[!-/:-@\[-`{-~]{4}|\x0b|\x1c")
"""The same, indented too: a message without a frame is often one that a person copied out of a text."""


@dataclass(frozen=True, slots=True)
class Block:
    """A message's bytes. `framed`: it came in a block, and is to be answered in one."""

    body: bytes
    framed: bool = True


Found: TypeAlias = Block | BadFrame


def messages(body: bytes) -> list[bytes]:
    """The messages of a block: mostly one; several where the sender puts a batch into a block."""
    whole = _ENVELOPE.sub(b"", body) if body[:3] in {b"FHS", b"BHS"} else body
    return _AGAIN.split(whole) if whole else [body]


class Blocks:
    r"""Messages out of a byte stream, whatever its splits.

    ::

        VT  body …  FS CR            MSH|^~\& … CR          (no frame: Snibe, Getein, files)
        0B          1C 0D

    Faults of real analyzers and what happens: line ends after a block and a heartbeat between blocks (`fill`) are passed over;
    an FS ends a block whatever follows it; a block that the next VT cuts off is a BadFrame ("truncated"), unless the profile says
    that the sender never ends one (`open_end`); a message without a frame ends with the next one, with an FS, or when `rest` is
    called because the line has gone quiet; what is longer than `max_bytes` is a BadFrame, and its rest is garbage.
    """

    def __init__(self, *, max_bytes: int = BLOCK_MAX, fill: bytes = b"\r\n", open_end: bool = False) -> None:
        self._max, self._fill, self._open_end = max_bytes, fill + b"\r", open_end
        self._buffer = bytearray()
        self._offset = 0
        self._searched = 1
        self._framed = self._bare = False

    @property
    def inside(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._framed or self._bare

    @property
    def quiet_ends(self) -> bool:
        """Whether what has come may be a whole message that only silence ends."""
        return self._bare or (self._framed and self._open_end)

    def feed_at(self, data: bytes) -> list[tuple[int, Found]]:
        """Take bytes; what they complete, each with where it began, counted from the first byte fed."""
        self._buffer += data
        found: list[tuple[int, Found]] = []
        while True:
            at = self._offset
            moved, one = self._message() if self.inside else self._between()
            if one is not None:
                found.append((at, one))
            if not moved:
                return found

    def rest(self) -> list[tuple[int, Found]]:
        """The line has been quiet, or has ended: what has come without a frame is whole."""
        if not self.quiet_ends:
            return []
        at, framed = self._offset, self._framed
        body = bytes(self._buffer[framed:])
        self._drop(len(self._buffer))
        self._framed = self._bare = False
        return [(at, Block(body, framed))]

    def end(self) -> list[tuple[int, Found]]:
        """The line went down: a message without a frame is whole, half a block is not; begin anew."""
        found = self.rest()
        reason = "truncated" if self._framed else "garbage"
        self._framed = False
        at = self._offset
        bad = self._bad(len(self._buffer), reason)
        return found if bad is None else [*found, (at, bad)]

    def _between(self) -> tuple[bool, Found | None]:
        """Pass over what stands before the next message; endless garbage is reported each `max_bytes`."""
        vt = self._buffer.find(VT, 0, self._max + 1)
        bare = _BARE.search(self._buffer, 0, self._max + 1)
        if bare is not None and (vt < 0 or bare.start() < vt):
            self._bare = True
            return True, self._bad(bare.start(), "garbage")
        if vt >= 0:
            self._framed = True
            return True, self._bad(vt, "garbage")
        if len(self._buffer) > self._max:
            return True, self._bad(self._max + 1 - _BARE_SIZE, "garbage")
        return False, None

    def _message(self) -> tuple[bool, Found | None]:
        """Take one message off the buffer, which begins with its VT or MSH."""
        limit = self._max + self._framed
        end = (_ENDS if self._framed else _NEXT).search(self._buffer, self._searched, limit + 1)
        if end is not None:
            return True, self._ended(end)
        if len(self._buffer) > limit:
            self._framed = self._bare = False
            return True, self._bad(limit, "too long")
        self._searched = max(1, len(self._buffer) - _BARE_SIZE)  # the last bytes may begin what ends it
        return False, None

    def _ended(self, end: re.Match[bytes]) -> Found | None:
        framed, self._framed, self._bare = self._framed, False, False
        fs = end[0][0] == FS
        if framed and not fs and not self._open_end:
            return self._bad(end.start(), "truncated")
        body = bytes(self._buffer[framed : end.start()])
        self._drop(end.end() if fs else end.start())
        return Block(body, framed)

    def _bad(self, size: int, reason: str) -> BadFrame | None:
        """Drop `size` bytes; None when they are nothing but fill between messages."""
        offset, raw, blank = self._offset, bytes(self._buffer[: min(size, SAMPLE_MAX)]), False
        if reason == "garbage":
            blank = not _ENVELOPE.sub(b"", bytes(self._buffer[:size])).strip(self._fill)
        self._drop(size)
        return None if blank or size == 0 else BadFrame(offset, size, raw, reason)

    def _drop(self, size: int) -> None:
        del self._buffer[:size]
        self._offset += size
        self._searched = 1
