"""The conservation statement as people and programs see it."""

from __future__ import annotations

from collections.abc import Callable

from gateway.model import Category, Report
from gateway.store import status
from gateway.store.journal import Journal
from gateway.store.statement import Line, balanced, render, statement

GOOD = Line("4E-044", "engine", received=10, delivered=4, waiting=1, held=2, parked=1, dropped={"dismissed": 2})
LOST = Line("4E-045", "engine", received=10, delivered=9)
DOUBLED = Line("4E-046", "engine", received=10, delivered=11)


def test_a_line_balances_when_its_parts_make_what_was_received() -> None:
    assert [line.balanced for line in (GOOD, LOST, DOUBLED)] == [True, False, False]
    assert balanced([GOOD])
    assert not balanced([GOOD, LOST])


def test_people_see_a_table_and_a_verdict() -> None:
    assert render([GOOD]).splitlines() == [
        "device  destination  received  delivered  waiting  held  parked  dropped",
        "4E-044  engine             10          4        1     2       1  2 dismissed",
        "Everything received is accounted for.",
    ]


def test_people_see_what_is_unaccounted() -> None:
    text = render([GOOD, LOST, DOUBLED])
    assert "NOT BALANCED: +1 unaccounted" in text
    assert "NOT BALANCED: -1 unaccounted" in text
    assert text.endswith("2 line(s) do not balance: this is a fault of the gateway.\n")


def test_programs_see_every_number() -> None:
    assert GOOD.as_json() == {
        "device": "4E-044",
        "destination": "engine",
        "received": 10,
        "delivered": 4,
        "waiting": 1,
        "held": 2,
        "parked": 1,
        "dropped": {"dismissed": 2},
        "lost": {},
        "balanced": True,
    }


async def test_destinations_are_counted_apart(journal: Journal, make_report: Callable[..., Report]) -> None:
    await journal.use({"engine": frozenset({Category.VITALS}), "fhir": frozenset({Category.VITALS, Category.LAB})})
    await journal.keep([make_report(), make_report(category=Category.LAB)], device_id="4E-044")
    lines = await journal.read(statement)
    assert [(line.destination, line.received, line.waiting) for line in lines] == [("engine", 1, 1), ("fhir", 2, 2)]
    queues = await journal.read(status.queues)
    assert [(queue.destination, queue.depth, queue.in_use) for queue in queues] == [("engine", 1, True), ("fhir", 2, True)]


async def test_a_destination_out_of_use_is_still_shown(journal: Journal, make_report: Callable[..., Report]) -> None:
    await journal.use({"engine": frozenset({Category.VITALS})})
    await journal.keep([make_report()], device_id="4E-044")
    await journal.use({})
    (queue,) = await journal.read(status.queues)
    assert (queue.in_use, queue.depth) == (False, 1)
