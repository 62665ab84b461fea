"""OUL^R22 as LAB-29 has it, field by field; the shapes are those of cobas pro's and cobas 6800's own LAB-29 messages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import hl7 as python_hl7
import msgspec
import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from gateway.deliver.messages import UnsuitedError, law
from gateway.model import (
    Category,
    DeviceIdentity,
    Entry,
    Gateway,
    Given,
    Kind,
    Material,
    Observation,
    Order,
    Specimen,
    Subject,
    Validity,
)
from gateway.settings.lab import LawSettings
from protocols.hl7v2.message import Message, parse

MakeEntry = Callable[..., Entry]
CET = timezone(timedelta(hours=1))
MEASURED = datetime(2026, 11, 21, 12, 59, tzinfo=CET)
REAGENT = Material(name="2049001", kind="MR", lot="256616", expires="20271030")
CONTROL = Material(name="20391", kind="CO", lot="C-77", expires="20281231", level="2")


@pytest.fixture
def render(gateway: Gateway, subject: Subject) -> Callable[..., Message]:
    def go(entry: Entry, *, who: Subject | None = subject, **keys: object) -> Message:
        message = parse(law.renderer(LawSettings.model_validate(keys), gateway)(entry, who).body)
        assert message is not None
        return message

    return go


def one(**changes: object) -> Observation:
    base = {"kind": Kind.NUMERIC, "vendor_code": "GLU", "value": "5.50", "status": "F", "time": MEASURED}
    return Observation(**(base | changes))  # type: ignore[arg-type]


def names(message: Message) -> list[str]:
    return [segment.name for segment in message.segments]


def test_a_patients_result_with_everything_that_an_analyzer_can_say(
    analyzer: MakeEntry, subject: Subject, gateway: Gateway
) -> None:
    seen = one(
        vendor_text="Glucose",
        loinc="14749-6",
        unit="mmol/L",
        vendor_unit="mmol/l",
        range="3.9-6.1",
        flags=("HH",),
        operator="SYN-OP",
        notes=("hemolysed",),
        materials=(REAGENT,),
        instance="I-9^c503^1A2B^ISO",
    )
    entry = analyzer(
        observations=(seen,),
        order=Order(placer_id="ORD-1", priority="S"),
        specimen=Specimen(
            id="SYN-4711",
            instrument_id="12",
            type="SERPLAS",
            position="50120^2",
            collected=datetime(2026, 11, 21, 11, 30, tzinfo=CET),
            received=datetime(2026, 11, 21, 12, 0, tzinfo=CET),
        ),
        notes=("reagent low",),
    )
    sent = law.renderer(LawSettings(specimen_system="LAB"), gateway)(entry, subject)
    assert sent.body.decode().split("\r") == [
        "MSH|^~\\&|4-EAST-1^0123456789ABCDEF^EUI-64||||20261121120001.000+0000||OUL^R22^OUL_R22|a1b2c3d4000000000007|P|2.5.1|||NE|AL||UNICODE UTF-8|||LAB-29^IHE",
        "PID|1||SYN-0001^^^HOSP&1.2.3.4&ISO^MR||Test^Patient^^^^^L||19700101|F",
        "PV1|1|I|||||||||||||||||V-0001^^^^VN",
        "SPM|1|SYN-4711&LAB^12||SERPLAS^^99SYSMEX|||||||P^Patient^HL70369||||||20261121103000.000+0000|20261121110000.000+0000",
        "SAC|||SYN-4711|||||||50120|2",
        "OBR|1|ORD-1||14749-6^Glucose (molar), Serum/Plasma^LN^GLU^Glucose^99SYSMEX",
        "ORC|OK||||CM",
        "NTE|1|L|reagent low",
        "TQ1|||||||||S^^HL70485",
        "OBX|1|NM|14749-6^Glucose (molar), Serum/Plasma^LN^GLU^Glucose^99SYSMEX|1|5.50|mmol/L^mmol/L^UCUM^mmol/l^^99SYSMEX|3.9-6.1|HH|||F|||20261121115900.000+0000||SYN-OP||XN-550^Sysmex~SYN-11^Sysmex~LAB-02^4-EAST-1|20261121115900.000+0000||I-9^c503^1A2B^ISO||||||||RSLT",
        "INV|2049001^^99SYSMEX|OK^^HL70383|MR^^HL70384|||||||||20271030||||256616",
        "NTE|1|L|hemolysed",
        "",
    ]


def test_a_specimens_type_goes_out_under_the_table_it_came_under(analyzer: MakeEntry, subject: Subject, gateway: Gateway) -> None:
    entry = analyzer(observations=(one(),), specimen=Specimen(id="SYN-4711", type="SER", type_system="HL70487"))
    sent = law.renderer(LawSettings(), gateway)(entry, subject).body.decode()
    assert "\rSPM|1|SYN-4711||SER^^HL70487|||||||P^" in sent


def test_a_control_has_its_lot_behind_its_container_and_no_patient(
    analyzer: MakeEntry, subject: Subject, gateway: Gateway
) -> None:
    entry = analyzer(
        category=Category.QC,
        observations=(one(),),
        order=None,
        given=Given(patient_id="SYN-9", family_name="Test"),
        specimen=Specimen(id="20391", role="Q"),
        materials=(CONTROL, REAGENT),
    )
    lines = law.renderer(LawSettings(instance=False, observation_type=False), gateway)(entry, subject).body.decode().split("\r")
    assert lines[1:] == [
        "SPM|1|20391||UNK^Unknown^NULLFL|||||||Q^Control specimen^HL70369",
        "SAC|||20391",
        "INV|20391^level 2^99SYSMEX|OK^^HL70383|CO^^HL70384|||||||||20281231||||C-77",
        'OBR|1|""||GLU^^99SYSMEX',
        "ORC|SC||||CM",
        "OBX|1|NM|GLU^^99SYSMEX|1|5.50||||||F|||20261121115900.000+0000||||XN-550^Sysmex~SYN-11^Sysmex~LAB-02^4-EAST-1|20261121115900.000+0000",
        "INV|2049001^^99SYSMEX|OK^^HL70383|MR^^HL70384|||||||||20271030||||256616",
        "",
    ]


@pytest.mark.parametrize("category", [Category.VITALS, Category.EVENTS, Category.WAVEFORMS])
def test_what_is_of_no_specimen_has_no_place_in_it(
    render: Callable[..., Message], analyzer: MakeEntry, category: Category
) -> None:
    with pytest.raises(UnsuitedError, match=f"category {category.value}; LAB-29 carries results of specimens"):
        render(analyzer(category=category))


def test_a_control_of_which_nothing_is_said_is_named_by_its_id(render: Callable[..., Message], analyzer: MakeEntry) -> None:
    message = render(analyzer(category=Category.QC, specimen=Specimen(id="QC-1")))
    (inv,) = message.every("INV")
    assert (inv.text(1), inv.text(3)) == ("QC-1", "CO")


@pytest.mark.parametrize(
    ("said", "sent"), [("", "Q"), ("C", "C"), ("O", "O"), ("E", "E"), ("V", "V"), ("P", "Q"), ("R", "Q"), ("?", "Q")]
)
def test_the_role_of_what_is_no_patients_is_never_a_patients(
    render: Callable[..., Message], analyzer: MakeEntry, said: str, sent: str
) -> None:
    assert render(analyzer(category=Category.QC, specimen=Specimen(id="X", role=said))).text("SPM", 11) == sent


@pytest.mark.parametrize(("said", "sent"), [("", "P"), ("P", "P"), ("R", "R"), ("Q", "P"), ("C", "P")])
def test_the_role_of_a_patients_specimen_is_never_a_controls(
    render: Callable[..., Message], analyzer: MakeEntry, said: str, sent: str
) -> None:
    assert render(analyzer(specimen=Specimen(id="X", role=said))).text("SPM", 11) == sent


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("category", [Category.LAB, Category.QC])
def test_other_parsers_read_it(
    analyzer: MakeEntry, subject: Subject, gateway: Gateway, category: Category, *, known: bool
) -> None:
    """Without the fields and segments of later versions hl7apy finds a strict OUL_R22 of 2.5.1; with them the PyPI hl7 reads it."""
    entry = analyzer(category=category, observations=(one(materials=(REAGENT,)),))
    who = subject if known else None
    whole = law.renderer(LawSettings(), gateway)(entry, who).body.decode()
    assert str(python_hl7.parse(whole).segments("OBX")[0][29]) == "RSLT"
    plain = law.renderer(LawSettings(materials=False, instance=False, observation_type=False), gateway)(entry, who).body.decode()
    assert parse_message(plain, validation_level=VALIDATION_LEVEL.STRICT).validate() is True


@pytest.mark.parametrize(
    ("order", "statuses", "expected"),
    [
        pytest.param(Order(placer_id="A-1"), ("F",), ("A-1", "OK", "CM"), id="an order that is known and done"),
        pytest.param(None, ("F",), ('""', "SC", "CM"), id="no order known"),
        pytest.param(None, ("F", "P"), ('""', "SC", "IP"), id="something preliminary: in process"),
        pytest.param(None, ("R",), ('""', "SC", "IP"), id="something not verified: in process"),
        pytest.param(None, ("C",), ('""', "SC", "CM"), id="a correction is complete"),
        pytest.param(None, ("X", "X"), ('""', "SC", "CA"), id="nothing could be measured: cancelled"),
        pytest.param(None, ("X", "F"), ('""', "SC", "CM"), id="one of two could be measured"),
        pytest.param(Order(placer_id="A-1", report_type="X"), (), ("A-1", "OK", "CA"), id="the analyzer gave it up"),
        pytest.param(None, (), ('""', "SC", "IP"), id="no result yet"),
    ],
)
def test_obr_2_orc_1_and_orc_5(
    render: Callable[..., Message],
    analyzer: MakeEntry,
    order: Order | None,
    statuses: tuple[str, ...],
    expected: tuple[str, str, str],
) -> None:
    observations = tuple(one(value=None if status == "X" else "1", status=status) for status in statuses)
    message = render(analyzer(observations=observations, order=order))
    obr, orc = message.every("OBR")[0], message.every("ORC")[0]
    assert (obr.raw(2), orc.text(1), orc.text(5)) == expected
    assert names(message).index("ORC") == names(message).index("OBR") + 1, "ORC comes after OBR"


@pytest.mark.parametrize(
    ("position", "expected"),
    [("50120^2", ("50120", "2", "")), ("HIV120126A^A1", ("HIV120126A", "", "A1")), ("7", ("7", "", "")), ("", ("", "", ""))],
)
def test_where_the_container_stood(
    render: Callable[..., Message], analyzer: MakeEntry, position: str, expected: tuple[str, str, str]
) -> None:
    """SAC-11 is a number (NA); m2000's "A1" is a location (SAC-15)."""
    sac = render(analyzer(specimen=Specimen(id="S1", position=position))).every("SAC")[0]
    assert (sac.text(10), sac.text(11), sac.text(15)) == expected


