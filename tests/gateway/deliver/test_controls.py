"""Controls of every capture of every analyzer: they reach only who takes them, and name nobody in any format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from gateway.acquire import offline, recording, registry
from gateway.deliver.messages import Renderer, UnsuitedError, fhir, lab, law, pcd01, poct
from gateway.model import Category, DeviceIdentity, Entry, Gateway, Report, Subject
from gateway.settings.fhir import FhirMessageSettings
from gateway.settings.lab import LabSettings, LawSettings, PoctSettings
from gateway.settings.pcd01 import Pcd01Settings
from protocols.hl7v2.message import parse

if TYPE_CHECKING:
    from tests.gateway.deliver.conftest import Bench
else:
    Bench = object

CAPTURES = Path(__file__).parents[2] / "captures"
FOLDERS = sorted(path.parent for path in CAPTURES.glob("*/*/*/expected.json"))
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
BOX = Gateway(name="4-EAST-1", eui64="0123456789ABCDEF")
NOBODY = Subject(patient_id="SYN-NOBODY", family_name="Synnobody", visit_id="V-NOBODY")
FORMATS: dict[str, Renderer] = {
    "pcd01": pcd01.renderer(Pcd01Settings(), BOX),
    "lab": lab.renderer(LabSettings(unknown_patient="pid"), BOX),
    "law": law.renderer(LawSettings(unknown_patient="pid"), BOX),
    "poct": poct.renderer(PoctSettings(), BOX),
    "fhir": fhir.renderer(FhirMessageSettings(), BOX),
}


def reports(folder: Path) -> Iterator[Report]:
    driver_id, profile, _ = folder.relative_to(CAPTURES).parts
    driver = registry.load(driver_id)
    table = json.loads((folder / "options.json").read_text()) if (folder / "options.json").exists() else {}
    options = registry.options(driver, profile, table)
    context = driver.context(DeviceIdentity(id=driver_id), options, wall=lambda _: NOON, profile=profile)
    for flow in recording.read(folder / "wire.bin", (folder / "wire.bin").read_bytes()):
        yield from (item for item in offline.decode(flow, driver.codec(options), context) if isinstance(item, Report))


@pytest.fixture(scope="module")
def captured() -> dict[Path, list[Report]]:
    """What each capture of a laboratory device says, every folder a device of its own."""
    found = {}
    for n, folder in enumerate(FOLDERS):
        named = [
            msgspec.structs.replace(one, device=msgspec.structs.replace(one.device, id=f"LAB-{n}")) for one in reports(folder)
        ]
        found[folder] = named
    return found


def test_a_capture_with_a_control_gives_a_control(captured: dict[Path, list[Report]]) -> None:
    """expected.json was read by a person from the bytes: which readings are a control's is not our own word."""
    told = {folder: {bool(one.get("qc")) for one in json.loads((folder / "expected.json").read_text())} for folder in FOLDERS}
    seen = {folder: {one.category is Category.QC for one in found} for folder, found in captured.items()}
    assert [folder for folder in FOLDERS if True in told[folder] and True not in seen[folder]] == []
    assert sum(True in one for one in told.values()) >= 6


@pytest.mark.parametrize("name", FORMATS)
def test_a_control_names_nobody_in_any_format(name: str, captured: dict[Path, list[Report]]) -> None:
    """Although its device is associated with a patient, and although the analyzer may have written one beside it."""
    controls = [one for found in captured.values() for one in found if one.category is Category.QC]
    rendered = 0
    for number, control in enumerate(controls, 1):
        given = msgspec.structs.replace(control.given, patient_id="SYN-GIVEN", family_name="Syngiven")
        entry = Entry(id=number, epoch="a1b2c3d4", stored_at=NOON, report=msgspec.structs.replace(control, given=given))
        try:
            body = FORMATS[name](entry, NOBODY).body.decode()
        except UnsuitedError:
            continue
        rendered += 1
        assert "NOBODY" not in body.upper()
        assert "GIVEN" not in body.upper()
        assert "\rPID|" not in body
        assert '"Patient' not in body
    assert (rendered > 0) == (name in ("lab", "law", "fhir")), "the others have no place for a control"


@pytest.mark.parametrize("name", ["lab", "law", "poct", "fhir"])
async def test_where_only_lab_is_taken_no_control_goes(name: str, bench: Bench, captured: dict[Path, list[Report]]) -> None:
    """Through the journal and the dispatcher, with every device associated: exactly the patients' reports arrive."""
    await bench.journal.use({"engine": frozenset({Category.LAB})})
    categories: dict[int, Category] = {}
    for found in captured.values():
        if not found:
            continue
        device = found[0].device.id
        await bench.wears(device, "NOBODY")
        ids = await bench.journal.keep(found, device_id=device)
        categories |= {number: one.category for number, one in zip(ids, found, strict=True) if number is not None}
    async with bench.sending(renderer=FORMATS[name]):
        await bench.clock.quiet()
    arrived = {int(message.id[8:]) for message in bench.receiver.accepted}
    assert arrived == {number for number, category in categories.items() if category is Category.LAB}
    assert Category.QC in categories.values()
    assert await bench.parked() == []
    if name == "law":
        assert {_role(message.body) for message in bench.receiver.accepted} <= set("PGLR")


async def test_where_only_controls_are_taken_no_patient_goes(bench: Bench, captured: dict[Path, list[Report]]) -> None:
    await bench.journal.use({"engine": frozenset({Category.QC})})
    for found in captured.values():
        if found:
            await bench.journal.keep(found, device_id=found[0].device.id)
    async with bench.sending(renderer=FORMATS["law"]):
        await bench.clock.quiet()
    assert {_role(message.body) for message in bench.receiver.accepted} <= set("QBCEFOV")
    assert all(b"\rPID|" not in message.body for message in bench.receiver.accepted)
    assert len(bench.receiver.accepted) >= 6


async def test_a_control_that_comes_to_a_format_without_a_place_is_parked_with_the_reason(
    bench: Bench, captured: dict[Path, list[Report]]
) -> None:
    """The configuration refuses it; a journal that was told otherwise must not send it as a patient's."""
    control = next(one for found in captured.values() for one in found if one.category is Category.QC)
    await bench.journal.keep([control], device_id=control.device.id)
    async with bench.sending(renderer=FORMATS["poct"]):
        await bench.clock.quiet()
    (parked,) = await bench.parked()
    assert parked.reason.startswith("is not sent in this format: a report of category qc; LAB-32")
    assert bench.receiver.got == []


def _role(body: bytes) -> Any:
    message = parse(body)
    assert message is not None
    return message.text("SPM", 11)
