"""What an analyzer's HL7 message means; rules of HL7 v2.5.1 chapter 7, IHE LAW and the devices that the captures name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.lab.hl7 import DRIVER
from gateway.driver import Context
from gateway.model import Category, DeviceIdentity, Kind, Material, Report, Validity
from protocols.hl7v2.mllp import encode
from protocols.sansio import Message

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BERLIN = timezone(timedelta(hours=1))
OBX = "OBX|1|NM|GLU^Glucose^99X||5.4|mmol/L|3.9-6.1|N|||F|||20261121125900"


def msh(kind: str = "ORU^R01^ORU_R01", *, id_: str = "M1", mode: str = "P") -> str:
    return f"MSH|^~\\&|CNT|SYN|||20261121130030||{kind}|{id_}|{mode}|2.5.1||||||UNICODE UTF-8"


def reports(*segments: str, **options: Any) -> list[Report]:
    context: Context[Any] = DRIVER.context(
        DeviceIdentity(id="LAB-7"), DRIVER.options(**options), wall=lambda _: NOON, timezone=BERLIN
    )
    line, found = context.codec(), list[Report]()
    line.start(0.0)
    for event in line.receive(encode("".join(f"{one}\r" for one in segments).encode()), 0.0):
        assert isinstance(event, Message), event
        found += DRIVER.interpret(event, context)
    return found


def test_a_result_with_all_that_stands_around_it() -> None:
    pid = "PID|1||SYN-1^^^HOSP^MR||Test^Patient||19700131|F"
    obr = "OBR|1|P-77|T-4711|CHEM^Chemistry^L"
    (report,) = reports(msh(), pid, "PV1|1|I|4E^402^1", obr, f"{OBX}||SYN-OP", "NTE|1|L|hemolysed")
    assert report.category is Category.LAB
    given_ = report.given
    assert (given_.patient_id, given_.family_name, given_.given_name, given_.birth_date, given_.sex, given_.operator, given_.location) == (
        "SYN-1", "Test", "Patient", "19700131", "F", "SYN-OP", "4E 402 1",
    )  # fmt: skip
    assert report.specimen is not None
    assert report.specimen.id == "T-4711"
    assert report.order is not None
    assert (report.order.placer_id, report.order.services) == ("P-77", ("CHEM",))
    (glucose,) = report.observations
    assert (glucose.vendor_code, glucose.vendor_text, glucose.value, glucose.unit) == ("GLU", "Glucose", "5.4", "mmol/L")
    assert (glucose.range, glucose.flags, glucose.status, glucose.notes) == ("3.9-6.1", ("N",), "F", ("hemolysed",))
    assert glucose.time == datetime(2026, 11, 21, 12, 59, tzinfo=BERLIN)
    assert report.clock_offset_s == 30.0, "13:00:30 +01:00 is half a minute after 12:00 UTC"


@pytest.mark.parametrize(
    ("obx", "expected"),
    [
        ("OBX|1|NM|X||5.40|mmol/L", {"kind": Kind.NUMERIC, "value": "5.40", "unit": "mmol/L", "status": "R"}),
        ("OBX|1|NM|X||<0.6|mmol/L|||||F", {"value": "0.6", "comparator": "<"}),
        ("OBX|1|SN|X||>^15000|mIU/mL|||||F", {"value": "15000", "comparator": ">"}),
        ("OBX|1|SN|X||^1^:^128||||||F", {"kind": Kind.TEXT, "value": "1:128"}),
        ("OBX|1|NM|X||***.**|g/L|||||F", {"value": None, "status": "X", "validity": Validity.INVALID}),
        ('OBX|1|NM|X||""|g/L|||||F', {"value": None, "status": "X", "validity": Validity.NOT_AVAILABLE}),
        ("OBX|1|ST|X||Not Detected||||||F", {"kind": Kind.TEXT, "value": "Not Detected"}),
        ("OBX|1|ST|X||ERROR||||||F", {"value": "ERROR", "status": "X"}),
        ("OBX|1|CE|X||POS^Positive^L||||||F", {"kind": Kind.TEXT, "value": "Positive"}),
        ("OBX|1||X||4.53^|uIU/mL^|0.3 to 4.5||||F", {"kind": Kind.NUMERIC, "value": "4.53", "range": "0.3-4.5"}),
        ("OBX|1|NM|X||5|^Copies/mL|||||F", {"vendor_unit": "Copies/mL"}),
        ("OBX|1|NM|X||5|furlong|||||F", {"unit": None, "vendor_unit": "furlong"}),
        ("OBX|1|NM|X||5|||H~A|||F", {"flags": ("H", "A")}),
        ("OBX|1|NM|X||5|||~N|||F", {"flags": ("N",)}),
        ("OBX|1|NM|X||5|||L^^HL70078|||P", {"flags": ("L",), "status": "P"}),
        ("OBX|1|NM|X|2|5||||||C", {"sub_id": "2", "status": "C"}),
        ("OBX|1|NM|X||5||||||V", {"status": "R"}),
        ("OBX|1|DTM|X||20261121080000||||||F", {"kind": Kind.TEXT, "value": "20261121080000"}),
    ],
)  # fmt: skip
def test_what_an_observation_says(obx: str, expected: dict[str, Any]) -> None:
    (report,) = reports(msh(), "OBR|1||T1", obx)
    assert {name: getattr(report.observations[0], name) for name in expected} == expected


@pytest.mark.parametrize(
    ("segments", "specimen"),
    [
        ((msh("OUL^R22^OUL_R22"), "SPM|1|S1&LAB^F1||SER", "OBR|1|P1|O1", OBX), "S1"),
        ((msh("OUL^R22^OUL_R22"), "SPM|1|^F1||SER", "OBR|1|P1|O1", OBX), "F1"),
        ((msh("OUL^R22^OUL_R22"), "SPM|1|||PLAS", "SAC|||C1", 'OBR|1|""|""', OBX), "C1"),
        ((msh(), "OBR|1|P1|O1", OBX, "SPM|1|S9||SER"), "S9"),
        ((msh(), "OBR|1|P1|O1", OBX), "O1"),
        ((msh("OUL^R22"), OBX), ""),
    ],
    ids=[
        "SPM-2 placer",
        "SPM-2 filler",
        "container (Alinity m)",
        "SPM behind the results (ORU)",
        "OBR-3",
        "no OBR at all (BA200)",
    ],
)
def test_where_the_specimens_id_stands(segments: tuple[str, ...], specimen: str) -> None:
    (report,) = reports(*segments)
    assert report.specimen is not None
    assert report.specimen.id == specimen


@pytest.mark.parametrize(
    ("said", "known"),
    {
        "SER^^HL70487": ("SER", "HL70487"),
        "BLDV^Venous^HL70487": ("BLDV", "HL70487"),
        "119364003^Serum^SCT": ("119364003", "SCT"),
        "S^^99ROC": ("S", ""),
        "SERPLAS": ("SERPLAS", ""),
    }.items(),
)
def test_a_specimens_type_keeps_the_table_it_is_of(said: str, known: tuple[str, str]) -> None:
    (report,) = reports(msh("OUL^R22^OUL_R22"), f"SPM|1|S1||{said}", "OBR|1|P1|O1", OBX)
    assert report.specimen is not None
    assert (report.specimen.type, report.specimen.type_system) == known


def test_several_specimens_and_orders_are_never_mixed_up() -> None:
    found = reports(
        msh("OUL^R22^OUL_R22"), "PID|1||SYN-1", "SPM|1|S1", "SAC|||C1", "OBR|1||O1|A", "ORC|SC||||CM", "OBX|1|NM|A||1||||||F",
        "OBR|2||O2|B", "OBX|1|NM|B||2||||||F", "SPM|2|S2", "OBR|1||O3|C", "OBX|1|NM|C||3||||||F",
        "PID|1||SYN-2", "OBR|1||O4|D", "OBX|1|NM|D||4||||||F", specimen_id=("SPM-2.1", "SAC-3.1"),
    )  # fmt: skip
    seen = [(one.given.patient_id, one.specimen.id if one.specimen else "", one.observations[0].vendor_code) for one in found]
    assert seen == [("SYN-1", "S1", "A"), ("SYN-1", "S1", "B"), ("SYN-1", "S2", "C"), ("SYN-2", "", "D")]


@pytest.mark.parametrize(
    "segments",
    [
        (msh(mode="Q"), "OBR|1||T1", OBX),
        (msh("OUL^R22^OUL_R22"), "SPM|1|S1|||||||||Q^^HL70369", "OBR|1||T1", OBX),
        (msh(), "OBR|1||T1|LQC", OBX),
    ],
    ids=["MSH-11 Q (Mindray)", "SPM-11 Q (LAW)", "OBR-4 LQC (HemoScreen)"],
)
def test_quality_control_is_never_a_patients_result(segments: tuple[str, ...]) -> None:
    (report,) = reports(*segments)
    assert report.category is Category.QC


@pytest.mark.parametrize("mode", ["T", "D"])
def test_training_is_no_patients_and_says_test(mode: str) -> None:
    (report,) = reports(msh(mode=mode), "PID|1||SYN-1", "OBR|1||T1", OBX)
    assert (report.category, report.observations[0].validity) == (Category.QC, Validity.TEST)


@pytest.mark.parametrize("role", ["Q", "B", "C", "E", "F", "O", "V"])
def test_a_specimens_role_that_is_no_patients_is_kept(role: str) -> None:
    (report,) = reports(msh("OUL^R22^OUL_R22"), f"SPM|1|S1||SER|||||||{role}^^HL70369", "OBR|1", OBX)
    assert report.specimen is not None
    assert (report.category, report.specimen.role) == (Category.QC, role)


def test_a_control_known_by_its_id_alone_is_split_from_the_patients_of_its_message() -> None:
    one, two, three = reports(
        msh("OUL^R22^OUL_R22"),
        *("SPM|1|SYN-1||SER", "OBR|1", OBX, "SPM|2|LEVEL-2||SER", "OBR|2", OBX, "SPM|3|MY-LEVEL-2||SER", "OBR|3", OBX),
        control_ids="LEVEL-[0-9]",
    )
    assert [report.category for report in (one, two, three)] == [Category.LAB, Category.QC, Category.LAB]


def test_lots_and_the_instance_that_a_law_analyzer_names() -> None:
    """The order of segments and the INV fields of cobas pro's LAB-29: the control's lot behind SAC, reagents behind OBX and TCD."""
    control = "INV|20391^Control 1|OK^^HL70383|CO^^HL70384|||||||||20281231||||C-77"
    reagent = "INV|2049001|OK^^HL70383~CURRENT^^99ROC|R1|514|1|8||||||20281030||||256616"
    null = 'INV|""|OK^^HL70383|OT^^HL70384|MwpId^^99ROC'
    row = f"{OBX}{'|' * 7}I-1^GW^0123^EUI-64"
    first, second = reports(
        msh("OUL^R22^OUL_R22"),
        *("SPM|1|20391||SER|||||||Q^^HL70369||||||20261121080000|20261121083000", "SAC|||20391", control),
        *('OBR|1|""||GLU', row, "TCD|GLU|^1^:^1", reagent, null, 'OBR|2|""||GLU', OBX),
    )
    assert first.materials == second.materials == (Material(name="20391", kind="CO", lot="C-77", expires="20281231"),)
    glucose = first.observations[0]
    assert glucose.materials == (Material(name="2049001", kind="R1", lot="256616", expires="20281030"),)
    assert (glucose.instance, second.observations[0].instance) == ("I-1^GW^0123^EUI-64", "")
    assert first.specimen is not None
    assert (first.specimen.collected, first.specimen.received) == (
        datetime(2026, 11, 21, 8, 0, tzinfo=BERLIN),
        datetime(2026, 11, 21, 8, 30, tzinfo=BERLIN),
    )


@pytest.mark.parametrize(
    ("tcd", "told"),
    [
        ("TCD|GLU|^1^:^10", ("automatic dilution 1:10",)),
        ("TCD|GLU||^1^:^5|^1^:^2", ("rerun dilution 1:5, pre-dilution 1:2",)),
        ("TCD|GLU|Dec|", ("automatic dilution Dec",)),
        ("TCD|GLU|1^^1", ()),
        ("TCD|GLU|1", ()),
        ("TCD|GLU|^1^:^1", ()),
        ("TCD|GLU|^1^:^0", ()),
        ("TCD|GLU", ()),
    ],
)
def test_a_dilution_is_told(tcd: str, told: tuple[str, ...]) -> None:
    (report,) = reports(msh("OUL^R22^OUL_R22"), "SPM|1|S1||SER", "OBR|1||GLU", OBX, tcd)
    assert report.observations[0].notes == told


def test_an_unknown_patient_is_nobody() -> None:
    (report,) = reports(msh(), "PID|||Unknown||unknown", "OBR|1||T1", OBX)
    assert (report.given.patient_id, report.given.family_name) == ("", "")


def test_pictures_are_kept_as_text_or_left_out_by_a_policy_that_says_so() -> None:
    picture = "OBX|2|ED|HIST^Histogram^99X||^image^BMP^Base64^QUJD||||||F"
    (kept,) = reports(msh(), "OBR|1||T1", OBX, picture)
    assert [(one.kind, one.value) for one in kept.observations] == [(Kind.NUMERIC, "5.4"), (Kind.TEXT, "QUJD")]
    (dropped,) = reports(msh(), "OBR|1||T1", OBX, picture, images="drop")
    assert [one.value for one in dropped.observations] == ["5.4"]
    assert dropped.notes == ("images left out by the profile: 1",)


def test_settings_of_the_analyzer_are_notes() -> None:
    (report,) = reports(msh(), "OBR|1||T1", "OBX|1|IS|02001^Take Mode^99MRC||O||||||F", OBX, not_results=("0200[1-9]",))
    assert [one.vendor_code for one in report.observations] == ["GLU"]
    assert report.notes == ("Take Mode: O",)


def test_the_same_result_sent_again_is_the_same_and_a_rerun_is_not() -> None:
    def identity(*segments: str) -> str:
        (report,) = reports(*segments)
        return report.identity

    first = identity(msh(id_="M1"), "OBR|1||T1", OBX)
    assert identity(msh(id_="M2"), "OBR|7||T1", OBX.replace("OBX|1|", "OBX|9|")) == first, "numbered otherwise"
    assert identity(msh(), "OBR|1||T1", OBX.replace("125900", "131500")) != first, "a rerun"
    assert identity(msh(), "OBR|1||T2", OBX) != first, "another tube"
    undated = OBX.removesuffix("|||20261121125900")
    assert identity(msh(id_="M1"), "OBR|1||T1", undated) != identity(msh(id_="M2"), "OBR|1||T1", undated), "nothing tells when"


def test_a_message_without_results_is_kept_as_an_event() -> None:
    (report,) = reports(msh("ESU^U01"), "EQU|00:1F|20261121080000|OP")
    assert report.category is Category.EVENTS
    assert (report.observations[0].vendor_code, report.observations[0].value) == ("ESU^U01", "a message without results")


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=10)


@given(
    st.lists(
        st.tuples(st.sampled_from(["OBX", "OBR", "SPM", "SAC", "PID", "NTE", "INV", "ORC", "ZZZ"]), st.lists(TEXTS, max_size=19)),
        max_size=6,
    )
)
def test_nothing_that_an_analyzer_says_makes_it_raise(segments: list[tuple[str, list[str]]]) -> None:
    reports(msh(), *("|".join([name, *fields]) for name, fields in segments), OBX)
