"""Bundles judged by FHIR implementations that are not ours: fhirkit and Medplum's validator, profiles and server over mutual TLS."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fhirkit
import pytest
from msgspec.structs import replace
from yarl import URL

from gateway.acquire import offline, recording, registry
from gateway.deliver.destination import Accepted, Outgoing, Refused
from gateway.deliver.destinations.fhir import FhirDestination
from gateway.deliver.messages.fhir import renderer
from gateway.lint.fhir import lint_fhir
from gateway.lint.finding import Severity
from gateway.model import Category, DeviceIdentity, Entry, Gateway, Kind, Observation, Report, Specimen, Subject, Validity
from gateway.settings import TlsSettings
from gateway.settings.fhir import FhirMessageSettings, FhirServerSettings
from simulators.pki import make

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
GATEWAY = Gateway(name="4-EAST-1", eui64="0123456789ABCDEF")
PATIENT = Subject(patient_id="SYN-0001", assigner="HOSP&2.999.1&ISO", family_name="Test", given_name="Patient", sex="F")
CAPTURES = Path(__file__).parents[2] / "captures"
FOLDERS = sorted(path.parent for path in CAPTURES.rglob("wire.bin"))
Ask = Callable[..., list[str]]


def entry(number: int, report: Report) -> Entry:
    return Entry(id=number, epoch="a1b2c3d4", stored_at=NOON, report=report)


def rendered(number: int, report: Report, **keys: Any) -> Outgoing:
    return renderer(FhirMessageSettings(**keys), GATEWAY)(
        entry(number, report), None if report.category is Category.QC else PATIENT
    )


def report(*observations: Observation) -> Report:
    device = DeviceIdentity(id="4E-044", maker="Maker", model="M1", serial="SYN-77", firmware="1.2", eui64="00A037009A0053DE")
    return Report(device=device, driver="test", category=Category.VITALS, received_at=NOON, observations=observations)


def numeric(refid: str, value: str | None, unit: str, **more: Any) -> Observation:
    return Observation(kind=Kind.NUMERIC, vendor_code=refid.removeprefix("MDC_"), value=value, refid=refid, unit=unit, **more)


VITALS = report(
    numeric("MDC_ECG_HEART_RATE", "72", "/min", range="50-120"),
    numeric("MDC_RESP_RATE", "14", "/min", flags=("H",)),
    numeric("MDC_TEMP_BODY", "36.60", "Cel", validity=Validity.QUESTIONABLE),
    numeric("MDC_PULS_OXIM_SAT_O2", "97", "%"),
    numeric("MDC_MASS_BODY_ACTUAL", "71.50", "kg"),
    numeric("MDC_PULS_OXIM_PULS_RATE", None, "/min", validity=Validity.OFF, status="X"),
    numeric("MDC_PRESS_BLD_NONINV_SYS", "120", "mm[Hg]"),
    numeric("MDC_PRESS_BLD_NONINV_DIA", "80", "mm[Hg]"),
    numeric("MDC_PRESS_BLD_NONINV_MEAN", None, "mm[Hg]", validity=Validity.INVALID, status="X"),
    numeric("MDC_BLD_PERF_INDEX", "1.20", "%", validity=Validity.DEMO),
    Observation(kind=Kind.WAVEFORM, vendor_code="PLETH", value="1 2 3", refid="MDC_PULS_OXIM_PLETH", period_ms="16"),
    Observation(kind=Kind.TEXT, vendor_code="NEW", value="something  nobody mapped", notes=("a note",)),
)
PROFILES = {
    "8867-4": "heartrate",
    "9279-1": "resprate",
    "8310-5": "bodytemp",
    "2708-6": "oxygensat",
    "29463-7": "bodyweight",
}
"""Not bp: this validator finds the components of no panel, not even of one that holds nothing but the two LOINC codes."""


def resources(message: Outgoing) -> list[Any]:
    return [one["resource"] for one in json.loads(message.body)["entry"]]


def loincs(resource: Any) -> set[str]:
    return {coding["code"] for coding in resource["code"]["coding"] if coding["system"] == "http://loinc.org"}


def reports(folder: Path) -> list[Report]:
    parts = folder.relative_to(CAPTURES).parts
    driver = registry.load(parts[0])
    profile = parts[1] if driver.profiles else ""
    table = json.loads((folder / "options.json").read_text()) if (folder / "options.json").exists() else {}
    options = registry.options(driver, profile, table)
    device = DeviceIdentity(id=driver.id, serial="SYN-1")
    context = driver.context(device, options, wall=lambda _: NOON, profile=profile)
    flows = recording.read(folder / "wire.bin", (folder / "wire.bin").read_bytes())
    items = (item for flow in flows for item in offline.decode(flow, driver.codec(options), context))
    return [item for item in items if isinstance(item, Report)]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(CAPTURES)))
def test_real_devices_bytes_become_r4_that_fhirkit_and_lint_accept(folder: Path) -> None:
    for number, one in enumerate(reports(folder)[:20], 1):
        body = rendered(number, one).body
        assert [str(issue) for issue in fhirkit.parse(body.decode()).issues] == []
        assert [finding for finding in lint_fhir(body) if finding.severity is Severity.ERROR] == []


def test_vital_signs_meet_their_profiles(judge: Ask) -> None:
    """Each by its own profile and by the one of all vital signs; a site's code beside LOINC disturbs neither."""
    met = Counter[str]()
    for resource in resources(rendered(1, VITALS)):
        assert judge(resource) == []
        if resource["resourceType"] != "Observation" or "vital-signs" not in json.dumps(resource.get("category", "")):
            continue
        for profile in ("vitalsigns", *sorted(PROFILES[code] for code in loincs(resource) & PROFILES.keys())):
            assert judge(resource, profile) == [], profile
            met[profile] += 1
    assert met == {"vitalsigns": 7, "heartrate": 2, "resprate": 1, "bodytemp": 1, "oxygensat": 1, "bodyweight": 1}


