"""From the status document to families: every family of the page, and nothing that the page does not name."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.histogram import COMMIT_S, Histogram
from gateway.metrics import process
from gateway.metrics.exposition import TEXT, render
from gateway.metrics.families import families

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


def document() -> dict[str, Any]:
    """A status in which everything there is has a value."""
    times = Histogram(COMMIT_S)
    times.observe(0.003)
    device = {
        "id": "OXI", "state": "up", "reports": 7, "readings": 21, "bytes": 700, "last_report": NOW - timedelta(seconds=3), "unmapped": ["A"],
        "clock_offset_s": -61.5, "counts": {"bad: checksum": 2, "incomplete: silence": 1, "repeat": 3}, "values": {"PATIENT": ["DOE"]},
    }  # fmt: skip
    queue = {
        "id": "engine", "in_use": True, "waiting": 2, "oldest": NOW - timedelta(seconds=90), "held": 1, "held_unmapped": {"LAB": 1}, "parked": 1,
        "last_ack_at": "2026-11-21T07:59:00+00:00", "parked_by_reason": {"unknown DOE": 1},
    }  # fmt: skip
    line = {
        "device": "OXI", "destination": "engine", "received": 9, "delivered": 2, "waiting": 2, "held": 1, "parked": 1,
        "dropped": {"thinned": 1}, "lost": {"damaged": 1}, "balanced": False,
    }  # fmt: skip
    live = {
        "id": "engine", "connected": True, "refused": 1, "retries": {"not now": 4}, "acks": times.as_json(),
        "certificates": {"own": {"not_after": NOW + timedelta(days=80, hours=12)}, "peer": {"not_after": "2026-11-20T08:00:00+00:00"}},
    }  # fmt: skip
    return {
        "journal": {"destinations": [queue], "account": [line]}, "devices": [device], "destinations": [live], "commits": times.as_json(),
        "disk": {"size_bytes": 4096, "wal_bytes": 32, "disk_free_bytes": 10, "disk_size_bytes": 20},
        "room": {"headroom": "12 h", "headroom_hours": 12.5, "outage": "never", "outage_hours": None},
        "process": process.figures(), "version": "9", "gateway": "4-east-1", "eui64": "02A0C90000000001", "config": {"sha256": "abc"},
    }  # fmt: skip


@pytest.fixture
def lines() -> list[str]:
    return render(families(document(), NOW), TEXT).decode().splitlines()


# what stands in the document, by hand
SAMPLES = [
    'wardlink_device_up{device="OXI"} 1',
    'wardlink_device_state{device="OXI",state="up"} 1',
    'wardlink_device_state{device="OXI",state="down"} 0',
    'wardlink_device_readings_total{device="OXI"} 21',
    'wardlink_device_received_bytes_total{device="OXI"} 700',
    'wardlink_device_bad_frames_total{device="OXI",reason="checksum"} 2',
    'wardlink_device_incomplete_total{device="OXI",reason="silence"} 1',
    'wardlink_device_events_total{device="OXI",reason="repeat"} 3',
    'wardlink_device_data_age_seconds{device="OXI"} 3.0',
    'wardlink_device_clock_offset_seconds{device="OXI"} -61.5',
    'wardlink_device_unmapped_codes{device="OXI"} 1',
    'wardlink_destination_dropped_total{destination="engine",device="OXI",reason="thinned"} 1',
    'wardlink_destination_dropped_total{destination="engine",device="OXI",reason="lost: damaged"} 1',
    'wardlink_unaccounted{destination="engine",device="OXI"} 1',  # 9 - 2 - 2 - 1 - 1 - 1 - 1
    'wardlink_destination_held_unmapped{destination="engine"} 1',
    'wardlink_destination_oldest_age_seconds{destination="engine"} 90.0',
    'wardlink_destination_last_ack_age_seconds{destination="engine"} 60.0',
    'wardlink_destination_retries_total{destination="engine",reason="not now"} 4',
    'wardlink_certificate_left_seconds{destination="engine",whose="own"} 6955200',
    'wardlink_certificate_left_seconds{destination="engine",whose="peer"} -86400',
    'wardlink_journal_commit_seconds_bucket{le="0.0025"} 0',
    'wardlink_journal_commit_seconds_bucket{le="0.005"} 1',
    "wardlink_journal_commit_seconds_sum 0.003",
    "wardlink_journal_wal_bytes 32",
    "wardlink_headroom_seconds 45000.0",
    "wardlink_outage_headroom_seconds +Inf",
    'wardlink_build_info{version="9",gateway="4-east-1",eui64="02A0C90000000001"} 1',
    'wardlink_config_info{sha256="abc"} 1',
]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.rpartition(" ")[0])
def test_a_fact_of_the_document_is_a_sample(lines: list[str], sample: str) -> None:
    assert sample in lines


def test_the_page_names_every_family_and_no_other(lines: list[str]) -> None:
    told = {name for line in lines if line.startswith("# TYPE") for name in [line.split()[2]]}
    page = PAGE.read_text("utf-8").partition("## What to be woken for")[0]
    assert told == set(re.findall(r"`((?:wardlink|process)_\w+)`", page))


def test_words_of_devices_and_receivers_are_in_no_label(lines: list[str]) -> None:
    assert "DOE" not in "\n".join(lines)
    assert "PATIENT" not in "\n".join(lines)


def test_what_is_not_known_yet_is_left_out() -> None:
    found = document()
    found["devices"][0] |= {"last_report": None, "clock_offset_s": None}
    found["journal"]["destinations"][0] |= {"oldest": None, "last_ack_at": None}
    found["room"] = {"headroom": "measuring", "headroom_hours": None}
    text = render(families(found, NOW), TEXT).decode()
    for name in ("data_age", "clock_offset", "last_ack_age", "headroom"):
        assert name not in text
    assert 'wardlink_destination_oldest_age_seconds{destination="engine"} 0\n' in text


def test_a_document_of_nothing_at_all_is_text_all_the_same() -> None:
    empty = {
        "journal": {"destinations": [], "account": []},
        "devices": [],
        "destinations": [],
        "version": "9",
        "gateway": "g",
        "eui64": "e",
    }
    assert "wardlink_build_info" in render(families(empty, NOW), TEXT).decode()


def test_the_process_says_what_it_takes() -> None:
    found = process.figures()
    assert 5e6 < found["resident_bytes"] < found["virtual_bytes"]
    assert 3 <= found["fds"] <= found["fds_max"]
    assert found["cpu_s"] > 0
    assert abs(found["start_s"] - datetime.now(UTC).timestamp()) < 86_400


def test_the_disk_of_a_folder_without_a_journal_has_no_journal(tmp_path: Path) -> None:
    found = process.disk(tmp_path)
    assert (found["size_bytes"], found["wal_bytes"]) == (0, 0)
    assert 0 < found["disk_free_bytes"] <= found["disk_size_bytes"]
