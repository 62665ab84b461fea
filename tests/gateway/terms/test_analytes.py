"""Makers' analyte codes: the unit class decides, and no guess is made."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import terms
from gateway.terms import analytes

# maker, code, unit, specimen -> LOINC. Codes and units as the makers' analyzers send them.
FOUND = {
    "Sysmex white cells": ("Sysmex", "WBC", "10*3/uL", "", "6690-2"),
    "the maker in any case, with its model": ("SYSMEX XN-550", "WBC", "10*9/L", "", "6690-2"),
    "Horiba white cells in G/L, as 10*9/L": ("Horiba", "WBC", "10*9/L", "", "6690-2"),
    "white cells of nobody in particular": ("Acme", "WBC", "10*3/uL", "", "26464-8"),
    "red cells of any maker": ("Acme", "RBC", "10*6/uL", "", "789-8"),
    "haemoglobin by mass": ("Sysmex", "HGB", "g/dL", "", "718-7"),
    "haemoglobin by mass in SI": ("Mindray", "HGB", "g/L", "", "718-7"),
    "a DxH's neutrophils in per cent, and in number": ("Beckman DxH", "NE", "%", "Blood", "770-8"),
    "by their absolute name": ("Beckman DxH", "NE#", "10*9/L", "Blood", "751-8"),
    "a DxH's red cell width": ("Beckman DxH", "RDW", "%", "Blood", "788-0"),
    "haemoglobin by substance has another code": ("Sysmex", "HGB", "mmol/L", "", "59260-0"),
    "neutrophils, a count": ("Sysmex", "NEUT#", "10*3/uL", "", "751-8"),
    "neutrophils, a fraction": ("Sysmex", "NEUT%", "%", "", "770-8"),
    "Horiba writes NEU%": ("Horiba", "NEU%", "%", "", "770-8"),
    "plateletcrit is a fraction": ("Horiba", "PCT", "%", "", "51637-7"),
    "plateletcrit in mL/L": ("Mindray", "PCT", "mL/L", "", "51637-7"),
    "procalcitonin is a mass concentration": ("Roche", "PCT", "ng/mL", "", "33959-8"),
    "procalcitonin of a maker whose haematology has a plateletcrit": ("Mindray", "PCT", "ng/mL", "", "33959-8"),
    "platelet width in fL": ("Sysmex", "PDW", "fL", "", "32207-3"),
    "platelet width in %": ("Horiba", "PDW", "%", "", "51631-0"),
    "glucose by mass": ("Roche", "GLUC", "mg/dL", "", "2345-7"),
    "glucose by substance": ("Abbott", "GluC", "mmol/L", "", "14749-6"),
    "glucose of spinal fluid is said": ("Abbott", "GluCU", "mmol/L", "CSF", "14744-7"),
    "glucose of urine is said": ("Abbott", "GluCU", "mmol/L", "UR", "15076-3"),
    "creatinine": ("Mindray", "CREA", "mg/dL", "", "2160-0"),
    "urea nitrogen": ("Beckman", "BUN", "mg/dL", "", "3094-0"),
    "TSH in mU/L": ("Abbott", "TSH", "mU/L", "", "3016-3"),
    "an enzyme in IU/L": ("Mindray", "ALT", "[IU]/L", "", "1742-6"),
    "HbA1c in %": ("Roche", "HbA1c", "%", "", "4548-4"),
    "HbA1c in mmol/mol": ("Roche", "HbA1c", "mmol/mol", "", "59261-8"),
    "D-dimer of its scale": ("Stago", "DDIMER", "mg/L{FEU}", "", "48065-7"),
    "aPTT of a coagulation analyzer is of plasma": ("Stago", "APTT", "s", "", "14979-9"),
    "INR": ("Stago", "INR", "{INR}", "", "6301-6"),
    "a blood gas whose blood is not said": ("Radiometer", "pCO2", "mm[Hg]", "", "11557-6"),
    "a blood gas of arterial blood": ("Radiometer", "pCO2", "kPa", "BLDA", "2019-8"),
    "a blood gas of venous blood": ("Radiometer", "pCO2", "kPa", "Venous blood", "2021-4"),
    "a haematocrit without its unit": ("Mindray", "HCT", None, "", "4544-3"),
    "a fraction without its unit": ("Mindray", "NEU%", None, "", "770-8"),
    "spaces around the code": ("Sysmex", " WBC ", "10*3/uL", "", "6690-2"),
}

NOT_FOUND = {
    "D-dimer whose scale is not said": ("Stago", "DDIMER", "ug/L", ""),
    "D-dimer of the other scale": ("Stago", "DDIMER", "ng/mL{DDU}", ""),
    "a count code with %": ("Sysmex", "NEUT#", "%", ""),
    "a fraction code with a count": ("Sysmex", "NEUT%", "10*3/uL", ""),
    "plateletcrit or procalcitonin, without a unit": ("Mindray", "PCT", None, ""),
    "an index without a unit": ("Mindray", "PDW", None, ""),
    "haemoglobin without a unit has two classes": ("Sysmex", "HGB", None, ""),
    "urea in mg/dL is not urea nitrogen": ("Mindray", "UREA", "mg/dL", ""),
    "a code of another maker's": ("Roche", "NEUT#", "10*3/uL", ""),
    "an inferred row": ("Sysmex", "RET%", "%", ""),
    "a number whose meaning is general knowledge": ("Roche", "690", "umol/L", ""),
    "another, of a coagulation analyzer": ("Sysmex CA", "041", "s", ""),
    "a point-of-care short name": ("GEM Premier", "Lac", "mmol/L", "Arterial blood"),
    "two assays of one name": ("Cepheid", "CT/NG", None, "Specimen"),
    "a specimen that is not the row's": ("Sysmex", "WBC", "10*3/uL", "Urine"),
    "a specimen nobody knows": ("Sysmex", "WBC", "10*3/uL", "S9"),
    "a patient's temperature typed into an analyzer": ("Radiometer", "T", "Cel", ""),
    "inspired oxygen typed into an analyzer": ("Radiometer", "FIO2", "%", ""),
    "a unit that is no UCUM": ("Sysmex", "WBC", "K/uL", ""),
    "an unknown code": ("Sysmex", "XYZ", "%", ""),
    "no code": ("Sysmex", "", "%", ""),
}

INFERRED = {
    "Sysmex reticulocytes": ("Sysmex", "RET%", "%", "", "17849-1"),
    "Roche application 690": ("Roche", "690", "umol/L", "", "14682-9"),
    "Roche application 989, read as sodium": ("Roche", "989", "mmol/L", "", "2951-2"),
    "Sysmex CA 041": ("Sysmex CA-1500", "041", "s", "", "5902-2"),
    "an e411's 10": ("Roche e411", "10", "m[IU]/L", "", "3016-3"),
    "GEM lactate": ("GEM Premier", "Lac", "mmol/L", "Arterial blood", "2518-9"),
}

REWRITTEN = {
    "hormones are in international units": ("Abbott", "TSH", "mU/L", "m[IU]/L"),
    "per mL too": ("Abbott", "TSH", "uU/mL", "u[IU]/mL"),
    "enzymes are in U": ("Mindray", "ALT", "[IU]/L", "U/L"),
    "tumour markers are in arbitrary units": ("Acme", "CA199", "U/mL", "[arb'U]/mL"),
    "an arbitrary unit takes no prefix, so it stays": ("Acme", "CA199", "kU/L", "kU/L"),
    "what fits stays": ("Sysmex", "HGB", "g/dL", "g/dL"),
    "and is not converted to the preferred unit": ("Mindray", "HGB", "g/L", "g/L"),
    "no unit is made up": ("Mindray", "HCT", None, ""),
}


@pytest.mark.parametrize(("maker", "code", "ucum", "specimen", "loinc"), FOUND.values(), ids=FOUND.keys())
def test_a_code_means_one_analyte(maker: str, code: str, ucum: str | None, specimen: str, loinc: str) -> None:
    found = terms.analyte(maker, code, ucum, specimen=specimen)
    assert found is not None
    assert found.loinc.code == loinc
    assert found.loinc.confidence in ("explicit", "paired")


@pytest.mark.parametrize(("maker", "code", "ucum", "specimen"), NOT_FOUND.values(), ids=NOT_FOUND.keys())
def test_no_guess_is_made(maker: str, code: str, ucum: str | None, specimen: str) -> None:
    assert terms.analyte(maker, code, ucum, specimen=specimen) is None


@pytest.mark.parametrize(("maker", "code", "ucum", "specimen", "loinc"), INFERRED.values(), ids=INFERRED.keys())
def test_inferred_meanings_only_where_enabled(maker: str, code: str, ucum: str, specimen: str, loinc: str) -> None:
    assert terms.analyte(maker, code, ucum, specimen=specimen) is None
    found = terms.analyte(maker, code, ucum, specimen=specimen, inferred=True)
    assert found is not None
    assert (found.loinc.code, found.loinc.confidence) == (loinc, "inferred")


@pytest.mark.parametrize(("maker", "code", "ucum", "expected"), REWRITTEN.values(), ids=REWRITTEN.keys())
def test_the_unit_is_written_as_the_property_wants_it(maker: str, code: str, ucum: str | None, expected: str) -> None:
    found = terms.analyte(maker, code, ucum)
    assert found is not None
    assert found.ucum == expected


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["Sysmex", "Mindray", "Roche", "Abbott", ""]),
    st.sampled_from(["WBC", "HGB", "PCT", "GLU", "CREA", "NEUT%", "NEUT#", "TSH", "pH", "690", "K"]),
    st.sampled_from(["%", "10*3/uL", "g/dL", "mmol/L", "mg/dL", "U/L", "m[IU]/L", "[pH]", "s", "mm[Hg]"]),
    st.sampled_from(["", "inferred"]),
)
def test_a_loinc_never_stands_beside_a_unit_of_another_class(maker: str, code: str, ucum: str, unsure: str) -> None:
    classes = {"NCnc": "10*3/uL", "MCnc": "g/dL", "SCnc": "mmol/L", "VFr": "%", "NFr": "%", "LsCnc": "[pH]", "ACnc": "m[IU]/L"}
    found = terms.analyte(maker, code, ucum, inferred=bool(unsure))
    if found is not None:
        assert terms.dimension(found.ucum) == terms.dimension(classes[found.loinc.property])


AMBIGUOUS = {"ESR", "AXA", "CT/NG", "URO"}
"""Names that two methods, two drugs, two organisms or two kinds of result share: nobody but the site can tell."""


def test_every_meaning_of_the_table_is_found_again_but_the_ambiguous_ones() -> None:
    lost = {
        code
        for code, meanings in analytes.load().by_code.items()
        for m in meanings
        for found in [terms.analyte(m.maker, code, m.ucum or None, specimen=m.specimen, inferred=True)]
        if found is None or found.loinc.code != m.loinc.code
    }
    assert lost == AMBIGUOUS
