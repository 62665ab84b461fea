"""Unit texts of devices: what each means in UCUM, and what is left alone because it means nothing certain."""

import pytest

from gateway import terms

MEANS = {
    "%": "%",
    "% ": "%",
    " mmHg": "mm[Hg]",
    "mm Hg": "mm[Hg]",
    "mm[Hg]": "mm[Hg]",
    "MMHG": "mm[Hg]",
    "cmH2O": "cm[H2O]",
    "cmH20": "cm[H2O]",  # a nought for an O, common
    "bpm": "/min",
    "BPM": "/min",
    "1/min": "/min",
    "°C": "Cel",
    "℃": "Cel",
    "10*3/uL": "10*3/uL",
    "10^3/µL": "10*3/uL",
    "10^3/μL": "10*3/uL",  # the Greek letter, not the micro sign
    "10³/µL": "10*3/uL",
    "K/uL": "10*3/uL",  # a count, no kelvin
    "K/ul": "10*3/uL",
    "10^3/ul": "10*3/uL",  # UCUM as it stands, and still the one unit
    "x10^3/uL": "10*3/uL",
    "\u00d710³/µl": "10*3/uL",
    "10(3)/uL": "10*3/uL",
    "10^3/mm^3": "10*3/uL",
    "10^3/cumm": "10*3/uL",
    "x10E9/L": "10*9/L",
    "10^09/l": "10*9/L",
    "Gpt/l": "10*9/L",  # Gigapartikel
    "x10^12/l": "10*12/L",
    "ug/dl": "ug/dL",
    "µg/dl": "ug/dL",
    "iu/l": "[IU]/L",
    "u/ml": "U/mL",
    "μIU/ml": "u[IU]/mL",
    "mg/l FEU": "mg/L{FEU}",
    "ug/ml(FEU)": "ug/mL{FEU}",
    "mg/24h": "mg/(24.h)",
    "seg": "s",  # segundos
    "Vol%": "%{vol}",
    "10^3/mm3": "10*3/uL",  # 1 mm3 is 1 uL
    "G/L": "10*9/L",  # a count; g/L is a mass
    "g/L": "g/L",
    "M/uL": "10*6/uL",  # millions, nothing molar
    "T/L": "10*12/L",
    "mg%": "mg/dL",  # per 100 mL, no percentage
    "g%": "g/dL",
    "MG/DL": "mg/dL",
    "mmol/l": "mmol/L",
    "MMOL/L": "mmol/L",
    "µg/L": "ug/L",
    "mcg/L": "ug/L",
    "mlU/mL": "m[IU]/mL",  # an l for an I
    "E/L": "U/L",  # the German Einheit
    "UI/L": "[IU]/L",
    "mEq/L": "meq/L",
    "log copies/mL": "{Log_copies}/mL",
    "ug/mL FEU": "ug/mL{FEU}",
    "ng/mL DDU": "ng/mL{DDU}",
    "°F": "[degF]",
    "L/min": "L/min",
    "mL/min/1.73m2": "mL/min/{1.73_m2}",
    "mol/m2/h": "mol/m2/h",  # UCUM already, though no device spells it in a table
}


@pytest.mark.parametrize(("text", "ucum"), MEANS.items(), ids=list(MEANS))
def test_a_text_means_a_unit(text: str, ucum: str) -> None:
    found = terms.spelling(text)
    assert found is not None
    assert found.ucum == ucum


@pytest.mark.parametrize("text", ["none", "text", "neg;+"])
def test_a_text_without_a_certain_meaning_has_no_ucum(text: str) -> None:
    found = terms.spelling(text)
    assert found is not None
    assert found.ucum is None
    assert found.danger


@pytest.mark.parametrize("text", ["", "furlong", "mg/dl/x", "µ", "\x00", "10^3"])
def test_an_unknown_text_is_unknown(text: str) -> None:
    assert terms.spelling(text) is None


FORGIVEN = {"mMol/l": "mmol/L", "KpA": "kPa", "Mmhg": "mm[Hg]", "MSEC": "ms", "Sec": "s", "G/DL": "g/dL", "MG": "mg"}


@pytest.mark.parametrize(("text", "ucum"), FORGIVEN.items())
def test_case_is_forgiven_where_only_one_unit_has_these_letters(text: str, ucum: str) -> None:
    assert terms.spelling(text) == (ucum, "case")


@pytest.mark.parametrize("text", ["t/l", "m/UL", "Mg", "Mmol/L", "ms/L", "10^3/L", "x"])
def test_case_is_not_forgiven_where_it_decides(text: str) -> None:
    assert terms.spelling(text) is None


def test_giga_per_litre_and_grams_per_litre_stay_apart() -> None:
    counted, weighed = terms.spelling("G/L"), terms.spelling("g/L")
    assert counted is not None
    assert weighed is not None
    assert (counted.ucum, weighed.ucum) == ("10*9/L", "g/L")
    assert counted.danger.startswith("danger")


@pytest.mark.parametrize("text", ["mU/L", "IU/L", "U/mL", "mEq/L", "bpm", "F", "C"])
def test_a_dangerous_spelling_says_what_to_mind(text: str) -> None:
    found = terms.spelling(text)
    assert found is not None
    assert found.danger.startswith("danger")
