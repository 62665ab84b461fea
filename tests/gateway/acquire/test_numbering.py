"""A result gets the number of an order only where exactly one order of its specimen is meant."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from gateway.acquire.numbering import numbered, specimen_of
from gateway.model import Category, DeviceIdentity, Given, Kind, Observation, Order, Report, Specimen, Subject, WorkOrder

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CHEMISTRY = WorkOrder(placer="A-77", specimen="S1", tests=("GLU", "CRP"))
COUNT = WorkOrder(placer="B-1", specimen="S1", tests=("CBC",))


def report(*codes: str, said: str = "", services: tuple[str, ...] = (), category: Category = Category.LAB) -> Report:
    return Report(
        device=DeviceIdentity(id="LAB-1"),
        driver="astm",
        category=category,
        received_at=NOON,
        specimen=Specimen(id="S1"),
        order=Order(placer_id=said, services=services, priority="S"),
        observations=tuple(Observation(kind=Kind.NUMERIC, vendor_code=code, value="1") for code in codes),
    )


@pytest.mark.parametrize(
    ("seen", "orders", "expected"),
    [
        pytest.param(report("GLU"), [CHEMISTRY], "A-77", id="the one order of the specimen with this test"),
        pytest.param(report("GLU", "CRP", "K"), [CHEMISTRY, COUNT], "A-77", id="more results than were ordered"),
        pytest.param(report("WBC", services=("CBC",)), [CHEMISTRY, COUNT], "B-1", id="the test that the device repeats (O.5)"),
        pytest.param(report("GLU", services=("CBC",)), [CHEMISTRY, COUNT], "", id="two orders: none is certain"),
        pytest.param(report("WBC"), [CHEMISTRY], "", id="a test that nobody ordered"),
        pytest.param(report("GLU"), [], "", id="no order"),
        pytest.param(report("GLU", said="X-9"), [CHEMISTRY], "X-9", id="what the device repeats stays"),
        pytest.param(report("GLU", said="A-77"), [CHEMISTRY], "A-77", id="the order's own number stays"),
        pytest.param(report("CRP", said="A-77.2"), [CHEMISTRY], "A-77", id="a work order step is the order's"),
        pytest.param(report("CRP", said="A-77.3"), [CHEMISTRY], "A-77.3", id="it has no third test"),
        pytest.param(report("CRP", said="Z.2"), [CHEMISTRY], "Z.2", id="a number of another system that looks so"),
        pytest.param(
            report("CRP", said="A-77.2"),
            [CHEMISTRY, WorkOrder(placer="A-77.2", specimen="S1", tests=("CRP",))],
            "A-77.2",
            id="an order whose own number ends so",
        ),
        pytest.param(report("685"), [CHEMISTRY], "A-77", id="the device's code for it (its profile's orders.tests)"),
    ],
)
def test_the_number(seen: Report, orders: list[WorkOrder], expected: str) -> None:
    found = numbered(seen, orders, {"CRP": "685"} if seen.observations[0].vendor_code == "685" else {})
    assert found.order is not None
    assert (found.order.placer_id, found.order.priority) == (expected, "S")


@pytest.mark.parametrize(
    ("named", "patient", "expected"), [("", "P-1", "A-77"), ("P-1", "P-1", "A-77"), ("P-2", "P-1", ""), ("P-2", "", "A-77")]
)
def test_an_order_of_another_patient_is_not_meant(named: str, patient: str, expected: str) -> None:
    order = replace(CHEMISTRY, patient=Subject(patient_id=patient) if patient else None)
    found = numbered(replace(report("GLU"), given=Given(patient_id=named)), [order], {})
    assert found.order is not None
    assert found.order.placer_id == expected


@pytest.mark.parametrize("category", [category for category in Category if category is not Category.LAB])
def test_a_control_answers_no_order(category: Category) -> None:
    assert specimen_of(report("GLU", category=category)) == ""
    assert specimen_of(report("GLU")) == "S1"
