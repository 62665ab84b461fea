"""Conversions: linear, listed, exact; worked out by hand from molar masses and definitions."""

import csv
from decimal import Decimal
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import terms

CONVERTED = {
    # 98 * 0.0555074 = 5.4397252; the device's step of 1 mg/dL is 0.0555 mmol/L, so hundredths
    "glucose": ("98", "2345-7", "mg/dL", "mmol/L", ("5.44", "14749-6")),
    "the same decimals for every glucose": ("100", "2345-7", "mg/dL", "mmol/L", ("5.55", "14749-6")),
    "and for a low one": ("7", "2345-7", "mg/dL", "mmol/L", ("0.39", "14749-6")),
    # 1.0 * 88.4017; a step of 0.1 is 8.84 umol/L, so whole ones
    "creatinine": ("1.0", "2160-0", "mg/dL", "umol/L", ("88", "14682-9")),
    # a step of 0.01 mg/dL is 0.884 umol/L, so tenths: 1.00 * 88.4017
    "creatinine with hundredths": ("1.00", "2160-0", "mg/dL", "umol/L", ("88.4", "14682-9")),
    "urea nitrogen keeps its component": ("14", "3094-0", "mg/dL", "mmol/L", ("5.0", "14937-7")),  # 4.997496
    "calcium": ("9.8", "17861-6", "mg/dL", "mmol/L", ("2.45", "2000-8")),  # 2.4452274 is nearer 2.45 than 2.44
    "same code, another unit": ("1.2", "1988-5", "mg/dL", "mg/L", ("12", "1988-5")),
    "trailing noughts of tens stay a number": ("12", "1751-7", "g/dL", "g/L", ("120", "1751-7")),
    "sodium": ("140", "2951-2", "meq/L", "mmol/L", ("140", "2951-2")),
    "potassium likewise": ("4.1", "2823-3", "meq/L", "mmol/L", ("4.1", "2823-3")),
    "a divalent ion": ("5.0", "2000-8", "meq/L", "mmol/L", ("2.50", "2000-8")),
    "a pressure": ("95", "2703-7", "mm[Hg]", "kPa", ("12.7", "2703-7")),  # 12.66559
    "a negative one": ("-10", "76248-4", "mbar", "cm[H2O]", ("-10", "76248-4")),  # -10.1972
    "nought stays nought": ("0", "2345-7", "mg/dL", "mmol/L", ("0.00", "14749-6")),
    "without a sign": ("-0", "2345-7", "mg/dL", "mmol/L", ("0.00", "14749-6")),
}

NOT_CONVERTED = {
    "not listed": ("98", "2345-7", "mg/dL", "g/L"),
    "the other way is not listed": ("5.4", "14749-6", "mmol/L", "mg/dL"),
    "of another specimen's code": ("98", "2350-7", "mg/L", "mmol/L"),
    "a degree has an offset": ("98.6", "8310-5", "[degF]", "Cel"),
    "HbA1c has an offset": ("6.5", "4548-4", "%", "mmol/mol"),
    "D-dimer is approximate": ("500", "48065-7", "ug/L{FEU}", "ug/L{DDU}"),
    "prolactin is assay specific": ("10", "2842-3", "ng/mL", "m[IU]/L"),
    "urea nitrogen does not become urea": ("14", "3094-0", "mg/dL", "mg/dL"),
    "copies do not become units": ("1000", "42595-9", "[IU]/mL", "{copies}/mL"),
    "a word": ("high", "2345-7", "mg/dL", "mmol/L"),
    "a comparator belongs elsewhere": ("<98", "2345-7", "mg/dL", "mmol/L"),
    "an exponent": ("9.8e1", "2345-7", "mg/dL", "mmol/L"),
    "no number": ("NaN", "2345-7", "mg/dL", "mmol/L"),
    "nothing": ("", "2345-7", "mg/dL", "mmol/L"),
    "digits of another script": ("٩٨", "2345-7", "mg/dL", "mmol/L"),
    "more digits than a device sends": ("9" * 41, "2345-7", "mg/dL", "mmol/L"),
}

TO_SI = {
    "mg/dL": (Decimal("1E-2"), "g"),  # g/L
    "g/dL": (Decimal(10), "g"),
    "ug/dL": (Decimal("1E-5"), "g"),
    "ng/dL": (Decimal("1E-8"), "g"),
    "ng/mL": (Decimal("1E-6"), "g"),
    "ug/mL": (Decimal("1E-3"), "g"),
    "pg/mL": (Decimal("1E-9"), "g"),
    "mmol/L": (Decimal("1E-3"), "mol"),
    "umol/L": (Decimal("1E-6"), "mol"),
    "nmol/L": (Decimal("1E-9"), "mol"),
    "pmol/L": (Decimal("1E-12"), "mol"),
}


@pytest.mark.parametrize(("value", "loinc", "of", "to", "expected"), CONVERTED.values(), ids=CONVERTED.keys())
def test_a_listed_conversion(value: str, loinc: str, of: str, to: str, expected: tuple[str, str]) -> None:
    assert terms.convert(value, loinc, of, to) == expected


@pytest.mark.parametrize(("value", "loinc", "of", "to"), NOT_CONVERTED.values(), ids=NOT_CONVERTED.keys())
def test_what_is_not_listed_or_not_linear_is_left_alone(value: str, loinc: str, of: str, to: str) -> None:
    assert terms.convert(value, loinc, of, to) is None


def test_every_molar_factor_is_the_molar_mass() -> None:
    checked = 0
    for row in csv.DictReader((files("gateway.terms") / "conversions.csv").read_text("utf-8").splitlines()):
        if row["molar_mass"]:
            (mass, _), (substance, _) = TO_SI[row["from_ucum"]], TO_SI[row["to_ucum"]]
            expected = mass / Decimal(row["molar_mass"]) / substance
            assert abs(Decimal(row["factor"]) / expected - 1) < Decimal("0.00001"), row["analyte"]
            checked += 1
    assert checked > 30


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 100_000), st.integers(0, 100_000), st.integers(0, 3))
def test_what_the_device_told_apart_stays_apart(one: int, other: int, places: int) -> None:
    def converted(number: int) -> str:
        found = terms.convert(f"{Decimal(number).scaleb(-places):f}", "2160-0", "mg/dL", "umol/L")
        assert found is not None
        return found[0]

    assert (converted(one) == converted(other)) == (one == other)
