"""wardlink export reads in pages, so that nobody who looks at its rows for long keeps the journal's log from being folded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.cli import export
from gateway.model import Category, DeviceIdentity, Kind, Observation, Report
from gateway.store import retention
from gateway.store.database import FILE
from gateway.store.journal import Journal

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def report(number: int, device: str) -> Report:
    seen = Observation(kind=Kind.NUMERIC, vendor_code="N", value=str(number))
    at = NOON + timedelta(seconds=number)
    about = DeviceIdentity(id=device)
    return Report(device=about, driver="t", category=Category.VITALS, received_at=at, observations=(seen,), raw=bytes(1000))


async def test_every_row_comes_once_whatever_the_page_and_nothing_is_held_open_between_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 4)
    journal = await Journal.open(tmp_path, name="g", reserve_bytes=65536)
    for number in range(10):
        await journal.keep([report(number, "A"), report(number, "B")], device_id="A")
    rows = export._rows(tmp_path, NOON.isoformat(), (NOON + timedelta(seconds=9)).isoformat(), "A")
    seen = [next(rows)["value"] for _ in range(3)]
    assert (tmp_path / f"{FILE}-wal").stat().st_size > 0
    retention.fold_log(tmp_path)
    assert (tmp_path / f"{FILE}-wal").stat().st_size == 0, "a read that was still open would not let the log be cut"
    seen += [row["value"] for row in rows]
    assert seen == [str(number) for number in range(9) for _ in "AB"]
    await journal.close()
