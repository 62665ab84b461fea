"""LIVD as FHIR JSON in the shape of the LIVD guide's own examples; devices and codes are synthetic, LOINC codes LOINC's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.errors import ActError
from gateway.mapping import livd_file
from gateway.mapping.livd import Suggestion

EXT = "http://hl7.org/fhir/uv/livd/StructureDefinition/"


def device(own: str, model: str, maker: str = "Acme Diagnostics") -> dict[str, Any]:
    return {"resourceType": "DeviceDefinition", "id": own, "manufacturerString": maker, "modelNumber": model}


def analyte(own: str, code: str, display: str, *devices: str) -> dict[str, Any]:
    names = [{"url": f"{EXT}ext-device", "valueReference": {"reference": f"DeviceDefinition/{one}"}} for one in devices]
    coding = {"system": "http://acme.example/big", "code": code, "display": display}
    return {"resourceType": "ObservationDefinition", "id": own, "extension": names, "code": {"coding": [coding]}}


def target(loinc: str, specimen: str = "", result: str = "", equivalence: str = "equivalent") -> dict[str, Any]:
    needs = [{"property": name, "value": value} for name, value in (("specimen", specimen), ("result", result)) if value]
    return {"code": loinc, "display": f"LOINC's name of {loinc}", "equivalence": equivalence, "dependsOn": needs}


def element(code: str, display: str, *targets: dict[str, Any]) -> dict[str, Any]:
    return {"code": code, "display": display, "target": list(targets)}


def conceptmap(*elements: dict[str, Any], **group: Any) -> dict[str, Any]:
    return {"resourceType": "ConceptMap", "group": [{"element": list(elements), **group}]}


def properties(**by_code: str) -> dict[str, Any]:
    """The fragment of LOINC that a catalogue brings along."""
    concepts = [
        {
            "code": code.strip("_").replace("_", "-"),
            "display": f"LOINC name {code}",
            "property": [{"code": "PROPERTY", "valueCoding": {"code": "LP1", "display": prop}}],
        }
        for code, prop in by_code.items()
    ]
    return {"resourceType": "CodeSystem", "url": "http://loinc.org", "concept": concepts}


def bundle(*resources: dict[str, Any]) -> bytes:
    composition = {
        "resourceType": "Composition",
        "identifier": {"value": "BIG v0.9"},
        "author": [{"display": "Acme"}],
        "title": "Acme's catalogue",
    }
    return json.dumps({"resourceType": "Bundle", "entry": [{"resource": one} for one in (composition, *resources)]}).encode()


def rows(*resources: dict[str, Any]) -> list[Suggestion]:
    return list(livd_file.read(bundle(*resources)).rows)


GLUCOSE = (
    element("a1", "GluC", target("14749-6", "Serum/Plasma", "mmol/L")),
    element("a1", "GluC", target("2345-7", "Serum/Plasma", "mg/dL")),
)


def test_one_analyte_of_two_devices_is_two_loincs_by_unit() -> None:
    found = livd_file.read(
        bundle(device("d1", "Big 1"), device("d2", "Big 2"), analyte("a1", "1069", "GluC", "d1", "d2"), conceptmap(*GLUCOSE))
    )
    assert found.version == "BIG v0.9"
    assert [(one.maker, one.model, one.code, one.units, one.loinc) for one in found.rows] == [
        ("Acme Diagnostics", "Big 1", "1069", ("mmol/L",), "14749-6"),
        ("Acme Diagnostics", "Big 2", "1069", ("mmol/L",), "14749-6"),
        ("Acme Diagnostics", "Big 1", "1069", ("mg/dL",), "2345-7"),
        ("Acme Diagnostics", "Big 2", "1069", ("mg/dL",), "2345-7"),
    ]  # fmt: skip
    assert {one.specimens for one in found.rows} == {("Serum/Plasma",)}
    assert [one.doubts for one in found.rows] == [()] * 4


def test_a_device_that_is_listed_twice_is_one() -> None:
    found = rows(device("d1", "Big 1"), device("d2", "Big 1"), analyte("a1", "1069", "GluC", "d1", "d2"), conceptmap(*GLUCOSE))
    assert [one.model for one in found] == ["Big 1", "Big 1"]
    assert len({one.loinc for one in found}) == 2


def test_an_element_of_no_definition_is_taken_for_the_one_of_its_name_and_doubted() -> None:
    (one,) = rows(
        device("d1", "Big 1"), analyte("a1", "1069", "GluC", "d1"), conceptmap(element("gone", "GluC", target("2345-7")))
    )
    assert one.code == "1069"
    assert one.doubts[0].startswith("the file does not define what it maps")


def test_an_element_of_no_definition_and_no_name_cannot_be_used() -> None:
    data = bundle(analyte("a1", "1069", "GluC"), conceptmap(element("gone", "Something", target("2345-7"))))
    (one,) = livd_file.read(data).refused
    assert one.why == "no code by which Something is sent"


def test_without_definitions_an_element_is_the_code_itself() -> None:
    (one,) = rows(device("d1", "Big 1"), conceptmap(element("GLU", "Glucose", target("2345-7", "Serum", "mg/dL"))))
    assert (one.maker, one.model, one.code, one.analyte) == ("Acme Diagnostics", "Big 1", "GLU", "Glucose")


def test_the_property_of_a_loinc_comes_with_the_catalogue() -> None:
    (one,) = rows(
        device("d1", "Big 1"),
        properties(_94563_4="PrThr"),
        conceptmap(element("743", "IgG", target("94563-4", "Serum", "Positive"))),
    )
    assert (one.prop, one.name, one.kind.value, one.doubts) == ("PrThr", "LOINC name _94563_4", "words", ())


def test_what_is_not_equivalent_is_doubted_and_what_is_not_mapped_is_left_out() -> None:
    found = rows(
        conceptmap(
            element("A", "A", target("2345-7", result="mg/dL", equivalence="wider")),
            element("B", "B", target("2345-7", result="mg/dL", equivalence="unmatched")),
        )
    )
    assert [(one.code, one.doubts) for one in found] == [("A", ("the maker says wider, not equivalent",))]


def test_maps_of_result_values_say_nothing_of_codes() -> None:
    assert rows(conceptmap(element("POS", "Positive", target("10828004")), target="http://snomed.info/sct")) == []


def test_the_newer_fhir_has_other_names_for_the_same() -> None:
    r5 = {
        "code": "2345-7",
        "relationship": "equivalent",
        "dependsOn": [
            {"attribute": "http://hl7.org/fhir/uv/livd/specimen", "valueCoding": {"code": "119364003", "display": "Serum"}},
            {"attribute": "result", "valueString": "mg/dL"},
        ],
    }
    modern = {
        "resourceType": "DeviceDefinition",
        "id": "d1",
        "manufacturer": {"display": "Acme"},
        "deviceName": [{"name": "Big 1"}],
    }
    (one,) = rows(modern, conceptmap(element("GLU", "Glucose", r5)))
    assert (one.maker, one.model, one.specimens, one.units) == ("Acme", "Big 1", ("Serum",), ("mg/dL",))


NONE = {
    "no JSON": (b"{nothing", "not JSON"),
    "another resource": (b'{"resourceType": "Patient"}', "no ConceptMap in it"),
    "a list": (b"[1, 2]", "no ConceptMap in it"),
    "too deep": (b"[" * 100_000, "not JSON"),
}


@pytest.mark.parametrize(("data", "why"), NONE.values(), ids=NONE.keys())
def test_what_is_no_catalogue_is_said_to_be_none(data: bytes, why: str) -> None:
    with pytest.raises(ActError, match=why):
        livd_file.read(data)


ODD: list[Any] = [None, 1, "x", [], [None], {"group": 1}, {"group": [1]}, {"group": [{"element": [{"target": [{}]}]}]}]


@pytest.mark.parametrize("odd", ODD)
def test_what_has_not_the_shape_is_passed_over(odd: Any) -> None:
    strange = odd if isinstance(odd, dict) else {"group": odd}
    assert rows({"resourceType": "ConceptMap", **strange}, {"resourceType": "DeviceDefinition", "deviceName": odd}) == []
