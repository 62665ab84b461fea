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
_ESCAPED = re.compile(rb"\\(?:(?:x|u00)([0-9A-Fa-f]{2})|(0[0-7]{2})|([rnt\\]))")
_IS_ESCAPED = re.compile(rb"\\(?:x|u00|0)0[25]|\\r(?:\\n)?[A-Z][A-Z0-9]{0,2}[|]")
r"""A program's text, or a JSON log's: \x02, \u0002 or \002, in which a backslash stands twice."""
_ESCAPES = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\"}
_LAYOUT = re.compile(rb"[ \t]*[\r\n]+[ \t]*")
_PAIR = re.compile(rb"(?:0x)?([0-9A-Fa-f]{2})", re.IGNORECASE)
_OFFSET = re.compile(rb"\s*0{4,16}(?::|h)?\s")
_DUMP_LINE = re.compile(rb"\s*[0-9A-Fa-f]{4,16}(:|h)?\s+")
_HEX_ONLY = re.compile(rb"(?:(?:0x)?[0-9A-Fa-f]{2}[\s,;:\-]*)*\Z", re.IGNORECASE)
_NUMBERED = re.compile(rb"[0-7]([A-Z])[|]")
_AHEAD = re.compile(rb"[^|\x00-\x08\x0a-\x1f]*?(?<![0-9A-Za-z])(?=[0-7][A-Z][|])")
"""What a log puts ahead of a frame: when it came, from whom."""
_CONTINUED = re.compile(rb"[0-7]")
_RECORD = re.compile(rb"[A-Z][|]")
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
    return _AHEAD.match(start.removeprefix(_BOM).lstrip()) is not None


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
    digits, octal, letter = found.groups()
    if letter is not None:
        return _ESCAPES[letter]
    return bytes([int(digits, 16) if octal is None else int(octal, 8)])


def _from_lines(data: bytes) -> bytes:
    """ASTM frames whose control characters a log has swallowed: a line a frame, its checksum on the next or at its own end.

    The checksum tells which character ended the frame; where none fits, the codec is left to say so. ETB in the midst of a record
    leaves no line end behind it, so that the checksum stands at the text's end and what follows is no record's beginning. A line
    that begins with a record's letter goes on with the frame of the line before it.
    """
    out = bytearray()
    lines = _whole_frames(
        [_AHEAD.sub(b"", line.strip(), count=1) for line in data.removeprefix(_BOM).splitlines() if line.strip()]
    )
    glued = all(_frame(line[:-2], line[-2:]) for line in lines if _NUMBERED.match(line))
    cut = ended = False
    for line, after in zip(lines, [*lines[1:], b""], strict=True):
        found = _NUMBERED.match(line)
        if found is None and not (cut and _CONTINUED.match(line)):
            continue
        cut = not _NUMBERED.match(after) and _frame(line[:-2], line[-2:], (b"\x17",)) != b""
        at_end = _frame(line[:-2], line[-2:]) if glued or cut else b""
        is_header = found is not None and found[1] == b"H"
        if not (is_header and ended and line[:1] != b"1"):  # one that is numbered on begins no transmission
            out += (b"\x04" if ended else b"") + (b"\x05" if is_header else b"")
        out += at_end or _frame(line, after) or b"\x02%b\r\x03%b\r\n" % (line, after if _DIGITS.fullmatch(after) else b"")
        ended = found is not None and (found[1] == b"L" or b"\rL|" in line)
    return bytes(out + b"\x04") if ended else bytes(out)


def _whole_frames(lines: list[bytes]) -> list[bytes]:
    """The lines, the records of a frame that holds several in one of them."""
    whole: list[list[bytes]] = []
    for line in lines:
        if whole and _RECORD.match(line) and not _DIGITS.fullmatch(whole[-1][0]):
            whole[-1].append(line)
        else:
            whole.append([line])
    return [b"\r".join(parts) for parts in whole]


def _frame(text: bytes, checksum: bytes, ends: tuple[bytes, ...] = (b"\r\x03", b"\r\x17", b"\x17")) -> bytes:
    """The frame of a text whose checksum is this, by the one of `ends` that it fits; b"" where it fits none."""
    if not text or not _DIGITS.fullmatch(checksum):
        return b""
    fitting = (end for end in ends if sum(text + end) % 256 == int(checksum, 16))
    return next((b"\x02%b%b%b\r\n" % (text, end, checksum) for end in fitting), b"")


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
