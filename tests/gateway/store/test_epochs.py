"""No message id is used for two reports, whatever copy of the journal comes back."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.model import Report
from gateway.store.entries import entries
from gateway.store.journal import Journal

MakeReport = Callable[..., Report]


async def run_and_keep(folder: Path, reports: list[Report]) -> list[str]:
    """One run of a gateway that keeps `reports`; the keys of all that it holds then."""
    journal = await Journal.open(folder, name="g", reserve_bytes=65536)
    if reports:
        await journal.keep(reports, device_id="4E-044")
    keys = await journal.read(lambda conn: [entry.key for entry in entries(conn)])
    await journal.close()
    return keys


async def test_a_report_keeps_its_key_over_every_start(tmp_path: Path, make_report: MakeReport) -> None:
    first = await run_and_keep(tmp_path, [make_report(), make_report()])
    assert await run_and_keep(tmp_path, []) == first
    both = await run_and_keep(tmp_path, [make_report()])
    assert both[:2] == first
    assert [key[8:] for key in both] == ["000000000001", "000000000002", "000000000003"]


async def test_each_run_numbers_under_an_epoch_of_its_own(tmp_path: Path, make_report: MakeReport) -> None:
    await run_and_keep(tmp_path, [make_report()])
    one, two = await run_and_keep(tmp_path, [make_report()])
    assert one[:8] != two[:8]


async def test_an_older_copy_that_comes_back_gives_out_no_key_again(tmp_path: Path, make_report: MakeReport) -> None:
    await run_and_keep(tmp_path / "a", [make_report()])
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    went_on = await run_and_keep(tmp_path / "a", [make_report(value="97")])
    came_back = await run_and_keep(tmp_path / "b", [make_report(value="96")])
    assert went_on[0] == came_back[0]
    assert went_on[1] != came_back[1]


async def test_a_first_commit_that_fails_leaves_the_epoch_to_the_next(tmp_path: Path, make_report: MakeReport) -> None:
    journal = await Journal.open(tmp_path, name="g", reserve_bytes=65536)
    refusing = "CREATE TEMP TRIGGER refuse BEFORE INSERT ON reports BEGIN SELECT raise(ABORT, 'no'); END"
    await journal.write(lambda tx: tx.conn.execute(refusing))
    with pytest.raises(StoreError):
        await journal.keep([make_report()], device_id="4E-044")
    await journal.write(lambda tx: tx.conn.execute("DROP TRIGGER refuse"))
    await journal.keep([make_report()], device_id="4E-044")
    (entry,) = await journal.read(lambda conn: list(entries(conn)))
    assert entry.epoch == journal.epoch
    await journal.close()
