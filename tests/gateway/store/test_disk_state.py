"""What people and programs are told of the disk: counts from the statement's tally, capacity and hours by arithmetic."""

from __future__ import annotations

import json

import pytest

from gateway.store.disk import DiskState, hours
from gateway.store.facts import Facts, facts, rows
from gateway.store.headroom import Rates
from gateway.store.journal import Journal
from gateway.store.marks import Level
from gateway.store.reserve import Space

GB = 10**9


def state(*, waiting: int, rates: Rates | None, used: int = 4 * GB, room: int = 6 * GB) -> DiskState:
    space = Space(
        used=used, free_pages=0, log=0, room=room, limit="disk", disk_free=room, disk_total=32 * GB, max_bytes=None, reserve_whole=True
    )  # fmt: skip
    return DiskState(Level.ROOM, space, Facts(1000, waiting, 1000, waiting), 1000, rates)


def test_what_was_delivered_counts_as_room_since_it_is_forgotten_first() -> None:
    assert state(waiting=250, rates=None).capacity_bytes == 9 * GB  # 6 of room, and three quarters of 4
    assert state(waiting=0, rates=None).capacity_bytes == 10 * GB
    assert state(waiting=1000, rates=None).capacity_bytes == 6 * GB


def test_a_state_in_words_and_figures() -> None:
    told = state(waiting=250, rates=Rates(100_000, 25_000))  # 9 GB at 25 kB/s: 100 h; at 100 kB/s: 25 h
    assert (
        told.words
        == "40 % of 10.0 GB used (disk): everything is kept; full in 4 days at the present rate, in 25 h if no receiver answered"
    )
    found = json.loads(json.dumps(told.as_json()))
    assert (found["headroom_hours"], found["outage_hours"], found["headroom"], found["share"]) == (100, 25, "4 days", 0.4)
    never = state(waiting=0, rates=Rates(100_000, 0))
    assert "never full at the present rate" in never.words
    assert (never.as_json()["headroom_hours"], never.as_json()["headroom"]) == (None, "never")
    new = state(waiting=0, rates=None)
    assert new.words == "40 % of 10.0 GB used (disk): everything is kept"
    assert (new.as_json()["headroom_hours"], new.as_json()["headroom"]) == (None, "measuring")


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.5, "30 min"), (2, "2 h"), (95, "95 h"), (96, "4 days"), (24 * 365 * 11, "never"), (float("inf"), "never")],
)
def test_a_span_in_words(value: float, words: str) -> None:
    assert hours(value) == words


async def test_of_several_destinations_the_one_furthest_behind_counts_for_each_device(journal: Journal) -> None:
    tallies = [
        ("engine", "A", "received", 10), ("engine", "A", "delivered", 7), ("second", "A", "received", 10), ("second", "A", "delivered", 2),
        ("second", "A", "dropped:a policy", 3), ("lis", "B", "received", 4), ("lis", "B", "lost:damaged", 1),
    ]  # fmt: skip
    for destination, device, what, n in tallies:
        await journal.write(lambda tx, d=destination, e=device, w=what, m=n: tx.tally(d, e, w, m))  # type: ignore[misc]
    found = await journal.read(facts)
    assert found == Facts(received=14, waiting=5 + 3, received_each=24, waiting_each=3 + 5 + 3)
    assert await journal.read(rows) == 0


async def test_an_empty_journal_has_nothing(journal: Journal) -> None:
    assert await journal.read(facts) == Facts(0, 0, 0, 0)
