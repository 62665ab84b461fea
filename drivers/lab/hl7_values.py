"""What OBX-5, 6, 8 and 11 say: the value with its precision or why there is none, its unit, flags and status."""

from __future__ import annotations

import re
from collections.abc import Iterator

from drivers.lab import values
from drivers.lab.hl7_places import NULL
from drivers.lab.hl7_profile import Hl7LabOptions
from drivers.lab.values import NO_VALUE, Value, shown
from gateway.model import Kind, Validity
from protocols.hl7v2.message import Segment

_CODED = ("CE", "CWE", "CNE", "CF")
_LISTS = ("NA", "MA", "DR")
"""Several numbers or moments, none of which is the result alone."""
_WORDS = ("DTM", "TS", "DT", "TM", "EI")
_PARTS = 5
"""Components of OBX-5 that are looked at."""
_STATUSES = frozenset("CDFINOPRSUWX")
"""HL7 table 0085; V and B and A, which later versions add, promise less than F and become R."""
_FLAGS = frozenset(("L", "H", "LL", "HH", "<", ">", "N", "A", "AA", "U", "D", "B", "W", "S", "R", "I", "MS", "VS"))
"""HL7 table 0078: letters that need no words."""
_NORMAL = "N"
_ARROWS = {"↑": "H", "↓": "L"}
_POWER = re.compile(r"10\*(?P<power>-?\d{1,2})\.(?P<unit>\S+)\Z")
"""UCUM with a power of ten before the unit: cobas 5800, 6800 and 8800 send 367 of "10*-1.{copies}/mL" for 36.7 copies/mL."""
_CARETS = re.compile(r"(?:(?:[xX*]\s*)?10\^-?\d{1,2}(?:[^^\d][^^]*(?:\^[23](?!\d))?)?|[^^]*m\^[23](?:[^^\d][^^]*)?)(?=\^|\Z)")
"""Powers written with the mark between components, as counters of the URIT and Mythic kind do: "10^9/L", "x10^3/mm^3"; also
"mL/min/1.73m^2"."""
_THOUSANDS = re.compile(r"((?:[<>]=?|[≤≥])?\s*)(\d{1,3}(?:,\d{3})+)(\.\d+)?\Z")
_PIECE = re.compile(r"\s*(?P<value>(?:[<>]=?|[≤≥])?\s*[+-]?\d+(?:[.,]\d+)?)\s*(?P<unit>.*?)\s*(?P<arrow>[↑↓]?)\s*\Z")
GLUED_MAX = 20
"""Results that one OBX may hold: a cartridge has a handful."""


def is_image(obx: Segment) -> bool:
    """Whether an OBX carries encapsulated data: a picture, a curve."""
    return obx.text(2) in ("ED", "RP")


def value(obx: Segment, code: str, options: Hl7LabOptions) -> tuple[Value, tuple[str, ...]]:
    """The value and what stands beside it, by OBX-2; an analyzer that leaves OBX-2 empty is read by what it wrote."""
    kind = obx.text(2)
    parts = ["" if part == NULL else part for part in (obx.text(5, n).strip() for n in range(1, _PARTS + 1))]
    if kind == "SN":
        return _structured(parts, options), ()
    if is_image(obx):
        return Value(Kind.TEXT, next(filter(None, reversed(parts)), None)), ()
    repeats = [text.strip() for text in obx.repeats(5)[1:]]
    if kind in _CODED:
        said, *further = (_coded(obx, n) for n in range(1, len(repeats) + 2))
        return (Value(Kind.TEXT, said) if said else NO_VALUE), tuple(shown(text) for text in further if text)
    if kind in _LISTS:
        said = obx.raw(5).strip()
        return (Value(Kind.TEXT, said) if said.strip("^") else NO_VALUE), ()
    found, beside = _plain(parts[:2], kind, code, options)
    return found, tuple(shown(text) for text in (*beside, *repeats) if text and text != NULL)


def _coded(obx: Segment, repeat: int) -> str:
    """What a repeat of a code says: its text, else itself, else its alternate's or its original text."""
    said = (obx.text(5, n, repeat).strip() for n in (2, 1, 5, 9))
    return next((text for text in said if text and text != NULL), "")


def verdict(obx: Segment, found: Value, options: Hl7LabOptions) -> Value:
    """The value, or where there is none and the analyzer does not call that a failure, the judgement that is the result."""
    if found.text is not None or obx.text(11).strip().upper() == "X":
        return found
    said = (obx.text(8, 1, n).strip() for n in range(1, len(obx.repeats(8)) + 1))
    judged = next((flag for flag in said if flag and re.fullmatch(options.verdicts, flag)), None)
    return found if judged is None else Value(Kind.TEXT, judged)


def _plain(parts: list[str], kind: str, code: str, options: Hl7LabOptions) -> tuple[Value, list[str]]:
    """The first component, or the second where that is the number (GeneXpert: words in the first, a number in the second)."""
    known = options.analytes.get(code)
    if kind in _WORDS or (known is not None and known.kind is Kind.TEXT):
        said = next(filter(None, parts), "")
        return (Value(Kind.TEXT, said) if said else NO_VALUE), []
    read = [_read(part, options) for part in parts]
    numbers = [n for n, (found, _) in enumerate(read) if found.kind is Kind.NUMERIC]
    chosen = numbers[0] if numbers else 0 if parts[0] else 1
    found, beside = read[chosen]
    if found.text is None and not parts[chosen]:
        found = read[0][0]
    return found, [*beside, *(part for n, part in enumerate(parts) if n != chosen)]


