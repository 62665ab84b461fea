"""HL7 v2 messages as text: encode with escaping, parse (HL7 v2.6 chapter 2, clauses 2.5 to 2.7)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

CHARSETS: Final = {
    "": "utf-8",
    "ASCII": "ascii",
    "8859/1": "cp1252",
    "8859/2": "iso8859-2",
    "8859/5": "iso8859-5",
    "8859/7": "iso8859-7",
    "8859/9": "iso8859-9",
    "8859/15": "iso8859-15",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "GB 18030-2000": "gb18030",
    "BIG-5": "big5",
    "KS X 1001": "euc_kr",
    **dict.fromkeys(("GBK", "GB2312", "GB18030"), "gb18030"),
    **dict.fromkeys(("ISO-8859-1", "ISO8859-1", "WINDOWS-1252"), "cp1252"),
    "WINDOWS-1251": "cp1251",
}
"""MSH-18 (HL7 table 0211, and analyzers' own words behind it) to Python's codec.
8859/1 is read as its superset cp1252, which is what Windows senders mean by it."""

Part: TypeAlias = str | tuple[str, ...]
"""A component: text, or its subcomponents."""

_NAMED: Final = {"|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\\": "\\E\\"}
_SPECIAL: Final = re.compile("[|^&~\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def _sequence(match: re.Match[str]) -> str:
    char = match.group()
    return _NAMED.get(char) or f"\\X{char.encode('utf-8', 'replace').hex().upper()}\\"


def escape(text: str) -> str:
    r"""`text` so that it can neither end a field nor a segment, nor be the null value.

    Delimiters become \F\ \S\ \T\ \R\ \E\ (2.7.1); controls, and the line ends of Unicode that some receivers split at,
    become \Xhh…\ (2.7.6, UTF-8 octets). Text that is just two quotation marks would delete what the receiver holds (2.5.3): it
    becomes \X2222\. A lone surrogate, which no charset can carry, becomes a question mark.
    """
    if text == '""':
        return "\\X2222\\"
    return _SPECIAL.sub(_sequence, text) if _SPECIAL.search(text) else text


def field(*components: Part) -> str:
    """A field of `components`, escaped, without the empty ones at its end."""
    return "^".join(
        escape(part) if isinstance(part, str) else "&".join(map(escape, part)).rstrip("&") for part in components
    ).rstrip("^")


def segment(name: str, *fields: str) -> str:
    """A segment of fields that are encoded already, with its CR, without the empty ones at its end."""
    return f"{name}|{'|'.join(fields)}".rstrip("|") + "\r"


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The characters that MSH-1 and MSH-2 declare."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"


@lru_cache(maxsize=16)  # a peer has one set; a hostile one cannot make this grow
def _escapes(delimiters: Delimiters) -> tuple[re.Pattern[str], dict[str, str]]:
    mark = re.escape(delimiters.escape)
    names = {
        "F": delimiters.field,
        "S": delimiters.component,
        "T": delimiters.subcomponent,
        "R": delimiters.repetition,
        "E": delimiters.escape,
        ".br": "\n",
        "H": "",
        "N": "",
    }
    return re.compile(f"{mark}([^{mark}]*){mark}"), names


_CODE_POINT: Final = re.compile("0[0-9A-Ca-c][0-9A-Fa-f]{2}|[12][0-9A-Fa-f]{3}")
r"""What BioSystems' analyzers make of the standard's local escape (2.7.7): \Z03BC\g/L for a micro sign. Letters and symbols only:
U+0000 to U+0CFF and U+1000 to U+2FFF."""


def unescape(text: str, delimiters: Delimiters = Delimiters(), codec: str = "utf-8") -> str:
    """`text` with its escape sequences resolved; one that is unknown or unfinished stays as it stands."""
    if delimiters.escape not in text:
        return text
    pattern, names = _escapes(delimiters)

    def resolve(match: re.Match[str]) -> str:
        sequence = match.group(1)
        if sequence in names:
            return names[sequence]
        if sequence[:1] == "X" and re.fullmatch("(?:[0-9A-Fa-f]{2})+", sequence[1:]):
            return bytes.fromhex(sequence[1:]).decode(codec, "replace")
        if sequence[:1] == "Z" and _CODE_POINT.fullmatch(sequence[1:]):
            return chr(int(sequence[1:], 16))
        return match.group()

    return pattern.sub(resolve, text)


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment. `fields[n]` is field n as it stands in the message (of MSH too: fields[1] is the separator itself)."""

    name: str
    fields: tuple[str, ...]
    delimiters: Delimiters = Delimiters()
    codec: str = "utf-8"

    def raw(self, number: int) -> str:
        """Field `number` as it stands, or nothing."""
        return self.fields[number] if number < len(self.fields) else ""

    def repeats(self, number: int) -> tuple[str, ...]:
        """The repetitions of a field as they stand; none when it is empty."""
        text = self.raw(number)
        return tuple(text.split(self.delimiters.repetition)) if text else ()

    def text(self, number: int, component: int = 1, repeat: int = 1, sub: int = 1) -> str:
        """One (sub)component, its escapes resolved; nothing where there is none."""
        repeats = self.repeats(number)
        if self.name == "MSH" and number in (1, 2):
            return self.raw(number)
        found = repeats[repeat - 1] if repeat <= len(repeats) else ""
        for separator, wanted in ((self.delimiters.component, component), (self.delimiters.subcomponent, sub)):
            parts = found.split(separator)
            found = parts[wanted - 1] if wanted <= len(parts) else ""
        return unescape(found, self.delimiters, self.codec)


@dataclass(frozen=True, slots=True)
class Message:
    """A parsed message: its segments in order, MSH first. `codec` is Python's name of the charset that it was read with."""

    segments: tuple[Segment, ...]
    delimiters: Delimiters = Delimiters()
    codec: str = "utf-8"

    def first(self, name: str) -> Segment | None:
        """The first segment of that name, or None."""
        return next((segment for segment in self.segments if segment.name == name), None)

    def every(self, name: str) -> tuple[Segment, ...]:
        """All segments of that name, in order."""
        return tuple(segment for segment in self.segments if segment.name == name)

    def text(self, name: str, number: int, component: int = 1) -> str:
        """One component of the first segment of that name, its escapes resolved; nothing where there is none."""
        found = self.first(name)
        return found.text(number, component) if found else ""


_LINE_ENDS: Final = re.compile("[\r\n]+")
_LINE_ENDS_OF_BYTES: Final = re.compile(b"[\r\n]")
_NAME: Final = re.compile("[A-Z][A-Z0-9]{2}")
_BEGINS: Final = re.compile(r"[A-Z][A-Z0-9]{2}(?:[^\w\s]|\Z)")
_PADDING: Final = "\x00\x02 \t"
_DECLARED: Final = 9
"""Characters that declare the delimiters: MSH, MSH-1, at most four of MSH-2, and what ends it."""


def parse(data: bytes, *, broken: bool = False) -> Message | None:
    """The message in `data`, or None when it does not begin with a usable MSH. Never raises.

    Segments may end with CR (2.5.2), or LF or both, as real senders do. The charset is the declared one if the bytes fit it, else
    UTF-8 if they fit that, else ISO 8859-1, which fits everything. `broken`: a line that begins no segment goes on with the one
    before it, for senders that write line ends into fields (FineCare).
    """
    data = data.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n\t \x00\x02")
    head = _LINE_ENDS_OF_BYTES.split(data, maxsplit=1)[0].decode("latin-1")
    delimiters = _delimiters(head[:_DECLARED])
    if delimiters is None:
        return None
    fields = head.split(delimiters.field)
    declared = fields[17].split(delimiters.repetition)[0].strip().upper() if len(fields) > 17 else ""
    text, codec = _decode(data, CHARSETS.get(declared, "utf-8"))
    lines = [bare for line in _LINE_ENDS.split(text) if (bare := line if line[:1] > " " else _unpadded(line))]
    if broken:
        lines = _mended(lines, delimiters.field)
    return Message(tuple(_segment(line, delimiters, codec) for line in lines), delimiters, codec)


def _unpadded(line: str) -> str:
    """A line without heartbeats and blanks before its segment, as a message copied out of a text has them, or between two."""
    bare = line.lstrip(_PADDING)
    return bare if not bare or _BEGINS.match(bare) else line


def _mended(lines: list[str], separator: str) -> list[str]:
    """Lines that begin no segment put behind the one before them, the line end between them kept."""
    whole: list[list[str]] = []
    for line in lines:
        if not whole or (_NAME.match(line) and line[3:4] in (separator, "")):
            whole.append([line])
        else:
            whole[-1].append(line)
    return ["\n".join(parts) for parts in whole]


@lru_cache(maxsize=64)  # every message of a peer declares the same; a hostile one cannot make this grow
def _delimiters(head: str) -> Delimiters | None:
    """The delimiters an MSH declares; those it leaves out have their recommended values. None when they cannot work."""
    if head[:3] != "MSH" or len(head) < 4:
        return None
    separator = head[3]
    encoding = head[4:].split(separator, 1)[0][:4]
    delimiters = Delimiters(separator, *(encoding + "^~\\&"[len(encoding) :]))
    marks = {separator, delimiters.component, delimiters.repetition, delimiters.escape, delimiters.subcomponent}
    usable = len(marks) == 5 and all(mark.isascii() and mark.isprintable() and not mark.isalnum() for mark in marks)
    return delimiters if usable and " " not in marks else None


def _decode(data: bytes, codec: str) -> tuple[str, str]:
    for candidate in (codec, "utf-8"):
        try:
            return data.decode(candidate), candidate
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1"), "latin-1"


def _segment(line: str, delimiters: Delimiters, codec: str) -> Segment:
    fields = line.split(delimiters.field)
    if fields[0] == "MSH":
        fields.insert(1, delimiters.field)
    return Segment(fields[0], tuple(fields), delimiters, codec)
