"""FHIR lint: a clean Bundle has no finding, one seeded fault has the one finding that names it, and nothing makes it raise."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.lint.fhir import lint_fhir
from gateway.lint.fhir_finding import RULES
from gateway.lint.fhir_json import is_loinc
from gateway.lint.finding import Severity

GOOD: dict[str, Any] = json.loads((Path(__file__).parent / "samples" / "good-bundle.json").read_text(encoding="utf-8"))
Change = Callable[[Any], None]


def judged(resource: object) -> dict[str, str]:
    return {finding.rule: finding.field for finding in lint_fhir(json.dumps(resource).encode())}


def entry(bundle: Any, kind: str, number: int = 0) -> Any:
    return [one for one in bundle["entry"] if one["resource"]["resourceType"] == kind][number]


def heart_rate(bundle: Any) -> Any:
    return entry(bundle, "Observation")["resource"]


def pressure(bundle: Any) -> Any:
    return entry(bundle, "Observation", 1)["resource"]


def put(get: Callable[[Any], Any], name: str, value: object) -> Change:
    def change(bundle: Any) -> None:
        get(bundle)[name] = value

    return change


def cut(get: Callable[[Any], Any], *names: str) -> Change:
    def change(bundle: Any) -> None:
        for name in names:
            del get(bundle)[name]

    return change


def request(kind: str, number: int = 0) -> Callable[[Any], Any]:
    return lambda bundle: entry(bundle, kind, number)["request"]


def code(bundle: Any, number: int) -> Any:
    return heart_rate(bundle)["code"]["coding"][number]


def metric(bundle: Any) -> Any:
    return entry(bundle, "DeviceMetric")["resource"]


def twice(bundle: Any) -> None:
    again = copy.deepcopy(entry(bundle, "Observation"))
    again["fullUrl"] = "urn:uuid:aaaaaaaa-0000-5000-8000-000000000001"
    again["request"]["ifNoneExist"] = "identifier=urn:oid:2.999|other"
    again["resource"]["identifier"].append({"system": "urn:oid:2.999", "value": "other"})
    bundle["entry"].append(again)


def no_told_component(bundle: Any) -> None:
    del pressure(bundle)["component"][1]["valueQuantity"]


def component_like_its_panel(bundle: Any) -> None:
    pressure(bundle)["component"][0]["code"]["coding"].append(pressure(bundle)["code"]["coding"][0])
    pressure(bundle)["valueString"] = "120/80"


def control(bundle: Any) -> None:
    heart_rate(bundle)["category"] = [
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]},
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0369", "code": "Q"}]},
    ]
    heart_rate(bundle)["subject"] = {"type": "Patient", "identifier": {"value": "SYN-0001"}}


CASES: dict[str, tuple[Change, str, str]] = {
    "status that R4 does not know": (put(heart_rate, "status", "bogus"), "status", "status"),
    "gender that R4 does not know": (put(lambda b: entry(b, "Patient")["resource"], "gender", "F"), "status", "gender"),
    "metric category that R4 does not know": (put(metric, "category", "measured"), "status", "category"),
    "empty array": (put(heart_rate, "note", []), "json-empty", "note"),
    "empty object": (put(heart_rate, "method", {}), "json-empty", "method"),
    "null": (put(heart_rate, "issued", None), "json-null", "issued"),
    "decimal as string": (put(lambda b: heart_rate(b)["valueQuantity"], "value", "72"), "decimal", "value"),
    "comparator that R4 does not know": (
        put(lambda b: heart_rate(b)["valueQuantity"], "comparator", "="),
        "status",
        "comparator",
    ),
    "time without zone": (put(heart_rate, "effectiveDateTime", "2026-11-21T12:00:00"), "time-zone", "effectiveDateTime"),
    "time without seconds": (put(heart_rate, "effectiveDateTime", "2026-11-21T12:00+01:00"), "date-time", "effectiveDateTime"),
    "issued is no day": (put(heart_rate, "issued", "2026-11-21"), "date-time", "issued"),
    "unit without system": (cut(lambda b: heart_rate(b)["valueQuantity"], "system"), "quantity-system", "system"),
    "MDC unit in a Quantity": (
        put(lambda b: heart_rate(b)["valueQuantity"], "system", "urn:iso:std:iso:11073:10101"),
        "quantity-ucum",
        "system",
    ),
    "unit that UCUM lacks": (put(lambda b: heart_rate(b)["valueQuantity"], "code", "bpm"), "quantity-unit", "code"),
    "code without system": (cut(lambda b: code(b, 1), "system"), "coding-system", "system"),
    "LOINC with a wrong check digit": (put(lambda b: code(b, 0), "code", "8867-5"), "loinc", "code"),
    "MDC code of 16 bits": (put(lambda b: code(b, 1), "code", "16770"), "mdc-code", "code"),
    "MDC code of another term": (put(lambda b: code(b, 1), "code", "150456"), "mdc-code", "code"),
    "no MDC code": (put(lambda b: code(b, 1), "system", "urn:oid:2.999.1"), "mdc-missing", "code"),
    "UCUM in DeviceMetric.unit": (
        put(lambda b: metric(b)["unit"]["coding"][0], "system", "http://unitsofmeasure.org"),
        "mdc-unit",
        "unit",
    ),
    "metric of no device": (cut(metric, "source"), "metric-source", "source"),
    "vital sign without subject": (cut(heart_rate, "subject"), "vs-subject", "subject"),
    "vital sign without time": (cut(heart_rate, "effectiveDateTime"), "vs-effective", "effectiveDateTime"),
    "vital sign without value": (cut(heart_rate, "valueQuantity"), "vs-value", "resource"),
    "vital sign without LOINC": (put(lambda b: code(b, 0), "system", "urn:oid:2.999.1"), "vs-loinc", "code"),
    "heart rate in another unit": (put(lambda b: heart_rate(b)["valueQuantity"], "code", "/s"), "vs-unit", "valueQuantity"),
    "vital sign of another category": (
        put(lambda b: heart_rate(b)["category"][0]["coding"][0], "code", "exam"),
        "vs-category",
        "category",
    ),
    "pressure without diastolic": (lambda b: pressure(b)["component"].pop(), "vs-panel", "component"),
    "component without value": (no_told_component, "vs-value", "component[1]"),
    "value and the reason for its absence": (
        put(heart_rate, "dataAbsentReason", {"text": "none"}),
        "value-absent",
        "dataAbsentReason",
    ),
    "component with the code of its panel": (component_like_its_panel, "value-component", "component[0]"),
    "range without limits": (put(heart_rate, "referenceRange", [{"type": {"text": "alarm"}}]), "range", "referenceRange[0]"),
    "nobody's observation": (
        cut(heart_rate, "subject", "category"),
        "subject",
        "subject",
    ),
    "a control with a patient": (control, "control-patient", "subject"),
    "resource without identifier": (cut(metric, "identifier"), "identifier", "identifier"),
    "entry without request": (cut(lambda b: entry(b, "Observation"), "request"), "entry-request", "request"),
    "method that HTTP lacks": (put(request("Observation"), "method", "SEND"), "entry-method", "method"),
    "POST to another type": (put(request("Observation"), "url", "Patient"), "entry-url", "url"),
    "POST without condition": (cut(request("Observation"), "ifNoneExist"), "entry-condition", "ifNoneExist"),
    "condition of a PUT": (
        lambda b: request("Observation")(b).update(method="PUT", url="Observation/1"),
        "entry-condition-method",
        "ifNoneExist",
    ),
    "condition that the resource does not meet": (
        put(request("Observation"), "ifNoneExist", "identifier=urn:oid:2.999|nobody"),
        "entry-condition-identifier",
        "request",
    ),
    "fullUrl that is no UUID": (put(lambda b: b["entry"][-1], "fullUrl", "urn:uuid:1"), "full-url", "fullUrl"),
    "fullUrl of two": (
        lambda b: b["entry"][-1].update(fullUrl=b["entry"][-2]["fullUrl"]),
        "full-url-unique",
        "fullUrl",
    ),
    "one identity in two entries": (twice, "identity-unique", "identifier"),
    "condition of two entries": (
        lambda b: b["entry"].append(
            {**copy.deepcopy(b["entry"][-1]), "fullUrl": "urn:uuid:aaaaaaaa-0000-5000-8000-000000000001"}
        ),
        "identity-unique",
        "identifier",
    ),
    "reference to nothing": (
        put(lambda b: heart_rate(b)["subject"], "reference", "urn:uuid:aaaaaaaa-0000-5000-8000-000000000009"),
        "reference",
        "reference",
    ),
    "reference to nothing contained": (
        put(lambda b: heart_rate(b)["subject"], "reference", "#p"),
        "reference-contained",
        "reference",
    ),
    "a resource that R4 lacks": (put(lambda b: b, "resourceType", "Bundel"), "resource-type", "resourceType"),
    "an element that R4 lacks": (put(heart_rate, "triggeredBy", [{"type": "x"}]), "structure", "triggeredBy"),
}


def test_a_good_bundle_has_no_finding() -> None:
    assert lint_fhir(json.dumps(GOOD).encode()) == []


@pytest.mark.parametrize("name", CASES)
def test_a_seeded_fault_is_named_where_it_is(name: str) -> None:
    change, rule, field = CASES[name]
    bundle = copy.deepcopy(GOOD)
    change(bundle)
    found = judged(bundle)
    assert found.get(rule, "nothing").endswith(field), found


def test_sampled_data_is_judged() -> None:
    curve = {"origin": {"value": 0}, "period": 0, "dimensions": 1, "data": "1 2  3"}
    found = lint_fhir(json.dumps({"resourceType": "Observation", "valueSampledData": curve}).encode())
    places = [finding.field for finding in found if finding.rule == "sampled-data"]
    assert places == ["Observation.valueSampledData.period", "Observation.valueSampledData.data"]


def test_a_name_given_twice_is_told() -> None:
    found = lint_fhir(b'{"resourceType":"Patient","gender":"male","gender":"female"}')
    assert "json-duplicate" in {finding.rule for finding in found}


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"{", b"[" * 100_000, b'{"value": NaN}', b"1" * 10_000])
def test_what_is_no_json_is_one_finding(text: bytes) -> None:
    assert [finding.rule for finding in lint_fhir(text)] == ["json"]


def test_resources_of_a_file_are_numbered() -> None:
    two = b'{"resourceType":"Patient","gender":"x"}\n{"resourceType":"Device","status":"x"}'
    assert {"1:Patient.gender", "2:Device.status"} <= {finding.field for finding in lint_fhir(two)}


def test_an_observation_without_value_is_told() -> None:
    assert "value" in judged({"resourceType": "Observation", "status": "final", "code": {"text": "x"}})


def test_every_rule_has_a_case() -> None:
    tested = {rule for _, rule, _ in CASES.values()} | {"json", "json-duplicate", "sampled-data", "entry-resource", "value"}
    assert tested == set(RULES)


def test_a_post_without_resource_is_told() -> None:
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [{"request": {"method": "POST", "url": "Patient"}}]}
    assert "entry-resource" in judged(bundle)


@pytest.mark.parametrize("good", ["8867-4", "2708-6", "59408-5", "85354-9", "8480-6", "26436-6", "6690-2"])
def test_loinc_check_digits(good: str) -> None:
    """Numbers from the R4 vital signs table and LOINC's own pages."""
    digit = int(good[-1])
    assert is_loinc(good)
    assert not any(is_loinc(f"{good[:-1]}{(digit + more) % 10}") for more in range(1, 10))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["code", "coding", "system", "value"]), inner, max_size=3)
    ),
    max_leaves=5,
)


def places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for name, one in inner for found in places(one, (*path, name)))]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(places(GOOD)[1:]), JSON)
def test_whatever_stands_anywhere_it_never_raises(path: tuple[Any, ...], value: object) -> None:
    bundle = copy.deepcopy(GOOD)
    holder: Any = bundle
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    assert all(finding.severity in Severity for finding in lint_fhir(json.dumps(bundle).encode()))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    lint_fhir(data)
