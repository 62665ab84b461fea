"""A stream in UTF-16, which XML allows: looked at as UTF-8, in which a byte of markup is one byte, and given back as it came."""

from __future__ import annotations

import codecs
from typing import Final

_MARKS: Final = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be", b"<\x00": "utf-16-le", b"\x00<": "utf-16-be"}
"""How a stream in UTF-16 begins: with a byte order mark, or with "<"."""


class Wide:
    """The beginning of a stream says how it is written; a stream that is not in UTF-16 passes unchanged."""

    def __init__(self) -> None:
        self._head = b""
        self._encoding = ""
        self._decoder: codecs.IncrementalDecoder | None = None
        self._known = False

    def narrow(self, data: bytes) -> bytes:
        """Bytes of the stream, in UTF-8 where they are in UTF-16."""
        if not self._known:
            self._head += data
            if len(self._head) < 2:
                return b""
            data, self._head, self._known = self._head, b"", True
            self._encoding = _MARKS.get(data[:2], "")
            if self._encoding:
                self._decoder = codecs.getincrementaldecoder(self._encoding)("replace")
        return data if self._decoder is None else self._decoder.decode(data).encode("utf-8", "replace")

    def rest(self) -> bytes:
        """What was held back because it was too short to tell."""
        head, self._head = self._head, b""
        return head

    def original(self, data: bytes) -> bytes:
        """Part of what `narrow` gave, as the stream had it."""
        return data.decode("utf-8", "replace").encode(self._encoding) if self._encoding else data

    def size(self, data: bytearray, count: int) -> int:
        """How many bytes of the stream the first `count` of `data` were."""
        return len(self.original(bytes(data[:count]))) if self._encoding else count
