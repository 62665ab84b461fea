"""What every analyzer's capture becomes, as ORU^R01, LAB-29 and LAB-32, judged by hl7apy and by our clauses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.acquire import offline, recording, registry
from gateway.deliver.messages import Renderer, lab, law, poct
from gateway.lint import Severity, lint_hl7
from gateway.model import Category, DeviceIdentity, Entry, Gateway, Report
from gateway.settings.lab import LabSettings, LawSettings, PoctSettings

CAPTURES = Path(__file__).parents[2] / "captures"
FOLDERS = sorted(path.parent for path in CAPTURES.glob("*/*/*/expected.json"))
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
BOX = Gateway(name="4-EAST-1", eui64="0123456789ABCDEF")
LAW, POCT, LAB = law.renderer(LawSettings(), BOX), poct.renderer(PoctSettings(), BOX), lab.renderer(LabSettings(), BOX)


def reports(folder: Path) -> Iterator[Report]:
    driver_id, profile, _ = folder.relative_to(CAPTURES).parts
    driver = registry.load(driver_id)
    table = json.loads((folder / "options.json").read_text()) if (folder / "options.json").exists() else {}
    options = registry.options(driver, profile, table)
    context = driver.context(DeviceIdentity(id=driver_id), options, wall=lambda _: NOON, profile=profile)
    for flow in recording.read(folder / "wire.bin", (folder / "wire.bin").read_bytes()):
        yield from (item for item in offline.decode(flow, driver.codec(options), context) if isinstance(item, Report))


def chosen(folder: Path) -> Iterator[tuple[Renderer, Report]]:
    """The first result and the first control; in the formats by turns, for hl7apy is slow."""
    found = {one.category: one for one in reversed([*reports(folder)])}
    if Category.LAB in found:
        yield (LAW, POCT, LAB)[FOLDERS.index(folder) % 3], found[Category.LAB]
    if Category.QC in found:
        yield (LAW, LAB)[FOLDERS.index(folder) % 2], found[Category.QC]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(CAPTURES)))
def test_it_is_valid_but_for_what_the_analyzer_does_not_say(folder: Path) -> None:
    for render, report in chosen(folder):
        body = render(Entry(id=1, epoch="a1b2c3d4", stored_at=NOON, report=report), None).body
        faults = [one for one in lint_hl7(body) if one.severity is Severity.ERROR]
        named = report.specimen is not None and (report.specimen.id or report.specimen.instrument_id)
        allowed = (set() if named else {"spm-id"}) | (set() if report.given.patient_id else {"pid-3"})
        assert [one for one in faults if one.rule not in allowed] == []
