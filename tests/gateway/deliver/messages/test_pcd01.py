"""PCD-01 rule by rule: expected fields are written out from IHE PCD TF-2 appendix B."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import hl7 as python_hl7
import msgspec
import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.deliver.messages import pcd01
from gateway.lint import Severity, lint_hl7
from gateway.model import (
    Entry,
    Gateway,
    Given,
    Kind,
    Location,
    Method,
    Observation,
    Subject,
    Validity,
)
from gateway.settings.pcd01 import Pcd01Settings
from protocols.hl7v2.message import Message, parse

MakeEntry = Callable[..., Entry]
NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
CEST = timezone(timedelta(hours=2))


@pytest.fixture
def render(gateway: Gateway, subject: Subject) -> Callable[..., Message]:
    def go(entry: Entry, *, who: Subject | None = subject, **keys: object) -> Message:
        message = parse(pcd01.renderer(Pcd01Settings.model_validate(keys), gateway)(entry, who).body)
        assert message is not None
        return message

    return go


def rows(message: Message) -> dict[str, tuple[str, ...]]:
    """OBX by their OBX-4, as they stand."""
    return {row.raw(4): row.fields for row in message.every("OBX")}


def one(**changes: object) -> Observation:
    base = {
        "kind": Kind.NUMERIC,
        "vendor_code": "SPO2",
        "value": "97",
        "refid": "MDC_PULS_OXIM_SAT_O2",
        "unit": "%",
        "place": (1, 1, 1, 1),
    }
    return Observation(**(base | changes))  # type: ignore[arg-type]


def test_the_whole_message(oximeter: MakeEntry, subject: Subject, gateway: Gateway) -> None:
    ids = "a1b2c3d4000000000007^4-EAST-1^0123456789ABCDEF^EUI-64"
    sent = pcd01.renderer(Pcd01Settings(), gateway)(oximeter(), subject)
    assert sent.id == "a1b2c3d4000000000007"
    msh = (
        "MSH|^~\\&|4-EAST-1^0123456789ABCDEF^EUI-64||||20261121120001.000+0000||ORU^R01^ORU_R01|a1b2c3d4000000000007|P|2.6|||AL|NE"
        "||UNICODE UTF-8|en^English^ISO639||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO"
    )
    spo2 = (
        "OBX|5|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC^59408-5^O2 saturation arterial by pulse oximetry^LN|1.1.1.1|97"
        "|262688^MDC_DIM_PERCENT^MDC^%^%^UCUM|||||R||||||AMEAS^auto-measurement^MDC"
    )
    assert sent.body.decode().split("\r") == [
        msh,
        "PID|||SYN-0001^^^HOSP&1.2.3.4&ISO^MR||Test^Patient^^^^^L||19700101|F",
        "PV1||I|4E^402^1||||||||||||||||V-0001^^^^VN",
        f"OBR|1|{ids}|{ids}|182777000^monitoring of patient^SCT|||20261121120000.000+0000",
        "OBX|1||69641^MDC_DEV_ANALY_SAT_O2_MDS^MDC|1.0.0.0|||||||X|||||||00A037009A0053DE^^00A037009A0053DE^EUI-64",
        "OBX|2|DTM|67975^MDC_ATTR_TIME_ABS^MDC|1.0.0.67975|20261121130300.000+0100||||||R|||20261121120000.000+0000",
        "OBX|3||69642^MDC_DEV_ANALY_SAT_O2_VMD^MDC|1.1.0.0|||||||X",
        "OBX|4||69643^MDC_DEV_ANALY_SAT_O2_CHAN^MDC|1.1.1.0|||||||X",
        spo2,
        "OBX|6||149530^MDC_PULS_OXIM_PULS_RATE^MDC^8867-4^Heart rate^LN|1.1.1.2||||NAV|||X||||||AMEAS^auto-measurement^MDC",
        "",
    ]


def test_it_is_clean_for_our_linter_and_for_hl7apy(oximeter: MakeEntry, subject: Subject, gateway: Gateway) -> None:
    body = pcd01.renderer(Pcd01Settings(sync_protocol="NTPV4", sync_accuracy_s="0.5"), gateway)(oximeter(), subject).body
    assert lint_hl7(body) == []
    assert parse_message(body.decode(), validation_level=VALIDATION_LEVEL.STRICT).validate() is True


def test_another_parser_reads_it(oximeter: MakeEntry, subject: Subject, gateway: Gateway) -> None:
    message = python_hl7.parse(pcd01.renderer(Pcd01Settings(), gateway)(oximeter(), subject).body.decode())
    assert str(message.segments("OBX")[4][5]) == "97"
    assert str(message.segments("PID")[0][3][0][3][1]) == "1.2.3.4"


def test_a_resend_is_byte_identical(oximeter: MakeEntry, subject: Subject, gateway: Gateway) -> None:
    first, second = (pcd01.renderer(Pcd01Settings(), gateway) for _ in range(2))
    first(oximeter(observations=(one(vendor_code="before", place=None, refid=None),)), None)
    assert first(oximeter(), subject) == second(oximeter(), subject)


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        pytest.param(one(value="36.60"), ("NM", "36.60", "", "R"), id="trailing zeros stay"),
        pytest.param(one(value="300", comparator=">"), ("SN", ">^300", "", "R"), id="over range is SN"),
        pytest.param(one(kind=Kind.TEXT, value="1:2.50"), ("SN", "^1^:^2.50", "", "R"), id="a ratio is SN"),
        pytest.param(one(kind=Kind.TEXT, value="SIMV|x"), ("ST", "SIMV\\F\\x", "", "R"), id="a word is ST"),
        pytest.param(
            one(kind=Kind.CODED, value="1", coding=("188", "sinus", "99X")),
            ("CWE", "188^sinus^99X", "", "R"),
            id="a coded value is CWE",
        ),
        pytest.param(
            one(value="7", unit=None, refid="MDC_PRESS_BLD_ART_SYS"), ("ST", "7", "", "R"), id="a number of unknown unit is ST"
        ),
        pytest.param(one(value="7", unit=None, refid=None, comparator=">"), ("ST", ">7", "", "R"), id="nor is it SN"),
        pytest.param(one(value="N/A"), ("ST", "N/A", "", "R"), id="text in a numeric is never NM"),
        pytest.param(one(value=None, validity=Validity.INVALID, status="X"), ("", "", "INV", "X"), id="invalid: INV, X"),
        pytest.param(one(validity=Validity.QUESTIONABLE), ("NM", "97", "QUES", "R"), id="questionable: QUES, R"),
        pytest.param(one(value=None, validity=Validity.NOT_AVAILABLE), ("", "", "NAV", "X"), id="not available: NAV, X"),
        pytest.param(one(validity=Validity.CALIBRATING), ("NM", "97", "CAL", "R"), id="calibrating: CAL, R"),
        pytest.param(one(validity=Validity.TEST), ("NM", "97", "TEST", "R"), id="test: TEST, R"),
        pytest.param(one(validity=Validity.DEMO), ("NM", "97", "DEMO", "R"), id="demo: DEMO, R"),
        pytest.param(one(validity=Validity.VALIDATED), ("NM", "97", "", "F"), id="validated: nothing, F"),
        pytest.param(one(validity=Validity.EARLY), ("NM", "97", "EARLY", "R"), id="early: EARLY, R"),
        pytest.param(one(value=None, validity=Validity.ONGOING), ("", "", "BUSY", "X"), id="ongoing: BUSY, X"),
        pytest.param(one(validity=Validity.IN_ALARM), ("NM", "97", "ALACT", "R"), id="in alarm: ALACT, R"),
        pytest.param(one(validity=Validity.ALARM_INHIBITED), ("NM", "97", "ALINH", "R"), id="alarm inhibited: ALINH, R"),
        pytest.param(
            one(value="127", validity=Validity.OFF), ("", "", "OFF", "X"), id="no value travels beside a state that has none"
        ),
        pytest.param(one(value=None), ("", "", "NAV", "X"), id="no value and no reason: NAV"),
        pytest.param(one(value=""), ("", "", "NAV", "X"), id="an empty value is none"),
        pytest.param(one(value=None, validity=Validity.CALIBRATING), ("", "", "NAV~CAL", "X"), id="no value while calibrating"),
        pytest.param(
            one(flags=("H",), validity=Validity.IN_ALARM), ("NM", "97", "ALACT~H", "R"), id="flags repeat behind the state"
        ),
        pytest.param(one(status="C"), ("NM", "97", "", "C"), id="a correction"),
    ],
)
def test_value_and_state(
    render: Callable[..., Message], oximeter: MakeEntry, observation: Observation, expected: tuple[str, ...]
) -> None:
    row = rows(render(oximeter(observations=(observation,))))["1.1.1.1"]
    row = (*row, *[""] * 20)
    assert (row[2], row[5], row[8], row[11]) == expected
    assert bool(row[6]) == (row[2] in ("NM", "SN"))


def test_limits_stand_in_obx_7(render: Callable[..., Message], oximeter: MakeEntry) -> None:
    assert rows(render(oximeter(observations=(one(range="90-100"),))))["1.1.1.1"][7] == "90-100"


def test_rows_are_depth_first_in_numeric_order(render: Callable[..., Message], oximeter: MakeEntry) -> None:
    """Numeric, not textual: 1.1.1.10 comes behind 1.1.1.9; what has no place comes last."""
    metrics = [one(vendor_code=str(n), place=(1, 1, 1, n)) for n in (10, 9, 1)]
    observations = (*metrics, one(vendor_code="?", place=None, refid=None))
    message = render(oximeter(observations=observations))
    places = [row.text(4) for row in message.every("OBX")]
    assert places[:7] == ["1.0.0.0", "1.0.0.67975", "1.1.0.0", "1.1.1.0", "1.1.1.1", "1.1.1.9", "1.1.1.10"]
    assert places[7].startswith("1.999.0.")
    assert [row.text(1) for row in message.every("OBX")] == [str(n) for n in range(1, 9)]


def test_what_is_unmapped_travels_under_the_makers_code_at_a_stable_place(
    render: Callable[..., Message], oximeter: MakeEntry
) -> None:
    """The number is the CRC-32 of the name (of `XYZ` and the empty sub-id here), so it needs no memory."""
    unknown = one(vendor_code="XYZ", vendor_text="Ext & 1", refid=None, unit=None, vendor_unit="foo", place=None)
    for observations in ((unknown,), (one(), unknown), (one(vendor_code="ABC", refid=None, place=None), unknown)):
        row = next(row for row in render(oximeter(observations=observations)).every("OBX") if row.text(3) == "XYZ")
        assert (row.raw(3), row.raw(4), row.raw(6)) == ("XYZ^Ext \\T\\ 1^99MASIMO", "1.999.0.2177652037", "foo^^99MASIMO")


def test_loinc_alone_is_the_second_choice(render: Callable[..., Message], oximeter: MakeEntry) -> None:
    row = render(oximeter(observations=(one(refid=None, loinc="8310-5", vendor_code="TEMP", unit="Cel"),))).every("OBX")[-1]
    assert (row.text(3), row.text(3, 3), row.text(3, 4), row.text(3, 6)) == ("8310-5", "LN", "TEMP", "99MASIMO")


def test_an_episodic_value_has_its_own_time_on_the_gateways_clock(render: Callable[..., Message], oximeter: MakeEntry) -> None:
    """Measured at 13:01 by a clock that is 3 min fast, at +0100: 11:58 UTC. The periodic one beside it has no OBX-14."""
    spot = one(place=(1, 1, 1, 3), time=datetime(2026, 11, 21, 13, 1, tzinfo=timezone(timedelta(hours=1))))
    found = rows(render(oximeter(observations=(one(), spot))))
    assert found["1.1.1.3"][14] == "20261121115800.000+0000"
    assert len(found["1.1.1.1"]) == 18
    noted = rows(render(oximeter(observations=(one(), spot)), correct_times=False))
    assert noted["1.1.1.3"][14] == "20261121120100.000+0000"


def test_an_episodic_report_says_so_in_each_row(render: Callable[..., Message], oximeter: MakeEntry) -> None:
    spot = one(place=(1, 1, 1, 3), time=datetime(2026, 11, 21, 13, 1, tzinfo=timezone(timedelta(hours=1))))
    message = render(oximeter(observations=(one(), spot), episodic=True))
    assert message.text("OBR", 7) == "20261121115800.000+0000"
    assert rows(message)["1.1.1.1"][14] == "20261121120000.000+0000"


def test_a_clock_jump_begins_a_new_obr(render: Callable[..., Message], oximeter: MakeEntry) -> None:
    """A value noted before the clock went back an hour (+0200) does not share an OBR with one noted after it (+0100)."""
    before = one(time=datetime(2026, 10, 25, 2, 30, tzinfo=CEST))
    message = render(oximeter(observations=(one(), before)))
    assert [row.text(1) for row in message.every("OBR")] == ["1", "2"]
    assert [row.text(3) for row in message.every("OBR")] == ["a1b2c3d4000000000007", "a1b2c3d4000000000007.2"]
    assert message.every("OBR")[1].text(7) == "20261025002700.000+0000"
    assert [row.text(3) for row in message.every("OBX")].count("67975") == 1
    assert [row.text(1) for row in message.every("OBX")] == [str(n) for n in range(1, 10)]


def test_the_same_place_twice_begins_a_new_obr(render: Callable[..., Message], oximeter: MakeEntry) -> None:
    message = render(oximeter(observations=(one(value="97"), one(value="96"))))
    assert len(message.every("OBR")) == 2
    assert [row.text(5) for row in message.every("OBX") if row.text(4) == "1.1.1.1"] == ["97", "96"]


def test_device_without_eui64_is_named_by_serial_model_and_a_urn(render: Callable[..., Message], oximeter: MakeEntry) -> None:
    device = msgspec.structs.replace(oximeter().report.device, eui64="")
    row = render(oximeter(device=device)).every("OBX")[0]
    assert [row.text(18, n) for n in (1, 2, 4)] == ["SYN-77", "Radical-7", "URN"]
    assert row.text(18, 3).startswith("urn:uuid:")
    other = render(oximeter(device=msgspec.structs.replace(device, serial="SYN-78"))).every("OBX")[0]
    assert other.text(18, 3) != row.text(18, 3)


def test_a_device_without_a_tree_names_itself_on_every_row(render: Callable[..., Message], oximeter: MakeEntry) -> None:
    message = render(oximeter(parts=(), device_time=None, clock_offset_s=None))
    assert [row.text(18) for row in message.every("OBX")] == ["", *2 * ["00A037009A0053DE"]]


def test_operator_and_notes(render: Callable[..., Message], oximeter: MakeEntry) -> None:
    noted = one(operator="SYN^N1", notes=("first", "second|x"))
    message = render(oximeter(observations=(noted,), given=Given(operator="SYN-N2"), notes=("whole",)))
    assert message.text("OBR", 10) == "SYN-N2"
    assert rows(message)["1.1.1.1"][16] == "SYN\\S\\N1"
    assert [row.raw(3) for row in message.every("NTE")] == ["whole", "first~second\\F\\x"]


def test_a_setting_is_told_from_a_measurement(render: Callable[..., Message], oximeter: MakeEntry) -> None:
    assert rows(render(oximeter(observations=(one(method=Method.MANUAL_SET),))))["1.1.1.1"][17] == "MSET^manual-setting^MDC"


def test_waveforms_are_left_out(render: Callable[..., Message], oximeter: MakeEntry) -> None:
    wave = one(kind=Kind.WAVEFORM, value="1 2 3", period_ms="10")
    entry = oximeter(observations=(one(), wave))
    assert len(render(entry).every("OBX")) == 5


def test_no_patient_is_invented(render: Callable[..., Message], oximeter: MakeEntry) -> None:
    unknown = render(oximeter(), who=None)
    assert (unknown.text("PID", 3), unknown.text("PID", 5, 7), unknown.text("PID", 31)) == ("", "U", "Y")
    assert unknown.text("PV1", 3) == "4E"
    omitted = render(oximeter(), who=None, unknown_patient="omit")
    assert [row.name for row in omitted.segments[:2]] == ["MSH", "OBR"]
    agreed = render(oximeter(), who=None, unknown_id="UNKNOWN^^^HOSP^PI", unknown_name="Unknown^^^^^^U")
    assert (agreed.text("PID", 3), agreed.text("PID", 5)) == ("UNKNOWN", "Unknown")


@pytest.mark.parametrize("unknown", ["pid", "omit"])
def test_without_a_patient_the_linter_warns_and_no_more(oximeter: MakeEntry, gateway: Gateway, unknown: str) -> None:
    body = pcd01.renderer(Pcd01Settings.model_validate({"unknown_patient": unknown}), gateway)(oximeter(), None).body
    assert {finding.severity for finding in lint_hl7(body)} == {Severity.WARNING}


@pytest.mark.parametrize(
    ("keys", "segment", "number", "expected"),
    [
        ({"sending_application": "WARD"}, "MSH", 3, "WARD"),
        ({"sending_facility": "HOSP^1.2.3^ISO"}, "MSH", 4, "HOSP^1.2.3^ISO"),
        ({"receiving_application": "ENGINE"}, "MSH", 5, "ENGINE"),
        ({"receiving_facility": "HOSP"}, "MSH", 6, "HOSP"),
        ({"time_digits": 0}, "MSH", 7, "20261121120001+0000"),
        ({"timezone": "Europe/Berlin"}, "MSH", 7, "20261121130001.000+0100"),
        ({"timezone": "America/St_Johns"}, "OBR", 7, "20261121083000.000-0330"),
        ({"processing_id": "D"}, "MSH", 11, "D"),
        ({"version": "2.4"}, "MSH", 12, "2.4"),
        ({"accept_ack": "NE", "application_ack": "AL"}, "MSH", 15, "NE"),
        ({"accept_ack": "NE", "application_ack": "AL"}, "MSH", 16, "AL"),
        ({"country": "DEU"}, "MSH", 17, "DEU"),
        ({"charset": "8859/1"}, "MSH", 18, "8859/1"),
        ({"language": ""}, "MSH", 19, ""),
        ({"profile": ""}, "MSH", 21, ""),
        ({"patient_class": "E"}, "PV1", 2, "I"),
        ({"pv1_3": "{point_of_care}^^{bed}^HOSP"}, "PV1", 3, "4E^^1^HOSP"),
        ({"pv1_3": "{point_of_care}-{room}"}, "PV1", 3, "4E-402"),
        ({"pv1": False}, "PV1", 3, ""),
        ({"service": "mds"}, "OBR", 4, "69641^MDC_DEV_ANALY_SAT_O2_MDS^MDC"),
        ({"placer": False}, "OBR", 2, ""),
        ({"correct_times": False}, "OBR", 7, "20261121120300.000+0000"),
        ({"device_label": True}, "OBX", 18, "4E-044^Radical-7^00A037009A0053DE^EUI-64"),
    ],
)
def test_a_setting_moves_its_field(
    render: Callable[..., Message], oximeter: MakeEntry, keys: dict[str, object], segment: str, number: int, expected: str
) -> None:
    found = render(oximeter(), **keys).first(segment)
    assert (found.raw(number) if found else "") == expected


@pytest.mark.parametrize(
    ("keys", "number", "expected"),
    [
        ({"alternate": "none"}, 3, "150456^MDC_PULS_OXIM_SAT_O2^MDC"),
        ({"alternate": "vendor"}, 3, "150456^MDC_PULS_OXIM_SAT_O2^MDC^SPO2^^99MASIMO"),
        ({"alternate": "vendor", "private_system": "99SITE"}, 3, "150456^MDC_PULS_OXIM_SAT_O2^MDC^SPO2^^99SITE"),
        ({"units": "mdc"}, 6, "262688^MDC_DIM_PERCENT^MDC"),
        ({"units": "ucum"}, 6, "%^%^UCUM"),
        ({"result_status": "F"}, 11, "F"),
        ({"observation_time": "always"}, 14, "20261121120000.000+0000"),
        ({"observation_time": "always", "analysis_time": True}, 19, "20261121120000.000+0000"),
        ({"method": "not-measured"}, 17, ""),
        ({"device_row": "every"}, 18, "00A037009A0053DE^^00A037009A0053DE^EUI-64"),
    ],
)
def test_a_setting_moves_a_metrics_field(
    render: Callable[..., Message], oximeter: MakeEntry, keys: dict[str, object], number: int, expected: str
) -> None:
    assert (*rows(render(oximeter(), **keys))["1.1.1.1"], *[""] * 20)[number] == expected


def test_the_gateways_own_clock_stands_at_its_own_level(render: Callable[..., Message], oximeter: MakeEntry) -> None:
    found = rows(render(oximeter(), sync_protocol="NTPV4", sync_accuracy_s="0.5"))
    assert found["0.0.0.1"][5] == "532226^MDC_TIME_SYNC_NTPV4^MDC"
    assert found["0.0.0.2"][5:7] == ("0.5", "264320^MDC_DIM_SEC^MDC^s^s^UCUM")
    assert "1.0.0.67975" not in rows(render(oximeter(), device_clock=False))
    clockless = rows(render(oximeter(device_time=None, clock_offset_s=None)))
    assert "1.0.0.67975" not in clockless
    assert clockless["0.0.0.67975"][5] == clockless["0.0.0.67975"][14] == "20261121120000.000+0000"


def test_whose_location_goes_first(render: Callable[..., Message], oximeter: MakeEntry, subject: Subject) -> None:
    elsewhere = msgspec.structs.replace(subject, location=Location(point_of_care="OR"))
    assert render(oximeter(), who=elsewhere).text("PV1", 3) == "OR"
    assert render(oximeter(), who=elsewhere, location="device").text("PV1", 3) == "4E"


def test_a_listed_conversion_takes_the_limits_along(render: Callable[..., Message], oximeter: MakeEntry) -> None:
    """Glucose 90 mg/dL is 5.0 mmol/L (molar mass 180.156); what is not listed stays in the device's unit."""
    glucose = one(vendor_code="GLU", refid=None, loinc="2345-7", value="90", unit="mg/dL", range="70-110", place=(1, 1, 1, 5))
    row = rows(render(oximeter(observations=(glucose,)), convert={"2345-7": "mmol/L"}))["1.1.1.5"]
    assert row[3].startswith("14749-6^")
    assert (row[5], row[6], row[7]) == ("5.00", "mmol/L^mmol/L^UCUM", "3.89-6.11")
    kept = rows(render(oximeter(observations=(glucose,)), convert={"2345-7": "furlong"}))["1.1.1.5"]
    assert (kept[5], kept[6]) == ("90", "mg/dL^mg/dL^UCUM")


