"""Whose clock a time is of: the configured zone, and the offset that the analyzer itself states."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

BERLIN = ZoneInfo("Europe/Berlin")
CASES = {
    "nothing said: the configured zone": ("20261121080000", "20261121075900", "2026-11-21T07:59:00+01:00"),
    "the same offset: the configured zone": ("20261121080000+0100", "20261121075900", "2026-11-21T07:59:00+01:00"),
    "the zone knows of summer, the offset does not": ("20261121080000+0100", "20260701075900", "2026-07-01T07:59:00+02:00"),
    "another offset: the analyzer's": ("20261121080000+0900", "20261121075900", "2026-11-21T07:59:00+09:00"),
    "a time with an offset of its own": ("20261121080000+0900", "20261121075900-0300", "2026-11-21T07:59:00-03:00"),
    "no time": ("", "20261121075900", "2026-11-21T07:59:00+01:00"),
}


@pytest.mark.parametrize(("sent", "done", "expected"), CASES.values(), ids=CASES.keys())
def test_a_time_without_an_offset_has_that_of_its_analyzer(sent: str, done: str, expected: str, analyzer: Any) -> None:
    (report,) = analyzer(zone=BERLIN).read(
        f"H|\\^&|||Analyzer|||||||P|1|{sent}", f"O|1|SYN-1||^^^GLU||| {done}", f"R|1|^^^GLU|5.1|mmol/L||||F||||{done}"
    )
    (seen,) = report.observations
    assert seen.time is not None
    assert seen.time.isoformat() == expected
    assert report.specimen is not None
    assert report.specimen.collected is not None
    assert report.specimen.collected.isoformat() == expected
