"""Whatever text a device or an order brings, a message keeps its segments, its fields and its determinism."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import hl7 as python_hl7
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.deliver.messages import Renderer, UnsuitedError, lab, law, pcd01, poct
from gateway.model import (
    Category,
    DeviceIdentity,
    Entry,
    Gateway,
    Given,
    Kind,
    Location,
    Material,
    Observation,
    Order,
    Report,
    Specimen,
    Subject,
    Validity,
    decode,
    encode,
)
from gateway.settings.lab import LabSettings, LawSettings, PoctSettings
from gateway.settings.pcd01 import Pcd01Settings
from protocols.hl7v2.message import parse

NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
BOX = Gateway(name="box|^~\\&\r", eui64="0123456789ABCDEF")
SPECIAL = [
    '""',
    "|",
    "^",
    "&",
    "~",
    "\\",
    "\r",
    "\n",
    "\x0b\x1c\r",
    "\x00",
    "\\X0D\\",
    "MSH|^~\\&|",
    "\u2028",
    "é心",
    "\x85",
    "n" * 10_000,
]

texts = st.text(alphabet=st.characters(codec="utf-8"), max_size=12) | st.sampled_from(SPECIAL)
materials = st.lists(
    st.builds(Material, name=texts, kind=st.just("CO") | texts, lot=texts, expires=texts, level=texts), max_size=2
)
observations = st.builds(
    Observation,
    kind=st.sampled_from([Kind.NUMERIC, Kind.TEXT, Kind.CODED, Kind.EVENT]),
    vendor_code=texts,
    vendor_text=texts,
    value=st.none() | texts | st.just("36.60"),
    refid=st.sampled_from([None, "MDC_PULS_OXIM_SAT_O2", "MDC_NOT_KNOWN"]),
    loinc=st.sampled_from([None, "2345-7", "0-0"]),
    unit=st.none() | texts,
    vendor_unit=texts,
    comparator=st.sampled_from(["", "<", ">", "|"]),
    validity=st.sampled_from(list(Validity)),
    status=st.sampled_from(["R", "F", "X", "", "|\r"]),
    flags=st.lists(texts, max_size=2).map(tuple),
    range=texts,
    coding=st.none() | st.tuples(texts, texts, texts),
    notes=st.lists(texts, max_size=2).map(tuple),
    operator=texts,
    sub_id=texts,
    materials=materials.map(tuple),
    critical=texts,
    instance=texts,
    place=st.none() | st.tuples(st.just(1), st.integers(0, 2), st.integers(0, 2), st.integers(1, 3)),
)
reports = st.builds(
    Report,
    device=st.builds(DeviceIdentity, id=texts, maker=texts, model=texts, serial=texts, eui64=st.sampled_from(["", "xyz"])),
    driver=texts,
    category=st.sampled_from(Category),
    received_at=st.just(NOON),
    observations=st.lists(observations, max_size=4).map(tuple),
    location=st.none() | st.builds(Location, point_of_care=texts, room=texts, bed=texts, facility=texts),
    given=st.builds(Given, patient_id=texts, family_name=texts, sex=texts, birth_date=texts, operator=texts),
    specimen=st.none() | st.builds(Specimen, id=texts, instrument_id=texts, type=texts, source=texts, position=texts, role=texts),
    order=st.none() | st.builds(Order, placer_id=texts, priority=texts, services=st.lists(texts, max_size=2).map(tuple)),
    materials=materials.map(tuple),
    notes=st.lists(texts, max_size=2).map(tuple),
)
subjects = st.none() | st.builds(
    Subject, patient_id=texts, assigner=texts, family_name=texts, given_name=texts, sex=texts, visit_id=texts, patient_class=texts
)
KNOWN = {"MSH", "PID", "PV1", "ORC", "OBR", "OBX", "NTE", "SPM", "SAC", "INV", "TQ1"}
RENDERERS = [
    pytest.param(lambda: pcd01.renderer(Pcd01Settings(device_clock=False), BOX), id="pcd01"),
    pytest.param(lambda: lab.renderer(LabSettings(instance=True), BOX), id="lab"),
    pytest.param(lambda: law.renderer(LawSettings(specimen_system="LAB", obr="full"), BOX), id="law"),
    pytest.param(lambda: poct.renderer(PoctSettings(specimen="spm"), BOX), id="poct"),
    pytest.param(lambda: poct.renderer(PoctSettings(), BOX), id="poct without SPM"),
]
Make = Callable[[], Renderer]


def entry_of(report: Report) -> Entry:
    return Entry(id=7, epoch="a1b2c3d4", stored_at=NOON, report=report)


def rendered(make: Make, report: Report, subject: Subject | None) -> bytes:
    """The message; of a category that the format has a place for."""
    try:
        return make()(entry_of(report), subject).body
    except UnsuitedError:
        return make()(entry_of(msgspec.structs.replace(report, category=Category.LAB)), subject).body


@pytest.mark.parametrize("make", RENDERERS)
@settings(max_examples=120, deadline=None)
@given(report=reports, subject=subjects)
def test_no_text_breaks_a_segment(make: Make, report: Report, subject: Subject | None) -> None:
    body = rendered(make, report, subject)
    lines = body.split(b"\r")
    assert lines.pop() == b""
    assert {line[:4].decode() for line in lines} <= {f"{name}|" for name in KNOWN}
    assert sum(line.startswith(b"OBX|") for line in lines) in {len(report.observations), len(report.observations) or 1}
    assert not set(body) & (set(range(32)) - {13})
    for line in lines[1:]:
        line = line.replace(b'OBR|1|""|', b"OBR|1||")  # noqa: PLW2901 - LAW's "no number is known" is the only one
        assert b'""' not in line.replace(b"|", b"^").replace(b"&", b"^").replace(b"~", b"^").split(b"^")
    assert len(python_hl7.parse(body.decode())) == len(lines)


@pytest.mark.parametrize("make", RENDERERS)
@settings(max_examples=80, deadline=None)
@given(report=reports, subject=subjects)
def test_what_is_no_patients_names_nobody(make: Make, report: Report, subject: Subject | None) -> None:
    """However it came to be associated, a control has neither PID nor PV1, and its specimen is not a patient's; or no message."""
    control = msgspec.structs.replace(report, category=Category.QC)
    try:
        message = parse(make()(entry_of(control), subject).body)
    except UnsuitedError:
        return
    assert message is not None
    assert message.first("PID") is message.first("PV1") is None
    assert message.text("SPM", 11) in set("QBCEFOV")


