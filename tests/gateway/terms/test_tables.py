"""What the tables hold: every row of the reference tables loads or is rejected with its reason, and no code is mistyped."""

import csv
import re
from importlib.resources import files
from pathlib import Path

import pytest

from gateway import terms
from gateway.terms import analytes, checks, conversions, properties, spellings, unit_names, vocabulary

ROOT = Path(__file__).parents[3]
OUR_ADDITIONS = ("FHIR R4 vital-signs profile asks", "flags of the MDC table")
ALIASES = {"MDC_ECG_CARD_BEAT_RATE": 2, "MDC_PRESS_BLD_ART_PULM_OCCL": 1, "MDC_RATE_INFUS": 0}
"""Second names of a code, with the rows they share with the first name."""


def table(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((files("gateway.terms") / name).read_text("utf-8").splitlines()))


def rejected(name: str) -> list[dict[str, str]]:
    return [row for row in table("rejects.csv") if row["table"] == name]


def test_every_row_of_the_vital_signs_reference_is_there_or_rejected() -> None:
    rows = [
        row for row in table(vocabulary.VITALS) if not row["source"].startswith(OUR_ADDITIONS) and row["refid"] not in ALIASES
    ]
    assert len(rows) + len(rejected(vocabulary.VITALS)) == 332


def test_every_row_of_the_analyte_reference_is_there_or_rejected() -> None:
    whole_rows = [row for row in rejected(analytes.TABLE) if row["reason"].startswith("no LOINC is known")]
    added_from_devices = 3
    assert len(table(analytes.TABLE)) - added_from_devices + len(whole_rows) == 313


def test_every_row_of_the_spelling_reference_is_there_or_rejected() -> None:
    added_from_devices = 70
    assert len(table(spellings.TABLE)) - added_from_devices + len(rejected(spellings.TABLE)) == 338


def test_every_row_of_the_conversion_reference_is_there_or_rejected() -> None:
    ours = [row for row in table(conversions.TABLE) if row["source"].startswith("as the row of") or row["analyte"] == "pCO2"]
    assert len(ours) == 5
    assert len(table(conversions.TABLE)) - len(ours) + len(rejected(conversions.TABLE)) == 67


def test_every_term_of_the_mdc_reference_is_there() -> None:
    added_with_the_vital_signs = 61
    assert len(table(vocabulary.TERMS)) - added_with_the_vital_signs == 410


def test_every_row_of_the_files_is_loaded() -> None:
    assert len(vocabulary.units()) == len(table(vocabulary.UNITS))
    assert len(vocabulary.entries()) == len(table(vocabulary.TERMS))
    assert sum(len(entry.vitals) for entry in vocabulary.entries().values()) == len(table(vocabulary.VITALS))
    assert len(spellings.spellings()) == len(table(spellings.TABLE))
    assert set(analytes.load().by_loinc) == {row["loinc"] for row in table(analytes.TABLE)}


def test_every_rejected_row_has_a_table_and_a_reason() -> None:
    known = {
        vocabulary.UNITS,
        vocabulary.TERMS,
        vocabulary.VITALS,
        analytes.TABLE,
        spellings.TABLE,
        conversions.TABLE,
    }
    for row in table("rejects.csv"):
        assert row["table"] in known
        assert row["row"]
        assert len(row["reason"]) > 10


def test_every_row_has_a_source() -> None:
    for name in (vocabulary.UNITS, vocabulary.TERMS, vocabulary.VITALS, analytes.TABLE, spellings.TABLE, conversions.TABLE):
        assert [row for row in table(name) if not row["source"]] == []


def users_guide_check_digit(number: str) -> int:
    """The six steps of the LOINC Users' Guide, appendix "Calculating Mod 10 check digits", as written there."""
    odd = number[::-1][0::2]
    even = number[::-1][1::2]
    digits = even + str(int(odd) * 2)
    total = sum(int(digit) for digit in digits)
    return (10 - total % 10) % 10


def test_the_users_guide_example_has_check_digit_5() -> None:
    assert users_guide_check_digit("12345") == checks.check_digit("12345") == 5


@pytest.mark.parametrize("name", [vocabulary.VITALS, analytes.TABLE])
def test_every_loinc_has_its_check_digit(name: str) -> None:
    for row in table(name):
        number, _, digit = row["loinc"].partition("-")
        assert users_guide_check_digit(number) == int(digit), row["loinc"]


