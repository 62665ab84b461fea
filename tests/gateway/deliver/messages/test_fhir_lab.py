"""What a laboratory Bundle carries beside its results: the order, lots, critical limits, the name of a result; controls apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import fhirkit
import msgspec
import pytest

from gateway.deliver.messages.fhir import renderer
from gateway.lint.fhir import lint_fhir
from gateway.lint.finding import Severity
from gateway.model import Category, Entry, Gateway, Given, Kind, Material, Method, Observation, Order, Specimen, Subject
from gateway.settings.fhir import FhirMessageSettings

MakeEntry = Callable[..., Entry]
REAGENT = Material(name="2049001", kind="MR", lot="256616", expires="20271030")
CONTROL = Material(name="20391", kind="CO", lot="C-77", expires="20281231", level="2")
MEASURED = datetime(2026, 11, 21, 11, 59, tzinfo=UTC)
OWN = "urn:x-wardlink:gateway:0123456789ABCDEF"


@pytest.fixture
def bundle(gateway: Gateway, subject: Subject) -> Callable[..., Any]:
    """A Bundle that lint and fhirkit find nothing wrong with."""

    def go(entry: Entry, *, who: Subject | None = subject, **keys: Any) -> Any:
        body = renderer(FhirMessageSettings(**keys), gateway)(entry, who).body
        assert [one for one in lint_fhir(body) if one.severity is Severity.ERROR] == []
        assert [str(issue) for issue in fhirkit.parse(body.decode()).issues] == []
        return json.loads(body)

    return go


def glucose(**changes: Any) -> Observation:
    base: dict[str, Any] = {
        "kind": Kind.NUMERIC,
        "vendor_code": "GLU",
        "value": "5.50",
        "status": "F",
        "time": MEASURED,
        "unit": "mmol/L",
    }
    return Observation(**(base | changes))


def of(bundle: Any, kind: str) -> list[Any]:
    return [one["resource"] for one in bundle["entry"] if one["resource"]["resourceType"] == kind]


def url_of(bundle: Any, kind: str) -> str:
    found: str = next(one["fullUrl"] for one in bundle["entry"] if one["resource"]["resourceType"] == kind)
    return found


def test_an_order_is_a_service_request_that_results_and_report_are_based_on(bundle: Any, analyzer: MakeEntry) -> None:
    order = Order(placer_id="ORD-1", services=("GLU",), priority="S")
    made = bundle(analyzer(order=order, observations=(glucose(),)), order_system="https://hospital.example/sid/order")
    (request,) = of(made, "ServiceRequest")
    assert request["identifier"] == [
        {
            "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "PLAC"}]},
            "system": "https://hospital.example/sid/order",
            "value": "ORD-1",
        }
    ]
    assert (request["status"], request["intent"], request["priority"]) == ("unknown", "order", "stat")
    assert request["code"]["coding"] == [{"system": "urn:x-wardlink:code:sysmex", "code": "GLU"}]
    assert request["subject"] == {"reference": url_of(made, "Patient")}
    assert request["specimen"] == [{"reference": url_of(made, "Specimen")}]
    based = [{"reference": url_of(made, "ServiceRequest")}]
    assert [one["basedOn"] for one in (*of(made, "Observation"), *of(made, "DiagnosticReport"))] == [based, based]
    assert of(made, "DiagnosticReport")[0]["identifier"][1] == request["identifier"][0]
    (entry,) = [one for one in made["entry"] if one["resource"]["resourceType"] == "ServiceRequest"]
    assert entry["request"] == {
        "method": "POST",
        "url": "ServiceRequest",
        "ifNoneExist": "identifier=https://hospital.example/sid/order|ORD-1",
    }


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        (("DR-5", "House", "Gregory"), {"type": "Practitioner", "identifier": {"value": "DR-5"}, "display": "Gregory House"}),
        (("DR-5",), {"type": "Practitioner", "identifier": {"value": "DR-5"}}),
        (("", "House"), {"type": "Practitioner", "display": "House"}),
        ((), None),
    ],
)
def test_who_ordered_it_is_the_requester(bundle: Any, analyzer: MakeEntry, provider: tuple[str, ...], expected: Any) -> None:
    (request,) = of(bundle(analyzer(order=Order(placer_id="ORD-1", provider=provider))), "ServiceRequest")
    assert request.get("requester") == expected


def test_several_tests_of_an_order_are_its_details(bundle: Any, analyzer: MakeEntry) -> None:
    (request,) = of(bundle(analyzer()), "ServiceRequest")
    assert request["code"]["text"] == "Laboratory studies"
    assert [one["text"] for one in request["orderDetail"]] == ["WBC", "QQQ"]
    assert request["identifier"][0]["system"] == f"{OWN}:order", "two hospitals' numbers never meet"


@pytest.mark.parametrize(
    ("keys", "who", "expected"),
    [
        ({"service_request": "search", "order_system": "urn:oid:2.999.7"}, True, {"reference": "ServiceRequest?identifier=urn:oid:2.999.7|ORD-1"}),
        ({"service_request": "identifier"}, True, "ORD-1"),
        ({}, False, "ORD-1"),
    ],
    ids=["a conditional reference", "a logical one", "no patient is known: R4 has no ServiceRequest without a subject"],
)  # fmt: skip
def test_an_order_may_be_pointed_at_otherwise(
    bundle: Any, analyzer: MakeEntry, subject: Subject, keys: dict[str, str], who: bool, expected: Any
) -> None:
    made = bundle(analyzer(), who=subject if who else None, **keys)
    assert of(made, "ServiceRequest") == []
    based = of(made, "Observation")[0]["basedOn"][0]
    assert based == expected if isinstance(expected, dict) else based["identifier"]["value"] == expected


def test_no_order_is_made_for_whom_only_the_device_named(bundle: Any, analyzer: MakeEntry) -> None:
    made = bundle(analyzer(given=Given(patient_id="SYN-9")), who=None)
    assert of(made, "ServiceRequest") == []
    assert of(made, "Observation")[0]["basedOn"][0]["identifier"]["value"] == "ORD-1"


def test_without_an_orders_number_there_is_none(bundle: Any, analyzer: MakeEntry) -> None:
    made = bundle(analyzer(order=Order(services=("GLU",))))
    assert of(made, "ServiceRequest") == []
    assert "basedOn" not in of(made, "Observation")[0]


def test_reagents_are_substances_that_the_results_made_with_them_name(bundle: Any, analyzer: MakeEntry) -> None:
    shared = Material(name="Diluent", kind="DI", lot="D1")
    entry = analyzer(observations=(glucose(materials=(REAGENT,)), glucose(vendor_code="CRP")), materials=(shared,))
    made = bundle(entry)
    first, second = of(made, "Substance")
    assert first["code"] == {"text": "2049001"}
    assert first["instance"] == [{"identifier": {"value": "256616"}, "expiry": "2027-10-30"}]
    assert first["category"][0]["coding"] == [
        {"system": "http://terminology.hl7.org/CodeSystem/v2-0384", "code": "MR", "display": "Multiple Test Reagent"}
    ]
    urls = {one["resource"]["identifier"][0]["value"]: one["fullUrl"] for one in made["entry"]}
    named = [[each["valueReference"]["reference"] for each in one["extension"]] for one in of(made, "Observation")]
    own, common = urls[first["identifier"][0]["value"]], urls[second["identifier"][0]["value"]]
    assert named == [[own, common], [common]]
    assert {each["url"] for one in of(made, "Observation") for each in one["extension"]} == {
        "http://hl7.org/fhir/StructureDefinition/observation-reagent"
    }


def test_a_control_names_its_material_and_nobody(bundle: Any, analyzer: MakeEntry) -> None:
    entry = analyzer(
        category=Category.QC,
        given=Given(patient_id="SYN-9"),
        observations=(glucose(materials=(REAGENT,)),),
        materials=(CONTROL,),
        specimen=Specimen(id="20391"),
    )
    made = bundle(entry)
    (found,) = of(made, "Observation")
    control = next(one["fullUrl"] for one in made["entry"] if one["resource"].get("code") == {"text": "20391 level 2"})
    assert found["focus"] == [{"reference": control}]
    assert found["subject"] == {"reference": url_of(made, "Device")}
    assert len(found["extension"]) == 1
    assert of(made, "Patient") == of(made, "DiagnosticReport") == of(made, "ServiceRequest") == []
    assert "SYN-9" not in json.dumps(made)
    assert "SYN-0001" not in json.dumps(made)


def test_critical_limits_are_a_range_of_their_own(bundle: Any, analyzer: MakeEntry) -> None:
    (found,) = of(bundle(analyzer(observations=(glucose(range="3.9-6.1", critical="2.2-25.0", flags=("HH",)),))), "Observation")
    normal, critical = found["referenceRange"]
    assert normal["text"] == "3.9-6.1"
    assert "type" not in normal
    assert (critical["type"], critical["text"]) == ({"text": "critical limits"}, "2.2-25.0")
    assert (str(critical["low"]["value"]), str(critical["high"]["value"])) == ("2.2", "25.0")
    assert found["interpretation"][0]["coding"][0]["code"] == "HH"
    (only,) = of(bundle(analyzer(observations=(glucose(critical="<2.2"),))), "Observation")
    assert only["referenceRange"][0]["type"] == {"text": "critical limits"}


def test_a_patient_whom_the_device_named_otherwise_is_told(bundle: Any, analyzer: MakeEntry) -> None:
    made = bundle(analyzer(given=Given(patient_id="SYN-9"), observations=(glucose(),)))
    assert of(made, "Observation")[0]["note"] == [{"text": "the device named another patient: SYN-9"}]
    assert "note" not in of(bundle(analyzer(given=Given(patient_id="SYN-0001"), observations=(glucose(),))), "Observation")[0]


def test_what_was_calculated_says_so(bundle: Any, analyzer: MakeEntry) -> None:
    entry = analyzer(observations=(glucose(), glucose(vendor_code="eAG", method=Method.AUTO_CALCULATED)))
    assert [one.get("method") for one in of(bundle(entry), "Observation")] == [None, {"text": "auto-calculation"}]


def test_a_dilution_or_replicate_is_told(bundle: Any, analyzer: MakeEntry) -> None:
    (found,) = of(bundle(analyzer(observations=(glucose(sub_id="1/5"),))), "Observation")
    assert {"text": "sub id: 1/5"} in found["note"]


def test_a_correction_says_so_and_has_the_name_of_what_it_corrects(
    bundle: Any, analyzer: MakeEntry, gateway: Gateway, subject: Subject
) -> None:
    first = analyzer(observations=(glucose(),))
    second = msgspec.structs.replace(analyzer(observations=(glucose(value="5.60", status="C"),)), id=8)
    other = analyzer(observations=(glucose(time=MEASURED + timedelta(seconds=1)),))
    found = [of(bundle(entry), "Observation")[0] for entry in (first, second, other)]
    names = [one["identifier"][1] for one in found]
    assert names[0] == names[1] != names[2]
    assert names[0]["system"] == f"{OWN}:result"
    assert [one["status"] for one in found] == ["final", "corrected", "final"]
    assert found[0]["identifier"][0] != found[1]["identifier"][0], "a resource of its own: what was filed stays as it was"
    elsewhere = of(bundle(first, who=msgspec.structs.replace(subject, patient_id="SYN-0002")), "Observation")[0]
    assert elsewhere["identifier"][1] != names[0], "for another patient it is another result"


def test_a_correction_may_take_the_place_of_what_it_corrects(bundle: Any, analyzer: MakeEntry) -> None:
    """A conditional update by the result's name, which the first report's resource has too; everything else is made once."""

    def requests(status: str) -> list[Any]:
        made = bundle(analyzer(observations=(glucose(status=status),)), corrections="update")
        return [one for one in made["entry"] if one["resource"]["resourceType"] == "Observation"]

    (first,), (second,) = requests("F"), requests("C")
    assert first["request"]["method"] == "POST"
    assert second["request"]["method"] == "PUT"
    name = first["resource"]["identifier"][1]
    assert second["request"]["url"] == f"Observation?identifier={name['system']}|{name['value']}"


@pytest.mark.parametrize(
    ("unit", "written", "shown"),
    [
        pytest.param("mmol/L", "mmol/l", "mmol/l", id="the device's spelling of it"),
        pytest.param("{Log_copies}/mL", "copies/mL", "{Log_copies}/mL", id="a logarithm of what the device names"),
        pytest.param("mmol/L", "arb", "arb", id="a word nobody knows"),
    ],
)
def test_a_unit_is_shown_as_the_device_writes_it_unless_that_means_another(
    unit: str, written: str, shown: str, bundle: Any, analyzer: MakeEntry
) -> None:
    (found,) = of(bundle(analyzer(observations=(glucose(unit=unit, vendor_unit=written),))), "Observation")
    assert (found["valueQuantity"]["unit"], found["valueQuantity"]["code"]) == (shown, unit)


def test_a_patients_number_that_no_text_may_hold_is_told_without_it(bundle: Any, analyzer: MakeEntry) -> None:
    (found,) = of(bundle(analyzer(observations=(glucose(),), given=Given(patient_id="\ud800"))), "Observation")
    assert "\ufffd" in found["note"][0]["text"]
