"""Who wore what: every rule as a row, then the same over the journal's table in both times."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from sqlite3 import Connection

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import ActError
from gateway.model import Subject
from gateway.patients import association
from gateway.patients.acts import associate, history, open_for_acts, release, wearer
from gateway.patients.association import Change, Said
from gateway.store import audit
from gateway.store.associations import Association

MIDNIGHT = datetime(2026, 11, 21, tzinfo=UTC)
NOW = 20
"""The hour at which everything below is said."""


def hour(number: float) -> datetime:
    return MIDNIGHT + timedelta(hours=number)


def patient(name: str) -> Subject:
    return Subject(patient_id=f"SYN-{name}", family_name="Test", given_name="Patient")


def known(*spans: tuple[str, int, int | None]) -> list[Association]:
    return [
        Association(
            id=number,
            device="D",
            subject=patient(name),
            valid_from=hour(start),
            valid_to=None if end is None else hour(end),
            recorded_at=hour(start),
        )
        for number, (name, start, end) in enumerate(spans, 1)
    ]


def said(at: float) -> Said:
    return Said(device="D", at=hour(at), now=hour(NOW), by="nurse", source="test")


def after(before: list[Association], change: Change) -> list[tuple[str, float, float | None]]:
    """What is held true once a change is recorded, as (patient, from hour, to hour)."""
    left = [one for one in before if one not in change.ended]
    return sorted(
        (
            one.subject.patient_id.removeprefix("SYN-"),
            (one.valid_from - MIDNIGHT).total_seconds() / 3600,
            None if one.valid_to is None else (one.valid_to - MIDNIGHT).total_seconds() / 3600,
        )
        for one in [*left, *change.begun]
    )


STARTS = {
    "the first wearer": ([], "A", 8, [("A", 8, None)]),
    "a start ends the former wearer": ([("A", 8, None)], "B", 12, [("A", 8, 12), ("B", 12, None)]),
    "the same patient again changes nothing": ([("A", 8, None)], "A", 12, [("A", 8, None)]),
    "a start at the same instant replaces": ([("A", 8, None)], "B", 8, [("B", 8, None)]),
    "after a release": ([("A", 8, 10)], "B", 12, [("A", 8, 10), ("B", 12, None)]),
    "at the instant of the release": ([("A", 8, 10)], "B", 10, [("A", 8, 10), ("B", 10, None)]),
    "back-dated into a gap reaches the next start": (
        [("A", 8, 10), ("C", 14, None)],
        "B",
        12,
        [("A", 8, 10), ("B", 12, 14), ("C", 14, None)],
    ),
    "back-dated before everything": ([("A", 8, None)], "B", 6, [("A", 8, None), ("B", 6, 8)]),
    "back-dated into somebody's time takes over until that one's end": (
        [("A", 8, 14), ("C", 14, None)],
        "B",
        12,
        [("A", 8, 12), ("B", 12, 14), ("C", 14, None)],
    ),
    "back-dated to the very start corrects the patient and keeps the end": ([("A", 8, 14)], "B", 8, [("B", 8, 14)]),
}


@pytest.mark.parametrize(("before", "name", "at", "expected"), STARTS.values(), ids=STARTS)
def test_start(
    before: list[tuple[str, int, int | None]], name: str, at: int, expected: list[tuple[str, float, float | None]]
) -> None:
    spans = known(*before)
    assert after(spans, association.start(spans, patient(name), said(at))) == expected


RELEASES = {
    "the wearer of now": ([("A", 8, None)], 12, [("A", 8, 12)]),
    "back-dated inside a time that has an end": ([("A", 8, 14)], 12, [("A", 8, 12)]),
    "at the very start: it never was": ([("A", 8, None)], 8, []),
}


@pytest.mark.parametrize(("before", "at", "expected"), RELEASES.values(), ids=RELEASES)
def test_release(before: list[tuple[str, int, int | None]], at: int, expected: list[tuple[str, float, float | None]]) -> None:
    spans = known(*before)
    assert after(spans, association.release(spans, said(at))) == expected


def test_a_changed_name_of_the_same_patient_is_kept() -> None:
    spans = known(("A", 8, None))
    renamed = Subject(patient_id="SYN-A", family_name="Test", given_name="Renamed")
    assert after(spans, association.start(spans, renamed, said(12))) == [("A", 8, 12), ("A", 12, None)]


def test_nothing_can_be_said_of_the_future() -> None:
    with pytest.raises(ActError, match="not later than"):
        association.start([], patient("A"), said(NOW + 0.001))
    with pytest.raises(ActError, match="not later than"):
        association.release(known(("A", 8, None)), said(NOW + 0.001))


def test_what_nobody_wears_cannot_be_released() -> None:
    with pytest.raises(ActError, match="nobody wore it"):
        association.release(known(("A", 8, 10)), said(10))


def test_a_patient_needs_a_number() -> None:
    with pytest.raises(ActError, match="no patient number"):
        association.start([], Subject(patient_id="  "), said(8))


Step = tuple[str | None, int]
STEPS = st.lists(st.tuples(st.sampled_from(["A", "B", "C", None]), st.integers(0, NOW)), max_size=12)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_a_device_has_at_most_one_wearer_at_any_time_whatever_is_said(steps: list[Step]) -> None:
    spans: list[Association] = []
    for name, at in steps:
        try:
            change = association.release(spans, said(at)) if name is None else association.start(spans, patient(name), said(at))
        except ActError:
            continue
        spans = [one for one in spans if one not in change.ended] + list(change.begun)
        if name is not None:
            worn = association.wearer(spans, hour(at))
            assert worn is not None
            assert worn.subject == patient(name)
    for half_hours in range(2 * NOW + 2):
        assert sum(one.covers(hour(half_hours / 2)) for one in spans) <= 1
    assert all(one.valid_to is None or one.valid_from < one.valid_to for one in spans)


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[Connection]:
    with closing(open_for_acts(tmp_path)) as opened:
        yield opened


def name_at(conn: Connection, at: float, known_at: float | None = None) -> str | None:
    worn = wearer(conn, "D", hour(at), known_at=None if known_at is None else hour(known_at))
    return None if worn is None else worn.subject.patient_id.removeprefix("SYN-")


def test_what_was_known_stays_known(conn: Connection) -> None:
    associate(conn, "D", patient("A"), at=hour(8), now=hour(8), by="n1", source="scan")
    associate(conn, "D", patient("B"), at=hour(9), now=hour(12), by="n2", source="cli", reason="wrong band")
    assert [name_at(conn, 10), name_at(conn, 8.5)] == ["B", "A"]
    assert name_at(conn, 10, known_at=11) == "A", "as it was believed at eleven"
    assert name_at(conn, 10, known_at=12) == "B"
    assert name_at(conn, 10, known_at=7) is None
    release(conn, "D", at=hour(13), now=hour(14), by="n1", source="cli")
    assert [name_at(conn, 12.5), name_at(conn, 13), name_at(conn, 13, known_at=13.5)] == ["B", None, "B"]


def test_every_version_can_be_seen(conn: Connection) -> None:
    associate(conn, "D", patient("A"), at=hour(8), now=hour(8), by="n1", source="scan")
    release(conn, "D", at=hour(9), now=hour(9), by="n1", source="scan")
    assert [one.valid_to for one in history(conn, "D")] == [hour(9)]
    versions = history(conn, "D", every_version=True)
    assert [(one.valid_to, one.superseded_at) for one in versions] == [(None, hour(9)), (hour(9), None)]


def test_devices_do_not_mix(conn: Connection) -> None:
    associate(conn, "D", patient("A"), at=hour(8), now=hour(8), by="n1", source="scan")
    associate(conn, "E", patient("B"), at=hour(8), now=hour(8), by="n1", source="scan")
    assert {one.device: one.subject.patient_id for one in history(conn)} == {"D": "SYN-A", "E": "SYN-B"}


def test_every_act_is_audited_with_who_when_and_what(conn: Connection) -> None:
    associate(conn, "D", patient("A"), at=hour(8), now=hour(10), by="n1", source="scan")
    release(conn, "D", at=hour(9), now=hour(11), by="n2", source="cli", reason="moved")
    acts = audit.acts(conn)
    assert [(one.act, one.object, one.by, one.at) for one in acts] == [
        ("associate", "D", "n1", hour(10)),
        ("release", "D", "n2", hour(11)),
    ]
    assert acts[1].detail["reason"] == "moved"
    assert [one.act for one in audit.acts(conn, after=acts[0].id)] == ["release"]


def test_a_refused_act_leaves_nothing(conn: Connection) -> None:
    with pytest.raises(ActError):
        associate(conn, "D", patient("A"), at=hour(9), now=hour(8), by="n1", source="scan")
    assert history(conn, every_version=True) == []
    assert audit.acts(conn) == []


def test_what_changes_nothing_says_so(conn: Connection) -> None:
    first = associate(conn, "D", patient("A"), at=hour(8), now=hour(8), by="configuration", source="configuration")
    assert first is not None
    assert first.subject == patient("A")
    assert associate(conn, "D", patient("A"), at=hour(9), now=hour(9), by="configuration", source="configuration") is None


def test_another_process_can_say_it(tmp_path: Path, conn: Connection) -> None:
    code = (
        "import sys; from pathlib import Path; from gateway.model import Subject; from gateway.patients.acts import *;"
        "associate(open_for_acts(Path(sys.argv[1])), 'D', Subject(patient_id='SYN-A'), by='n1', source='cli')"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60)
    assert [one.subject.patient_id for one in history(conn, "D")] == ["SYN-A"]
