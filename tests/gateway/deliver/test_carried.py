"""What a device says is carried from its bytes into every format: one rich message of each protocol, looked up field by field."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.acquire import offline, registry
from gateway.acquire.flow import Chunk, Flow
from gateway.deliver.messages import Renderer, fhir, lab, law, poct
from gateway.model import DeviceIdentity, Entry, Gateway, Report
from gateway.settings.fhir import FhirMessageSettings
from gateway.settings.lab import LabSettings, LawSettings, PoctSettings
from protocols.hl7v2.message import Message, parse
from protocols.hl7v2.mllp import encode

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
BOX = Gateway(name="4-EAST-1", eui64="0123456789ABCDEF")

ASTM = """\
H|\\^&|M-1||Maker^Model^1.0^SYN-77|||||||P|LIS2-A2|20261121130500
P|1||SYN-9|||Test^Patient||19700131|F
O|1|SYN-4711|12^5^3|^^^GLU|S||20261121123000||||A|||20261121124000|SER^arm|DR-5^House|||||||||F
R|1|^^^GLU^1/5|>1500|mg/dL|70 to 110|HH||C||SYN-OP||20261121125900|L7^20270131
C|1|I|hemolysed|G
R|2|^^^CRP||mg/L||||X|||||
L|1|N
"""
HL7 = """\
MSH|^~\\&|Model|Maker|||20261121130500||OUL^R22^OUL_R22|M-1|P|2.5.1|||NE|AL||UNICODE UTF-8|||LAB-29^IHE
PID|1||SYN-9||Test^Patient||19700131|F
SPM|1|SYN-4711^12||SER||||arm|||P^^HL70369||||||20261121123000|20261121124000
SAC|||SYN-4711|||||||5|3
OBR|1|ORD-1||GLU^Glucose^99X||||||||||||DR-5^House
ORC|OK||||CM
TQ1|||||||||S^^HL70485
OBX|1|SN|GLU^Glucose^99X|1/5|>^1500|mg/dL|70-110|HH|||C|||||SYN-OP||Model^Maker~SYN-77^Maker|20261121125900
INV|Strip|OK^^HL70383|SR^^HL70384|||||||||20270131||||L7
NTE|1|L|hemolysed
OBX|2|NM|CRP^^99X|1||mg/L|||||X|||||||Model^Maker~SYN-77^Maker|20261121125900
"""
POCT1A = """\
<HEL.R01><HDR><HDR.control_id V="1"/></HDR><DEV><DEV.vendor_id V="Maker"/><DEV.model_id V="Model"/><DEV.serial_id V="SYN-77"/></DEV></HEL.R01>
<OBS.R01><HDR><HDR.control_id V="2"/><HDR.creation_dttm V="2026-11-21T13:05:00"/></HDR><SVC><SVC.role_cd V="OBS"/>
<SVC.observation_dttm V="2026-11-21T12:59:00"/><PT><PT.patient_id V="SYN-9"/><PT.name V="Test^Patient"/>
<OBS><OBS.observation_id V="GLU"/><OBS.value V="&gt;1500" U="mg/dL"/><OBS.interpretation_cd V="HH"/><OBS.normal_lo-hi_limit V="[70;110]"/>
<OBS.critical_lo-hi_limit V="[40;400]"/><NTE><NTE.text V="hemolysed"/></NTE></OBS>
<OBS><OBS.observation_id V="CRP"/><OBS.value NULL="NI" U="mg/L"/></OBS></PT>
<OPR><OPR.operator_id V="SYN-OP"/></OPR><ORD><ORD.ordering_provider_id V="DR-5"/><ORD.order_id V="ORD-1"/></ORD>
<SPC><SPC.specimen_dttm V="2026-11-21T12:30:00"/><SPC.type_cd V="SER"/></SPC>
<RGT><RGT.name V="Strip"/><RGT.lot_number V="L7"/><RGT.expiration_date V="2027-01-31"/></RGT></SVC></OBS.R01>
"""
WIRES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "astm": (
        ASTM.replace("\n", "\r").encode(),
        {
            "model": ["H.5.2"],
            "serial": ["H.5.4"],
            "position": ["O.4.2", "O.4.3"],
            "materials": [{"lot": "R.14.1", "expires": "R.14.2"}],
        },
    ),
    "hl7-lab": (encode(HL7.replace("\n", "\r").encode()), {"serial": ["OBX-18.1"]}),
    "poct1a": (POCT1A.encode(), {}),
}
NOT_SAID = {
    "astm": {"order", "critical", "material"},
    "hl7-lab": {"critical", "serial"},
    "poct1a": {"specimen", "received", "sub id", "corrected", "priority", "own number", "site", "position"},
}
"""What the protocol, or this profile of it, has no field for."""

TRUTH: Mapping[str, object] = {
    "patient": "SYN-9",
    "value": (">", "1500"),
    "unit": "mg/dL",
    "range": "70-110",
    "flags": "HH",
    "corrected": True,
    "comment": True,
    "critical": True,
    "operator": "SYN-OP",
    "serial": True,
    "clock": True,
    "time": datetime(2026, 11, 21, 11, 59, tzinfo=UTC),
    "specimen": "SYN-4711",
    "own number": "12",
    "type": "SER",
    "site": "arm",
    "position": True,
    "collected": datetime(2026, 11, 21, 11, 30, tzinfo=UTC),
    "received": datetime(2026, 11, 21, 11, 40, tzinfo=UTC),
    "order": "ORD-1",
    "priority": True,
    "provider": "DR-5",
    "sub id": True,
    "lot": True,
    "expiry": True,
    "material": True,
    "no value": ("X", ""),
}
"""Read in the messages above by eye: 13:05 in Berlin is 12:05 UTC, five minutes after the gateway's noon."""


