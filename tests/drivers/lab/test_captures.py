"""Real analyzers' bytes, decoded, against what a person read in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.lab.astm import DRIVER
from gateway.readings import readings

ROOT = Path(__file__).parents[2] / "captures" / "astm"
CAPTURES = sorted(path.parent for path in ROOT.glob("*/*/wire.bin"))


@pytest.mark.parametrize("folder", CAPTURES, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
@pytest.mark.parametrize("chunk", [0, 1, 7, 64])
def test_a_capture_says_what_a_person_reads_in_it(folder: Path, chunk: int, analyzer: Any) -> None:
    device = analyzer(folder.parent.name)
    reports = device.hear((folder / "wire.bin").read_bytes(), chunk)
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    seen: list[dict[str, Any]] = [dict(reading) for report in reports for reading in readings(report)]
    assert [{key: got[key] for key in want} for got, want in zip(seen, expected, strict=True)] == expected


@pytest.mark.parametrize("folder", CAPTURES, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_every_report_of_a_capture_carries_the_bytes_it_came_from(folder: Path, analyzer: Any) -> None:
    wire = (folder / "wire.bin").read_bytes()
    reports = analyzer(folder.parent.name).hear(wire)
    assert reports
    assert all(report.raw in wire for report in reports)
    assert sum(len(raw) for raw in {report.raw for report in reports}) > len(wire) // 2


def test_every_profile_is_proven_by_a_capture() -> None:
    assert DRIVER.profiles is not None
    assert {path.stem for path in DRIVER.profiles.glob("*.toml")} == {folder.parent.name for folder in CAPTURES}
