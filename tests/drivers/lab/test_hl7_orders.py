"""Orders of LAW analyzers: what a LAB-27 query asks for, and the LAB-28 message as IHE writes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
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
        ("QPD|INIBAR^^99ROC|262|498100|50006|1|||||SERPLAS^^99ROC|SC^^99ROC|R", Inquiry(specimens=("498100",))),
        ("QPD|WOS_ROCHE^Work Order Step Roche Extension^ROCHE|tag|sample123|S54|14", Inquiry(specimens=("sample123",))),
        ("QPD|WOS^Work Order Segment|QT001|SP2026001^SER", Inquiry(specimens=("SP2026001",))),
        ("QPD|Z01^REQUEST TEST ORDERS|tag|ALL", Inquiry(everything=True)),
        ("QPD|Z03^HOST QUERY|tag|SYN-7|SYN-1", Inquiry(specimens=("SYN-1",))),
        ("QPD|Z99|tag|SYN-1", None),
    ],
    ids=["a specimen", "several", "all", "nobody", "cobas pro", "x800", "Maglumi", "GeneXpert all", "GeneXpert", "another query"],
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


@pytest.mark.parametrize("system", ["IHELAW", "IHE_LABTF"])
def test_who_asks_as_law_does_is_told_in_a_message_that_there_is_nothing(system: str) -> None:
    assert DRIVER.ordering is not None
    query = message(MSH, f"QPD|WOS^Work Order Step^{system}|t|SYN-1")
    assert lines(DRIVER.ordering.answer(query, (), context(), AT))[1:] == [
        "SPM|1|SYN-1|||||||||P^^HL70369",
        "SAC|||SYN-1",
        "ORC|DC||||||||20261121080000+0000",
    ]
    assert DRIVER.ordering.answer(query, (), context(nothing="NF"), AT) == Answer(b"")
    others = DRIVER.ordering.answer(query, (ORDER,), context(tests={"CBC": "C"}), AT)
    assert ("ORC|DC" in others.text.decode(), others.orders) == (True, ()), "what another analyzer does is nothing for this one"


@pytest.mark.parametrize(
    "qpd",
    [
        "QPD|WOS^Work Order Step^IHELAW|t|SYN-1~SYN-2",
        "QPD|WOS^Work Order Step^IHELAW|t|",
        "QPD|WOS_ALL^Work Order Step All^IHELAW|t",
        "QPD|WOS^Work Order Segment|t|SYN-1^SER",
        "QPD|INIBAR^^99ROC|262|SYN-1",
    ],
)
def test_all_others_are_told_in_the_answer_alone(qpd: str) -> None:
    assert DRIVER.ordering is not None
    assert DRIVER.ordering.answer(message(MSH, qpd), (), context(), AT) == Answer(b"")


def test_without_a_question_nothing_is_sent() -> None:
    assert DRIVER.ordering is not None
    assert DRIVER.ordering.answer(None, (), context(), AT) == Answer(b"")


def test_a_cancellation_of_a_worklist() -> None:
    assert "ORC|CA|A-1.1" in answer(replace(ORDER, cancelled=True)).text.decode()


def test_our_own_reader_of_lab_28_reads_it_too() -> None:
    found = hl7.read_file(answer(ORDER).text)
    assert [(one.order.placer, one.order.specimen, one.order.tests, one.order.priority) for one in found] == [
        ("A-1.1", "SYN-1", ("GLU",), "S"),
        ("A-1.2", "SYN-1", ("NA",), "S"),
    ]


# ---- what makers want otherwise, after their documents

BERLIN = timezone(timedelta(hours=1))


def told(question: str, *found: WorkOrder, **options: Any) -> list[str]:
    """The answer's segments to a question in segments."""
    assert DRIVER.ordering is not None
    chosen = DRIVER.options.model_validate(options)
    made = DRIVER.context(DeviceIdentity(id="LAB-7"), chosen, wall=lambda _: AT, timezone=BERLIN)
    said = DRIVER.ordering.answer(message(*question.split("\n")), found, made, AT)
    assert said.orders == found
    return said.text.decode().split("\r")[:-1]


