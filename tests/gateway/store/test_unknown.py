"""Unknown devices in the journal: whose bytes are whose, what is full, what a decision moves, and that it always adds up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.model import Caller
from gateway.store import audit, database, unknown
from gateway.store.integrity import Check
from gateway.store.journal import Journal
from gateway.store.unknown import PART_OVERHEAD, PEERS_MAX, PEERS_OF_ONE, Caps, Part, Peer, Said, Taken

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ROOMY = Caps(peer_bytes=1_000_000, total_bytes=2_000_000)
ONE = Caller(address="10.1.2.9", door="tcp-listen://0.0.0.0:12001", protocol="astm")


def caller(**changes: str) -> Caller:
    return Caller(**{"address": ONE.address, "door": ONE.door, "protocol": ONE.protocol, **changes})


async def keep(
    journal: Journal,
    raw: bytes = b"H|\\^&\r",
    messages: int = 1,
    *,
    who: Caller = ONE,
    call: int | None = None,
    at: datetime = NOON,
    caps: Caps = ROOMY,
) -> tuple[Taken, int | None]:
    return await journal.write(lambda tx: unknown.keep(tx.conn, who, Said(raw, at, messages, call), caps))


async def peers(journal: Journal) -> list[Peer]:
    return await journal.read(unknown.peers)


async def parts(journal: Journal, number: int, *statuses: str) -> list[Part]:
    return await journal.read(lambda conn: unknown.parts(conn, number, statuses or ("kept",)))


async def decide(journal: Journal, number: int, ids: Sequence[int], status: str) -> int:
    return await journal.write(lambda tx: unknown.decide(tx.conn, number, ids, status))


async def test_what_somebody_said_is_kept_in_order_by_call(journal: Journal) -> None:
    _, first = await keep(journal, b"a", 0)
    _, second = await keep(journal, b"b", 1, at=NOON + timedelta(seconds=1))
    assert first != second
    assert await keep(journal, b"c", 1, call=first, at=NOON + timedelta(seconds=2)) == (Taken.KEPT, first)
    (peer,) = await peers(journal)
    assert (peer.caller, peer.received, peer.quarantined, peer.bytes) == (ONE, 2, 2, 3)
    assert (peer.first_at, peer.last_at, peer.status, peer.balanced) == (NOON, NOON + timedelta(seconds=2), "open", True)
    found = await parts(journal, peer.id)
    assert [(one.raw, one.call, one.sound) for one in found] == [(b"a", first, True), (b"b", second, True), (b"c", first, True)]


async def test_a_new_device_is_in_the_audit_trail_once(journal: Journal) -> None:
    for _ in range(3):
        await keep(journal)
    acts = [one for one in await journal.read(audit.acts) if one.act == "unknown device"]
    assert [(one.by, one.object, dict(one.detail)) for one in acts] == [
        ("wardlink", "unknown 1", {"address": "10.1.2.9", "door": "tcp-listen://0.0.0.0:12001", "protocol": "astm"})
    ]


@pytest.mark.parametrize(
    ("others", "devices"),
    [
        ([{}], 1),
        ([{"address": "10.1.2.8"}], 2),
        ([{"door": "tcp-listen://0.0.0.0:12002"}], 2),
        ([{"protocol": "raw"}], 2),
        ([{"says": "XN-550"}], 1),
        ([{"says": "XN-550"}, {"says": "XP-100"}], 2),
        ([{"says": "XN-550"}, {"says": "XP-100"}, {}], 2),
        ([{"says": "XN-550"}, {"says": "XN-550"}], 1),
    ],
)
async def test_who_calls_from_elsewhere_or_says_it_is_another_is_another(
    others: list[dict[str, str]], devices: int, journal: Journal
) -> None:
    await keep(journal)
    for one in others:
        await keep(journal, who=caller(**one))
    assert len(await peers(journal)) == devices


async def test_one_address_is_not_any_number_of_devices(journal: Journal) -> None:
    taken = [(await keep(journal, who=caller(says=f"I am {n}")))[0] for n in range(PEERS_OF_ONE + 2)]
    assert taken == [Taken.KEPT] * PEERS_OF_ONE + [Taken.FULL] * 2
    assert (await keep(journal, who=caller(says="I am 0")))[0] is Taken.KEPT
    assert (await keep(journal, who=caller(address="10.1.2.8", says="I am 9")))[0] is Taken.KEPT


async def test_what_a_device_says_later_is_noted_with_what_it_said_before(journal: Journal) -> None:
    await keep(journal)
    await keep(journal, who=caller(says="XN-550"))
    assert [(one.caller.says, one.received) for one in await peers(journal)] == [("XN-550", 2)]


async def test_a_call_that_brings_nothing_is_noted_without_a_part(journal: Journal) -> None:
    assert await keep(journal, b"", 0) == (Taken.KEPT, None)
    (peer,) = await peers(journal)
    assert (peer.received, peer.bytes, await parts(journal, peer.id)) == (0, 0, [])


async def test_a_device_that_has_filled_its_room_is_refused_and_the_others_are_not(journal: Journal) -> None:
    caps = Caps(peer_bytes=2 * (100 + PART_OVERHEAD), total_bytes=10_000)
    results = [(await keep(journal, bytes(100), caps=caps))[0] for _ in range(3)]
    assert results == [Taken.KEPT, Taken.KEPT, Taken.FULL]
    assert (await keep(journal, bytes(100), who=caller(address="10.1.2.8"), caps=caps))[0] is Taken.KEPT
    full = next(one for one in await peers(journal) if one.caller == ONE)
    assert (full.received, full.refused, full.quarantined, full.balanced) == (2, 1, 2, True)


async def test_single_bytes_come_to_an_end_too(journal: Journal) -> None:
    caps = Caps(peer_bytes=10 * (1 + PART_OVERHEAD), total_bytes=10_000)
    results = [(await keep(journal, b"x", 0, caps=caps))[0] for _ in range(11)]
    assert results == [Taken.KEPT] * 10 + [Taken.FULL]


async def test_what_was_decided_makes_room_for_what_was_not(journal: Journal) -> None:
    caps = Caps(peer_bytes=10_000, total_bytes=2 * (100 + PART_OVERHEAD))
    await keep(journal, bytes(100), caps=caps)
    await keep(journal, bytes(100), caps=caps)
    assert (await keep(journal, bytes(100), caps=caps))[0] is Taken.FULL
    (peer,) = await peers(journal)
    await decide(journal, peer.id, [one.id for one in await parts(journal, peer.id)][:1], "assigned")
    assert (await keep(journal, bytes(100), caps=caps))[0] is Taken.KEPT
    assert await parts(journal, peer.id, "assigned") == []
    (peer,) = await peers(journal)
    assert (peer.received, peer.quarantined, peer.assigned, peer.balanced) == (3, 2, 1, True)


async def test_no_more_devices_wait_than_a_person_can_look_at(journal: Journal) -> None:
    for n in range(PEERS_MAX):
        await keep(journal, who=caller(address=f"10.1.3.{n}"))
    assert (await keep(journal, who=caller(address="10.9.9.9")))[0] is Taken.FULL
    assert (await keep(journal, who=caller(address="10.1.3.0")))[0] is Taken.KEPT
    await journal.write(lambda tx: unknown.settle(tx.conn, 2, "dismissed", reason="a vendor's laptop"))
    assert (await keep(journal, who=caller(address="10.9.9.9")))[0] is Taken.KEPT


async def test_a_dismissed_device_is_refused_and_its_refusals_are_counted(journal: Journal) -> None:
    await keep(journal)
    (peer,) = await peers(journal)
    assert await decide(journal, peer.id, [one.id for one in await parts(journal, peer.id)], "dismissed") == 1
    await journal.write(lambda tx: unknown.settle(tx.conn, peer.id, "dismissed", reason="a vendor's laptop"))
    assert (await keep(journal))[0] is Taken.DISMISSED
    (peer,) = await peers(journal)
    assert (peer.status, peer.reason, peer.refused) == ("dismissed", "a vendor's laptop", 1)
    assert (peer.received, peer.quarantined, peer.dismissed, peer.balanced) == (1, 0, 1, True)


async def test_a_part_is_decided_once_and_a_decision_can_be_another(journal: Journal) -> None:
    await keep(journal, messages=3)
    (peer,) = await peers(journal)
    ids = [one.id for one in await parts(journal, peer.id)]
    counted = [await decide(journal, peer.id, ids, status) for status in ("dismissed", "dismissed", "assigned")]
    assert counted == [3, 0, 3]
    assert await decide(journal, peer.id + 1, ids, "dismissed") == 0, "another device's part"
    (peer,) = await peers(journal)
    assert (peer.received, peer.dismissed, peer.assigned, peer.quarantined, peer.balanced) == (3, 0, 3, 0, True)


async def test_a_row_that_is_gone_shows_in_the_statement(journal: Journal) -> None:
    await keep(journal)
    await journal.write(lambda tx: tx.conn.execute("DELETE FROM unknown_parts"))
    (peer,) = await peers(journal)
    assert not peer.balanced


async def test_what_waits_for_a_person_is_never_forgotten(journal: Journal) -> None:
    late = NOON + timedelta(days=400)
    await keep(journal)
    await keep(journal, who=caller(address="10.1.2.8"))
    await keep(journal, b"", 0, who=caller(address="10.1.2.7"))
    second = next(one for one in await peers(journal) if one.caller.address == "10.1.2.8")
    await decide(journal, second.id, [one.id for one in await parts(journal, second.id)], "assigned")
    assert await journal.write(lambda tx: unknown.forget(tx.conn, NOON)) == 0
    assert len(await peers(journal)) == 3
    assert await journal.write(lambda tx: unknown.forget(tx.conn, late)) == 1
    assert [one.caller.address for one in await peers(journal)] == ["10.1.2.9"]


async def _damaged(folder: Path, change: Any) -> Journal:
    """A journal with two parts, closed, changed on the disk, and opened again."""
    journal = await Journal.open(folder, name="4-east-1")
    await keep(journal, b"FIRST" * 40)
    await keep(journal, b"OTHER" * 40)
    await journal.close()
    path = folder / database.FILE
    path.write_bytes(change(path.read_bytes()))
    return await Journal.open(folder, name="4-east-1")


async def test_a_salvage_brings_them_back_from_the_leaves(tmp_path: Path) -> None:
    journal = await _damaged(tmp_path / "data", lambda data: bytes(4096) + data[4096:])
    try:
        (peer,) = await peers(journal)
        assert [one.raw for one in await parts(journal, peer.id)] == [b"FIRST" * 40, b"OTHER" * 40]
        assert peer.caller == ONE
        assert (peer.received, peer.quarantined, peer.held, peer.balanced) == (2, 2, 2 * (200 + PART_OVERHEAD), True)
    finally:
        await journal.close()


async def test_a_part_that_a_salvage_cannot_read_is_lost_and_counted(tmp_path: Path) -> None:
    def change(data: bytes) -> bytes:
        at = data.index(b"OTHER" * 40)
        return bytes(4096) + data[4096:at] + b"?" + data[at + 1 :]

    journal = await _damaged(tmp_path / "data", change)
    try:
        (peer,) = await peers(journal)
        assert [one.raw for one in await parts(journal, peer.id)] == [b"FIRST" * 40]
        assert (peer.received, peer.quarantined, peer.lost, peer.balanced) == (2, 1, 1, True)
    finally:
        await journal.close()


async def test_a_flipped_bit_in_kept_bytes_is_noticed(tmp_path: Path) -> None:
    journal = await _damaged(tmp_path / "data", lambda data: data.replace(b"OTHER" * 40, b"OTHEs" + b"OTHER" * 39))
    try:
        assert await journal.read(unknown.n_damaged) == 1
        check = Check(tmp_path / "data", pause=lambda _s: None)
        await asyncio.to_thread(check.check)
        assert check.progress.as_json()["n_damaged_unknown"] == 1
        assert [one.sound for one in await parts(journal, 1)] == [True, False]
    finally:
        await journal.close()