def test_each_test_is_an_order_of_its_own_where_the_receiver_files_work_order_steps(
    render: Callable[..., Message], analyzer: MakeEntry
) -> None:
    entry = analyzer(observations=(one(), one(vendor_code="CRP", status="P"), one(sub_id="2")), notes=("once",))
    message = render(entry, orders="test", obr="full")
    assert names(message)[5:] == ["OBR", "ORC", "NTE", "OBX", "OBX", "OBR", "ORC", "OBX"]
    assert [(obr.raw(1), obr.text(3), obr.text(4)) for obr in message.every("OBR")] == [
        ("1", "a1b2c3d4000000000007", "GLU"),
        ("2", "a1b2c3d4000000000007.2", "CRP"),
    ]
    assert [orc.text(5) for orc in message.every("ORC")] == ["CM", "IP"]
    assert [(obx.raw(1), obx.text(3), obx.text(4)) for obx in message.every("OBX")] == [
        ("1", "GLU", "1"),
        ("2", "GLU", "2"),
        ("1", "CRP", "1"),
    ]
    names_21 = [obx.text(21) for obx in message.every("OBX")]
    whole = {obx.text(21) for obx in render(entry).every("OBX")}
    assert set(names_21) == whole, "a result has the same name however the message is arranged"


def test_a_specimens_number_in_the_orders_place_is_no_known_order(render: Callable[..., Message], analyzer: MakeEntry) -> None:
    message = render(analyzer(order=None), placer="specimen")
    assert (message.text("OBR", 2), message.text("ORC", 1)) == ("SYN-4711", "SC")


