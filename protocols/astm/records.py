r"""ASTM records: bytes of a message to records, and back (ASTM E1394-97 = LIS02-A2 §5).

    H|\^&|||analyzer|||||||P|1|20261121081500<CR>
     ^^^^ field, repeat, component and escape delimiter, declared anew by every H record
    R|1|^^^WBC|6.42|10*3/uL||N||F<CR>

A message runs from an H to an L record. Faults seen on real wires: LF or CRLF for CR, blanks before the type, no L, no H
(a session resumed), text in another encoding than the declared one, H records cut short, types in lower case. None of them loses
a record: what is odd is named in `AstmMessage.problems`, the data stay as they came.

HL7 messages come in ASTM frames too (a GeneXpert, after its protocol was changed, sends so what it had queued): each is a message
whose records are its segments, for an HL7 reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

RECORDS_MAX = 100_000
"""Records read of one message: the largest seen (a haematology upload with its curves) has some hundreds."""

PROBLEMS_MAX = 20
"""Problems named for one message: enough to see what is wrong, too few for a hostile sender to fill memory with."""


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The four characters that an H record declares; an empty one is not in use."""

    field: str = "|"
    repeat: str = "\\"
    component: str = "^"
    escape: str = "&"


STANDARD = Delimiters()
"""What nearly every analyzer declares (LIS02-A2 §5.4.6 recommends them)."""


