"""The order cache: what is answered to whom, and what never comes back."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.errors import DamagedError
from gateway.model import Inquiry, WorkOrder
from gateway.store import orders
from gateway.store.journal import Journal
from gateway.store.orders import Outcome

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
GLU = WorkOrder(placer="P1", specimen="S1", tests=("GLU", "NA"))


async def do(journal: Journal, change: Any, *args: Any) -> Any:
    return await journal.write(lambda tx: change(tx.conn, *args))


async def found(journal: Journal, asked: Inquiry, device: str = "LAB-1", at: datetime = NOON) -> list[str]:
    return [one.placer for one in await journal.read(lambda conn: orders.find(conn, asked, device, at))]


S1 = Inquiry(specimens=("S1",))


async def test_an_order_is_found_by_its_specimen_again_and_again(journal: Journal) -> None:
    assert await do(journal, orders.place, GLU, NOON) is Outcome.NEW
    await do(journal, orders.told, [GLU], "LAB-1", NOON)
    assert await journal.read(lambda conn: orders.find(conn, S1, "LAB-1", NOON)) == [GLU]
    assert await found(journal, Inquiry(specimens=("S2",))) == []


async def test_the_same_number_with_the_same_words_is_the_same_order(journal: Journal) -> None:
    await do(journal, orders.place, GLU, NOON)
    assert await do(journal, orders.place, GLU, NOON) is Outcome.SAME
    assert await do(journal, orders.place, replace(GLU, tests=("K",)), NOON) is Outcome.CHANGED
    assert [one.tests for one in await journal.read(lambda conn: orders.find(conn, S1, "LAB-1", NOON))] == [("K",)]


async def test_a_cancelled_order_is_not_answered_and_does_not_come_back(journal: Journal) -> None:
    await do(journal, orders.place, GLU, NOON)
    assert await do(journal, orders.cancel, "P1", NOON) is Outcome.CANCELLED
    assert await do(journal, orders.place, GLU, NOON) is Outcome.DEAD
    assert await do(journal, orders.cancel, "P1", NOON) is Outcome.DEAD
    assert await do(journal, orders.cancel, "P2", NOON) is Outcome.UNKNOWN
    assert await found(journal, S1) == []


async def test_an_order_for_one_analyzer_is_no_other_ones(journal: Journal) -> None:
    await do(journal, orders.place, replace(GLU, device="LAB-1"), NOON)
    assert await found(journal, S1, "LAB-1") == ["P1"]
    assert await found(journal, S1, "LAB-2") == []


async def test_old_orders_are_not_answered_because_barcodes_come_again(journal: Journal) -> None:
    await do(journal, orders.place, GLU, NOON)
    assert await found(journal, S1, at=NOON + timedelta(days=14)) == ["P1"]
    assert await found(journal, S1, at=NOON + timedelta(days=14, seconds=1)) == []
    assert await do(journal, orders.forget, NOON + timedelta(days=14)) == 0
    assert await do(journal, orders.forget, NOON + timedelta(days=14, seconds=1)) == 1


@pytest.mark.parametrize(
    ("asked", "placers"),
    [
        (Inquiry(specimens=("S1", "S3")), ["P1", "P3"]),
        (Inquiry(first="S2", last="S3"), ["P2", "P3"]),
        (Inquiry(everything=True), ["P2", "P3"]),
        (Inquiry(), []),
    ],
    ids=["several ids", "a stretch", "everything it was not told", "nothing"],
)
async def test_what_an_inquiry_finds(journal: Journal, asked: Inquiry, placers: list[str]) -> None:
    for n in (1, 2, 3):
        await do(journal, orders.place, replace(GLU, placer=f"P{n}", specimen=f"S{n}"), NOON)
    await do(journal, orders.told, [GLU], "LAB-1", NOON)
    assert await found(journal, asked) == placers


async def waiting(journal: Journal) -> list[tuple[str, bool]]:
    rows = await journal.read(lambda conn: orders.waiting(conn, "LAB-1", NOON))
    return [(one.placer, one.cancelled) for one in rows]


async def test_a_worklist_is_what_the_analyzer_was_not_told_and_then_its_cancellation(journal: Journal) -> None:
    mine = replace(GLU, device="LAB-1")
    await do(journal, orders.place, mine, NOON)
    await do(journal, orders.place, replace(GLU, placer="P2"), NOON)
    assert await waiting(journal) == [("P1", False)]
    await do(journal, orders.told, [mine], "LAB-1", NOON)
    assert await waiting(journal) == []
    await do(journal, orders.cancel, "P1", NOON)
    assert await waiting(journal) == [("P1", True)]
    await do(journal, orders.told, [replace(mine, cancelled=True)], "LAB-1", NOON)
    assert await waiting(journal) == []


async def test_what_was_never_sent_needs_no_cancellation(journal: Journal) -> None:
    await do(journal, orders.place, replace(GLU, device="LAB-1"), NOON)
    await do(journal, orders.cancel, "P1", NOON)
    assert await waiting(journal) == []


async def test_an_order_that_changed_while_it_was_sent_is_sent_again(journal: Journal) -> None:
    mine = replace(GLU, device="LAB-1")
    await do(journal, orders.place, mine, NOON)
    await do(journal, orders.place, replace(mine, tests=("K",)), NOON)
    await do(journal, orders.told, [mine], "LAB-1", NOON)
    assert await waiting(journal) == [("P1", False)]


async def test_a_damaged_order_is_told_as_damage(journal: Journal) -> None:
    def spoil(conn: sqlite3.Connection) -> None:
        conn.execute("UPDATE orders SET payload = '{'")

    await do(journal, orders.place, GLU, NOON)
    await do(journal, spoil)
    with pytest.raises(DamagedError, match="an order that it never wrote"):
        await found(journal, S1)
