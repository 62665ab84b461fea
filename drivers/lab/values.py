"""What R.4, R.6, R.7 and R.9 say: the value with its precision, or why there is none; range, flags, status."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from gateway.model import Kind, Validity
from gateway.terms.decimals import decimal_text
from protocols.astm.records import Record

TEXT_MAX = 200
"""Characters of a text that go into a note: enough to read what it is; the whole of it is in the raw message."""

FLAG_MAX, FLAGS_MAX = 40, 20
"""Characters of a flag, flags of a result: makers' own are words at most, and a result has a handful."""

RANGES_MAX = 10
"""Ranges of a result: normal, critical, and what a maker adds."""

NUMBER_MAX = 40
"""Characters of a number: more than any analyzer writes; what is longer is text, and costs no time to judge."""

_COMPARED = re.compile(r"(<=|>=|<|>|≤|≥)\s*(\S.*)\Z")
_COMPARATORS = {"≤": "<=", "≥": ">="}
_SCIENTIFIC = re.compile(r"[+-]?\d+(?:\.\d+)?[eE][+-]?\d{1,2}\Z")
_PLAINLY_SCIENTIFIC = re.compile(r"[+-]?\d\.\d+[eE][+-]\d{1,2}\Z")
"""What only a number is written as: "1.45E+03", AMPLILINK's "8.42E+1", not "1E5", which may be a name."""
_EXPONENT = re.compile(r"[+-]?\d{1,2}\Z")
_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)"
_RANGE = re.compile(rf"[\[(]?\s*({_NUMBER})\s*(?:to|[-\u2013~\uff5e]|\.\.)\s*({_NUMBER})\s*[\])]?\Z", re.IGNORECASE)
_BOUND = re.compile(rf"(<=|>=|<|>|≤|≥)\s*({_NUMBER})\Z")
_COMMA = re.compile(r"(?<=\d),(?=\d)")
_DECIMAL_COMMA = re.compile(r"[+-]?(?:(?:\d{4,}|0?),\d+|\d+,(?:\d{1,2}|\d{4,}))\Z")
"""A comma that can only be a decimal one: "16,92", "0,123", not "1,234", which may be a thousand and more."""
_GROUPED = re.compile(
    r"[+-]?\d{1,3}(?:(?:[\u00a0\u202f]\d{3})+(?:[.,]\d+)?|(?: \d{3})+[.,]\d+|(?:\.\d{3})+,\d+|(?:,\d{3})+\.\d+)\Z"
)
"""Thousands that can only be thousands: "1 250,00", "1.250,00" and "1,250.00" (GeneXpert in French, with a hard blank)."""
_MAYBE_GROUPED = re.compile(rf"(?:{_NUMBER}|[+-]?\d{{1,3}}(?:,\d{{3}})+(?:\.\d*)?)\Z")
_GROUPS = re.compile(r"[ \u00a0\u202f]|[.,](?=\d{3}[.,])")
_BARE_POINT = re.compile(r"[+-]?\d+\.\Z")
"""The IMMULITE's "173.": three digits are certain, and a point behind them."""


class Value(NamedTuple):
    """A value: `text` None when there is none, and `validity` says why. `kind` is numeric only for a decimal."""

    kind: Kind
    text: str | None
    comparator: str = ""
    validity: Validity = Validity.OK


NO_VALUE = Value(Kind.TEXT, None, "", Validity.NOT_AVAILABLE)


class Reading(NamedTuple):
    """How a profile has values read: `absent` patterns with their reasons, decimal comma, numbers like 1.5E+03."""

    absent: tuple[tuple[re.Pattern[str], Validity], ...]
    decimal_comma: bool
    scientific: bool


def value(text: str, how: Reading) -> Value:
    """The value that a text is; a "?" before a number (Radiometer: "?7.412") says that it is questionable."""
    text = text.strip()
    if text[:1] == "?":
        doubted = _value(text[1:].strip(), how)
        if doubted.kind is Kind.NUMERIC:
            return doubted._replace(validity=Validity.QUESTIONABLE)
    return _value(text, how)