def test_charset_8859_1_is_one_byte_a_letter(oximeter: MakeEntry, subject: Subject, gateway: Gateway) -> None:
    who = msgspec.structs.replace(subject, family_name="Größe")
    assert b"Gr\xf6\xdfe" in pcd01.renderer(Pcd01Settings(charset="8859/1"), gateway)(oximeter(), who).body
    assert "Größe".encode() in pcd01.renderer(Pcd01Settings(), gateway)(oximeter(), who).body


@pytest.mark.parametrize(
    "keys",
    [
        {"sending_application": "A^B"},
        {"receiving_application": "A|B"},
        {"receiving_facility": '""'},
        {"pv1_3": "{ward}"},
        {"pv1_3": "{bed"},
        {"timezone": "Europe/Nowhere"},
        {"processing_id": "X"},
        {"private_system": "LOCAL"},
        {"sync_accuracy_s": "fast"},
        {"no_such_key": 1},
    ],
)
def test_a_setting_that_would_break_a_message_is_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Pcd01Settings.model_validate(keys)


def test_times_at_the_edges_of_the_calendar_are_written_all_the_same(render: Callable[..., Message], oximeter: MakeEntry) -> None:
    first = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    message = render(oximeter(observations=(one(time=first),), device_time=first, clock_offset_s=1e15))
    assert rows(message)["1.1.1.1"][14].startswith("00010101000000")


