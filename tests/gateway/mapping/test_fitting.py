"""Whether a LOINC can be what a result is. Check digits by LOINC's rule (mod 10); properties as LOINC has them."""

from __future__ import annotations

import pytest

from gateway.errors import ActError
from gateway.mapping import Kind
from gateway.mapping.fitting import fault_of, kind_fault, property_of, unit_fault

FAULTS = {
    "right": ("2345-7", ""),
    "a wrong check digit": ("2345-8", "LOINC 2345-8 has a wrong check digit: got 8, expected 7"),
    "a maker's bad one (Pentra XLR)": ("789-9", "LOINC 789-9 has a wrong check digit: got 9, expected 8"),
    "no hyphen": ("23457", "'23457' is no LOINC code: expected digits, a hyphen and a check digit, such as 2345-7"),
    "a LOINC part": ("LP14635-4", "'LP14635-4' is no LOINC code: expected digits, a hyphen and a check digit, such as 2345-7"),
}


@pytest.mark.parametrize(("loinc", "fault"), FAULTS.values(), ids=FAULTS.keys())
def test_the_form_of_a_loinc(loinc: str, fault: str) -> None:
    assert fault_of(loinc) == fault


UNITS = {
    "a mass concentration": ("2345-7", "MCnc", "mg/dL", True),
    "a substance concentration beside a mass's": ("2345-7", "MCnc", "mmol/L", False),
    "no unit says nothing": ("2345-7", "MCnc", "", True),
    "what UCUM does not have": ("2345-7", "MCnc", "glug", False),
    "a unit beside a finding": ("94563-4", "PrThr", "mg/dL", False),
    "arbitrary units": ("94505-5", "ACnc", "[arb'U]/mL", True),
    "a rate of a day": ("15077-1", "SRat", "mmol/(24.h)", True),
    "a concentration beside a rate": ("15077-1", "SRat", "mmol/L", False),
    "content of a tissue": ("99999-9", "SCnt", "umol/g", True),
    "a molar ratio": ("99999-9", "SRto", "mmol/mol", True),
    "a titre": ("99999-9", "Titr", "{titer}", True),
    "D-dimer in FEU beside the LOINC of FEU": ("48065-7", "MCnc", "ug{FEU}/mL", True),
}


@pytest.mark.parametrize(("loinc", "prop", "unit", "fits"), UNITS.values(), ids=UNITS.keys())
def test_a_unit_beside_a_loinc(loinc: str, prop: str, unit: str, fits: bool) -> None:
    assert (unit_fault(loinc, prop, unit) == "") is fits


def test_the_fault_says_what_both_measure() -> None:
    told = unit_fault("2345-7", "MCnc", "mmol/L")
    assert told == "LOINC 2345-7 has the property MCnc (length^-3 mass^1); mmol/L measures length^-3 substance^1"


def test_a_number_is_no_finding() -> None:
    assert kind_fault("94563-4", "PrThr", Kind.NUMBER)
    assert not kind_fault("94563-4", "PrThr", Kind.WORDS)
    assert not kind_fault("2345-7", "MCnc", Kind.WORDS), "a quantitative test may answer in words: not measurable"


def test_the_property_is_the_terms_or_must_be_given() -> None:
    assert property_of("2345-7") == "MCnc"
    assert property_of("94563-4", "PrThr") == "PrThr"


REFUSED = {
    "a code that the terms do not hold, without a property": ("94563-4", "", "give its property (--property MCnc)"),
    "another property than the terms'": ("2345-7", "SCnc", "got the property SCnc; the terms say MCnc"),
    "a property that nothing can be checked by": ("94563-4", "Whatever", "no unit can be checked against it"),
    "a wrong check digit": ("94563-5", "PrThr", "wrong check digit: got 5, expected 4"),
}


@pytest.mark.parametrize(("loinc", "prop", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_a_loinc_is_refused_for(loinc: str, prop: str, why: str) -> None:
    with pytest.raises(ActError, match="LOINC") as caught:
        property_of(loinc, prop)
    assert why in str(caught.value)