def _value(text: str, how: Reading) -> Value:
    if not text:
        return NO_VALUE
    for pattern, reason in how.absent:
        if pattern.fullmatch(text):
            return Value(Kind.TEXT, None, "", reason)
    compared = _COMPARED.match(text)
    sign, rest = (compared[1], compared[2]) if compared else ("", text)
    number = _number(rest, how)
    if number is None:
        return Value(Kind.TEXT, text)
    return Value(Kind.NUMERIC, number, _COMPARATORS.get(sign, sign))


def choose(parts: tuple[str, ...], order: tuple[int, ...], how: Reading) -> tuple[Value, tuple[str, ...]]:
    """The value among the components of R.4, and the texts of the others.

    `order` names the components to try; empty: the first that is a number, else the first that is anything at all
    (a qualitative result in one component and its number in another are both common).
    """
    candidates = [n for n in (order or range(1, len(parts) + 1)) if 0 < n <= len(parts) and parts[n - 1].strip()]
    if not candidates:
        return NO_VALUE, tuple(filter(None, map(str.strip, parts)))
    read = {n: value(parts[n - 1], how) for n in candidates}
    chosen = candidates[0]
    if not order:
        chosen = next((n for n in candidates if read[n].kind is Kind.NUMERIC), chosen)
    others = tuple(part.strip() for n, part in enumerate(parts, 1) if n != chosen and part.strip())
    return read[chosen], others


def scaled(found: Value, exponent: str) -> Value:
    """A mantissa times a power of ten, exactly, written out; what is no whole exponent leaves the value as it is."""
    if found.kind is not Kind.NUMERIC or found.text is None or not _EXPONENT.match(exponent.strip()):
        return found
    return found._replace(text=f"{Decimal(found.text).scaleb(int(exponent)):f}")


def reference_range(record: Record, n: int, *, decimal_comma: bool) -> tuple[str, tuple[str, ...]]:
    r"""R.6 as OBX-7 writes it ("3.5-5.1", "<200"), and what else the field said: its further repeats.

    Two bounds may be a text ("3.5 to 5.1", a range's name behind it), two components (`0.27^4.20`, Roche and Mindray) or two
    repeats (`20.0\30.0`, cobas c 111). Of another lone number nobody knows which bound it is: the whole field stays as it came.
    Without a letter or digit it says nothing ("-", Dimension Vista).
    """
    repeats = [
        tuple(part.strip()[:TEXT_MAX] for part in record.components(n, r)) for r in range(min(record.repeats(n), RANGES_MAX))
    ]
    if decimal_comma or any(_has_decimal_comma(part) for parts in repeats for part in parts):
        repeats = [tuple(_COMMA.sub(".", part) for part in parts) for parts in repeats]
    if len(repeats) > 1 and any(repeats[0]) and _are_numbers(repeats[0][:1]) and not any(repeats[0][1:]):
        return _bounds(repeats) or (record.field(n).strip()[:TEXT_MAX], ())
    ranges = [_repeat(parts, named=nth > 0, decimal_comma=decimal_comma) for nth, parts in enumerate(repeats)]
    return (ranges[0], tuple(f"range: {text}" for text in ranges[1:] if text)) if ranges else ("", ())


def _repeat(parts: tuple[str, ...], *, named: bool, decimal_comma: bool) -> str:
    low, high = (*parts, "", "")[:2]
    if _MAYBE_GROUPED.match(high) and (not low or _MAYBE_GROUPED.match(low)):
        return f"{low}-{high}" if low else f"<{high}"
    text = interval(low, decimal_comma=decimal_comma)
    said = " ".join(filter(None, (text, *(parts[1:] if named else ()))))
    return said if any(map(str.isalnum, said)) else ""


