"""XML documents out of a byte stream that has no lengths and no delimiters between them: a document ends with its root."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from protocols.framing import Garbage
from protocols.poct1a.wide import Wide
from protocols.sansio import BadFrame

DOCUMENT_MAX: Final = 1024 * 1024
"""Bytes of a document: thirty times the largest message size a device was seen to announce (32,768)."""

_BLANK: Final = re.compile(rb"[ \t\r\n\x0b\x1c\x00\xef\xbb\xbf]*")
"""What may stand between documents: white space, the MLLP framing that some devices put around each, NULs, a byte order mark."""

_SPECIAL: Final = re.compile(rb"[<\x0b\x1c]")
"""In the text of a document: markup, or framing bytes, which XML forbids there: they end what was never finished."""
_IN_TAG: Final = re.compile(rb"[>\"'<\x0b\x1c]")
_QUOTED: Final = {quote: re.compile(rb"[<\x0b\x1c" + quote + rb"]") for quote in (b'"', b"'")}
"""In an attribute's value."""
_ROOT: Final = re.compile(rb"<(?:\?xml[ \t\r\n]|[A-Z]{3}\.R\d\d[ \t\r\n/>])")
"""How a document of the standard begins. Inside another one: the device began anew, the former is cut off."""
_PROLOG: Final = re.compile(rb"<\?xml[ \t\r\n]")
_ROOT_MAX: Final = 9
"""Bytes that tell whether a `<` begins a document."""
_ENDS: Final = {b"<!--": b"-->", b"<![CDATA[": b"]]>", b"<?": b"?>"}
"""Markup that is passed over, by how it begins and ends."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its bytes, where it began in the stream, and when; whether it stood in an MLLP frame."""

    raw: bytes
    offset: int
    at: float
    framed: bool = False


