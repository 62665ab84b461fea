"""The accepted frames of an ASTM message that is not whole yet."""

from __future__ import annotations

from typing import NamedTuple

from protocols.astm.records import is_terminator


class Part(NamedTuple):
    """An accepted frame; `last` if ETX ended it."""

    text: bytes
    raw: bytes
    last: bool


class Transmission:
    """The accepted frames of a message that is not whole yet."""

    def __init__(self, at: float) -> None:
        self.at = at
        self.parts: list[Part] = []
        self.size = 0

    def add(self, part: Part) -> None:
        self.parts.append(part)
        self.size += len(part.raw)

    def cut(self, count: int) -> None:
        """Keep the first `count` frames."""
        self.size -= sum(len(part.raw) for part in self.parts[count:])
        del self.parts[count:]

    @property
    def text(self) -> bytes:
        """What the frames carried; ETX ends a record even where its CR is missing."""
        return b"".join(_closed(part) for part in self.parts)

    @property
    def raw(self) -> bytes:
        return b"".join(part.raw for part in self.parts)

    @property
    def last(self) -> bool:
        """Whether the last frame ended with ETX."""
        return self.parts[-1].last

    @property
    def terminated(self) -> bool:
        """Whether the last record, complete or not, is an L record."""
        tail = b""
        for part in reversed(self.parts):
            tail = (_closed(part) + tail).rstrip(b"\r\n \x00")
            start = max(tail.rfind(b"\r"), tail.rfind(b"\n"))
            if start >= 0:
                return is_terminator(tail[start + 1 :].lstrip(b" \t"))
        return is_terminator(tail.lstrip(b" \t"))


def _closed(part: Part) -> bytes:
    return part.text + b"\r" if part.last and part.text[-1:] not in (b"\r", b"\n") else part.text