def test_no_unit_is_dimensionless_where_the_term_may_be(render: Callable[..., Message], oximeter: MakeEntry) -> None:
    ratio = one(refid="MDC_RATIO_IE", kind=Kind.TEXT, value="1:2.0", unit=None)
    row = rows(render(oximeter(observations=(ratio,))))["1.1.1.1"]
    assert (row[2], row[5], row[6]) == ("SN", "^1^:^2.0", "262656^MDC_DIM_DIMLESS^MDC")


said = st.builds(
    Observation,
    kind=st.sampled_from([Kind.NUMERIC, Kind.TEXT, Kind.EVENT]),
    vendor_code=st.text("ABC", min_size=1, max_size=3),
    value=st.none() | st.sampled_from(["97", "36.60", "1:2", "on", "a|b"]),
    refid=st.sampled_from([None, "MDC_PULS_OXIM_SAT_O2", "MDC_PRESS_BLD_ART_SYS", "MDC_RATIO_IE"]),
    loinc=st.sampled_from([None, "2345-7"]),
    unit=st.sampled_from([None, "%", "mm[Hg]", "kPa", "1"]),
    vendor_unit=st.sampled_from(["", "foo"]),
    comparator=st.sampled_from(["", "<", ">="]),
    validity=st.sampled_from(list(Validity)),
    status=st.sampled_from(["R", "F", "X", "C", "P"]),
    flags=st.lists(st.sampled_from(["H", "LL", "A"]), max_size=2).map(tuple),
    range=st.sampled_from(["", "90-100", "<90"]),
    method=st.sampled_from(list(Method)),
    time=st.none() | st.integers(-(10**9), 10**9).map(lambda seconds: (NOON + timedelta(seconds=seconds)).astimezone(CEST)),
    place=st.none() | st.tuples(st.just(1), st.integers(0, 2), st.integers(0, 2), st.integers(1, 3)),
    operator=st.sampled_from(["", "SYN-N1"]),
    notes=st.lists(st.just("note"), max_size=2).map(tuple),
)


@settings(max_examples=40, deadline=None)
@given(observations=st.lists(said, max_size=5).map(tuple), episodic=st.booleans(), known=st.booleans())
def test_whatever_is_said_the_linter_finds_no_error(
    oximeter: MakeEntry, subject: Subject, gateway: Gateway, observations: tuple[Observation, ...], *, episodic: bool, known: bool
) -> None:
    """Units that a term does not have are the driver kit's business; all else of a rendered message is clean."""
    entry = oximeter(observations=observations, episodic=episodic)
    body = pcd01.renderer(Pcd01Settings(), gateway)(entry, subject if known else None).body
    errors = {(found.rule, found.field, found.got) for found in lint_hl7(body) if found.severity is Severity.ERROR}
    assert errors == set()