class Splitter:
    """Documents and BadFrames in wire order, whatever the splits of the reads. Work per byte is constant.

    A BadFrame's reason is "garbage" (bytes outside any document), "cut off" (a document that another one or a frame's end
    interrupts), "too long", or "document type" (a DTD: no device needs one, and entities are how XML is abused).
    """

    def __init__(self, *, document_max: int = DOCUMENT_MAX) -> None:
        self._max = document_max
        self._buffer = bytearray()
        self._base = 0
        self._at = 0.0
        self._garbage = Garbage(document_max)
        self._wide = Wide()
        self._noise = False
        self._framed = False
        self._reset()

    def feed(self, data: bytes, now: float) -> list[Document | BadFrame]:
        """Take bytes; return what they complete."""
        events: list[Document | BadFrame] = []
        self._take(self._wide.narrow(data), now, events)
        return events

    def _take(self, data: bytes, now: float, events: list[Document | BadFrame]) -> None:
        view = memoryview(data)
        while view:
            part = view[: self._max + 1 - len(self._buffer)]
            self._buffer += part
            view = view[len(part) :]
            while self._step(events, now):
                pass
            if len(self._buffer) > self._max:
                self._drop(self._max, "too long", events)

    def end(self) -> list[BadFrame]:
        """The link went down: what is left of a document is cut off."""
        events: list[Document | BadFrame] = []
        self._take(self._wide.rest(), 0.0, events)
        if self._inside:
            self._drop(len(self._buffer), "cut off", events)
        else:
            self._pass(len(self._buffer), events)
        self._noise = False
        events += self._garbage.flush()
        self._reset()
        return [event for event in events if isinstance(event, BadFrame)]

    @property
    def inside(self) -> bool:
        """Whether a document has begun and not ended."""
        return self._inside

    def _reset(self) -> None:
        self._inside = False
        self._depth = 0
        self._rooted = False
        self._stray = False
        self._scan = 0
        self._quote = b""
        self._tag = -1
        self._until = b""
        self._declaring = False

    def _step(self, events: list[Document | BadFrame], now: float) -> bool:
        """One move; whether another may follow."""
        if not self._inside:
            return self._between(events, now)
        if self._until:
            return self._markup(events)
        return self._in_tag(events) if self._tag >= 0 else self._text(events)

    def _between(self, events: list[Document | BadFrame], now: float) -> bool:
        """Outside of documents: blanks are passed over, noise is one run up to the next `<`."""
        if not self._noise and (blank := _BLANK.match(self._buffer)) and blank.end():
            events += self._garbage.flush()
            self._framed |= b"\x0b" in blank[0]
            self._cut(blank.end())
        if not self._buffer:
            return False
        at = self._buffer.find(b"<")
        if at:
            self._noise = True
            self._pass(len(self._buffer) if at < 0 else at, events)
            return at >= 0
        if len(self._buffer) == 1:
            return False
        self._noise = self._buffer[1] == ord("/")  # the end of something that began before we listened
        if self._noise:
            self._pass(2, events)
            return True
        events += self._garbage.flush()
        self._inside, self._at = True, now
        return True

    def _text(self, events: list[Document | BadFrame]) -> bool:
        """Between two pieces of markup."""
        found = _SPECIAL.search(self._buffer, self._scan)
        start = found.start() if found is not None else len(self._buffer)
        self._stray = self._stray or (not self._rooted and bool(self._buffer[self._scan : start].strip()))
        self._scan = start
        if found is None:
            return False
        if self._stray or self._buffer[start] != ord("<"):
            # text between prolog and root: what a terminal writes before each line, or a root whose `<` was lost
            self._drop(start, "garbage" if self._stray else "cut off", events)
            return True
        head = bytes(self._buffer[start : start + _ROOT_MAX])
        if len(head) < _ROOT_MAX and b">" not in head:
            return False
        if start and self._rooted and _ROOT.match(head):
            self._drop(start, "cut off", events)
            return True
        if start and _PROLOG.match(head):  # comments and blanks stood before it: they are no part of the document
            self._cut(start)
            return True
        return self._open(start, head, events)

    def _open(self, start: int, head: bytes, events: list[Document | BadFrame]) -> bool:
        for begin, end in _ENDS.items():
            if head.startswith(begin):
                self._until, self._scan = end, start + len(begin)
                self._declaring = bool(_PROLOG.match(head))
                return True
        if head.startswith(b"<!"):
            self._drop(start + 2, "document type", events)
            return True
        self._tag, self._scan = start, start + 1
        return True

    def _markup(self, events: list[Document | BadFrame]) -> bool:
        """Inside a comment, CDATA or processing instruction. A prolog holds no `<`: one that lost its end swallows nothing."""
        at = self._buffer.find(self._until, self._scan)
        less = self._buffer.find(b"<", self._scan, len(self._buffer) if at < 0 else at) if self._declaring else -1
        if less >= 0:
            self._drop(less, "cut off", events)
            return True
        if at < 0:
            self._scan = max(self._scan, len(self._buffer) - len(self._until) + 1)
            return False
        self._scan, self._until = at + len(self._until), b""
        return True

    def _in_tag(self, events: list[Document | BadFrame]) -> bool:
        """Inside `<…>`: to its end, past quoted attributes, in which a `>` means nothing."""
        found = (_QUOTED[self._quote] if self._quote else _IN_TAG).search(self._buffer, self._scan)
        if found is None:
            self._scan = len(self._buffer)
            return False
        if self._quote and found[0] == b"<":
            return self._less(found.start(), events)
        self._scan = found.end()
        if found[0] in _QUOTED:
            self._quote = b"" if self._quote else bytes(found[0])
        elif found[0] == b">":
            self._close(events)
        else:
            self._drop(found.start(), "cut off", events)
        return True

    def _less(self, start: int, events: list[Document | BadFrame]) -> bool:
        """A `<` in an attribute's value: a new document; else a device that writes "<5" as it is, which XML forbids."""
        head = bytes(self._buffer[start : start + _ROOT_MAX])
        if len(head) < _ROOT_MAX and self._quote not in head:
            self._scan = start
            return False
        if _ROOT.match(head):
            self._drop(start, "cut off", events)
        else:
            self._scan = start + 1
        return True

    def _close(self, events: list[Document | BadFrame]) -> None:
        """A tag is whole: count the depth; a root that closes ends the document."""
        start, end = self._tag, self._scan
        self._tag = -1
        self._rooted = True
        if self._buffer.startswith(b"</", start):
            self._depth -= 1
        elif self._buffer[end - 2] != ord("/"):
            self._depth += 1
        if self._depth > 0:
            return
        raw = self._wide.original(bytes(self._buffer[:end]))
        events.append(Document(raw, self._base, self._at, self._framed))
        self._framed = False
        self._cut(end)
        self._reset()

    def _drop(self, size: int, reason: str, events: list[Document | BadFrame]) -> None:
        """Give up the document so far; what follows it is looked at afresh."""
        events += self._garbage.flush()
        events += self._garbage.add(self._wide.original(bytes(self._buffer[:size])), self._base, reason)
        events += self._garbage.flush()
        self._framed = False
        self._cut(size)
        self._reset()

    def _pass(self, size: int, events: list[Document | BadFrame]) -> None:
        events += self._garbage.add(self._wide.original(bytes(self._buffer[:size])), self._base, "garbage")
        self._cut(size)

    def _cut(self, size: int) -> None:
        self._base += self._wide.size(self._buffer, size)
        del self._buffer[:size]
        self._scan = 0