def test_the_judge_sees_faults(judge: Ask) -> None:
    """A validator that finds nothing in anything proves nothing."""
    (rate,) = [one for one in resources(rendered(1, VITALS)) if one["resourceType"] == "Observation" and "8867-4" in loincs(one)][
        :1
    ]
    for name in ("category", "subject", "effectiveDateTime", "valueQuantity"):
        broken = {key: value for key, value in rate.items() if key != name}
        assert judge(broken, "vitalsigns") != [], name


def test_real_devices_bytes_meet_r4(judge: Ask) -> None:
    for folder in FOLDERS:
        for number, one in enumerate(reports(folder)[:2], 1):
            for resource in resources(rendered(number, one)):
                assert judge(resource) == [], folder


@pytest.fixture
async def server(medplum: Path, tmp_path: Path) -> AsyncIterator[FhirDestination]:
    """Our destination, connected to Medplum's server."""
    pki = make(tmp_path)
    files = (str(pki.server.cert), str(pki.server.key), str(pki.ca))
    command = ("node", str(medplum / "medplum.mjs"), "serve", *files)
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    port = int(await process.stdout.readline())
    tls = TlsSettings(ca=pki.ca, cert=pki.client.cert, key=str(pki.client.key))
    destination = FhirDestination(FhirServerSettings(url=f"https://localhost:{port}", tls=tls))
    yield destination
    await destination.close()
    process.stdin.close()
    await process.wait()


async def count(destination: FhirDestination, kind: str) -> int:
    async with destination._request("GET", URL(f"{destination._settings.url}/{kind}?_summary=count")) as answer:
        return int((await answer.json(content_type=None))["total"])


async def counts(destination: FhirDestination, message: Outgoing) -> dict[str, int]:
    return {kind: await count(destination, kind) for kind in {one["resourceType"] for one in resources(message)}}


@pytest.mark.parametrize("device", ["create", "update"])
async def test_a_foreign_server_doubles_nothing(device: str, server: FhirDestination) -> None:
    message = rendered(1, VITALS, device=device)
    expected = dict(Counter(one["resourceType"] for one in resources(message)))
    for _ in range(3):
        assert await server.send(message) == Accepted("200")
        assert await counts(server, message) == expected
    second = rendered(2, VITALS, device=device)
    assert await server.send(second) == Accepted("200")
    assert await counts(server, second) == {**expected, "Observation": 2 * expected["Observation"]}


LAB_REPORTS = 8
"""Reports of different analyzers that the foreign server is sent: it searches its memory from end to end for each entry."""


async def test_a_foreign_server_takes_lab_results(server: FhirDestination) -> None:
    found = [one for folder in FOLDERS if "astm" in folder.parts for one in reports(folder)[:1]]
    small = [one for one in found if len(one.observations) <= 12]
    few = small[:: max(1, len(small) // LAB_REPORTS)]
    for number, one in enumerate(few):
        assert await server.send(rendered(number, one)) == Accepted("200")
    assert len(few) >= LAB_REPORTS


async def test_a_foreign_server_puts_a_corrected_code_in_the_place_of_the_former(server: FhirDestination) -> None:
    glucose = Observation(
        kind=Kind.NUMERIC, vendor_code="QQQ", value="98", unit="mg/dL", vendor_unit="mg/dL", status="F", time=NOON
    )
    sodium = Observation(kind=Kind.NUMERIC, vendor_code="NA", value="140", unit="mmol/L", loinc="2951-2", status="F", time=NOON)
    lab = replace(report(glucose, sodium), category=Category.LAB, specimen=Specimen(id="SYN-1"))
    first = rendered(1, lab)
    known = replace(lab, observations=(replace(glucose, loinc="2345-7", status="C"), sodium))
    corrected = replace(entry(1, known), number="E0123456789abcdef012", corrected=(0,))
    correction = renderer(FhirMessageSettings(), GATEWAY)(corrected, PATIENT)
    assert correction.id == "E0123456789abcdef012"
    for message in (first, correction, correction):  # it may come twice
        assert await server.send(message) == Accepted("200")
    assert await counts(server, correction) == dict(Counter(one["resourceType"] for one in resources(first)))
    async with server._request("GET", URL(f"{server._settings.url}/Observation")) as answer:
        kept = [one["resource"] for one in (await answer.json(content_type=None))["entry"]]
    states = {one["valueQuantity"]["value"]: (loincs(one), one["status"]) for one in kept}
    assert states == {98: ({"2345-7"}, "corrected"), 140: ({"2951-2"}, "final")}


async def test_a_refused_entry_inside_200_is_seen(server: FhirDestination) -> None:
    """Medplum's transaction is not atomic: it answers 200 with a 400 inside."""
    message = rendered(1, VITALS)
    broken = json.loads(message.body)
    broken["entry"][-1]["resource"]["nonsense"] = True
    result = await server.send(Outgoing("x", json.dumps(broken).encode()))
    assert isinstance(result, Refused)
    assert "1 of" in result.why
    assert await server.send(message) == Accepted("200")
    assert await counts(server, message) == dict(Counter(one["resourceType"] for one in resources(message)))