def test_runs_are_counted_from_1_and_the_devices_own_word_stays(render: Callable[..., Message], analyzer: MakeEntry) -> None:
    observations = (one(), one(), one(sub_id="1/5"), one(vendor_code="CRP"))
    assert [row.text(4) for row in render(analyzer(observations=observations)).every("OBX")] == ["1", "2", "1/5", "1"]


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        pytest.param(one(comparator=">", value="1500"), ("SN", ">^1500", "", "F"), id="beyond range"),
        pytest.param(one(value=None, status="X", flags=("QNS",)), ("", "", "QNS", "X"), id="no value"),
        pytest.param(one(value=None, validity=Validity.OVER), ("", "", ">", "X"), id="off scale"),
        pytest.param(one(flags=("LL", "A")), ("NM", "5.50", "LL~A", "F"), id="critical flags"),
        pytest.param(one(status="C"), ("NM", "5.50", "", "C"), id="corrected"),
        pytest.param(one(kind=Kind.TEXT, value="Positive"), ("ST", "Positive", "", "F"), id="words"),
    ],
)
def test_value_and_state(
    render: Callable[..., Message], analyzer: MakeEntry, observation: Observation, expected: tuple[str, ...]
) -> None:
    row = render(analyzer(observations=(observation,))).every("OBX")[0]
    assert (row.raw(2), row.raw(5), row.raw(8), row.raw(11)) == expected