@dataclass(frozen=True, slots=True)
class Record:
    r"""One record. `type` is H P O R C Q M S L or a vendor's letter; `text` the whole record as sent, without its CR.

    Fields, components and repeats are found only by `field`, `component`, `components` and `repeats`, which
    resolve escapes (`&F&`, `&S&`, `&R&`, `&E&`, `&Xhh&`). Fields count from 1, the type being field 1: O.3 is the specimen id.
    """

    type: str
    text: str
    delimiters: Delimiters = STANDARD
    _fields: list[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        mark = self.delimiters.field
        object.__setattr__(self, "_fields", self.text.split(mark) if mark else [self.text])

    def field(self, n: int) -> str:
        """Field `n`, "" if missing; escapes are resolved only where it has neither components nor repeats."""
        raw = self._raw(n)
        marks = self.delimiters
        if (marks.component and marks.component in raw) or (marks.repeat and marks.repeat in raw):
            return raw
        return _resolve(raw, marks)

    def components(self, n: int, repeat: int = 0) -> tuple[str, ...]:
        """The components of field `n`, of its repeat `repeat` (from 0), escapes resolved; () if empty or missing."""
        raw = self._raw(n)
        if not raw:
            return ()
        marks = self.delimiters
        if self._declares(n):
            return (raw,) if repeat == 0 else ()
        if marks.repeat and marks.repeat in raw:
            repeats = raw.split(marks.repeat)
            raw = repeats[repeat] if 0 <= repeat < len(repeats) else ""
        elif repeat != 0:
            return ()
        if not raw:
            return ()
        parts = _split(raw, marks.component)
        escaped = marks.escape and marks.escape in raw
        return tuple(_resolve(part, marks) for part in parts) if escaped else tuple(parts)

    def component(self, n: int, c: int, repeat: int = 0) -> str:
        """Component `c` (from 1) of field `n`, of its repeat `repeat` (from 0); "" if missing."""
        parts = self.components(n, repeat)
        return parts[c - 1] if 0 < c <= len(parts) else ""

    def repeats(self, n: int) -> int:
        """How many repeats field `n` has: 0 if it is empty or missing."""
        raw = self._raw(n)
        if not raw:
            return 0
        return 1 if self._declares(n) else len(_split(raw, self.delimiters.repeat))

    def __len__(self) -> int:
        """How many fields were sent, the type included."""
        return len(self._fields)

    def _raw(self, n: int) -> str:
        return self._fields[n - 1] if 0 < n <= len(self._fields) else ""

    def _declares(self, n: int) -> bool:
        return n == 2 and self.type == "H"


@dataclass(frozen=True, slots=True)
class AstmMessage:
    """One message, H to L. `terminated`: it had its L record; `problems`: what was odd about it, in words for people."""

    records: tuple[Record, ...]
    encoding: str
    terminated: bool
    problems: tuple[str, ...] = ()

    @property
    def hl7(self) -> bytes:
        """The HL7 message that came in the place of records, as it was sent but for its line ends; else nothing."""
        if not self.records or not is_hl7(self.records[0].text.encode(self.encoding)):
            return b""
        return b"".join(f"{record.text}\r".encode(self.encoding) for record in self.records)


def parse(
    text: bytes, *, encoding: str | None = None, lf_separates: bool = True, assumed: Delimiters = STANDARD
) -> tuple[AstmMessage, ...]:
    """The messages in `text`, which is what frames carried, already joined. Never raises.

    `encoding` is what the analyzer is known to use; UTF-8 and then ISO 8859-1 are tried where it does not fit. CR, LF and CRLF
    all end a record, unless `lf_separates` is False and the analyzer puts LF into its texts. `assumed` are the delimiters of
    records that no H record stands before.
    """
    if lf_separates:
        text = text.replace(b"\n", b"\r")
    lines = [line for sent in text.removeprefix(_BOM).split(b"\r") if (line := sent.lstrip(_INDENT))]
    starts = [n for n, line in enumerate(lines) if line[0] in _HEADERS and is_header(line)]
    if not lines:
        return ()
    if not starts or starts[0] != 0:
        starts.insert(0, 0)
    return tuple(_message(lines[a:b], encoding, assumed) for a, b in zip(starts, [*starts[1:], len(lines)], strict=True))


def is_header(line: bytes | bytearray) -> bool:
    """Whether a line begins a message: an H record, or the MSH of an HL7 message, and a character that may be a delimiter."""
    return (line[:1] == b"H" and not line[1:2].isalnum()) or line[:2] == b"h|" or is_hl7(line)


def is_hl7(line: bytes | bytearray) -> bool:
    """Whether a line is the first segment of an HL7 message."""
    return line[:3] == b"MSH" and line[3:4] != b"" and not line[3:4].isalnum()


def is_terminator(line: bytes | bytearray) -> bool:
    """Whether a line is an L record: an L alone, or before a character that may be a delimiter."""
    return (line[:1] == b"L" and not line[1:2].isalnum()) or line[:2] == b"l|"


Field: TypeAlias = str | tuple[str, ...] | list[tuple[str, ...]]
"""A field to encode: one text, the components of one repeat, or a list of repeats."""


def encode(records: Iterable[Sequence[Field]], delimiters: Delimiters = STANDARD, *, encoding: str = "iso-8859-1") -> bytes:
    """`records` as bytes, each with its CR, escaped; trailing empty fields are cut. An H record's field 2 is filled in.

    What `encoding` cannot say travels as `&Xhh&` in UTF-8. Raises ValueError unless the delimiters are four different characters.
    """
    marks = (delimiters.field, delimiters.repeat, delimiters.component, delimiters.escape)
    if len(set(marks)) != 4 or any(len(mark) != 1 for mark in marks):
        raise ValueError(f"four different delimiters are needed to encode records, got {marks}")
    return b"".join(_encoded(record, delimiters, encoding) for record in records)


_BOM = b"\xef\xbb\xbf"
_INDENT = b" \t\x00"
"""What some analyzers put before a record: blanks (Sphera), NULs between messages."""
_HEADERS = b"HhM"
"""How a header begins: H, MSH."""
_NO_LETTER = re.compile(rb"[\x7f-\x9f]")
"""What ISO 8859-1 has no letters for; Windows', DOS' and the Chinese code pages do."""


def _message(lines: list[bytes], encoding: str | None, assumed: Delimiters) -> AstmMessage:
    problems: list[str] = []
    if len(lines) > RECORDS_MAX:
        problems.append(f"{len(lines)} records, the first {RECORDS_MAX} are read")
        del lines[RECORDS_MAX:]
    text, used = _decode(b"\r".join(lines), encoding, problems)
    texts = [line for line in text.split("\r") if line] or [text]
    if is_hl7(lines[0]):
        return AstmMessage(tuple(Record(line[:3], line) for line in texts), used, terminated=False)
    if is_header(lines[0]):
        delimiters = _declared(texts[0], problems)
    else:
        delimiters = assumed
        problems.append("no H record")
    records = tuple(Record(_type(line, delimiters), line, delimiters) for line in texts)
    ends = [n for n, record in enumerate(records) if record.type == "L"]
    _judge(records, ends, problems)
    return AstmMessage(records, used, bool(ends), tuple(problems[:PROBLEMS_MAX]))


def _judge(records: tuple[Record, ...], ends: list[int], problems: list[str]) -> None:
    if not ends:
        problems.append("no L record")
    elif ends[0] != len(records) - 1:
        problems.append("records after the L record")
    strange = [record for record in records if len(record.type) != 1 or not record.type.isalpha()]
    if strange:
        problems.append(f"lines that are no records: {len(strange)}")


def _decode(data: bytes, declared: str | None, problems: list[str]) -> tuple[str, str]:
    """The text and the encoding it was read in. ISO 8859-1 is the standard's own (LIS02-A2 §5.1) and no problem, unless the bytes
    hold what it has no letters for.
    """
    for name in dict.fromkeys(filter(None, (declared, "utf-8"))):
        try:
            return data.decode(name), name
        except (ValueError, LookupError):
            if name == declared:
                problems.append(f"text is not {name[:40]}")
    if problems or _NO_LETTER.search(data):
        problems.append("text read as iso-8859-1, which may be wrong")
    return data.decode("iso-8859-1"), "iso-8859-1"


def _declared(header: str, problems: list[str]) -> Delimiters:
    """The delimiters of an H record; where one can't be meant, the usual one, or none if that is taken."""
    usual = (STANDARD.field, STANDARD.repeat, STANDARD.component, STANDARD.escape)
    if header[2:6] == "\\\\^&":
        header = header[:2] + header[3:]
        problems.append("H record writes its repeat delimiter twice, as program text does; it is taken once")
    given = header[1:5].ljust(4, "\x00")
    sound = [
        c if not c.isspace() and c.isprintable() and not c.isalnum() and given.index(c) == n else "" for n, c in enumerate(given)
    ]
    if "" not in sound:
        return Delimiters(*sound)
    if "" not in sound[:3] and given[3] == given[0]:  # the IMMULITE declares no escape, so there is none
        return Delimiters(sound[0], sound[1], sound[2], "")
    problems.append(f"H record declares unusable delimiters {header[1:5]!r}")
    for n, mark in enumerate(sound):
        if not mark and usual[n] not in sound:
            sound[n] = usual[n]
    return Delimiters(*sound)


def _type(line: str, delimiters: Delimiters) -> str:
    if line[1:2] in (delimiters.field, "") or (line[0] in "HL" and not line[1].isalnum()):
        return line[:1].upper()
    return line.partition(delimiters.field)[0] if delimiters.field else line


def _split(text: str, delimiter: str) -> list[str]:
    return text.split(delimiter) if delimiter else [text]


@lru_cache(maxsize=64)
def _escapes(escape: str) -> re.Pattern[str]:
    mark = re.escape(escape)
    return re.compile(f"{mark}([FSREHN]|X(?:[0-9A-Fa-f]{{2}})+){mark}")


def _resolve(text: str, marks: Delimiters) -> str:
    """Escapes resolved (LIS02-A2 §5.4.6); a vendor's `&Z…&`, an unknown one and a lone escape character stay as they are."""
    if not marks.escape or marks.escape not in text:
        return text
    return _escapes(marks.escape).sub(lambda match: _meaning(match[1], marks), text)


def _meaning(name: str, marks: Delimiters) -> str:
    if name[0] == "X":
        data = bytes.fromhex(name[1:])
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return data.decode("iso-8859-1")
    return {"F": marks.field, "S": marks.component, "R": marks.repeat, "E": marks.escape}.get(name, "")


def _encoded(record: Sequence[Field], marks: Delimiters, encoding: str) -> bytes:
    parts = [_field(part, marks, encoding) for part in record]
    if parts[0] == b"H":
        parts[1:2] = [(marks.repeat + marks.component + marks.escape).encode(encoding)]
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return marks.field.encode(encoding).join(parts) + b"\r"


def _field(value: Field, marks: Delimiters, encoding: str) -> bytes:
    if isinstance(value, str):
        return _escaped(value, marks, encoding)
    if isinstance(value, tuple):
        return marks.component.encode(encoding).join(_escaped(part, marks, encoding) for part in value)
    return marks.repeat.encode(encoding).join(_field(part, marks, encoding) for part in value)


def _escaped(text: str, marks: Delimiters, encoding: str) -> bytes:
    names = {marks.field: "F", marks.component: "S", marks.repeat: "R", marks.escape: "E"}
    return b"".join(_character(c, names, marks.escape, encoding) for c in text)


def _character(c: str, names: dict[str, str], escape: str, encoding: str) -> bytes:
    name = names.get(c)
    if name is None and c >= " ":
        try:
            return c.encode(encoding)
        except UnicodeEncodeError:
            pass
    return f"{escape}{name or 'X' + c.encode().hex().upper()}{escape}".encode(encoding)