@pytest.mark.parametrize("make", RENDERERS)
@settings(max_examples=80, deadline=None)
@given(report=reports, subject=subjects)
def test_the_same_row_gives_the_same_bytes(make: Make, report: Report, subject: Subject | None) -> None:
    """After a restart, a journal's round trip, and with another history in the caches."""
    used = make()
    rendered(lambda: used, decode(encode(report)), None)
    assert rendered(lambda: used, report, subject) == rendered(make, decode(encode(report)), subject)


@pytest.mark.parametrize("make", RENDERERS)
@settings(max_examples=120, deadline=None)
@given(code=texts, name=texts, patient=texts, bed=texts, note=texts, value=texts.filter(lambda text: text != ""))
def test_every_text_comes_back_whole(make: Make, **text: Any) -> None:
    observation = Observation(
        kind=Kind.TEXT, vendor_code=text["code"], vendor_text=text["name"], value=text["value"], notes=(text["note"],)
    )
    report = Report(
        device=DeviceIdentity(id="D", eui64="00A037009A0053DE"),
        driver="x",
        category=Category.LAB,
        received_at=NOON,
        observations=(observation,),
        location=Location(point_of_care="4E", bed=text["bed"]),
    )
    who = Subject(patient_id=text["patient"], family_name=text["name"])
    message = parse(make()(entry_of(report), who).body)
    assert message is not None
    assert message.text("OBX", 3) == text["code"]
    assert message.text("OBX", 3, 2) == text["name"]
    assert message.text("OBX", 5) == text["value"]
    assert message.text("PID", 3) == text["patient"]
    assert message.text("PID", 5) == text["name"]
    assert message.text("PV1", 3, 3) == text["bed"]
    assert message.text("NTE", 3) == text["note"]
