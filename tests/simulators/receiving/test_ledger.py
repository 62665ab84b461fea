"""The books that other tests rely on: first, again, changed, nameless, in order."""

from simulators.receiving.ledger import Arrival, Ledger


def test_the_same_id_with_the_same_bytes_is_a_repeat() -> None:
    ledger = Ledger()
    assert [ledger.add("A1", "d", b"x", accepted=True) for _ in range(3)] == [Arrival.FIRST, Arrival.REPEAT, Arrival.REPEAT]
    summary = ledger.summary()
    assert (summary.received, summary.unique, summary.accepted, summary.repeats, summary.changed) == (3, 1, 1, 2, 0)


def test_the_same_id_with_other_bytes_is_changed_and_stays_known_by_the_first() -> None:
    ledger = Ledger()
    assert [ledger.add("A1", "d", body, accepted=True) for body in (b"x", b"y", b"x", b"y")] == [
        Arrival.FIRST,
        Arrival.CHANGED,
        Arrival.REPEAT,
        Arrival.CHANGED,
    ]
    assert ledger.summary().changed == 2


def test_a_message_without_id_is_counted_apart() -> None:
    ledger = Ledger()
    assert ledger.add("", "d", b"x", accepted=False) is Arrival.NAMELESS
    summary = ledger.summary()
    assert (summary.received, summary.unique, summary.nameless) == (1, 0, 1)


def test_accepted_counts_ids_that_were_acknowledged_at_least_once() -> None:
    ledger = Ledger()
    for id_, accepted in (("A1", False), ("A1", True), ("A1", True), ("A2", False), ("", True)):
        ledger.add(id_, "d", b"x", accepted=accepted)
    assert ledger.summary().accepted == 1


def test_received_is_the_sum_of_all_arrivals() -> None:
    ledger = Ledger()
    for id_, body in (("A1", b"x"), ("A1", b"x"), ("A1", b"y"), ("", b"z"), ("A2", b"x")):
        ledger.add(id_, "d", body, accepted=True)
    s = ledger.summary()
    assert s.received == s.unique + s.repeats + s.changed + s.nameless == 5


def test_order_is_judged_for_each_device_by_first_arrival() -> None:
    ledger = Ledger()
    for id_, device in (("A1", "m"), ("A3", "v"), ("A2", "m"), ("A1", "m"), ("A4", "v")):
        ledger.add(id_, device, b"x", accepted=True)
    summary = ledger.summary()
    assert summary.in_order
    assert summary.devices == {"m": {"unique": 2, "out_of_order": 0}, "v": {"unique": 2, "out_of_order": 0}}


def test_a_message_that_comes_after_a_later_one_is_out_of_order() -> None:
    ledger = Ledger()
    for id_ in ("A1", "A3", "A2", "A4"):
        ledger.add(id_, "m", b"x", accepted=True)
    summary = ledger.summary()
    assert not summary.in_order
    assert summary.devices == {"m": {"unique": 4, "out_of_order": 1}}


def test_ids_of_different_length_have_no_order() -> None:
    ledger = Ledger()
    for id_ in ("A10", "A9"):
        ledger.add(id_, "m", b"x", accepted=True)
    assert ledger.summary().in_order


def test_an_id_of_another_run_is_placed_by_its_number() -> None:
    ledger = Ledger()
    for id_ in ("ffffffff000000000001", "00000000000000000002", "88888888000000000004", "aaaaaaaa000000000003"):
        ledger.add(id_, "m", b"", accepted=True)
    assert ledger.summary().devices == {"m": {"unique": 4, "out_of_order": 1}}