COBAS = (
    "MSH|^~\\&|cobas pro||Host||20230128204627+0900||QBP^Q11^QBP_Q11|159|P|2.5.1|||NE|AL||UNICODE UTF-8|||LAB-27R^ROCHE\n"
    "QPD|INIBAR^^99ROC|262|SYN-1|50006|1|||||SERPLAS^^99ROC|SC^^99ROC|R\nRCP|I|1|R^HL70394"
)


def test_a_cobas_pro_is_told_what_it_asked_with_and_details_of_each_test() -> None:
    echo = {"SPM-4": "QPD-10", "SPM-27": "QPD-11", "SAC-10": "QPD-4", "SAC-11": "QPD-5"}
    found = told(
        COBAS,
        replace(ORDER, tests=("8714",)),
        orders={"code_system": "99ROC", "namespace": "BARCODE", "test_details": True, "echo": echo},
    )
    assert found[0].endswith("|P|2.5.1|||NE|AL||UNICODE UTF-8|||LAB-28R^ROCHE")
    assert found[2:4] == [
        "SPM|1|SYN-1&BARCODE||SERPLAS^^99ROC|||||||P^^HL70369||||||||||||||||SC^^99ROC",
        "SAC|||SYN-1^BARCODE|||||||50006|1",
    ]
    assert found[-2:] == ["OBR||A-1||8714^^99ROC", "TCD|8714^^99ROC"]


BC = "MSH|^~\\&|||||20190504060725||ORM^O01|389|P|2.3.1||||||UNICODE\nORC|RF||SYN-1||IP"


def test_a_mindray_bc_is_told_one_mode_under_the_number_that_it_asked_for() -> None:
    """ORC-2 and OBR-2 the tube, OBX 08003 the mode (protocol 2.0, table 4-8 and §5.5); times are its own, without an offset."""
    small, large = (
        replace(ORDER, tests=("CBC",), collected_at=AT),
        replace(ORDER, placer="A-2", tests=("CBC+DIFF",), patient=None),
    )
    assert told(BC, small, large) == [
        "MSH|^~\\&|wardlink||||20261121090000||ORR^O02|20261121080000123456|P|2.3.1||||||UNICODE",
        "MSA|AA|389",
        "PID|1||SYN-7^^^^MR||Pat\\F\\ient^Test||19700101000000|Female",
        "PV1|1",
        "ORC|AF|SYN-1",
        "OBR|1|SYN-1||00001^Automated Count^99MRC||20261121090000||||||||||||||||||HM",
        "OBX|1|IS|08002^Blood Mode^99MRC||W||||||F",
        "OBX|2|IS|08003^Test Mode^99MRC||CBC+DIFF||||||F",
    ]


BS = (
    "MSH|^~\\&|Mindray|BS-200E|||20070723170707||QRY^Q02|5|P|2.3.1||||||ASCII|||\n"
    "QRD|20070723170707|R|D|1|||RD|SYN-1|OTH|||T|\nQRF|BS-200E|20070723170749|20070723170749|||RCT|COR|ALL||"
)


def test_a_mindray_bs_is_told_line_by_line() -> None:
    """DSP 1 number, 3 name, 4 birth, 5 sex, 21 barcode, 23 time, 24 urgent, 26 type, tests from 29 (manual 1.2, chapter 3)."""
    patient = replace(PATIENT, family_name="Tom", given_name="")
    found = told(BS, replace(ORDER, patient=patient, specimen_type="urine"), line={"says": ["Message accepted", "", "", "0"]})
    assert found[:6] == [
        "MSH|^~\\&|wardlink||Mindray|BS-200E|20261121090000||DSR^Q03|20261121080000123456|P|2.3.1||||||ASCII",
        "MSA|AA|5|Message accepted|||0",
        "ERR|0",
        "QAK|SR|OK",
        "QRD|20070723170707|R|D|1|||RD|SYN-1|OTH|||T",
        "QRF|BS-200E|20070723170749|20070723170749|||RCT|COR|ALL",
    ]
    lines = {line.split("|")[1]: line for line in found if line.startswith("DSP")}
    assert len(lines) == 30
    assert [lines[n] for n in ("1", "2", "3", "4", "5", "21", "23", "24", "26", "29", "30")] == [
        "DSP|1||SYN-7", "DSP|2", "DSP|3||Tom", "DSP|4||19700101000000", "DSP|5||F", "DSP|21||SYN-1", "DSP|23||20261121090000",
        "DSP|24||Y", "DSP|26||urine", "DSP|29||GLU^^^", "DSP|30||NA^^^",
    ]  # fmt: skip
    assert found[-1] == "DSC||"


