"""The FHIR store by the rules of R4 (http.html: transaction, conditional create, conditional update)."""

from typing import Any

import pytest

from simulators.receiving.store import FhirStore, Rejected


def entry(kind: str, value: str, *, method: str = "POST", condition: str | None = None, **more: Any) -> dict[str, Any]:
    resource = {"resourceType": kind, "identifier": [{"system": "urn:test", "value": value}], **more}
    query = f"identifier=urn:test|{value}" if condition is None else condition
    if method == "PUT":
        return {"fullUrl": f"urn:uuid:{value}", "resource": resource, "request": {"method": "PUT", "url": f"{kind}?{query}"}}
    request = {"method": "POST", "url": kind} | ({"ifNoneExist": query} if query else {})
    return {"fullUrl": f"urn:uuid:{value}", "resource": resource, "request": request}


def bundle(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


def statuses(store: FhirStore, *entries: dict[str, Any]) -> list[str]:
    return [one["response"]["status"] for one in store.transaction(bundle(*entries))["entry"]]


def test_a_conditional_create_makes_a_resource_once() -> None:
    store = FhirStore()
    assert statuses(store, entry("Observation", "o1")) == ["201 Created"]
    assert statuses(store, entry("Observation", "o1")) == ["200 OK"]
    assert store.count() == {"Observation": 1}


def test_a_resent_transaction_changes_nothing() -> None:
    store = FhirStore()
    sent = bundle(entry("Patient", "p1"), entry("Observation", "o1", subject={"reference": "urn:uuid:p1"}))
    first, again = store.transaction(sent), store.transaction(sent)
    assert [one["response"]["location"] for one in first["entry"]] == [one["response"]["location"] for one in again["entry"]]
    assert [one["response"]["etag"] for one in again["entry"]] == ['W/"1"', 'W/"1"']
    assert store.count() == {"Observation": 1, "Patient": 1}


def test_a_create_without_condition_makes_another_each_time() -> None:
    store = FhirStore()
    for _ in range(2):
        assert statuses(store, entry("Observation", "o1", condition="")) == ["201 Created"]
    assert store.search("Observation", "urn:test|o1")["total"] == 2


def test_a_conditional_update_creates_then_updates() -> None:
    store = FhirStore()
    assert statuses(store, entry("Device", "d1", method="PUT", status="active")) == ["201 Created"]
    assert statuses(store, entry("Device", "d1", method="PUT", status="inactive")) == ["200 OK"]
    found = store.search("Device", "urn:test|d1")
    assert found["total"] == 1
    assert found["entry"][0]["resource"]["status"] == "inactive"
    assert found["entry"][0]["resource"]["meta"]["versionId"] == "2"


def test_references_inside_a_transaction_point_at_what_it_made() -> None:
    store = FhirStore()
    store.transaction(bundle(entry("Observation", "o1", subject={"reference": "urn:uuid:p1"}), entry("Patient", "p1")))
    patient = store.search("Patient", "urn:test|p1")["entry"][0]["resource"]["id"]
    assert store.search("Observation", "urn:test|o1")["entry"][0]["resource"]["subject"] == {"reference": f"Patient/{patient}"}


def test_a_conditional_reference_finds_what_was_there_before() -> None:
    store = FhirStore()
    store.transaction(bundle(entry("Patient", "p1")))
    patient = store.search("Patient", "urn:test|p1")["entry"][0]["resource"]["id"]
    store.transaction(bundle(entry("Observation", "o1", subject={"reference": "Patient?identifier=urn:test|p1"})))
    assert store.search("Observation", "urn:test|o1")["entry"][0]["resource"]["subject"] == {"reference": f"Patient/{patient}"}


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        pytest.param(entry("Observation", "o2", subject={"reference": "urn:uuid:nobody"}), 400, id="dangling reference"),
        pytest.param(entry("Observation", "o2", subject={"reference": "Patient?identifier=urn:test|no"}), 412, id="no match"),
        pytest.param(entry("Observation", "o1"), 400, id="one identity twice"),
        pytest.param(entry("Observation", "o2", condition="code=1"), 400, id="a search it cannot do"),
        pytest.param({"resource": {"resourceType": "Observation"}}, 400, id="no request"),
        pytest.param(
            {"resource": {"resourceType": "Observation"}, "request": {"method": "POST", "url": "Patient"}}, 400, id="wrong url"
        ),
        pytest.param(
            {"resource": {"resourceType": "Observation"}, "request": {"method": "DELETE", "url": "Observation"}}, 400, id="method"
        ),
    ],
)
def test_a_transaction_with_one_wrong_entry_changes_nothing(wrong: dict[str, Any], status: int) -> None:
    store = FhirStore()
    with pytest.raises(Rejected) as no:
        store.transaction(bundle(entry("Observation", "o1"), wrong))
    assert no.value.status == status
    assert store.count() == {}


def test_two_that_match_a_condition_are_an_error() -> None:
    store = FhirStore()
    for _ in range(2):
        store.transaction(bundle(entry("Observation", "o1", condition="")))
    with pytest.raises(Rejected) as no:
        store.transaction(bundle(entry("Observation", "o1")))
    assert no.value.status == 412


@pytest.mark.parametrize(
    "wrong", [{}, {"resourceType": "Bundle", "type": "batch"}, {"resourceType": "Bundle", "type": "transaction", "entry": [1]}]
)
def test_what_is_no_transaction_is_rejected(wrong: dict[str, Any]) -> None:
    with pytest.raises(Rejected):
        FhirStore().transaction(wrong)


def test_an_identifier_is_found_with_its_system_or_without() -> None:
    store = FhirStore()
    store.transaction(bundle(entry("Patient", "p1")))
    assert [store.search("Patient", text)["total"] for text in ("urn:test|p1", "p1", "urn:other|p1", "|p1", "urn:test|p2")] == [
        1,
        1,
        0,
        0,
        0,
    ]
