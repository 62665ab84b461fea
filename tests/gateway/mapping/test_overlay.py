"""Which decision holds for a result, and what it makes of it. LOINC codes and properties are LOINC's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.mapping import Decision, Overlay
from gateway.model import Kind, Observation, Report

Make = Callable[..., Any]

# glucose: 2345-7 MCnc and 14749-6 SCnc in serum or plasma, 2350-7 MCnc in urine; 5792-7 MCnc urine strip
MASS, SUBSTANCE, URINE = "2345-7", "14749-6", "2350-7"


def loinc_of(overlay: Overlay, report: Report) -> str | None:
    return overlay.apply(report).report.observations[0].loinc


HOLDS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "one for every device": ({}, {}, {}),
    "one for the maker": ({"maker": "Acme"}, {}, {}),
    "one for the maker under its longer name": ({"maker": "Acme Diagnostics GmbH"}, {}, {}),
    "one for the device's longer name of the maker": ({"maker": "Acme"}, {"maker": "ACME Corporation, Tokyo"}, {}),
    "one for the model, whatever blanks and signs": ({"model": "x-1"}, {"model": "X 1"}, {}),
    "one for the device": ({"device": "LAB-1"}, {}, {}),
    "one in the unit as UCUM": ({"unit": "mg/dL"}, {}, {"vendor_unit": "mg/100ml"}),
    "one in the unit as the device writes it": ({"unit": "mg/100ml"}, {}, {"vendor_unit": "mg/100ml"}),
    "one in the specimen, in the device's word": ({"specimen": "Serum"}, {"specimen": "SER"}, {}),
    "one in serum where the device says nothing of its specimen": ({"specimen": "Serum/Plasma"}, {}, {}),
    "one for numbers": ({"result": "number"}, {}, {}),
    "a result without a unit, as nobody says otherwise": ({}, {}, {"unit": None, "vendor_unit": ""}),
}


@pytest.mark.parametrize(("narrow", "device", "result"), HOLDS.values(), ids=HOLDS.keys())
def test_a_decision_holds_for(
    report: Make, observation: Make, decide: Make, narrow: dict[str, Any], device: dict[str, Any], result: dict[str, Any]
) -> None:
    assert loinc_of(Overlay([decide(MASS, **narrow)]), report(observation(**result), **device)) == MASS


HOLDS_NOT: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "another code": ({"code": "GLU"}, {}, {}),
    "another device": ({"device": "LAB-2"}, {}, {}),
    "another maker": ({"maker": "Beta"}, {}, {}),
    "a model that only begins alike": ({"model": "X"}, {"model": "X-L"}, {}),
    "a device that does not say its model": ({"model": "X1"}, {"model": ""}, {}),
    "another unit": ({"unit": "g/L"}, {}, {}),
    "another specimen": ({"specimen": "Urine"}, {}, {}),
    "words": ({"result": "words"}, {}, {}),
    "a unit of another kind": ({}, {}, {"unit": "mmol/L"}),
    "a unit that nobody knows": ({}, {}, {"unit": None, "vendor_unit": "glugs"}),
    "what MDC names already": ({}, {}, {"refid": "MDC_CONC_GLU_GEN"}),
    "what driver and terms name already": ({}, {}, {"loinc": "2339-0"}),
    "a curve": ({}, {}, {"kind": Kind.WAVEFORM}),
}


@pytest.mark.parametrize(("narrow", "device", "result"), HOLDS_NOT.values(), ids=HOLDS_NOT.keys())
def test_a_decision_does_not_hold_for(
    report: Make, observation: Make, decide: Make, narrow: dict[str, Any], device: dict[str, Any], result: dict[str, Any]
) -> None:
    before = report(observation(**result), **device)
    assert Overlay([decide(MASS, **narrow)]).apply(before).report is before


def test_a_finding_in_words_is_no_number(report: Make, observation: Make, decide: Make) -> None:
    found_in_words = decide("94563-4", prop="PrThr")
    assert loinc_of(Overlay([found_in_words]), report(observation(unit=None))) is None
    assert loinc_of(Overlay([found_in_words]), report(observation(value="Positive", unit=None))) == "94563-4"


NARROWER = ("device", "model", "maker", "unit", "specimen", "result")
VALUES = {"device": "LAB-1", "model": "X1", "maker": "Acme", "unit": "mg/dL", "specimen": "Serum", "result": "number"}


@pytest.mark.parametrize("n", range(len(NARROWER) - 1))
def test_the_narrower_decision_holds_whatever_else_the_other_names(report: Make, decide: Make, n: int) -> None:
    narrow = decide(MASS, id=1, **{NARROWER[n]: VALUES[NARROWER[n]]})
    wide = decide("2339-0", id=2, **{name: VALUES[name] for name in NARROWER[n + 1 :]})
    for order in ([narrow, wide], [wide, narrow]):
        assert loinc_of(Overlay(order), report()) == MASS


def test_two_that_are_equally_narrow_and_differ_hold_nothing(report: Make, observation: Make, decide: Make) -> None:
    differing = [decide(MASS, id=1, unit="mg/dL"), decide("2339-0", id=2, unit="mg/100ml")]
    both = observation(vendor_unit="mg/100ml")
    assert loinc_of(Overlay(differing), report(both)) is None
    assert loinc_of(Overlay([differing[0], decide(MASS, id=2, unit="mg/100ml")]), report(both)) == MASS


def test_serum_and_plasma_decided_differently_hold_nothing_where_the_device_does_not_say_which(
    report: Make, decide: Make
) -> None:
    both = Overlay([decide(MASS, id=1, specimen="Serum"), decide("2339-0", id=2, specimen="Plasma")])
    assert loinc_of(both, report()) is None
    assert loinc_of(both, report(specimen="Plasma")) == "2339-0"


def test_only_an_override_stands_before_driver_and_terms(report: Make, observation: Make, decide: Make) -> None:
    named = report(observation(loinc="2339-0"))
    assert loinc_of(Overlay([decide(MASS)]), named) == "2339-0"
    assert loinc_of(Overlay([decide(MASS, override=True)]), named) == MASS
    assert loinc_of(Overlay([decide("", override=True)]), named) is None


def test_a_unit_that_only_a_person_knows_is_put_in_ucum_and_the_value_stays(
    report: Make, observation: Make, decide: Make
) -> None:
    unknown = report(observation(value="98.0", unit=None, vendor_unit="MGDL"))
    (one,) = Overlay([decide(MASS, ucum="mg/dL")]).apply(unknown).report.observations
    assert (one.loinc, one.unit, one.vendor_unit, one.value) == (MASS, "mg/dL", "MGDL", "98.0")
    assert loinc_of(Overlay([decide(MASS, ucum="mmol/L")]), unknown) is None, "a unit that LOINC's property forbids"


def test_loincs_own_name_travels_only_where_the_terms_hold_none(report: Make, decide: Make) -> None:
    named = decide("94505-5", prop="ACnc", name="SARS-CoV-2 IgG Ab [Units/volume]", unit="[arb'U]/mL")
    (one,) = Overlay([named]).apply(report(_arbitrary())).report.observations
    assert (one.loinc, one.loinc_text) == ("94505-5", "SARS-CoV-2 IgG Ab [Units/volume]")
    (known,) = Overlay([decide(MASS, name="my own words")]).apply(report()).report.observations
    assert known.loinc_text == ""


def _arbitrary() -> Observation:
    return Observation(kind=Kind.NUMERIC, vendor_code="QQQ", value="12", unit="[arb'U]/mL", vendor_unit="AU/mL")


def test_what_nobody_knows_is_named_once_and_not_what_is_ignored(report: Make, observation: Make, decide: Make) -> None:
    whole = report(observation("A"), observation("A"), observation("B"), observation("C", loinc=MASS), observation("D"))
    assert Overlay().apply(whole).unmapped == ("A", "B", "D")
    decided: list[Decision] = [decide("", code="A"), decide(MASS, code="D")]
    assert Overlay(decided).apply(whole).unmapped == ("B",)
