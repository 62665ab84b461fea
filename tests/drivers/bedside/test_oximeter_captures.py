"""Every oximeter capture, reading by reading, against what its source says."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from drivers.bedside import masimo, nonin

CAPTURES = Path(__file__).parents[2] / "captures"
DRIVERS = {"masimo": masimo.DRIVER, "nonin": nonin.DRIVER}
FOLDERS = sorted(folder for name in DRIVERS for folder in (CAPTURES / name).iterdir() if folder.is_dir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_capture_reads_as_its_source_says(folder: Path, decode: Callable[..., list[Mapping[str, Any]]]) -> None:
    expected = json.loads((folder / "expected.json").read_text())
    got = decode(DRIVERS[folder.parent.name], (folder / "wire.bin").read_bytes())
    assert [{key: reading[key] for key in want} for want, reading in zip(expected, got, strict=False)] == expected
    assert len(got) == len(expected)


def test_there_are_captures_of_both() -> None:
    assert {folder.parent.name for folder in FOLDERS} == set(DRIVERS)
