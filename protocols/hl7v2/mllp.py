"""MLLP framing (HL7 v2.x Transport Specification: MLLP, Release 1): blocks in a byte stream, sans-IO."""

from __future__ import annotations

from typing import Final, TypeAlias

from protocols.sansio import SAMPLE_MAX, BadFrame

VT: Final = 0x0B
FS_CR: Final = b"\x1c\x0d"

BLOCK_MAX: Final = 4 * 1024 * 1024
"""Bytes of a block's body: forty times the largest message seen (a 12-lead wave batch, about 100 kB), small beside memory."""

BadBlock: TypeAlias = BadFrame
"""Bytes that are no block; `reason` is "garbage" (outside), "truncated" (a new block began, or the link ended) or "too long"."""


def encode(body: bytes) -> bytes:
    """The block for `body`, to be written in one piece. Raises ValueError when `body` itself holds a framing byte."""
    if VT in body or 0x1C in body:
        raise ValueError("an MLLP body holds no VT and no FS: escape them first")
    return b"\x0b%b\x1c\x0d" % body


class MllpDecoder:
    """Blocks out of a byte stream, whatever its splits.

    ::

        VT  body …  FS CR
        0B          1C 0D

    Faults of real peers and what happens: line ends after a block and a heartbeat between blocks (`fill`) are passed over;
    a block that is cut off by the next VT is a BadBlock and the next one comes out; an FS without CR belongs to the body;
    a block beyond `max_bytes` is a BadBlock, and what is left of it is garbage up to the next VT.
    """

    def __init__(self, *, max_bytes: int = BLOCK_MAX, fill: bytes = b"\r\n") -> None:
        self._max = max_bytes
        self._fill = fill
        self._buffer = bytearray()
        self._inside = False
        self._offset = 0
        self._searched = 1

    def feed(self, data: bytes) -> list[bytes | BadBlock]:
        """Take bytes; return the bodies and faults they complete, in wire order."""
        return [event for _, event in self.feed_at(data)]

    def feed_at(self, data: bytes) -> list[tuple[int, bytes | BadBlock]]:
        """The same, each with where it began: a block at its VT, counted from the first byte fed."""
        self._buffer += data
        events: list[tuple[int, bytes | BadBlock]] = []
        while True:
            at = self._offset
            moved, event = self._block() if self._inside else self._between()
            if event is not None:
                events.append((at, event))
            if not moved:
                return events

    @property
    def inside(self) -> bool:
        """Whether a block has begun and not ended."""
        return self._inside

    def end(self) -> list[BadBlock]:
        """The link went down: return what was left, and begin anew."""
        reason = "truncated" if self._inside else "garbage"
        self._inside = False
        bad = self._bad(len(self._buffer), reason)
        return [] if bad is None else [bad]

    def _between(self) -> tuple[bool, BadBlock | None]:
        """Pass over what stands before the next VT; endless garbage is reported each `max_bytes`."""
        at = self._buffer.find(VT, 0, self._max + 1)
        if at >= 0:
            self._inside = True
            return True, self._bad(at, "garbage")
        if len(self._buffer) > self._max:
            return True, self._bad(self._max + 1, "garbage")
        return False, None

    def _block(self) -> tuple[bool, bytes | BadBlock | None]:
        """Take one block off the buffer, which begins with its VT."""
        limit = self._max + 1
        end = self._buffer.find(FS_CR, self._searched, limit + 2)
        start = self._buffer.find(VT, self._searched, end if end >= 0 else limit + 1)
        if start >= 0:
            return True, self._bad(start, "truncated")
        if end >= 0:
            body = bytes(self._buffer[1:end])
            self._drop(end + 2)
            self._inside = False
            return True, body
        if len(self._buffer) >= limit + 2:
            self._inside = False
            return True, self._bad(limit + 1, "too long")
        self._searched = max(1, len(self._buffer) - 1)  # the last byte may be an FS that waits for its CR
        return False, None

    def _bad(self, size: int, reason: str) -> BadBlock | None:
        """Drop `size` bytes; None when they are nothing but fill between blocks."""
        offset, raw, blank = self._offset, bytes(self._buffer[: min(size, SAMPLE_MAX)]), False
        if reason == "garbage":
            blank = not bytes(self._buffer[:size]).strip(self._fill)
        self._drop(size)
        return None if blank or size == 0 else BadBlock(offset, size, raw, reason)

    def _drop(self, size: int) -> None:
        del self._buffer[:size]
        self._offset += size
        self._searched = 1
