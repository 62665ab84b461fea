"""A bad line around a simulated device: bytes one by one, answers lost, and the device's own timers all the same."""

from __future__ import annotations

from datetime import UTC, datetime

from simulators.bad_line import BadLine
from simulators.lab.astm import AstmSimulator
from simulators.scenario import Scenario

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def device() -> AstmSimulator:
    return AstmSimulator(Scenario(1, START), {"interval_s": "1", "count": "1"})


def test_what_a_device_says_comes_one_byte_at_a_time_and_whole() -> None:
    plain, line = device(), BadLine(device(), trickle=True)
    for one in (plain, line):
        one.start(0.0)
        one.on_deadline(1.0)
        one.data_to_send()  # ENQ
        one.receive(b"\x06", 1.0)
    frame, pieces = plain.data_to_send(), []
    while piece := line.data_to_send():
        pieces.append(piece)
        assert line.deadline() == 1.0 or len(pieces) == len(frame)
        line.on_deadline(1.0)
    assert {len(piece) for piece in pieces} == {1}
    assert b"".join(pieces) == frame


def test_an_answer_that_is_lost_is_waited_for_as_the_standard_says() -> None:
    line = BadLine(device(), lose=1.0)
    line.start(0.0)
    line.on_deadline(1.0)
    assert line.data_to_send() == b"\x05"
    line.receive(b"\x06", 1.1)
    assert (line.data_to_send(), line.lost, line.deadline()) == (b"", 1, 16.0)
    line.on_deadline(16.0)
    assert line.data_to_send() == b"\x04"


def test_a_good_line_changes_nothing() -> None:
    plain, line = device(), BadLine(device())
    for now in (0.0, 1.0, 1.5, 20.0):
        for one in (plain, line):
            (one.start if now == 0.0 else one.on_deadline)(now)
        assert line.deadline() == plain.deadline()
        assert line.data_to_send() == plain.data_to_send()


def test_a_new_connection_forgets_what_was_not_said() -> None:
    line = BadLine(device(), trickle=True)
    line.start(0.0)
    line.on_deadline(1.0)
    line.receive(b"", 1.0)
    line.start(2.0)
    assert line.data_to_send() in (b"", b"\x05")
