"""What a POCT1-A document means; the rules are of CLSI POCT01-A2 and of the makers' documents that the captures name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.lab.poct1a import DRIVER
from drivers.lab.poct1a_results import moment
from gateway.driver import Context
from gateway.model import Category, DeviceIdentity, Kind, Material, Method, Report, Validity
from protocols.sansio import Message

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BERLIN = timezone(timedelta(hours=1))
HEL = (
    '<HEL.R01><HDR><HDR.control_id V="1"/></HDR><DEV><DEV.vendor_id V="NOVABIO"/><DEV.model_id V="StatStrip"/>'
    '<DEV.serial_id V="S9"/><DEV.sw_version V="3.10">3.10_it</DEV.sw_version></DEV></HEL.R01>'
)
GLUCOSE = '<OBS.observation_id V="GLU" DN="Glucose"/><OBS.value V="5.4" U="mmol/L"/>'


def service(
    obs: str = GLUCOSE, *, about: str = "", role: str = "OBS", beside: str = "", dttm: str = "2026-11-21T12:59:00"
) -> str:
    return (
        f'<SVC><SVC.role_cd V="{role}"/><SVC.observation_dttm V="{dttm}"/>'
        f'<PT><PT.patient_id V="SYN-1"/>{about}<OBS>{obs}</OBS></PT>{beside}</SVC>'
    )


def document(*services: str, type_: str = "OBS.R01", control_id: str = "7") -> str:
    created = '<HDR.creation_dttm V="2026-11-21T13:00:30"/>'
    return f'<{type_}><HDR><HDR.control_id V="{control_id}"/>{created}</HDR>{"".join(services)}</{type_}>'


def reports(*documents: str, **options: Any) -> list[Report]:
    context: Context[Any] = DRIVER.context(
        DeviceIdentity(id="POCT-1"), DRIVER.options(**options), wall=lambda _: NOON, timezone=BERLIN
    )
    host, found = context.codec(), list[Report]()
    host.start(0.0)
    for event in host.receive((HEL + "".join(documents)).encode(), 0.0):
        assert isinstance(event, Message), event
        found += DRIVER.interpret(event, context)
    return found


def test_a_result_with_all_that_stands_around_it() -> None:
    about = '<PT.name V="Test^Patient"/><PT.birth_date V="1970-01-31"/><PT.gender_cd V="F"/><PT.location V="4E^402"/>'
    beside = (
        '<OPR><OPR.operator_id V="SYN-OP"/></OPR><ORD><ORD.universal_service_id V="CHEM"/><ORD.order_id V="A-77"/></ORD>'
        '<SPC><SPC.specimen_dttm V="2026-11-21T12:55:00"/><SPC.type_cd V="BLD"/></SPC>'
    )
    (report,) = reports(document(service(about=about, beside=beside)))
    assert report.category is Category.LAB
    assert (report.device.maker, report.device.model, report.device.serial, report.device.firmware) == (
        "NOVABIO",
        "StatStrip",
        "S9",
        "3.10",
    )
    given_ = report.given
    assert report.observations[0].operator == given_.operator
    assert (given_.patient_id, given_.family_name, given_.given_name, given_.birth_date, given_.sex, given_.operator, given_.location) == (
        "SYN-1", "Test", "Patient", "19700131", "F", "SYN-OP", "4E^402",
    )  # fmt: skip
    assert report.order is not None
    assert (report.order.placer_id, report.order.services) == ("A-77", ("CHEM",))
    assert report.specimen is not None
    assert (report.specimen.type, report.specimen.collected) == ("BLD", datetime(2026, 11, 21, 12, 55, tzinfo=BERLIN))
    assert (report.message_id, report.episodic) == ("7", True)
    (glucose,) = report.observations
    assert (glucose.vendor_code, glucose.vendor_text, glucose.value, glucose.unit, glucose.status) == (
        "GLU",
        "Glucose",
        "5.4",
        "mmol/L",
        "F",
    )


def test_times_without_an_offset_are_in_the_devices_zone_and_its_clock_is_measured() -> None:
    (report,) = reports(document(service()))
    assert report.observations[0].time == datetime(2026, 11, 21, 12, 59, tzinfo=BERLIN)
    assert report.device_time == datetime(2026, 11, 21, 13, 0, 30, tzinfo=BERLIN)
    assert report.clock_offset_s == 30.0, "13:00:30 +01:00 is half a minute after 12:00 UTC"


@pytest.mark.parametrize(
    ("obs", "expected"),
    [
        ('<OBS.value V="5.40" U="mmol/L"/>', {"kind": Kind.NUMERIC, "value": "5.40", "unit": "mmol/L"}),
        ('<OBS.value V="&lt;0.6" U="mmol/L"/>', {"value": "0.6", "comparator": "<"}),
        ('<OBS.value V="5.4" U="furlong"/>', {"value": "5.4", "unit": None, "vendor_unit": "furlong"}),
        ('<OBS.qualitative_value V="positive"/>', {"kind": Kind.TEXT, "value": "positive", "unit": None}),
        ('<OBS.qn_value V="7" U="mg/L"/>', {"kind": Kind.NUMERIC, "value": "7", "unit": "mg/L"}),
        ('<OBS.value V="0.3"/><OBS.qualitative_value V="negative"/>', {"value": "0.3", "notes": ("negative",)}),
        ('<OBS.value NULL="NI" U="mmol/L"/>', {"value": None, "status": "X", "validity": Validity.NOT_AVAILABLE}),
        ('<OBS.value V="---" U="mmol/L"/>', {"value": None, "status": "X"}),
        ('<OBS.value V="5"/><OBS.status_cd V="D"/>', {"status": "X", "validity": Validity.QUESTIONABLE, "notes": ("discarded on the device",)}),
        ('<OBS.value V="5"/><OBS.method_cd V="C"/>', {"method": Method.AUTO_CALCULATED}),
        ('<OBS.value V="5"/><OBS.method_cd V="I"/>', {"method": Method.MANUAL_MEASURED}),
        ('<OBS.value V="5"/><OBS.interpretation_cd V="LL"/>', {"flags": ("LL",)}),
        ('<OBS.value V="5"/><OBS.normal_lo_hi_limit V="[3.9;6.1]"/>', {"range": "3.9-6.1"}),
        ('<OBS.value V="5"/><OBS.normal_lo-hi_limit V="[;6.1]"/>', {"range": "<6.1"}),
        ('<OBS.value V="5"/><OBS.normal_lo-hi_limit V="[3.9;["/>', {"range": ">3.9"}),
        ('<OBS.value V="5"/><OBS.critical_lo-hi_limit V="[2;20]"/>', {"notes": ("critical limits: 2-20",), "critical": "2-20"}),
        ('<OBS.value V="5"/><OBS.observation_dttm V="2026-11-21T08:00:00Z"/>', {"time": datetime(2026, 11, 21, 8, 0, tzinfo=UTC)}),
        ('<OBS.value V="5"/><NTE><NTE.text V="hemolysed"/></NTE>', {"notes": ("hemolysed",)}),
        ('<OBS.value V="5"/><OBS.status_cd V="U"/>', {"status": "P", "validity": Validity.OK}),
        ('<OBS.value V="5"/><OBS.status_cd V="X"/>', {"status": "X", "notes": ("cancelled on the device",)}),
        ('<OBS.value V="5"/><OBS.method_cd V="E"/>', {"method": Method.AUTO_CALCULATED}),
        ('<OBS.value V="ABN"/>', {"kind": Kind.TEXT, "value": "ABN", "status": "X", "validity": Validity.QUESTIONABLE}),
        ('<OBS.qualitative_value V="Invalid"/>', {"value": "Invalid", "status": "X"}),
        ('<OBS.value V=""/><OBS.qualitative_value V="positive"/>', {"value": "positive", "notes": ()}),
        ('<OBS.value V="5"/><OBS.interpretation_cd V="H "/><OBS.interpretation_cd V="null"/>', {"flags": ("H",)}),
        ('<OBS.value V="5"/><OBS.observation_dttm V="20261121080000Z"/>', {"time": datetime(2026, 11, 21, 8, 0, tzinfo=UTC)}),
        ('<OBS.value V="5"/><OBS.observation_dttm V="2026-11-21 09:00:00.25 +0100"/>', {"time": datetime(2026, 11, 21, 8, 0, 0, 250_000, tzinfo=UTC)}),
    ],
)  # fmt: skip
def test_what_an_observation_says(obs: str, expected: dict[str, Any]) -> None:
    (report,) = reports(document(service(f'<OBS.observation_id V="XYZ"/>{obs}')))
    assert {name: getattr(report.observations[0], name) for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-21T08:00:00.25-05:00", "2026-11-21T08:00:00.250000-05:00"),
        ("2026-11-21T08:00:00.1234567+05:30", "2026-11-21T08:00:00.123456+05:30"),
        ("2026-11-21T08:00:00-0500", "2026-11-21T08:00:00-05:00"),
        ("2026-11-21T08:00:00-05", "2026-11-21T08:00:00-05:00"),
        ("2026-11-21T08:00:00-5:00", "2026-11-21T08:00:00-05:00"),
        ("2026-11-21T08:00:00 +0100", "2026-11-21T08:00:00+01:00"),
        ("2026-11-21T08:00:00 GMT", "2026-11-21T08:00:00+00:00"),
        ("2026-1-5T8:5:9Z", "2026-01-05T08:05:09+00:00"),
        ("2026/11/21 08:00:00", "2026-11-21T08:00:00+01:00"),
        ("2026-11-21T08:00", "2026-11-21T08:00:00+01:00"),
        ("20261121T080000", "2026-11-21T08:00:00+01:00"),
        ("20261121080000-0500", "2026-11-21T08:00:00-05:00"),
        ("202611210800", "2026-11-21T08:00:00+01:00"),
        ("03.02.2026 08:00:00", None),  # February or March
        ("2026-11-21", None),
        ("2026-02-30T08:00:00", None),
        ("0001-01-01T00:00:00", None),
        ("", None),
    ],
)
def test_a_moment_has_its_offset_or_the_devices_zone(text: str, expected: str | None) -> None:
    found = moment(text, lambda at: at.replace(tzinfo=BERLIN))
    assert (found and found.isoformat()) == expected


@pytest.mark.parametrize(
    ("code", "loinc"),
    [
        ('V="718-7" SN="LN"', "718-7"),
        ('V="718-7" SN="loinc"', "718-7"),
        ('V="718-7"', "718-7"),
        ('V="718-8"', None),
        ('V="718-7" SN="ROCHE"', None),
    ],
)
def test_a_loinc_that_the_device_claims(code: str, loinc: str | None) -> None:
    (report,) = reports(document(service(f'<OBS.observation_id {code}/><OBS.value V="7.3" U="g/dL"/>')))
    assert report.observations[0].loinc == loinc


@pytest.mark.parametrize(
    ("status", "notes"),
    [("NRM", ()), ("", ()), ("OVR", ("taken with an override on the device",)), ("ERR", ("status on the device: ERR",))],
)
def test_a_service_that_is_not_as_usual_says_so(status: str, notes: tuple[str, ...]) -> None:
    raw = document(service('<OBS.observation_id V="XYZ"/><OBS.value V="5"/>'))
    (report,) = reports(raw.replace("<SVC>", f'<SVC><SVC.status_cd V="{status}"/>'))
    assert report.notes == notes


def test_notes_that_a_profile_calls_flags_are_flags() -> None:
    (report,) = reports(
        document(
            service(
                '<OBS.observation_id V="RBC"/><OBS.value V="7.5"/><NTE><NTE.text V="*"/></NTE><NTE><NTE.text V="Abnormal"/></NTE>'
            )
        ),
        flag_notes=("*", "!"),
    )
    assert (report.observations[0].flags, report.observations[0].notes) == (("*",), ("Abnormal",))


def test_a_result_at_the_patients_temperature_is_told_apart_and_has_no_loinc_of_the_other() -> None:
    one = '<OBS.observation_id V="718-7" SN="LN"/><OBS.value V="7.3" U="g/dL"/>'
    raw = document(service(f'{one}</OBS><OBS>{one}<NTE><NTE.text V="38.5"/></NTE>'))
    plain, corrected = reports(raw, temperature_note=True)[0].observations
    assert (plain.sub_id, plain.loinc, corrected.sub_id, corrected.loinc) == ("", "718-7", "temperature-corrected", None)
    assert corrected.notes == ("at the patient's temperature", "38.5")
    assert [one.loinc for one in reports(raw)[0].observations] == ["718-7", "718-7"], (
        "only where the profile says that such a note is one"
    )


NAMES = {
    "HL7's way": ('<PT.name V="Test^Anna^M"/>', ("Test", "Anna")),
    "in its parts (Nova, HemoScreen, GeneXpert)": (
        '<PT.name V="Anna Test"><FAM V="Test"/><GIV V="Anna"/></PT.name>',
        ("Test", "Anna"),
    ),
    "the given name alone": ('<PT.name V="Anna"><GIV V="Anna"/></PT.name>', ("", "Anna")),
    "one text": ('<PT.name V=" Anna Test "/>', ("Anna Test", "")),
    "none": ("", ("", "")),
}


@pytest.mark.parametrize(("about", "expected"), NAMES.values(), ids=NAMES.keys())
def test_a_patients_name(about: str, expected: tuple[str, str]) -> None:
    (report,) = reports(document(service(about=about)))
    assert (report.given.family_name, report.given.given_name) == expected


HELLOS = {
    "one field for all three (DCA Vantage)": ('<DEV.device_id V="SIEM^DCA Vantage^S1"/>', ("SIEM", "DCA Vantage", "S1")),
    "with & in the vendor's field (CoaguChek)": (
        '<DEV.vendor_id V="Roche&amp;CoaguChekXSPlus&amp;UP1"/>',
        ("Roche", "CoaguChekXSPlus", "UP1"),
    ),
    "each in its own": (
        '<DEV.device_id V="PIX^HemoScreen^1"/><DEV.vendor_id V="PIX"/><DEV.device_name V="HS"/><DEV.serial_id V="0001-HS"/>',
        ("PIX", "HemoScreen", "0001-HS"),
    ),
    "a device's address is no model (Sofia)": (
        '<DEV.device_id V="00:06:66"/><DEV.serial_id V="10387"/><DEV.manufacturer_name V="QUIDEL"/><DEV.device_name V="Sofia"/>',
        ("QUIDEL", "Sofia", "10387"),
    ),
    "a place is no model (Nova)": (
        '<DEV.device_id V="">MGH^ICU</DEV.device_id><DEV.vendor_id V="NOVABIO"/><DEV.model_id V="StatStrip"/><DEV.serial_id V="06"/>',
        ("NOVABIO", "StatStrip", "06"),
    ),
}


@pytest.mark.parametrize(("hello", "expected"), HELLOS.values(), ids=HELLOS.keys())
def test_who_the_device_is(hello: str, expected: tuple[str, str, str]) -> None:
    context: Context[Any] = DRIVER.context(DeviceIdentity(id="POCT-1"), DRIVER.options(), wall=lambda _: NOON)
    host = context.codec()
    _, message = host.receive(f"<HEL.R01><HDR/><DEV>{hello}</DEV></HEL.R01>{document(service())}".encode(), 0.0)
    (report,) = DRIVER.interpret(message, context)  # type: ignore[arg-type]
    assert (report.device.maker, report.device.model, report.device.serial) == expected


def test_two_patients_in_one_service_are_two_reports() -> None:
    two = (
        '<SVC><SVC.role_cd V="OBS"/><SVC.observation_dttm V="2026-11-21T12:59:00"/>'
        f'<PT><PT.patient_id V="SYN-1"/><OBS>{GLUCOSE}</OBS></PT>'
        f'<PT><PT.patient_id V="SYN-2"/><OBS>{GLUCOSE.replace("5.4", "9.9")}</OBS></PT><OPR><OPR.operator_id V="OP"/></OPR></SVC>'
    )
    found = {one.given.patient_id: (one.observations[0].value, one.given.operator) for one in reports(document(two))}
    assert found == {"SYN-1": ("5.4", "OP"), "SYN-2": ("9.9", "OP")}


def test_results_without_a_service_are_kept_all_the_same() -> None:
    (report,) = reports(document(f'<PT><PT.patient_id V="SYN-1"/><OBS>{GLUCOSE}</OBS></PT>'))
    assert (report.given.patient_id, report.observations[0].value) == ("SYN-1", "5.4")


def test_the_specimens_number_and_the_devices_own() -> None:
    (report,) = reports(document(service(beside='<SVC.sequence_nbr V="77"/><SPC><SPC.specimen_id V="SYN-4711" SN="X"/></SPC>')))
    assert report.specimen is not None
    assert (report.specimen.id, report.specimen.instrument_id) == ("SYN-4711", "77")


def test_who_released_it_what_a_maker_adds_and_a_number_that_is_nobodys() -> None:
    beside = (
        '<OPR><OPR.operator_id V="OP1^SUP2"/></OPR>'
        '<RSN><RSN.apoc_prompt V="PT Temp F"/><RSN.apoc_content V="101.2"/></RSN><XYZ><XYZ.a V="1"/></XYZ>'
    )
    (report,) = reports(document(service(beside=beside).replace("SYN-1", "UNKNOWN")), nobody=("UNKNOWN",))
    assert (report.given.operator, report.given.patient_id) == ("OP1", "")
    assert report.notes == ("released by SUP2", "PT Temp F: 101.2", "XYZ: 1")


@pytest.mark.parametrize("role", ["LQC", "EQC", "AQC", "PRF", "CAL", "CVR", "QC"])
def test_roles_that_are_no_patients(role: str) -> None:
    assert [one.category for one in reports(document(service(role=role)))] == [Category.QC]


def test_a_loinc_of_the_device_counts_when_its_check_digit_is_right_and_its_unit_fits() -> None:
    def loinc(code: str, unit: str) -> str | None:
        (report,) = reports(document(service(f'<OBS.observation_id V="{code}" SN="LN"/><OBS.value V="5" U="{unit}"/>')))
        return report.observations[0].loinc

    assert loinc("718-7", "g/dL") == "718-7"
    assert loinc("718-8", "g/dL") is None, "a wrong check digit"
    assert loinc("718-7", "mmHg") is None, "a unit of another class"


@pytest.mark.parametrize(
    ("body", "type_"),
    [
        (service(role="LQC"), "OBS.R01"),
        (service(role="PRF"), "OBS.R01"),
        (service(), "OBS.R02"),
        (f'<SVC><SVC.role_cd V="OBS"/><CTC><CTC.lot_number V="L1"/><OBS>{GLUCOSE}</OBS></CTC></SVC>', "OBS.R01"),
    ],
    ids=["liquid control", "proficiency", "R02 whose role says OBS (Sofia)", "control material in an R01"],
)
def test_quality_control_is_never_a_patients_result(body: str, type_: str) -> None:
    (report,) = reports(document(body, type_=type_))
    assert report.category is Category.QC


def test_control_and_reagent_are_told_with_their_lots() -> None:
    rgt = '<RGT><RGT.name V="Strip"/><RGT.lot_number V="L7"/><RGT.expiration_date V="2027-01-31T00:00:00"/></RGT>'
    (report,) = reports(document(service(beside=f'<SVC.status_cd V="OVR"/>{rgt}')))
    assert report.notes == ("reagent: Strip lot L7 expires 2027-01-31", "taken with an override on the device")
    assert report.materials == (Material(name="Strip", kind="SR", lot="L7", expires="20270131"),)


@pytest.mark.parametrize(("role", "said"), [("OBS", ""), ("LQC", "Q"), ("EQC", "E"), ("PRF", "O"), ("CAL", "C"), ("LIN", "V")])
def test_what_a_service_was_for_is_the_role_of_its_specimen(role: str, said: str) -> None:
    """POCT1-A SVC.role_cd in the words of HL7 table 0369."""
    (report,) = reports(document(service(role=role)))
    assert report.specimen is not None
    assert report.specimen.role == said


def test_a_control_keeps_its_lot_and_level() -> None:
    ctc = '<CTC><CTC.name V="High"/><CTC.lot_number V="C9"/><CTC.expiration_date V="2027-06"/><CTC.level_cd V="2"/></CTC>'
    (report,) = reports(document(service(beside=ctc)))
    assert report.category is Category.QC
    assert report.materials == (Material(name="High", kind="CO", lot="C9", level="2"),), "a month is no day"


def test_the_same_result_sent_again_is_the_same_and_a_rerun_is_not() -> None:
    first, resent, rerun, other = reports(
        document(service(beside='<SVC.reason_cd V="NEW"/>'), control_id="7"),
        document(service(beside='<SVC.reason_cd V="RES"/>'), control_id="99"),
        document(service(dttm="2026-11-21T13:20:00")),
        document(service('<OBS.observation_id V="GLU"/><OBS.value V="5.5" U="mmol/L"/>')),
    )
    assert first.identity == resent.identity
    assert len({first.identity, rerun.identity, other.identity}) == 3


def test_results_without_any_time_are_told_apart_by_their_message() -> None:
    first, second, again = reports(
        document(service(dttm=""), control_id="7"), document(service(dttm=""), control_id="8"), document(service(dttm=""), control_id="7")
    )  # fmt: skip
    assert first.identity != second.identity
    assert first.identity == again.identity


def test_each_service_is_a_report() -> None:
    found = reports(document(service(), service(role="LQC")))
    assert [report.category for report in found] == [Category.LAB, Category.QC]


def test_events_and_makers_own_messages_are_kept_as_events() -> None:
    event = (
        '<EVT><EVT.description V="Door open">TY=MT</EVT.description><EVT.event_dttm V="2026-11-21T12:00:00Z"/><EVT.severity_cd V="W"/>'
        '<EVT.number V="12"/><OPR><OPR.operator_id V="OP1"/></OPR></EVT>'
    )
    door, own = reports(document(event, type_="EVS.R01"), document("<LOT/>", type_="NOVA.ANALYZER_STATE"))
    assert [one.category for one in (door, own)] == [Category.EVENTS, Category.EVENTS]
    (seen,) = door.observations
    assert (seen.value, seen.flags, seen.operator, seen.notes) == (
        "Door open",
        ("W",),
        "OP1",
        ("description: TY=MT", "number: 12"),
    )
    assert own.observations[0].vendor_code == "NOVA.ANALYZER_STATE"


VALUES = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters='<&"\ufffe\uffff'), max_size=12)
FIELDS = (
    "OBS.observation_id",
    "OBS.value",
    "OBS.interpretation_cd",
    "OBS.normal_lo-hi_limit",
    "OBS.observation_dttm",
    "OBS.method_cd",
)


@given(st.lists(st.tuples(st.sampled_from(FIELDS), VALUES), max_size=8), VALUES)
def test_nothing_that_a_device_says_makes_it_raise(fields: list[tuple[str, str]], text: str) -> None:
    obs = "".join(f'<{name} V="{value}" U="{text}" SN="LN"/>' for name, value in fields)
    assert len(reports(document(service(obs, dttm=text, about=f'<PT.birth_date V="{text}"/>')))) == 1
