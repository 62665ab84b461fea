"""FHIR's JSON: read with the digits kept, and what any resource must not hold, wherever it stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from gateway import terms
from gateway.lint.fhir_finding import Judge, Object
from gateway.lint.fhir_tables import COMPARATORS, LOINC, MDC, UCUM

DEPTH_MAX: Final = 100
"""Levels of nesting: a resource has ten or so; a hostile one would exhaust the stack."""

_DATE_TIME: Final = re.compile(
    r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])(T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(?P<zone>Z|[+-]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)
_TIMES: Final = frozenset(
    {"effectiveDateTime", "effectiveInstant", "issued", "timestamp", "collectedDateTime", "receivedTime", "valueDateTime"}
    | {"lastUpdated", "recorded", "authoredOn", "start", "end", "performedDateTime", "time", "manufactureDate", "lastModified"}
)
_INSTANTS: Final = frozenset({"issued", "timestamp", "lastUpdated", "recorded", "effectiveInstant", "lastModified"})
_QUANTITIES: Final = frozenset({"valueQuantity", "low", "high", "origin", "numerator", "denominator", "doseQuantity"})
_DECIMALS: Final = frozenset({"period", "factor", "lowerLimit", "upperLimit"})
_LOINC: Final = re.compile(r"(\d{1,7})-(\d)", re.ASCII)


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written, to be told from an array."""


def read(text: str) -> list[Any]:
    """The JSON values of a file: one, or one after the other (NDJSON); objects still as `_Pairs`. Raises ValueError."""
    decoder = json.JSONDecoder(object_pairs_hook=_Pairs, parse_float=Decimal, parse_constant=_no_number)
    found, at = [], 0
    text = text.strip()
    if not text:
        raise ValueError("nothing at all")
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        found.append(value)
        at += len(text[at:]) - len(text[at:].lstrip())
    return found


def type_of(value: Any) -> str:
    """The resourceType of an object that was read; empty when it has none."""
    pairs = value if isinstance(value, _Pairs) else ()
    return next((one for name, one in pairs if name == "resourceType" and isinstance(one, str)), "")


def plain(judge: Judge, where: str, value: Any, depth: int = 0) -> Any:
    """The value with dicts for objects; findings for what JSON allows and FHIR does not. ValueError: nested too deep."""
    if depth > DEPTH_MAX:
        raise ValueError(f"more than {DEPTH_MAX} levels")
    if isinstance(value, _Pairs):
        return _object(judge, where, value, depth)
    if isinstance(value, list):
        if not value:
            judge.add("json-empty", where, "[]", "no element at all")
        return [plain(judge, f"{where}[{number}]", one, depth + 1) for number, one in enumerate(value)]
    if value == "" and isinstance(value, str):
        judge.add("json-empty", where, '""', "no element at all")
    return value


def check_elements(judge: Judge, where: str, value: Any) -> None:
    """Times, numbers, quantities and codings, wherever they stand."""
    for path, name, element in _walk(where, "", value):
        if isinstance(element, str) and name in _TIMES:
            _time(judge, path, name, element)
        elif isinstance(element, dict):
            if name in _QUANTITIES:
                _quantity(judge, path, element)
            elif name == "coding":
                _coding(judge, path, element)
            elif name == "valueSampledData":
                _sampled(judge, path, element)


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _object(judge: Judge, where: str, pairs: _Pairs, depth: int) -> Object:
    found: Object = {}
    if not pairs:
        judge.add("json-empty", where, "{}", "no element at all")
    for name, value in pairs:
        if name in found:
            judge.add("json-duplicate", f"{where}.{name}", name, "one property of that name")
        if value is None:
            judge.add("json-null", f"{where}.{name}", "null", "no element at all")
            continue
        found[name] = plain(judge, f"{where}.{name}", value, depth + 1)
    return found


def _walk(where: str, name: str, value: Any) -> Iterator[tuple[str, str, Any]]:
    yield where, name, value
    if isinstance(value, dict):
        for own, one in value.items():
            if own != "resource":  # an entry's resource is judged by itself
                yield from _walk(f"{where}.{own}", own, one)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _walk(f"{where}[{number}]", name, one)


def _time(judge: Judge, where: str, name: str, text: str) -> None:
    match = _DATE_TIME.fullmatch(text)
    if match is None or (name in _INSTANTS and "T" not in text):
        judge.add("date-time", where, text, "YYYY-MM-DDThh:mm:ss.sss+zz:zz" if name in _INSTANTS else "a FHIR dateTime")
    elif "T" in text and not match["zone"]:
        judge.add("time-zone", where, text, "an offset such as +01:00, or Z")


def _quantity(judge: Judge, where: str, quantity: Object) -> None:
    amount, system, code = quantity.get("value"), quantity.get("system"), quantity.get("code")
    if amount is not None and (isinstance(amount, bool) or not isinstance(amount, int | Decimal)):
        judge.add("decimal", f"{where}.value", amount, "a JSON number without quotes")
    comparator = quantity.get("comparator")
    if comparator is not None and comparator not in COMPARATORS:
        judge.add("status", f"{where}.comparator", comparator, "< <= >= or >")
    if code is not None and system is None:
        judge.add("quantity-system", f"{where}.system", None, UCUM)
    elif system is not None and system != UCUM:
        judge.add("quantity-ucum", f"{where}.system", system, UCUM)
    elif isinstance(code, str) and system == UCUM and terms.dimension(code) is None:
        judge.add("quantity-unit", f"{where}.code", code, "a UCUM unit that is known here")


def _coding(judge: Judge, where: str, coding: Object) -> None:
    code, system = coding.get("code"), coding.get("system")
    if not isinstance(code, str):
        return
    if system is None:
        judge.add("coding-system", f"{where}.system", None, "the system of the code")
    elif system == LOINC and not is_loinc(code):
        judge.add("loinc", f"{where}.code", code, "a LOINC number with its check digit")
    elif system == MDC:
        _mdc(judge, where, code, coding.get("display"))


def _mdc(judge: Judge, where: str, code: str, display: object) -> None:
    if not (code.isascii() and code.isdigit()) or not 65536 <= int(code[:11]) < 2**32:
        judge.add("mdc-code", f"{where}.code", code, "the 32-bit context-free code in decimal digits")
        return
    term = terms.find(display) if isinstance(display, str) else None
    if term is not None and term.code != int(code):
        judge.add("mdc-code", f"{where}.code", code, f"{term.code}, the code of {term.refid}")


def is_loinc(code: str) -> bool:
    """Whether the check digit is right (Luhn's, mod 10)."""
    match = _LOINC.fullmatch(code)
    if match is None:
        return False
    digits = [int(digit) for digit in reversed(match[1])]
    total = sum(digits[1::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[0::2])
    return (10 - total % 10) % 10 == int(match[2])


def _sampled(judge: Judge, where: str, sampled: Object) -> None:
    for name in _DECIMALS & sampled.keys():
        if isinstance(sampled[name], str | bool):
            judge.add("decimal", f"{where}.{name}", sampled[name], "a JSON number without quotes")
    period = sampled.get("period")
    if isinstance(period, int | Decimal) and period <= 0:
        judge.add("sampled-data", f"{where}.period", period, "milliseconds between samples, more than 0")
    for token in str(sampled.get("data", "")).split(" "):
        if not re.fullmatch(r"-?\d+(\.\d+)?|[EUL]", token, re.ASCII):
            judge.add("sampled-data", f"{where}.data", token, "numbers, E, U or L, one space between")
            break
