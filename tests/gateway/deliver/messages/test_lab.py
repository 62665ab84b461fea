"""Laboratory ORU^R01 2.5.1 field by field, and what each setting moves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import hl7 as python_hl7
import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from gateway.deliver.messages import lab
from gateway.model import (
    Category,
    DeviceIdentity,
    Entry,
    Gateway,
    Given,
    Kind,
    Material,
    Method,
    Observation,
    Order,
    Specimen,
    Subject,
    Validity,
)
from gateway.settings.lab import LabSettings
from protocols.hl7v2.message import Message, parse

MakeEntry = Callable[..., Entry]
NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def render(gateway: Gateway, subject: Subject) -> Callable[..., Message]:
    def go(entry: Entry, *, who: Subject | None = subject, **keys: object) -> Message:
        message = parse(lab.renderer(LabSettings.model_validate(keys), gateway)(entry, who).body)
        assert message is not None
        return message

    return go


def one(**changes: object) -> Observation:
    base = {"kind": Kind.NUMERIC, "vendor_code": "QQQ", "value": "5.50", "status": "F"}
    return Observation(**(base | changes))  # type: ignore[arg-type]


def test_the_whole_message(analyzer: MakeEntry, subject: Subject, gateway: Gateway) -> None:
    sent = lab.renderer(LabSettings(), gateway)(analyzer(), subject)
    filler = "a1b2c3d4000000000007^4-EAST-1^0123456789ABCDEF^EUI-64"
    lines = sent.body.decode().split("\r")
    urn = lines[5].split("|")[18].split("^")[2]
    assert urn.startswith("urn:uuid:")
    device = f"SYN-11^XN-550^{urn}^URN"
    wbc = "6690-2^White blood cells, Blood^LN^WBC^^99SYSMEX||5.50|10*3/uL^10*3/uL^UCUM^10\\S\\3/uL^^99SYSMEX|3.5-9.0|N|||F"
    assert lines == [
        "MSH|^~\\&|4-EAST-1^0123456789ABCDEF^EUI-64||||20261121120001.000+0000||ORU^R01^ORU_R01|a1b2c3d4000000000007|P|2.5.1|||AL|NE||UNICODE UTF-8",
        "PID|1||SYN-0001^^^HOSP&1.2.3.4&ISO^MR||Test^Patient^^^^^L||19700101|F",
        "PV1|1|I|||||||||||||||||V-0001^^^^VN",
        f"ORC|RE|ORD-1|{filler}",
        f"OBR|1|ORD-1|{filler}|26436-6^Laboratory studies (set)^LN|||20261121103000.000+0000|||||||||||||||20261121120010.000+0000|||F",
        f"OBX|1|NM|{wbc}|||20261121120010.000+0000||||{device}|20261121120010.000+0000",
        f"OBX|2|SN|QQQ^Research test^99SYSMEX||>^1500|arb^^99SYSMEX|||||F|||20261121120010.000+0000||||{device}|20261121120010.000+0000",
        "NTE|1|L|over range",
        "SPM|1|SYN-4711^12||Blood^^99SYSMEX|||||||P^Patient^HL70369||||||20261121103000.000+0000",
        "",
    ]


@pytest.mark.parametrize("category", [Category.LAB, Category.QC])
@pytest.mark.parametrize("known", [True, False])
def test_other_parsers_read_it(
    analyzer: MakeEntry, subject: Subject, gateway: Gateway, category: Category, *, known: bool
) -> None:
    """hl7apy parses it strictly and finds its structure valid; the PyPI package hl7 reads the same value."""
    body = lab.renderer(LabSettings(), gateway)(analyzer(category=category), subject if known else None).body.decode()
    assert parse_message(body, validation_level=VALIDATION_LEVEL.STRICT).validate() is True
    assert str(python_hl7.parse(body).segments("OBX")[0][5]) == "5.50"


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        pytest.param(one(), ("NM", "5.50", "", "F"), id="a number keeps its digits"),
        pytest.param(one(comparator="<", value="0.01"), ("SN", "<^0.01", "", "F"), id="below range is SN"),
        pytest.param(one(value=None, status="X"), ("", "", "", "X"), id="no value: X"),
        pytest.param(one(value=None, status="F"), ("", "", "", "X"), id="no value is X whatever the device says"),
        pytest.param(one(value=None, validity=Validity.OVER), ("", "", ">", "X"), id="off scale, high"),
        pytest.param(one(value=None, validity=Validity.UNDER), ("", "", "<", "X"), id="off scale, low"),
        pytest.param(one(kind=Kind.TEXT, value="ABN", status="X"), ("ST", "ABN", "", "X"), id="invalid text is ST and X"),
        pytest.param(one(value="7.7", status="X"), ("ST", "7.7", "", "X"), id="an invalid number is text: nobody counts with it"),
        pytest.param(one(flags=("H", "W")), ("NM", "5.50", "H~W", "F"), id="flags repeat"),
        pytest.param(one(validity=Validity.QUESTIONABLE), ("NM", "5.50", "QUES", "F"), id="the analyzer doubts it"),
        pytest.param(
            one(flags=("H",), validity=Validity.TEST), ("NM", "5.50", "H~TEST", "F"), id="a training value is no patient's"
        ),
        pytest.param(one(validity=Validity.VALIDATED), ("NM", "5.50", "", "F"), id="validated says nothing new"),
        pytest.param(one(status="P"), ("NM", "5.50", "", "P"), id="preliminary"),
        pytest.param(one(status="C"), ("NM", "5.50", "", "C"), id="corrected"),
        pytest.param(
            one(kind=Kind.CODED, value="POS", coding=("10828004", "Positive", "SCT")),
            ("CWE", "10828004^Positive^SCT", "", "F"),
            id="coded",
        ),
    ],
)
def test_value_and_state(
    render: Callable[..., Message], analyzer: MakeEntry, observation: Observation, expected: tuple[str, ...]
) -> None:
    row = render(analyzer(observations=(observation,))).every("OBX")[0]
    assert (row.raw(2), row.raw(5), row.raw(8), row.raw(11)) == expected


@pytest.mark.parametrize(
    ("statuses", "said", "expected"),
    [
        (("F", "F"), "", "F"),
        (("F", "P"), "", "P"),
        (("F", "R"), "", "R"),
        (("F", "C"), "", "C"),
        (("X", "X"), "", "X"),
        (("X", "F"), "", "F"),
        (("F",), "P", "P"),
        (("F",), "Q", "F"),
        ((), "", "I"),
    ],
)
def test_obr_25_is_the_reports_word_or_the_least_finished_result(
    render: Callable[..., Message], analyzer: MakeEntry, statuses: tuple[str, ...], said: str, expected: str
) -> None:
    observations = tuple(one(value=None if status == "X" else "1", status=status) for status in statuses)
    assert render(analyzer(observations=observations, order=Order(report_type=said))).text("OBR", 25) == expected


def test_a_control_has_no_patient_and_says_so_in_spm_11(render: Callable[..., Message], analyzer: MakeEntry) -> None:
    message = render(analyzer(category=Category.QC), qc_processing_id="D")
    assert message.first("PID") is None
    assert (message.text("SPM", 11), message.text("MSH", 11)) == ("Q", "D")
    assert render(analyzer(category=Category.QC, specimen=None)).text("SPM", 11) == "Q"


def test_the_patient_is_the_associations_else_the_devices_word_else_nobody(
    render: Callable[..., Message], analyzer: MakeEntry
) -> None:
    given = Given(patient_id="SYN-9", family_name="Test", given_name="Other", birth_date="19800202", sex="M")
    assert render(analyzer(given=given)).text("PID", 3) == "SYN-0001"
    theirs = render(analyzer(given=given), who=None, default_assigner="HOSP^1.2.3^ISO").every("PID")[0]
    assert [theirs.raw(n) for n in (3, 5, 7, 8)] == ["SYN-9^^^HOSP&1.2.3&ISO^MR", "Test^Other^^^^^L", "19800202", "M"]
    assert render(analyzer(), who=None).first("PID") is None
    assert render(analyzer(), who=None, unknown_patient="pid").text("PID", 5, 7) == "U"


@pytest.mark.parametrize(
    ("named", "told"),
    [("SYN-9", ["the device named another patient: SYN-9"]), ("SYN-0001", []), ("000syn-0001", []), ("", [])],
)
def test_a_patient_whom_the_device_named_otherwise_is_told(
    render: Callable[..., Message], analyzer: MakeEntry, named: str, told: list[str]
) -> None:
    """The association counts (PID); that the device named somebody else must be seen by who files it."""
    entry = analyzer(given=Given(patient_id=named), observations=(one(),))
    message = render(entry)
    assert message.text("PID", 3) == "SYN-0001"
    assert [note.text(3) for note in message.every("NTE")] == told
    assert render(entry, who=None).every("NTE") == ()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"observations": (one(vendor_code="WBC", loinc="6690-2"),)}, "6690-2", id="the one observation's code"),
        pytest.param({"order": Order(services=("PANEL",))}, "PANEL", id="the one test ordered"),
        pytest.param({"order": None}, "26436-6", id="several, none named: laboratory studies"),
    ],
)
def test_obr_4(render: Callable[..., Message], analyzer: MakeEntry, changes: dict[str, object], expected: str) -> None:
    assert render(analyzer(**changes)).text("OBR", 4) == expected


def test_what_was_not_measured_says_so_in_obx_17(render: Callable[..., Message], analyzer: MakeEntry) -> None:
    observations = (one(), one(method=Method.AUTO_CALCULATED), one(method=Method.MANUAL_MEASURED))
    assert [row.raw(17) for row in render(analyzer(observations=observations)).every("OBX")] == [
        "",
        "ACALC^auto-calculation^MDC",
        "MMEAS^manual-measurement^MDC",
    ]


def test_who_ordered_it_is_obr_16_but_not_of_a_control(render: Callable[..., Message], analyzer: MakeEntry) -> None:
    order = Order(placer_id="A-1", provider=("DR-5", "House", "Gregory"))
    assert render(analyzer(order=order)).every("OBR")[0].raw(16) == "DR-5^House^Gregory"
    assert render(analyzer(order=order, category=Category.QC)).every("OBR")[0].raw(16) == ""


def test_obr_7_is_the_time_of_collection_else_of_the_result(render: Callable[..., Message], analyzer: MakeEntry) -> None:
    assert render(analyzer()).text("OBR", 7) == "20261121103000.000+0000"
    uncollected = analyzer(specimen=Specimen(id="SYN-1"))
    assert render(uncollected).text("OBR", 7) == "20261121120010.000+0000"
    assert render(uncollected, collected_only=True).text("OBR", 7) == ""


def test_a_clock_that_is_far_off_is_told_and_its_times_stay(render: Callable[..., Message], analyzer: MakeEntry) -> None:
    message = render(analyzer(clock_offset_s=-3600.0))
    assert message.every("NTE")[0].text(3) == "device clock minus gateway clock: -3600 s, its zone +0100"
    assert message.text("OBX", 14) == "20261121120010.000+0000"
    assert len(render(analyzer(clock_offset_s=-3600.0), clock_note_s=7200).every("NTE")) == 1


def test_what_shares_a_code_is_told_apart_by_obx_4(render: Callable[..., Message], analyzer: MakeEntry) -> None:
    observations = (one(), one(), one(sub_id="I"), one(sub_id="I"), one(vendor_code="Z"))
    assert [row.text(4) for row in render(analyzer(observations=observations)).every("OBX")] == ["", "2", "I", "I.2", ""]


@pytest.mark.parametrize(
    ("keys", "segment", "number", "expected"),
    [
        ({"primary": "vendor"}, "OBX", 3, "WBC^^99SYSMEX^6690-2^White blood cells, Blood^LN"),
        ({"private_system": "99LIS"}, "OBX", 3, "6690-2^White blood cells, Blood^LN^WBC^^99LIS"),
        ({"units": "ucum"}, "OBX", 6, "10*3/uL^10*3/uL^UCUM"),
        ({"units": "original"}, "OBX", 6, "10\\S\\3/uL^^99SYSMEX"),
        ({"orc": False}, "ORC", 1, ""),
        ({"placer": "specimen"}, "OBR", 2, "SYN-4711"),
        ({"filler": "specimen"}, "ORC", 3, "SYN-4711"),
        ({"service": "LAB^Laboratory^L"}, "OBR", 4, "LAB^Laboratory^L"),
        ({"specimen": False}, "SPM", 2, ""),
        ({"version": "2.4"}, "MSH", 12, "2.4"),
        ({"accept_ack": "", "application_ack": ""}, "MSH", 15, ""),
        ({"time_digits": 0}, "OBX", 14, "20261121120010+0000"),
        ({"notes": False}, "NTE", 3, ""),
    ],
)
def test_a_setting_moves_its_field(
    render: Callable[..., Message], analyzer: MakeEntry, keys: dict[str, object], segment: str, number: int, expected: str
) -> None:
    found = render(analyzer(), **keys).first(segment)
    assert (found.raw(number) if found else "") == expected


def test_comparators_as_text_for_receivers_that_cannot_read_sn(render: Callable[..., Message], analyzer: MakeEntry) -> None:
    row = render(analyzer(), comparators="ST").every("OBX")[1]
    assert (row.raw(2), row.raw(5)) == ("ST", ">1500")


def test_a_specimen_of_unknown_type_says_so(render: Callable[..., Message], analyzer: MakeEntry) -> None:
    assert render(analyzer(specimen=Specimen(id="SYN-1"))).every("SPM")[0].raw(4) == "UNK^Unknown^NULLFL"


def test_curves_are_left_out(render: Callable[..., Message], analyzer: MakeEntry) -> None:
    curve = one(kind=Kind.WAVEFORM, value="1 2 3")
    entry = analyzer(observations=(one(), curve))
    assert len(render(entry).every("OBX")) == 1


def test_a_listed_conversion_changes_code_and_unit_together(render: Callable[..., Message], analyzer: MakeEntry) -> None:
    glucose = one(vendor_code="GLU", loinc="2345-7", value="90", unit="mg/dL", vendor_unit="mg/dl")
    row = render(analyzer(observations=(glucose,)), convert={"2345-7": "mmol/L"}).every("OBX")[0]
    assert (row.text(3), row.text(3, 4), row.raw(5), row.raw(6)) == ("14749-6", "GLU", "5.00", "mmol/L^mmol/L^UCUM")


@pytest.mark.parametrize("units", ["ucum", "ucum+original", "original"])
def test_words_that_mean_another_unit_are_not_sent_for_it(
    units: str, render: Callable[..., Message], analyzer: MakeEntry
) -> None:
    logarithm = one(vendor_code="HIV-1", loinc=None, value="1.79", unit="{Log_copies}/mL", vendor_unit="copies/mL")
    row = render(analyzer(observations=(logarithm,)), units=units).every("OBX")[0]
    assert row.raw(6) == "{Log_copies}/mL^{Log_copies}/mL^UCUM"


@pytest.mark.parametrize(("inferred", "code"), [(False, "685"), (True, "1742-6")])
def test_an_inferred_loinc_is_sent_only_where_the_site_enables_it(
    analyzer: MakeEntry, render: Callable[..., Message], inferred: bool, code: str
) -> None:
    roche = DeviceIdentity(id="LAB", maker="Roche")
    entry = analyzer(device=roche, specimen=None, observations=(one(vendor_code="685", unit="U/L"),))
    assert render(entry, inferred=inferred).text("OBX", 3) == code


def test_a_lot_that_no_note_tells_is_told_in_words(render: Callable[..., Message], analyzer: MakeEntry) -> None:
    """ORU^R01 has no segment for it; what the device's own note says is not said twice."""
    reagent = Material(name="Strip", kind="SR", lot="L7", expires="20270131")
    control = Material(name="High", kind="CO", lot="C9", level="2")
    entry = analyzer(
        observations=(one(materials=(reagent,), notes=("x",)), one(materials=(reagent,), notes=("strip L7",))),
        materials=(control,),
    )
    found = [note.text(3) for note in render(entry).every("NTE")]
    assert found == ["control: High lot C9 level 2", "x", "reagent: Strip lot L7 expires 2027-01-31", "strip L7"]
    assert render(entry, notes=False).every("NTE") == ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("x" * 199, ("ST", "x" * 199)),
        ("x" * 200, ("TX", "x" * 200)),
        ("Qk" + "A" * 300 + "==", ("ED", "^IM^BMP^Base64^Qk" + "A" * 300 + "==")),
        ("iVBORw0KGgo" + "A" * 300, ("ED", "^IM^PNG^Base64^iVBORw0KGgo" + "A" * 300)),
        ("Qkonly looks like one" * 20, ("TX", "Qkonly looks like one" * 20)),
    ],
    ids=["an ST at its longest", "longer text", "a bitmap", "a PNG", "words that begin like a bitmap"],
)
def test_what_is_too_long_for_st_is_text_or_a_picture(
    render: Callable[..., Message], analyzer: MakeEntry, value: str, expected: tuple[str, str]
) -> None:
    row = render(analyzer(observations=(one(kind=Kind.TEXT, value=value),))).every("OBX")[0]
    assert (row.raw(2), row.raw(5)) == expected


@pytest.mark.parametrize(
    ("said", "sent"), [("19800202", "19800202"), ("20240000", ""), ("20230229", ""), ("00000000", ""), ("1980", "")]
)
def test_a_birth_date_that_is_no_day_is_not_sent(
    render: Callable[..., Message], analyzer: MakeEntry, said: str, sent: str
) -> None:
    """PointcareM writes 20240000 where nobody entered one."""
    assert render(analyzer(given=Given(patient_id="SYN-9", birth_date=said)), who=None).text("PID", 7) == sent
