"""What every row must pass before it may be used: check digits, and one dimension for MDC unit, UCUM unit and LOINC property."""

from __future__ import annotations

import re
from functools import cache

from gateway.terms import properties
from gateway.terms.reading import Row
from gateway.terms.ucum import dimension

CONFIDENCES = ("explicit", "paired", "inferred")

_LOINC = re.compile(r"\d{1,7}-\d\Z", re.ASCII)


@cache
def check_digit(number: str) -> int:
    """LOINC's check digit for the digits before the hyphen (mod 10, LOINC Users' Guide, "Calculating mod 10 check digits")."""
    doubled = str(2 * int(number[::-2]))
    return -sum(map(int, number[-2::-2] + doubled)) % 10


def loinc_code(row: Row, code: str) -> str:
    """`code`, or an error that refuses the row: not of LOINC's form, or a wrong check digit."""
    if _LOINC.match(code) is None:
        raise row.wrong(f"{code!r} is no LOINC code, expected digits, a hyphen and a check digit")
    number, _, digit = code.partition("-")
    if int(digit) != (expected := check_digit(number)):
        raise row.wrong(f"LOINC {code} has a bad check digit: {digit}, expected {expected}")
    return code


def confidence(row: Row, text: str) -> str:
    if text not in CONFIDENCES:
        raise row.wrong(f"confidence is {text!r}, expected one of {', '.join(CONFIDENCES)}")
    return text


def unit_dimension(row: Row, ucum: str) -> str:
    """The dimension of the row's unit, or an error that refuses the row."""
    measured = dimension(ucum)
    if measured is None:
        raise row.wrong(f"{ucum!r} is no UCUM unit that the reader knows")
    return measured


def property_fits(row: Row, code: str, prop: str, ucum: str) -> None:
    """Refuse a row whose UCUM unit and LOINC property measure different things."""
    if not properties.known(prop):
        raise row.wrong(f"LOINC {code} has the property {prop!r}, which has no dimensions in properties.py")
    if not ucum:
        if prop not in properties.NO_UNIT and prop not in properties.OPEN:
            raise row.wrong(f"LOINC {code} with property {prop} needs a unit")
        return
    measured = unit_dimension(row, ucum)
    expected = properties.allowed(prop, ucum)
    if measured not in expected:
        raise row.wrong(
            f"LOINC {code} has property {prop} ({' or '.join(sorted(expected)) or 'no unit'}), "
            f"the UCUM unit {ucum} measures {measured}"
        )