def _bounds(repeats: Sequence[tuple[str, ...]]) -> tuple[str, tuple[str, ...]] | None:
    r"""Bounds in repeats: `low\high`; IMMULITE's `4.5\.4^12.5\24`, each bound with what it can measure: 4.5-12.5 of .4-24."""
    match repeats:
        case [(low,), (high,)] if _ascend(low, high):
            return f"{low}-{high}", ()
        case [(low,), (least, high), (most,)] if _ascend(low, high) and not (_ascend(low, least) or _ascend(most, high)):
            return (f"{low}-{high}", (f"range: {least}-{most}",)) if _are_numbers((least, most)) else None
    return None


def _ascend(low: str, high: str) -> bool:
    return _are_numbers((low, high)) and Decimal(low) < Decimal(high)


def _are_numbers(texts: Iterable[str]) -> bool:
    return all(map(_is_number, texts))


def _is_number(text: str) -> bool:
    return re.fullmatch(_NUMBER, text) is not None


def flags(record: Record, n: int, mapped: Mapping[str, str]) -> tuple[str, ...]:
    """R.7: each non-empty component of each repeat is a flag; `mapped` translates, "" there means that it says nothing."""
    said = (part.strip() for repeat in range(min(record.repeats(n), FLAGS_MAX)) for part in record.components(n, repeat))
    return translated(said, mapped)


def translated(said: Iterable[str], mapped: Mapping[str, str]) -> tuple[str, ...]:
    """Flags, each once, as `mapped` has them; "" there means that a flag says nothing."""
    told = (mapped.get(flag, flag) for flag in said if flag)
    return tuple(dict.fromkeys(flag[:FLAG_MAX] for flag in told if flag))[:FLAGS_MAX]


_STATUS = {"F": "F", "C": "C", "P": "P", "X": "X", "I": "I", "S": "S"}
"""R.9 letters that mean in HL7 table 0085 what they mean in LIS02-A2 §9.9. Not R, N, M, Q, V, and not W: here it says that a
value is questionable, there that it was posted wrongly."""
_REPORT_TYPE = {"F": "F", "C": "C", "P": "P", "X": "X"}


def status(said: str, mapped: Mapping[str, str], report_type: str) -> str:
    """OBX-11 for an R.9: the profile's word, else the letters both tables share, else R (entered, not verified).

    An empty R.9 takes the word of the order's report type (O.26). R is the safe default: it promises less than any other.
    """
    if said in mapped:
        return mapped[said]
    if not said:
        return _REPORT_TYPE.get(report_type, "R")
    return _STATUS.get(said, "R")


def shown(text: str) -> str:
    """A text short enough for a note."""
    return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}… ({len(text)} characters, whole in the raw message)"


def _number(text: str, how: Reading) -> str | None:
    if len(text) > NUMBER_MAX:
        return None
    if _GROUPED.match(text):
        text = _GROUPS.sub("", text).replace(",", ".")
    elif how.decimal_comma or _DECIMAL_COMMA.match(text):
        text = _COMMA.sub(".", text, count=1)
    if _BARE_POINT.match(text):
        text = text[:-1]
    if (_SCIENTIFIC if how.scientific else _PLAINLY_SCIENTIFIC).match(text):
        return f"{Decimal(text):f}"
    return decimal_text(text)


def interval(text: str, *, decimal_comma: bool) -> str:
    """A reference range in one text as OBX-7 writes it: "3.5 to 5.1" and "[3.5~5.1]" are "3.5-5.1"; what is no range stays."""
    if decimal_comma or _has_decimal_comma(text):
        text = _COMMA.sub(".", text)
    both = _RANGE.match(text)
    if both:
        low, high = both.groups()
        twice = high[0] == "-" and not _ascend(low, high)  # "3.5--5.1"
        return f"{low}-{high[1:] if twice else high}"
    one = _BOUND.match(text)
    return f"{_COMPARATORS.get(one[1], one[1])}{one[2]}" if one else text


def _has_decimal_comma(text: str) -> bool:
    """Whether a comma in a text can only be a decimal one; then so are its others: "0,500-1,500"."""
    return any(map(_DECIMAL_COMMA.match, re.findall(r"[\d,]*,[\d,]*", text)))
