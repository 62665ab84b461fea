"""Orders in HL7: what each segment says, for OML^O21, OML^O33 and ORM^O01 as laboratory systems send them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.errors import ActError
from gateway.model import Subject, WorkOrder
from gateway.orders import hl7
from gateway.orders.hl7 import Command

PID = "PID|1||SYN-7^^^HOSP^MR||Patient^Test||19700101|F"
O33 = [
    "MSH|^~\\&|LIS|LAB|GW|LAB|20261121080000||OML^O33^OML_O33|1|P|2.5.1|||NE|AL||UNICODE UTF-8|||LAB-28^IHE",
    PID,
    "SPM|1|SYN-1&LIS||SER^Serum^HL70487|||||||P^^HL70369||||||20261121073000+0100",
    "SAC|||SYN-1",
    "ORC|NW|A-1|||||||20261121080000",
    "TQ1|||||||||S^^HL70485",
    "OBR||A-1||GLU^Glucose^99LAB",
    "ORC|NW|A-2",
    "OBR||A-2||NA^Sodium^99LAB",
    "SPM|2|SYN-2&LIS||UR",
    "ORC|CA|A-3",
    "OBR||A-3||PRO^Protein^99LAB",
]
PATIENT = Subject(patient_id="SYN-7", assigner="HOSP", family_name="Patient", given_name="Test", birth_date="19700101", sex="F")


def read(*segments: str) -> list[Command]:
    return hl7.read_file("\r".join(segments).encode())


def test_a_specimen_stands_before_its_orders_in_o33() -> None:
    first, second, third = read(*O33)
    assert first == Command(
        WorkOrder(
            placer="A-1",
            specimen="SYN-1",
            tests=("GLU",),
            priority="S",
            specimen_type="SER",
            patient=PATIENT,
            ordered_at=datetime(2026, 11, 21, 8, tzinfo=UTC),
            collected_at=datetime(2026, 11, 21, 6, 30, tzinfo=UTC),
        )
    )
    assert (second.order.placer, second.order.specimen, second.order.tests, second.order.priority) == (
        "A-2",
        "SYN-1",
        ("NA",),
        "R",
    )
    assert (third.order.placer, third.order.specimen, third.cancel) == ("A-3", "SYN-2", True)


def test_a_specimen_stands_behind_its_order_in_o21() -> None:
    head = "MSH|^~\\&|LIS|LAB|GW|LAB|20261121080000||OML^O21^OML_O21|1|P|2.5.1"
    found = read(head, PID, "ORC|NW|A-1", "OBR|1|A-1||GLU", "SPM|1|^SYN-1", "ORC|NW|A-2", "OBR|2|A-2||K", "SPM|1|^SYN-2")
    assert [(one.order.placer, one.order.specimen) for one in found] == [("A-1", "SYN-1"), ("A-2", "SYN-2")]


def test_an_orm_without_specimen_goes_by_the_fillers_number() -> None:
    head = "MSH|^~\\&|LIS|LAB|GW|LAB|20261121080000||ORM^O01|1|P|2.3"
    (one,) = read(head, PID, "ORC|NW|A-1|SYN-1", "OBR|1|A-1|SYN-1|CBC||20261121080000|||||||||BLD||||||||||||^^^^^A")
    assert (one.order.specimen, one.order.tests, one.order.specimen_type, one.order.priority) == ("SYN-1", ("CBC",), "BLD", "A")


def test_several_tests_under_one_number_are_one_order() -> None:
    head = "MSH|^~\\&|LIS|LAB|GW|LAB|20261121080000||ORM^O01|1|P|2.3"
    found = read(head, "ORC|NW|A-1|SYN-1", "OBR|1|A-1|SYN-1|NA", "OBR|2|A-1|SYN-1|K", "OBR|3|A-1|SYN-2|CL")
    assert [(one.order.placer, one.order.tests) for one in found] == [("A-1/SYN-1", ("NA", "K")), ("A-1/SYN-2", ("CL",))]


def test_a_replacement_cancels_the_former_and_places_the_new_one() -> None:
    head = "MSH|^~\\&|LIS|LAB|GW|LAB|20261121080000||ORM^O01|1|P|2.3"
    found = read(head, "ORC|RP|A-1|SYN-1", "OBR|1|A-1|SYN-1|NA", "ORC|RO|A-9|SYN-1", "OBR|1|A-9|SYN-1|K")
    assert [(one.order.placer, one.cancel) for one in found] == [("A-1", True), ("A-9", False)]
    (alone,) = read(head, "ORC|RP|A-1|SYN-1", "OBR|1|A-1|SYN-1|K")
    assert not alone.cancel, "alone it says what the order is now"


def test_several_messages_of_a_file_framed_or_not() -> None:
    body = "\r".join(O33).encode()
    assert len(hl7.read_file(b"\x0b" + body + b"\x1c\r\x0b" + body + b"\x1c\r")) == 6
    assert len(hl7.read_file(body.replace(b"\r", b"\r\n") + b"\r\n" + body)) == 6


@pytest.mark.parametrize(
    ("segments", "told"),
    [
        (["MSH|^~\\&|||||||ORU^R01|1|P|2.5"], "message 1: got the message type ORU^R01, expected OML"),
        (["MSH|^~\\&|||||||ORM^O01|1|P|2.5", "ORC|HD|A-1"], "order 'A-1': got the order control 'HD'"),
    ],
)
def test_what_cannot_be_carried_out_is_named(segments: list[str], told: str) -> None:
    with pytest.raises(ActError, match=told.replace("^", "\\^")):
        read(*segments)