@pytest.mark.parametrize("invalid", ["789-9", "717-9", "2100-5"])
def test_the_codes_that_a_pentra_invents_are_in_no_table(invalid: str) -> None:
    assert terms.loinc(invalid) is None


def test_one_loinc_has_one_property_everywhere() -> None:
    seen: dict[str, set[str]] = {}
    for name in (vocabulary.VITALS, analytes.TABLE):
        for row in table(name):
            seen.setdefault(row["loinc"], set()).add(row["property"])
    assert {code: found for code, found in seen.items() if len(found) > 1} == {}


def test_the_name_of_every_mdc_unit_can_be_read() -> None:
    assert [refid for refid in vocabulary.units() if unit_names.measured(refid) is None] == []


def test_a_code_of_two_names_means_one_dimension() -> None:
    by_code: dict[int, set[str | None]] = {}
    for unit in vocabulary.units().values():
        by_code.setdefault(unit.unit.code, set()).add(terms.dimension(unit.unit.ucum))
    assert {code: found for code, found in by_code.items() if len(found) > 1} == {}


def test_every_unit_a_vital_sign_prefers_is_an_mdc_unit_of_its_dimension() -> None:
    for row in table(vocabulary.VITALS):
        if row["ucum"]:
            unit = terms.mdc_unit(row["refid"], row["ucum"])
            assert unit is not None
            assert terms.dimension(unit.ucum) == terms.dimension(row["ucum"])


def test_every_property_in_use_has_dimensions_or_is_a_finding_in_words() -> None:
    used = {row["property"] for name in (vocabulary.VITALS, analytes.TABLE) for row in table(name)}
    assert [prop for prop in used if not properties.known(prop)] == []


def test_the_notices_of_loinc_and_ucum_ship_with_the_tables() -> None:
    shipped = (files("gateway.terms") / "NOTICE").read_text("utf-8")
    assert shipped == (ROOT / "NOTICE").read_text("utf-8")
    flat = re.sub(r"\s+", " ", shipped)
    assert "LOINC is copyright © Regenstrief Institute, Inc." in flat
    assert "includes all or a portion of the UCUM table, UCUM codes, and UCUM definitions" in flat


def test_the_page_about_the_terms_counts_right() -> None:
    page = (ROOT / "docs" / "terms.md").read_text("utf-8")
    for name in (
        vocabulary.UNITS,
        vocabulary.TERMS,
        vocabulary.VITALS,
        analytes.TABLE,
        spellings.TABLE,
        conversions.TABLE,
        "rejects.csv",
    ):
        assert re.search(rf"`{re.escape(name)}` +\| +{len(table(name))} ", page), name
    for name in (vocabulary.VITALS, analytes.TABLE):
        for confidence in checks.CONFIDENCES:
            count = sum(row["confidence"] == confidence for row in table(name))
            assert re.search(rf"{re.escape(name)}.*{count} {confidence}", page), (name, confidence)


# NIST mdccodes.csv, January 2025, read line by line
NIST_UNITS = {
    "MDC_DIM_MILLI_OHM": 266450,
    "MDC_DIM_NANO_VOLT": 266420,
    "MDC_DIM_MILLI_MOLE": 266706,
    "MDC_DIM_MILLI_EQUIV": 266738,
    "MDC_DIM_X_G_PER_KG_PER_MIN": 265600,
    "MDC_DIM_NANO_G_PER_HR": 265524,
    "MDC_DIM_MILLI_L_PER_BEAT": 268274,
    "MDC_DIM_MILLI_L_PER_MBAR": 273042,
    "MDC_DIM_MILLI_BAR_SEC_PER_L": 272914,
    "MDC_DIM_DYNE_SEC_M_SQ_PER_CM_5": 270464,
    "MDC_DIM_MMHG_SEC_PER_ML": 270688,
    "MDC_DIM_G_FORCE_M": 271008,
    "MDC_DIM_INR": 273536,
    "MDC_DIM_MEGA_INTL_UNIT_PER_KG_PER_MIN": 267940,
}


@pytest.mark.parametrize(("refid", "code"), NIST_UNITS.items())
def test_a_unit_has_its_code(refid: str, code: int) -> None:
    assert vocabulary.units()[refid].unit.code == code
