"""Whose clock a time is of, and which part of a text is an id."""

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


PARTS = {
    "without its padding": (r"(?P<part>.*?)-*", "23124-------------", "23124"),
    "without leading zeros": (r"0*(?P<part>.+)", "00042", "42"),
    "a text that does not fit is not taken": (r"\d{8}", "ABC", ""),
    "without a group, all that fits": (r"\d{8}", "26092701", "26092701"),
}


@pytest.mark.parametrize(("fits", "sent", "expected"), PARTS.values(), ids=PARTS.keys())
def test_a_place_may_say_what_its_text_looks_like_and_which_part_counts(
    fits: str, sent: str, expected: str, analyzer: Any
) -> None:
    device = analyzer(specimen_id=[{"at": "O.3.1", "fits": fits}])
    (report,) = device.read(f"O|1|{sent}^1519^***^03|****|^^^HbA1c|R", "R|1|^^^HbA1c|5.5|%")
    assert report.specimen is not None
    assert report.specimen.id == expected