def test_a_name_that_the_declared_charset_cannot_carry_does_not_break_the_answer() -> None:
    found = told(BS, replace(ORDER, patient=replace(PATIENT, family_name="Größe", given_name="")))
    assert "DSP|3||Gr??e" in found


GENEXPERT = (
    "MSH|^~\\&|ICU^GeneXpert^1.0||LIS||20070521100245||QBP^Z01^QBP_Z01|Q1|P|2.5\nQPD|Z01^REQUEST TEST ORDERS|tag|ALL\nRCP|I"
)


def test_a_genexpert_is_told_everything_in_one_answer() -> None:
    """Specification Rev. E §3.2: a PID a patient, ORC OBR TQ1 SPM a test, numbered anew for each patient."""
    assert told(GENEXPERT, replace(ORDER, tests=("MTB-RIF",)))[:9] == [
        "MSH|^~\\&|LIS||ICU^GeneXpert^1.0||20261121090000||RSP^Z02|20261121080000123456|P|2.5|||NE|NE",
        "MSA|AA|Q1",
        "QAK|tag|OK|Z01^REQUEST TEST ORDERS",
        "QPD|Z01^REQUEST TEST ORDERS|tag|ALL",
        "PID|1||SYN-7||Pat\\F\\ient^Test||19700101|F",
        "ORC|NW|1|||||||20261121090000",
        "OBR|1|||MTB-RIF|||||||A",
        "TQ1|||||||||S",
        "SPM|1|SYN-1||ORH|||||||P",
    ]


def test_several_patients_are_counted_each_from_one() -> None:
    assert DRIVER.ordering is not None
    other = replace(ORDER, placer="A-9", specimen="SYN-9", patient=replace(PATIENT, patient_id="SYN-9"))
    said = DRIVER.ordering.answer(message(*GENEXPERT.split("\n")), (ORDER, other), context(), AT)
    assert said.orders == (ORDER, other)
    counted = [line.split("|")[:2] for line in said.text.decode().split("\r") if line[:3] in {"PID", "OBR"}]
    assert counted == [["PID", "1"], ["OBR", "1"], ["OBR", "2"], ["PID", "2"], ["OBR", "1"], ["OBR", "2"]]


@pytest.mark.parametrize("question", [BC, BS])
def test_a_cancelled_order_is_no_order(question: str) -> None:
    assert DRIVER.ordering is not None
    gone = replace(ORDER, cancelled=True)
    assert DRIVER.ordering.answer(message(*question.split("\n")), (gone,), context(), AT) == Answer(b"")


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        (BC, Inquiry(specimens=("SYN-1",))),
        (BS, Inquiry(specimens=("SYN-1",))),
        (BS.replace("|SYN-1|OTH", "||OTH"), Inquiry(everything=True)),
        (BS.replace("|SYN-1|OTH", "||CAN"), Inquiry(withdrawn=True)),
        (BC.replace("ORC|RF", "ORC|NW"), None),
    ],
    ids=["BC", "BS", "a BS that wants all", "a BS that wants no more", "an order, no question"],
)
def test_what_the_older_dialects_ask_for(question: str, asked: Inquiry | None) -> None:
    assert asks(*question.split("\n")) == asked