def test_a_correction_has_the_name_of_the_result_it_corrects(render: Callable[..., Message], analyzer: MakeEntry) -> None:
    """The same device, specimen, code and time of the result: the same OBX-21 in another message; everything else has another."""

    def name(**changes: object) -> str:
        specimen = changes.pop("specimen", Specimen(id="S-1"))
        device = changes.pop("device", DeviceIdentity(id="LAB-02", maker="Sysmex", serial="SYN-11"))
        entry = analyzer(observations=(one(**changes),), specimen=specimen, device=device, received_at=MEASURED)
        return render(entry).text("OBX", 21)

    first = name()
    assert first == name(value="5.60", status="C")
    others = [
        name(time=MEASURED + timedelta(seconds=1)),
        name(vendor_code="CRP"),
        name(sub_id="2"),
        name(specimen=Specimen(id="S-2")),
        name(device=DeviceIdentity(id="LAB-03", maker="Sysmex", serial="SYN-12")),
    ]
    assert len({first, *others}) == 6


def test_a_number_that_says_not_who_gave_it_names_no_result(render: Callable[..., Message], analyzer: MakeEntry) -> None:
    """cobas pure writes the same bare number in OBX-21 of several results; one with an authority is taken, if it is one's own."""
    said = (("GLU", "8"), ("CRP", "8"), ("NA", "8^X"), ("K", "8^X"), ("CL", "9^X"))
    entry = analyzer(observations=tuple(one(vendor_code=code, instance=instance) for code, instance in said))
    for orders in ("report", "test"):
        found = [row.raw(21) for row in render(entry, orders=orders).every("OBX")]
        assert found[4] == "9^X"
        assert len(set(found)) == 5
        assert not {"8", "8^X"} & set(found)