def report_of(driver_id: str) -> Report:
    wire, table = WIRES[driver_id]
    driver = registry.load(driver_id)
    options = registry.options(driver, "generic", table)
    context = driver.context(
        DeviceIdentity(id="LAB-7"), options, wall=lambda _: NOON, timezone=ZoneInfo("Europe/Berlin"), profile="generic"
    )
    flow = Flow(name="wire", started=None, chunks=[Chunk(0.0, wire)])
    (report,) = [item for item in offline.decode(flow, driver.codec(options), context, NOON) if isinstance(item, Report)]
    return report


def moment(text: str) -> datetime | None:
    return datetime.strptime(text, "%Y%m%d%H%M%S.%f%z").astimezone(UTC) if text else None


def of_hl7(body: bytes) -> dict[str, object]:
    """The facts as an ORU or OUL holds them."""
    message = parse(body)
    assert message is not None
    row, absent = message.every("OBX")[:2]
    told = " | ".join(note.text(3) for note in message.every("NTE"))
    return {
        "patient": message.text("PID", 3),
        "value": (row.text(5), row.text(5, 2)),
        "unit": row.text(6),
        "range": row.text(7),
        "flags": row.raw(8),
        "corrected": row.text(11) == "C",
        "comment": "hemolysed" in told,
        "critical": "critical limits: 40-400" in told,
        "operator": row.text(16),
        "serial": "SYN-77" in row.raw(18),
        "clock": "device clock minus gateway clock: +300 s, its zone +0100" in told,
        "time": moment(row.text(19)),
        "order": message.text("OBR", 2),
        "provider": message.text("OBR", 16),
        "sub id": row.text(4) == "1/5",
        "lot": "L7" in told,
        "no value": (absent.text(11), absent.raw(5)),
    }


def of_lab(body: bytes) -> dict[str, object]:
    message = parse(body)
    assert message is not None
    spm = _specimen(message)
    return {**of_hl7(body), **spm, "collected": moment(message.text("OBR", 7)), "received": moment(message.text("OBR", 14))}


def of_law(body: bytes) -> dict[str, object]:
    message = parse(body)
    assert message is not None
    spm, (inv,), sac = message.every("SPM")[0], message.every("INV")[:1], message.first("SAC")
    return {
        **of_hl7(body),
        **_specimen(message),
        "position": sac is not None and (sac.text(10), sac.text(11)) == ("5", "3"),
        "collected": moment(spm.text(17)),
        "received": moment(spm.text(18)),
        "priority": message.text("TQ1", 9) == "S",
        "lot": inv.text(16) == "L7",
        "expiry": inv.text(12) == "20270131",
        "material": inv.text(1) == "Strip",
    }


