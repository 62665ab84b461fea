"""Device bytes that somebody wrote down as text, as tickets and manuals have them: control characters by name, or hex digits."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum

from gateway.errors import ConfigError


class Written(StrEnum):
    """How a file gives the bytes."""

    RAW = "raw"
    NAMES = "names"
    HEX = "hex"
    LINES = "lines"


_NAMES = (
    b"NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US".split()
)
"""ASCII's names of its control characters, in order."""
_CODES = {name: bytes([code]) for code, name in enumerate(_NAMES)} | {b"TAB": b"\t", b"SP": b" ", b"DEL": b"\x7f"}
_NAME = b"|".join(sorted(_CODES, reverse=True))
_SPELLED = re.compile(rb"<(%b)>|\[(%b)\]|\{(%b)\}|\xe2\x90([\x80-\x9f])" % (_NAME, _NAME, _NAME), re.IGNORECASE)
"""<STX>, [STX], {STX}, or the picture U+2402."""
_ESCAPED = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|([rnt\\]))")
_IS_ESCAPED = re.compile(rb"\\x0[25]")
r"""A program's text: \x02, in which a backslash stands twice."""
_ESCAPES = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\"}
_LAYOUT = re.compile(rb"[ \t]*[\r\n]+[ \t]*")
_PAIR = re.compile(rb"(?:0x)?([0-9A-Fa-f]{2})", re.IGNORECASE)
_OFFSET = re.compile(rb"\s*0{4,16}(?::|h)?\s")
_DUMP_LINE = re.compile(rb"\s*[0-9A-Fa-f]{4,16}(:|h)?\s+")
_HEX_ONLY = re.compile(rb"(?:(?:0x)?[0-9A-Fa-f]{2}[\s,;:\-]*)*\Z", re.IGNORECASE)
_NUMBERED = re.compile(rb"[0-7]([A-Z])[|]")
_DIGITS = re.compile(rb"[0-9A-Fa-f]{2}")
_BOM = b"\xef\xbb\xbf"
_LOOKED_AT = 4096
"""Bytes of a file that tell how it is written."""


def unwritten(name: str, data: bytes, how: Written) -> bytes:
    """The bytes that the text stands for. Raises ConfigError for hexadecimal text with something else in it."""
    if how is Written.RAW:
        return data
    if how is Written.LINES:
        return _from_lines(data)
    return _from_names(data) if how is Written.NAMES else _from_hex(name, data)


def hint(data: bytes) -> str:
    """What a file that was not understood seems to be, and what to do; "" when it says nothing."""
    start = data[:_LOOKED_AT]
    return _PACKED.get(data[:2], "") or next((said for seems, said in _SEEMS if seems(start)), "")


_PACKED = {
    b"\x1f\x8b": "it is compressed: unpack it first (zcat FILE | wardlink decode … -)",
    b"PK": "it is a zip archive: unpack it first",
    **dict.fromkeys(
        (b"\xff\xfe", b"\xfe\xff"),
        "it was saved as UTF-16 text: turn it back first (iconv -f UTF-16 -t UTF-8 FILE | wardlink decode … -)",
    ),
}
"""By a file's first two bytes."""


def _names(start: bytes) -> bool:
    return b"\x02" not in start and bool(_SPELLED.search(start) or _IS_ESCAPED.search(start))


def _hex(start: bytes) -> bool:
    whole = start if len(start) < _LOOKED_AT else start[: start.rfind(b"\n")]
    return bool(_OFFSET.match(start) or (start.strip() and _HEX_ONLY.match(whole)))


def _lines(start: bytes) -> bool:
    return _NUMBERED.match(start.removeprefix(_BOM).lstrip()) is not None


_SEEMS: tuple[tuple[Callable[[bytes], bool], str], ...] = (
    (_names, "it spells control characters, as <STX>: try --bytes names"),
    (_hex, "it looks like hexadecimal digits: try --bytes hex"),
    (_lines, "it looks like ASTM frames that have lost their control characters: try --bytes lines"),
)


def _from_names(data: bytes) -> bytes:
    """Where line ends are spelled (<CR>), those of the text are only its layout."""
    pattern, meaning = (_ESCAPED, _escape) if _IS_ESCAPED.search(data) else (_SPELLED, _code)
    if any(meaning(found) in b"\r\n" for found in pattern.finditer(data)):
        data = _LAYOUT.sub(b"", data)
    return pattern.sub(meaning, data)


def _code(found: re.Match[bytes]) -> bytes:
    *names, picture = found.groups()
    if picture is not None:
        return bytes([picture[0] - 0x80])
    return _CODES[next(name for name in names if name).upper()]


def _escape(found: re.Match[bytes]) -> bytes:
    return _ESCAPES[found[2]] if found[1] is None else bytes.fromhex(found[1].decode())


def _from_lines(data: bytes) -> bytes:
    """ASTM frames whose control characters a log has swallowed: a line a frame, its checksum on the next.

    What the codec makes of the checksum tells whether the line is still what was sent.
    """
    out = bytearray()
    lines = [line.strip() for line in data.removeprefix(_BOM).splitlines() if line.strip()]
    for line, after in zip(lines, [*lines[1:], b""], strict=True):
        found = _NUMBERED.match(line)
        if found is None:
            continue
        out += (b"\x05" if found[1] == b"H" else b"") + b"\x02" + line + b"\r\x03"
        out += (after if _DIGITS.fullmatch(after) else b"") + b"\r\n" + (b"\x04" if found[1] == b"L" else b"")
    return bytes(out)


def _from_hex(name: str, data: bytes) -> bytes:
    """Pairs of digits, with offsets and a text column where it is a dump that begins at 0."""
    dump = _OFFSET.match(data) is not None
    return b"".join(_line(name, n, line, dump=dump) for n, line in enumerate(data.splitlines(), 1))


def _line(name: str, n: int, line: bytes, *, dump: bool) -> bytes:
    if dump:
        offset = _DUMP_LINE.match(line)
        line = line[offset.end() :] if offset else b""
        line = line.partition(b"  ")[0] if offset and offset[1] == b":" else line.partition(b"|")[0]
    if not _HEX_ONLY.match(line.strip()):
        raise ConfigError(f"{name}, line {n}: {line[:40]!r} is not written in hexadecimal digits, two a byte")
    return bytes.fromhex(b"".join(found[1] for found in _PAIR.finditer(line)).decode())