def test_two_results_that_nothing_dates_are_never_taken_for_one(analyzer: MakeEntry, gateway: Gateway) -> None:

    entry = analyzer(observations=(one(time=None), one(time=None)))
    later = msgspec.structs.replace(entry, id=8)
    found = [
        row.text(21)
        for each in (entry, later)
        for row in (parse(law.renderer(LawSettings(), gateway)(each, None).body) or Message(())).every("OBX")
    ]
    assert len(set(found)) == 4


def test_training_says_t_whatever_the_destination_is_set_to(render: Callable[..., Message], analyzer: MakeEntry) -> None:
    entry = analyzer(category=Category.QC, observations=(one(validity=Validity.TEST),))
    message = render(entry, qc_processing_id="D")
    assert (message.text("MSH", 11), message.text("SPM", 11), message.first("PID")) == ("T", "Q", None)


@pytest.mark.parametrize(
    ("keys", "segment", "number", "expected"),
    [
        ({"accept_ack": "AL", "application_ack": "NE"}, "MSH", 15, "AL"),
        ({"profile": "LAB-29^IHE~X"}, "MSH", 21, None),
        ({"version": "2.6"}, "MSH", 12, "2.6"),
        ({"primary": "vendor"}, "OBX", 3, "WBC"),
        ({"units": "original"}, "OBX", 6, "10\\S\\3/uL^^99SYSMEX"),
        ({"placer": "specimen"}, "OBR", 2, "SYN-4711"),
        ({"specimen_unknown": "XXX^Other^HL70487"}, "SPM", 4, "Blood^^99SYSMEX"),
        ({"obr": "full"}, "OBR", 7, "20261121103000.000+0000"),
        ({"obr": "full"}, "OBR", 3, "a1b2c3d4000000000007^4-EAST-1^0123456789ABCDEF^EUI-64"),
        ({"obr": "full"}, "OBR", 25, "F"),
    ],
)
def test_what_receivers_want_differently(
    render: Callable[..., Message], analyzer: MakeEntry, keys: dict[str, object], segment: str, number: int, expected: str | None
) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="none of"):
            render(analyzer(), **keys)
        return
    found = render(analyzer(), **keys).every(segment)[0]
    assert expected in (found.raw(number), found.text(number))


@pytest.mark.parametrize(
    ("keys", "gone"),
    [({"materials": False}, "INV"), ({"notes": False}, "NTE")],
)
def test_what_can_be_left_out(render: Callable[..., Message], analyzer: MakeEntry, keys: dict[str, object], gone: str) -> None:
    entry = analyzer(observations=(one(materials=(REAGENT,), notes=("x",)),), notes=("y",))
    assert gone in names(render(entry))
    assert gone not in names(render(entry, **keys))


def test_a_patient_who_is_not_known_is_left_out_or_said_to_be(render: Callable[..., Message], analyzer: MakeEntry) -> None:
    assert render(analyzer(), who=None).first("PID") is None
    assert render(analyzer(), who=None, unknown_patient="pid").text("PID", 5, 7) == "U"
    given = Given(patient_id="SYN-9")
    assert render(analyzer(given=given), who=None).text("PID", 3) == "SYN-9"
    assert render(analyzer(category=Category.QC, given=given), who=None, unknown_patient="pid").first("PID") is None


def test_its_times_stay_the_devices_and_a_clock_that_is_off_is_told(render: Callable[..., Message], analyzer: MakeEntry) -> None:
    message = render(analyzer(clock_offset_s=-3600.0, received_at=datetime(2026, 11, 21, 12, 0, tzinfo=UTC)))
    assert message.text("NTE", 3) == "device clock minus gateway clock: -3600 s, its zone +0100"
    assert names(message).index("NTE") < names(message).index("OBX")
