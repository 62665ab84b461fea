"""Orders of LAW analyzers: what a LAB-27 query asks for, and the LAB-28 message as IHE writes it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from drivers.lab.hl7 import DRIVER
from gateway.driver import Answer, Context
from gateway.model import DeviceIdentity, Inquiry, Subject, WorkOrder
from gateway.orders import hl7
from protocols.hl7v2.message import Message as Hl7Message
from protocols.hl7v2.message import parse
from protocols.sansio import Message

AT = datetime(2026, 11, 21, 8, 0, 0, 123456, tzinfo=UTC)
PATIENT = Subject(patient_id="SYN-7", assigner="HOSP", family_name="Pat|ient", given_name="Test", birth_date="19700101", sex="F")
ORDER = WorkOrder(
    placer="A-1", specimen="SYN-1", tests=("GLU", "NA"), patient=PATIENT, specimen_type="SER", ordered_at=AT, priority="S"
)
MSH = "MSH|^~\\&|BA400|LAB|||20261121080000||QBP^Q11^QBP_Q11|Q1|P|2.5.1"


def context(**orders: Any) -> Context[Any]:
    options = DRIVER.options.model_validate({"orders": orders})
    return DRIVER.context(DeviceIdentity(id="LAB-7"), options, wall=lambda _: AT)


def message(*segments: str) -> Message[Hl7Message]:
    raw = "\r".join(segments).encode()
    body = parse(raw)
    assert body is not None
    return Message(body, raw, 0.0)


def asks(*segments: str, **orders: Any) -> Inquiry | None:
    assert DRIVER.ordering is not None
    return DRIVER.ordering.asks(message(*segments), context(**orders))


def answer(*found: WorkOrder, **orders: Any) -> Answer:
    assert DRIVER.ordering is not None
    return DRIVER.ordering.answer(message(MSH, "QPD|WOS|t|SYN-1"), found, context(**orders), AT)


def lines(said: Answer) -> list[str]:
    return said.text.decode().split("\r")[:-1]


@pytest.mark.parametrize(
    ("qpd", "asked"),
    [
        ("QPD|WOS^Work Order Step^IHELAW|tag|SYN-1", Inquiry(specimens=("SYN-1",))),
        ("QPD|WOS^Work Order Step^IHE_LABTF|tag|SYN-1~SYN-2", Inquiry(specimens=("SYN-1", "SYN-2"))),
        ("QPD|WOS_ALL^Work Order Step All^IHELAW|tag", Inquiry(everything=True)),
        ("QPD|WOS|tag|", Inquiry()),
        ("QPD|Z01|tag|SYN-1", None),
    ],
    ids=["a specimen", "several", "all", "nobody", "another query"],
)
def test_what_a_query_asks_for(qpd: str, asked: Inquiry | None) -> None:
    assert asks(MSH, qpd) == asked


def test_nothing_is_asked_by_results_or_where_the_profile_forbids_answers() -> None:
    assert asks("MSH|^~\\&|BA400|LAB|||20261121080000||OUL^R22|Q1|P|2.5.1", "SPM|1|SYN-1") is None
    assert asks(MSH, "QPD|WOS|tag|SYN-1", answer=False) is None


def test_an_order_is_specimen_container_and_a_request_a_test() -> None:
    said = answer(ORDER)
    assert lines(said) == [
        "MSH|^~\\&|wardlink||BA400|LAB|20261121080000+0000||OML^O33^OML_O33|20261121080000123456|P|2.5.1|||NE|AL||UNICODE UTF-8|||LAB-28^IHE",
        "PID|1||SYN-7^^^HOSP||Pat\\F\\ient^Test||19700101|F",
        "SPM|1|SYN-1||SER|||||||P^^HL70369",
        "SAC|||SYN-1",
        "ORC|NW|A-1.1|||||||20261121080000+0000",
        "TQ1|||||||||S^^HL70485",
        "OBR||A-1.1||GLU^^99LAB",
        "ORC|NW|A-1.2|||||||20261121080000+0000",
        "TQ1|||||||||S^^HL70485",
        "OBR||A-1.2||NA^^99LAB",
    ]
    assert said.orders == (ORDER,)


def test_a_message_has_one_patients_specimens_and_the_others_wait() -> None:
    same = replace(ORDER, placer="A-2", specimen="SYN-2")
    nobodys = replace(ORDER, placer="A-3", specimen="SYN-3", patient=None)
    others = replace(ORDER, placer="A-4", specimen="SYN-4", patient=replace(PATIENT, patient_id="SYN-8"))
    beside = replace(ORDER, placer="A-5", patient=None)
    assert [order.placer for order in answer(ORDER, same, nobodys, others, beside).orders] == ["A-1", "A-5", "A-2"]
    assert [order.placer for order in answer(others).orders] == ["A-4"]
    assert "PID" not in answer(nobodys).text.decode()


def test_tests_in_the_analyzers_own_codes_and_only_those_that_it_does() -> None:
    said = answer(ORDER, tests={"GLU": "G1"}, code_system="99BA")
    assert [line for line in lines(said) if line.startswith("OBR")] == ["OBR||A-1.1||G1^^99BA"]
    assert answer(ORDER, tests={"CBC": "C"}) == Answer(b"")


def test_without_orders_nothing_is_sent() -> None:
    assert answer() == Answer(b"")


def test_a_cancellation_of_a_worklist() -> None:
    assert "ORC|CA|A-1.1" in answer(replace(ORDER, cancelled=True)).text.decode()


def test_our_own_reader_of_lab_28_reads_it_too() -> None:
    found = hl7.read_file(answer(ORDER).text)
    assert [(one.order.placer, one.order.specimen, one.order.tests, one.order.priority) for one in found] == [
        ("A-1.1", "SYN-1", ("GLU",), "S"),
        ("A-1.2", "SYN-1", ("NA",), "S"),
    ]