def _specimen(message: Message) -> dict[str, object]:
    spm = message.every("SPM")[0]
    return {"specimen": spm.text(2), "own number": spm.text(2, 2), "type": spm.text(4), "site": spm.text(8)}


def of_poct(body: bytes) -> dict[str, object]:
    message = parse(body)
    assert message is not None
    told = [note.text(3) for note in message.every("NTE")]
    return {
        **of_hl7(body),
        "specimen": next((note.removeprefix("specimen ") for note in told if note.startswith("specimen SYN")), ""),
        "type": message.text("OBR", 15),
        "collected": moment(message.text("OBR", 7)),
        "received": moment(message.text("OBR", 14)),
    }


def of_fhir(body: bytes) -> dict[str, object]:
    found: dict[str, list[Any]] = {}
    for one in json.loads(body, parse_float=str, parse_int=str)["entry"]:
        found.setdefault(one["resource"]["resourceType"], []).append(one["resource"])
    row, absent = found["Observation"]
    specimen = found.get("Specimen", [{}])[0]
    told = " | ".join(note["text"] for note in row.get("note", ()))
    substance = found.get("Substance", [{}])[0]
    limits = {one.get("type", {}).get("text", ""): one["text"] for one in row["referenceRange"]}
    based = row.get("basedOn", [{}])[0]
    return {
        "patient": row["subject"]["identifier"]["value"],
        "value": (row["valueQuantity"].get("comparator", ""), row["valueQuantity"]["value"]),
        "unit": row["valueQuantity"]["code"],
        "range": limits[""],
        "flags": row["interpretation"][0]["coding"][0]["code"],
        "corrected": row["status"] == "corrected",
        "comment": "hemolysed" in told,
        "critical": limits.get("critical limits") == "40-400",
        "operator": row["performer"][0]["identifier"]["value"],
        "serial": found["Device"][0].get("serialNumber") == "SYN-77",
        "clock": "device clock minus gateway clock: +300 s, its zone +0100" in told,
        "time": datetime.fromisoformat(row["issued"]).astimezone(UTC),
        "specimen": specimen.get("accessionIdentifier", {}).get("value"),
        "own number": specimen["identifier"][-1]["value"],
        "type": specimen.get("type", {}).get("text"),
        "collected": _instant(specimen.get("collection", {}).get("collectedDateTime")),
        "received": _instant(specimen.get("receivedTime")),
        "site": specimen.get("collection", {}).get("bodySite", {}).get("text"),
        "order": based.get("identifier", {}).get("value"),
        "sub id": "sub id: 1/5" in told,
        "lot": substance.get("instance", [{}])[0].get("identifier", {}).get("value") == "L7",
        "expiry": substance.get("instance", [{}])[0].get("expiry") == "2027-01-31",
        "material": substance.get("code", {}).get("text") == "Strip",
        "no value": ("X" if absent["status"] == "cancelled" and "dataAbsentReason" in absent else "", ""),
    }


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


FORMATS: dict[str, tuple[Renderer, Callable[[bytes], dict[str, object]]]] = {
    "lab": (lab.renderer(LabSettings(), BOX), of_lab),
    "law": (law.renderer(LawSettings(obr="full"), BOX), of_law),
    "poct": (poct.renderer(PoctSettings(), BOX), of_poct),
    "fhir": (fhir.renderer(FhirMessageSettings(), BOX), of_fhir),
}


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("driver", WIRES)
def test_what_the_device_said_is_in_the_message(driver: str, format_: str) -> None:
    render, look = FORMATS[format_]
    report = report_of(driver)
    found = look(render(Entry(id=7, epoch="a1b2c3d4", stored_at=NOON, report=report), None).body)
    wanted = {fact: TRUTH[fact] for fact in TRUTH if fact in found and fact not in NOT_SAID[driver]}
    assert {fact: found[fact] for fact in wanted} == wanted


def test_every_fact_is_looked_for_in_some_message() -> None:
    looked = {fact for driver in WIRES for fact in TRUTH if fact not in NOT_SAID[driver]}
    assert looked == set(TRUTH)
