"""Every capture folder: the real bytes through codec and driver give what the source says they mean."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.acquire import offline, recording, registry
from gateway.acquire.flow import Chunk
from gateway.driver import Driver
from gateway.model import DeviceIdentity
from gateway.readings import readings

ROOT = Path(__file__).parent / "captures"
FOLDERS = sorted(path.parent for path in ROOT.rglob("expected.json"))


def decode(folder: Path, split: int) -> list[dict[str, Any]]:
    driver, profile = _driver(folder)
    settings = folder / "options.json"
    table = json.loads(settings.read_text()) if settings.exists() else {}
    options = registry.options(driver, profile, table)
    context = driver.context(
        DeviceIdentity(id=driver.id), options, wall=lambda _: datetime(2026, 1, 1, tzinfo=UTC), profile=profile
    )
    flows = recording.read(folder / "wire.bin", (folder / "wire.bin").read_bytes())
    for flow in flows:
        flow.chunks = [
            Chunk(chunk.t_s, chunk.data[at : at + split]) for chunk in flow.chunks for at in range(0, len(chunk.data), split)
        ]
    items = [item for flow in flows for item in offline.decode(flow, driver.codec(options), context)]
    reports = [item for item in items if not isinstance(item, offline.Faults)]
    return [dict(reading) for report in reports for reading in readings(report, received_known=False)]


def _driver(folder: Path) -> tuple[Driver[Any, Any], str]:
    parts = folder.relative_to(ROOT).parts
    driver = registry.load(parts[0])
    return driver, parts[1] if driver.profiles else ""


def _missing(expected: list[dict[str, Any]], got: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The expected readings that are not found: each is a subset of a reading, in the order of the readings."""
    missing, at = [], 0
    for want in expected:
        found = next((i for i in range(at, len(got)) if _holds(got[i], want)), None)
        if found is None:
            missing.append(want)
        else:
            at = found + 1
    return missing


def _holds(seen: dict[str, Any], want: dict[str, Any]) -> bool:
    return all(key in seen and seen[key] == value for key, value in want.items())


@pytest.mark.parametrize("split", [1 << 20, 1, 7], ids=["whole", "one byte", "seven bytes"])
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_a_capture_means_what_its_source_says(folder: Path, split: int) -> None:
    got = decode(folder, split)
    assert _missing(json.loads((folder / "expected.json").read_text()), got) == []
