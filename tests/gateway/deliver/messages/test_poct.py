"""ORU^R30, R31 and R32 as LAB-32 has them: one patient, one order, the structure ORU_R30 of HL7 2.5."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import hl7 as python_hl7
import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from gateway.deliver.messages import UnsuitedError, poct
from gateway.model import Category, DeviceIdentity, Entry, Gateway, Given, Kind, Observation, Order, Specimen, Subject
from gateway.settings.lab import PoctSettings
from protocols.hl7v2.message import Message, parse

MakeEntry = Callable[..., Entry]
CET = timezone(timedelta(hours=1))


@pytest.fixture
def render(gateway: Gateway, subject: Subject) -> Callable[..., Message]:
    def go(entry: Entry, *, who: Subject | None = subject, **keys: object) -> Message:
        message = parse(poct.renderer(PoctSettings.model_validate(keys), gateway)(entry, who).body)
        assert message is not None
        return message

    return go


def glucose(**changes: object) -> Observation:
    base = {"kind": Kind.NUMERIC, "vendor_code": "GLU", "value": "5.50", "status": "F"}
    return Observation(**(base | changes))  # type: ignore[arg-type]


def test_the_whole_message(analyzer: MakeEntry, subject: Subject, gateway: Gateway) -> None:
    seen = glucose(
        unit="mmol/L",
        vendor_unit="mmol/L",
        range="3.9-6.1",
        flags=("HH",),
        operator="SYN-OP",
        critical="2.2-25.0",
        notes=("critical limits: 2.2-25.0",),
        time=datetime(2026, 11, 21, 12, 59, tzinfo=CET),
    )
    entry = analyzer(
        observations=(seen,),
        order=None,
        specimen=Specimen(id="SYN-4711", type="BLDC", source="Finger"),
        notes=("reagent: Strip lot L7 expires 2027-01-31",),
    )
    lines = poct.renderer(PoctSettings(), gateway)(entry, subject).body.decode().split("\r")
    filler = "a1b2c3d4000000000007^4-EAST-1^0123456789ABCDEF^EUI-64"
    device = lines[-3].split("|")[18]
    assert device.startswith("SYN-11^XN-550^urn:uuid:")
    assert lines == [
        "MSH|^~\\&|4-EAST-1^0123456789ABCDEF^EUI-64||||20261121120001.000+0000||ORU^R30^ORU_R30|a1b2c3d4000000000007|P|2.5||||||UNICODE UTF-8",
        "PID|1||SYN-0001^^^HOSP&1.2.3.4&ISO^MR||Test^Patient^^^^^L||19700101|F",
        "PV1|1|I|||||||||||||||||V-0001^^^^VN",
        f"ORC|NW||{filler}",
        f"OBR|1||{filler}|GLU^^99SYSMEX|||20261121115900.000+0000||||||||BLDC&&99SYSMEX^^^Finger&&99SYSMEX|||||||20261121120010.000+0000|||F",
        "NTE|1|L|reagent: Strip lot L7 expires 2027-01-31",
        "NTE|2|L|specimen SYN-4711",
        f"OBX|1|NM|GLU^^99SYSMEX||5.50|mmol/L^mmol/L^UCUM|3.9-6.1|HH|||F|||20261121115900.000+0000||SYN-OP||{device}|20261121115900.000+0000",
        "NTE|1|L|critical limits: 2.2-25.0",
        "",
    ]


@pytest.mark.parametrize(
    ("event", "order", "expected"),
    [
        ("by order", None, ("R30", "NW", "")),
        ("by order", Order(placer_id="P-1"), ("R32", "RE", "P-1")),
        ("R31", None, ("R31", "NW", "")),
        ("R31", Order(placer_id="P-1"), ("R31", "NW", "P-1")),
        ("R30", Order(placer_id="P-1"), ("R30", "NW", "P-1")),
        ("R32", None, ("R32", "RE", "")),
    ],
)
def test_the_event_is_as_set_or_follows_from_whether_the_order_is_known(
    render: Callable[..., Message], analyzer: MakeEntry, event: str, order: Order | None, expected: tuple[str, str, str]
) -> None:
    message = render(analyzer(order=order), event=event)
    assert (message.text("MSH", 9, 2), message.text("ORC", 1), message.text("OBR", 2)) == expected
    assert message.text("MSH", 9, 3) == "ORU_R30", "one structure for the three events"


def test_a_specimens_number_in_the_orders_place_is_no_known_order(render: Callable[..., Message], analyzer: MakeEntry) -> None:
    message = render(analyzer(order=None), placer="specimen")
    assert (message.text("MSH", 9, 2), message.text("ORC", 1), message.text("ORC", 2)) == ("R30", "NW", "SYN-4711")


@pytest.mark.parametrize("version", ["2.5", "2.5.1"])
@pytest.mark.parametrize("observations", [(glucose(),), ()], ids=["a result", "none"])
def test_other_parsers_read_it(
    analyzer: MakeEntry, subject: Subject, gateway: Gateway, version: str, observations: tuple[Observation, ...]
) -> None:
    """hl7apy finds a strict ORU_R30: a PID, one ORC, one OBR, an OBX at least."""
    settings = PoctSettings.model_validate({"version": version})
    body = poct.renderer(settings, gateway)(analyzer(observations=observations), subject).body.decode()
    assert parse_message(body, validation_level=VALIDATION_LEVEL.STRICT).validate() is True
    assert len(python_hl7.parse(body).segments("OBX")) == 1


def test_an_order_without_a_result_says_that_there_is_none(render: Callable[..., Message], analyzer: MakeEntry) -> None:
    message = render(analyzer(observations=(), order=Order(services=("GLU",), report_type="X")))
    row = message.every("OBX")[0]
    assert (row.text(3), row.raw(5), row.text(11), message.text("OBR", 25)) == ("GLU", "", "X", "X")


@pytest.mark.parametrize("category", [category for category in Category if category is not Category.LAB])
def test_what_is_no_patients_result_has_no_place_in_it(
    render: Callable[..., Message], analyzer: MakeEntry, category: Category
) -> None:
    with pytest.raises(UnsuitedError, match=f"category {category.value}; LAB-32 carries patients' results alone"):
        render(analyzer(category=category))


def test_a_patient_who_is_not_known_is_said_to_be_or_the_result_waits(
    render: Callable[..., Message], analyzer: MakeEntry
) -> None:
    pid = render(analyzer(), who=None, unknown_id="UNKNOWN^^^HOSP^PI").every("PID")[0]
    assert (pid.text(3), pid.text(5, 7), pid.text(31)) == ("UNKNOWN", "U", "Y")
    with pytest.raises(UnsuitedError, match="no patient is known"):
        render(analyzer(), who=None, unknown_patient="park")
    given = Given(patient_id="SYN-9")
    assert render(analyzer(given=given), who=None, unknown_patient="park").text("PID", 3) == "SYN-9"


def test_a_long_model_name_is_cut_to_what_hl7_2_5_takes(render: Callable[..., Message], analyzer: MakeEntry) -> None:
    device = DeviceIdentity(id="POC-1", model="Atellica Data Manager", serial="SYN-7")
    row = render(analyzer(device=device)).every("OBX")[0]
    assert (row.text(18), row.text(18, 2)) == ("SYN-7", "Atellica Data Manage")


def test_the_specimen_is_an_spm_where_the_receiver_takes_one(render: Callable[..., Message], analyzer: MakeEntry) -> None:
    message = render(analyzer(), specimen="spm")
    assert message.segments[-1].name == "SPM"
    assert (message.text("SPM", 2), message.text("SPM", 11), message.text("OBR", 15)) == ("SYN-4711", "P", "")


@pytest.mark.parametrize(
    ("keys", "segment", "number", "expected"),
    [
        ({"accept_ack": "AL", "application_ack": "NE"}, "MSH", 15, "AL"),
        ({"version": "2.5.1"}, "MSH", 12, "2.5.1"),
        ({"filler": "specimen"}, "OBR", 3, "SYN-4711"),
        ({"placer": "specimen"}, "ORC", 2, "SYN-4711"),
        ({"collected_only": True}, "OBR", 7, "20261121103000.000+0000"),
        ({"unknown_patient": "park"}, "PID", 3, "SYN-0001^^^HOSP&1.2.3.4&ISO^MR"),
    ],
)
def test_what_receivers_want_differently(
    render: Callable[..., Message], analyzer: MakeEntry, keys: dict[str, object], segment: str, number: int, expected: str
) -> None:
    assert render(analyzer(), **keys).every(segment)[0].raw(number) == expected
