"""The running gateway's book of unknown devices: full is refused, a new one is told once, what was decided goes in the end."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.acquire.guest import TurnedAwayError
from gateway.model import Caller
from gateway.settings.unknown import UnknownSettings
from gateway.store import unknown
from gateway.store.journal import Journal
from gateway.unknown import acts
from gateway.unknown.book import MEGABYTE, Book

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ONE = Caller(address="10.1.2.9", door="tcp-listen://0.0.0.0:12001", protocol="astm")


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    opened = await Journal.open(tmp_path / "data", name="4-east-1", reserve_bytes=65536)
    yield opened
    await opened.close()


async def test_a_call_has_one_number_and_another_call_another(journal: Journal) -> None:
    book = Book(journal, None)
    first = await book.keep(ONE, b"a", NOON, messages=0, call=None)
    assert await book.keep(ONE, b"b", NOON, messages=1, call=first) == first
    assert await book.keep(ONE, b"c", NOON, messages=1, call=None) != first


async def test_what_has_no_room_is_refused_in_words_and_counted(journal: Journal) -> None:
    book = Book(journal, UnknownSettings(peer_mb=1))
    await book.keep(ONE, bytes(MEGABYTE // 2), NOON, messages=1, call=None)
    with pytest.raises(TurnedAwayError, match="no room for more of unknown devices"):
        await book.keep(ONE, bytes(MEGABYTE // 2), NOON, messages=1, call=None)
    book.use(UnknownSettings(peer_mb=2))
    await book.keep(ONE, bytes(MEGABYTE // 2), NOON, messages=1, call=None)
    (peer,) = await journal.read(unknown.peers)
    assert (peer.received, peer.quarantined, peer.refused, peer.balanced) == (2, 2, 1, True)


async def test_who_was_dismissed_is_refused_in_words(journal: Journal) -> None:
    book = Book(journal, None)
    await book.keep(ONE, b"a", NOON, messages=1, call=None)
    await journal.act(lambda conn: acts.dismiss(conn, 1, by="n1", reason="a vendor's laptop"))
    with pytest.raises(TurnedAwayError, match="a person dismissed this device"):
        await book.keep(ONE, b"b", NOON, messages=1, call=None)


async def test_a_new_one_is_told_once_and_nothing_of_what_it_sends(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    book = Book(journal, None)
    for n in range(3):
        await book.keep(ONE, b"P|1||SECRET\r", NOON + timedelta(seconds=n), messages=1, call=None)
    said = [one.getMessage() for one in caplog.records if one.name == "gateway.unknown.book"]
    assert len(said) == 1
    assert "10.1.2.9 at tcp-listen://0.0.0.0:12001 (astm)" in said[0]
    assert "SECRET" not in said[0]


async def test_what_was_decided_goes_after_its_days_and_what_waits_stays(journal: Journal) -> None:
    book = Book(journal, None, now=lambda: NOON + timedelta(days=31))
    await book.keep(ONE, b"a", NOON, messages=1, call=None)
    assert await book.forget(30) == 0
    await journal.act(lambda conn: acts.dismiss(conn, 1, by="n1", reason="x"))
    assert await book.forget(32) == 0
    assert await book.forget(30) == 1
    assert await journal.read(unknown.peers) == []