def _read(text: str, options: Hl7LabOptions) -> tuple[Value, list[str]]:
    """The value of a text, and the whole of it where the profile takes only a part."""
    if options.value_pattern and (match := re.fullmatch(options.value_pattern, text)) is not None:
        return values.value(match["value"], options.reading), [text]
    if options.thousands_comma and (match := _THOUSANDS.match(text)) is not None:
        text = match[1] + match[2].replace(",", "") + (match[3] or "")
    return values.value(text.rstrip("↑↓ "), options.reading), []


def words(obx: Segment) -> Iterator[str]:
    """All that OBX-5 says: its components and repeats; of a code its text, else itself."""
    mark = obx.delimiters.component
    for n, repeat in enumerate(obx.repeats(5), 1):
        said = [obx.text(5, c, n).strip() for c in range(1, repeat.count(mark) + 2)]
        yield from ([part for part in reversed(said[:2]) if part][:1] if obx.text(2) in _CODED else said)


def _structured(parts: list[str], options: Hl7LabOptions) -> Value:
    """SN: comparator, number, separator, number; a ratio or a span is text."""
    comparator, number, separator, other = parts[:4]
    if separator or other:
        return Value(Kind.TEXT, f"{comparator}{number}{separator}{other}")
    comparator = "" if comparator == "=" else comparator
    return values.value(f"{comparator}{number}", options.reading)


def unit(obx: Segment) -> str:
    """The unit as the analyzer wrote it: OBX-6.1, or its text where there is no code; one with a power is one unit."""
    if power := _CARETS.match(obx.raw(6).strip()):
        return power[0]
    said = next(filter(None, (obx.text(6, n).strip() for n in (1, 2))), "")
    return "" if said == NULL else said


def multiplied(found: Value, said: str) -> tuple[Value, str]:
    """A mantissa times the power of ten that its unit begins with, exactly, and what is left of the unit."""
    match = _POWER.match(said)
    if match is None or found.kind is not Kind.NUMERIC:
        return found, said
    return values.scaled(found, match["power"]), match["unit"]


def state(obx: Segment, found: Value, options: Hl7LabOptions) -> tuple[str, Validity]:
    """OBX-11 and what it says of the value."""
    said = obx.text(11).strip().upper()
    if found.text is None:
        return "X", found.validity
    letter = options.statuses.get(said) or (said if said in _STATUSES else "R")
    if found.kind is Kind.TEXT and re.fullmatch(options.failed, found.text):
        letter = "X"
    return letter, Validity.QUESTIONABLE if letter == "X" else found.validity


def flags(obx: Segment, options: Hl7LabOptions) -> tuple[str, ...]:
    """OBX-8, each flag once; "normal" beside another flag says nothing, an arrow behind the value is one."""
    said = [obx.text(8, 1, n).strip() for n in range(1, len(obx.repeats(8)) + 1)]
    said += [_ARROWS[arrow] for arrow in obx.text(5).strip()[-1:] if arrow in _ARROWS]
    told = (options.flags.get(flag, flag) for flag in said if flag and flag != NULL)
    found = list(dict.fromkeys(flag[: values.FLAG_MAX] for flag in told if flag))[: values.FLAGS_MAX]
    return tuple(flag for flag in found if flag != _NORMAL or len(found) == 1)


def flag_words(obx: Segment) -> Iterator[str]:
    """What flags of the maker's own mean in its words: "U06T Pipetting anomaly …"."""
    told = ((obx.text(8, 1, n).strip(), obx.text(8, 2, n).strip()) for n in range(1, len(obx.repeats(8)) + 1))
    for flag, words in dict.fromkeys(told):
        if flag and words and flag not in {*_FLAGS, NULL}:
            yield shown(f"{flag} {words}")


def pieces(obx: Segment, options: Hl7LabOptions) -> list[Segment]:
    """The OBX, or those that it would be, were its results not glued together ("HbA1c  eAG", "9.3 %  220.2 mg/dL")."""
    if not options.glued:
        return [obx]
    where = 3 if obx.text(3).strip() else 4
    names, numbers = (
        [piece.strip() for piece in re.split(options.glued, obx.text(n).strip()) if piece.strip()] for n in (where, 5)
    )
    read = [_PIECE.match(number) for number in numbers]
    if not 1 < len(names) == len(numbers) <= GLUED_MAX or any(piece is None for piece in read):
        return [obx]
    return [_piece(obx, where, name, piece, nth) for nth, (name, piece) in enumerate(zip(names, read, strict=True)) if piece]


def _piece(obx: Segment, where: int, name: str, piece: re.Match[str], nth: int) -> Segment:
    fields = [*obx.fields, *[""] * (12 - len(obx.fields))]
    fields[where], fields[5] = name, piece["value"] + piece["arrow"]
    fields[6] = piece["unit"] or (fields[6] if nth == 0 else "")
    fields[7] = fields[7] if nth == 0 else ""
    return Segment(obx.name, tuple(fields), obx.delimiters, obx.codec)
