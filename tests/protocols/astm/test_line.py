"""The line in both directions: the computer's timers and courtesies of E1381-95, clause by clause, against a scripted analyzer."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.astm.line import Line
from protocols.astm.profile import LinkProfile, SendProfile
from protocols.astm.sender import cut
from protocols.sansio import Message, Note, Sending, Sent, Unsent

ENQ, EOT, ACK, NAK = b"\x05", b"\x04", b"\x06", b"\x15"
TEXT = b"H|\\^&\rL|1|F\r"
Framed = Callable[..., bytes]


class Wire:
    """A line with a clock: what goes in at which second, what came out since."""

    def __init__(self, mode: Any = "framed", **sending: Any) -> None:
        self.line = Line(LinkProfile(mode=mode), SendProfile(**sending))
        self.now = 100.0
        self.events: list[Any] = []
        self.line.start(self.now)

    def at(self, seconds: float) -> bytes:
        """Let the time come to `seconds` after the start; what the line said until then."""
        end = 100.0 + seconds
        while (due := self.line.deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            self.events += self.line.on_deadline(self.now)
        self.now = end
        return self.line.data_to_send()

    def hear(self, data: bytes) -> bytes:
        events = self.line.receive(data, self.now)
        self.events += events
        for event in events:
            if isinstance(event, Message) and event.token is not None:
                self.line.confirm(event.token)
        return self.line.data_to_send()

    def send(self, text: bytes = TEXT) -> int:
        return self.line.send(text, self.now)

    @property
    def notes(self) -> list[str]:
        return [event.what for event in self.events if isinstance(event, Note)]


def test_a_message_goes_out_frame_by_frame(framed: Framed) -> None:
    wire = Wire(frame_text=8)
    token = wire.send()
    assert not wire.line.clear
    assert wire.at(0) == ENQ
    assert wire.hear(ACK) == framed(1, b"H|\\^&\rL|", b"\x17")
    assert wire.hear(ACK) == framed(2, b"1|F\r")
    assert wire.hear(ACK) == EOT
    assert wire.events == [Sent(token)]
    assert wire.line.clear
    assert wire.line.deadline() is None


def test_frame_numbers_go_on_from_seven_to_nought(framed: Framed) -> None:
    wire = Wire(frames="record")
    wire.send(b"".join(b"R|%d\r" % n for n in range(9)))
    assert wire.at(0) == ENQ
    out = [wire.hear(ACK) for _ in range(9)]
    assert out == [framed(n % 8, b"R|%d\r" % (n - 1), b"\x17" if n < 9 else b"\x03") for n in range(1, 10)]


LONG = b"O|" + b"x" * 300 + b"\r"


@pytest.mark.parametrize(
    ("sending", "frames"),
    [
        ({}, [(TEXT, True)]),
        ({"frame_text": 6}, [(b"H|\\^&\r", False), (b"L|1|F\r", True)]),
        ({"frames": "record"}, [(b"H|\\^&\r", False), (b"L|1|F\r", True)]),
        ({"frames": "record-etx"}, [(b"H|\\^&\r", True), (b"L|1|F\r", True)]),
    ],
    ids=["all in one", "cut anywhere", "a record a frame", "each with ETX"],
)
def test_how_a_message_is_cut(sending: dict[str, Any], frames: list[tuple[bytes, bool]]) -> None:
    assert cut(TEXT, SendProfile(**sending)) == frames


@pytest.mark.parametrize("frames", ["size", "record", "record-etx"])
def test_no_frame_is_longer_than_240_characters_and_nothing_is_lost(frames: Any) -> None:
    parts = cut(TEXT + LONG + TEXT, SendProfile(frames=frames))
    assert max(len(text) for text, _ in parts) == 240
    assert b"".join(text for text, _ in parts) == TEXT + LONG + TEXT
    assert parts[-1][1]


def test_nothing_in_fifteen_seconds_ends_the_session_and_ten_later_it_begins_again() -> None:
    wire = Wire()
    token = wire.send()
    assert wire.at(14.9) == ENQ
    assert wire.at(15.0) == EOT
    assert wire.at(24.9) == b""
    assert wire.at(25.0) == ENQ
    assert wire.at(40.0) == EOT
    assert wire.at(50.0) == ENQ
    assert wire.at(65.0) == EOT
    assert wire.events[-1] == Unsent(token, "not accepted")


def test_a_busy_analyzer_is_asked_again_after_ten_seconds() -> None:
    wire = Wire()
    wire.send()
    wire.at(0)
    assert wire.hear(NAK) == b""
    assert wire.at(9.9) == b""
    assert wire.at(10.0) == ENQ
    assert wire.notes == ["busy"]


def test_at_a_collision_the_instrument_has_priority(framed: Framed) -> None:
    wire = Wire()
    token = wire.send()
    assert wire.at(0) == ENQ
    assert wire.hear(ENQ) == b"", "the collision is not an invitation: the instrument asks again after a second"
    assert wire.at(1.0) == b""
    assert wire.hear(ENQ) == ACK
    assert wire.hear(framed(1, b"H|\\^&\rL|1|N\r")) == ACK
    assert wire.hear(EOT) == b""
    assert wire.at(1.6) == ENQ, "half a second of silence settles that it was an EOT"
    wire.hear(ACK)
    wire.hear(ACK)
    assert wire.events[-1] == Sent(token)


def test_an_instrument_that_does_not_come_after_a_collision_is_waited_for_twenty_seconds() -> None:
    wire = Wire()
    wire.send()
    wire.at(0)
    wire.hear(ENQ)
    assert wire.at(19.9) == b""
    assert wire.at(20.0) == ENQ


def test_what_is_no_answer_to_enq_is_passed_over(framed: Framed) -> None:
    wire = Wire()
    wire.send()
    wire.at(0)
    assert wire.hear(b"\x00\r\n" + EOT) == b""
    assert wire.hear(ACK) == framed(1, TEXT)


def test_a_result_that_comes_in_the_place_of_an_answer_is_heard(framed: Framed) -> None:
    wire = Wire(mode="auto")
    wire.send()
    wire.at(0)
    assert wire.hear(framed(1, b"H|\\^&\rR|1\rL|1|N\r") + EOT) == ACK
    assert isinstance(wire.events[1], Message)
    assert wire.at(1.0) == ENQ


@pytest.mark.parametrize("reply", [NAK, b"\x00", ENQ, b"\x07"], ids=["NAK", "NUL", "ENQ", "BEL"])
def test_anything_but_ack_and_eot_has_the_frame_sent_again_six_times_in_all(framed: Framed, reply: bytes) -> None:
    wire = Wire()
    wire.send()
    wire.at(0)
    out = [wire.hear(ACK)] + [wire.hear(reply) for _ in range(6)]
    assert out == [framed(1, TEXT)] * 6 + [EOT]
    assert wire.at(9.9) == b""
    assert wire.at(10.0) == ENQ, "the whole message later"


def test_eot_between_frames_leaves_the_line_to_the_analyzer_and_all_of_it_comes_later(framed: Framed) -> None:
    wire = Wire(frame_text=6)
    token = wire.send()
    wire.at(0)
    wire.hear(ACK)
    assert wire.hear(EOT) == EOT
    assert wire.at(14.9) == b""
    assert wire.at(15.0) == ENQ
    assert wire.hear(ACK) == framed(1, b"H|\\^&\r", b"\x17")
    wire.hear(ACK)
    wire.hear(ACK)
    assert wire.events[-1] == Sent(token)


def test_eot_at_the_last_frame_accepts_it_and_the_line_is_left_for_a_while() -> None:
    wire = Wire()
    token = wire.send()
    wire.at(0)
    wire.hear(ACK)
    assert wire.hear(EOT) == EOT
    assert wire.events == [Sent(token)]
    wire.send()
    assert wire.at(14.9) == b""
    assert wire.at(15.0) == ENQ


def test_the_ack_and_the_instruments_own_enq_may_come_in_one_read() -> None:
    wire = Wire()
    wire.send()
    wire.at(0)
    wire.hear(ACK)
    assert wire.hear(ACK + ENQ) == EOT + ACK


def test_nothing_is_begun_while_the_instrument_sends(framed: Framed) -> None:
    wire = Wire()
    wire.hear(ENQ)
    wire.send()
    assert wire.at(5.0) == b""
    wire.hear(framed(1, b"H|\\^&\rL|1|N\r") + EOT)
    assert wire.at(5.4) == b""
    assert wire.at(5.6) == ENQ


def test_what_nobody_takes_within_its_patience_is_given_up() -> None:
    wire = Wire(patience_s=4.0)
    wire.hear(ENQ)
    token = wire.send()
    assert wire.at(4.0) == b""
    assert wire.events == [Unsent(token, "too late")]


def test_what_is_withdrawn_is_not_sent() -> None:
    wire = Wire()
    wire.hear(ENQ)
    assert wire.line.withdraw(wire.send())
    assert not wire.line.withdraw(99)
    wire.hear(EOT)
    assert wire.at(2.0) == b""
    assert wire.line.clear


def test_after_a_new_connection_the_whole_message_is_sent(framed: Framed) -> None:
    wire = Wire(frame_text=6)
    wire.send()
    wire.at(0)
    wire.hear(ACK)
    wire.hear(ACK)
    wire.line.end(wire.now)
    wire.line.start(wire.now)
    assert wire.at(0.1) == ENQ
    assert wire.hear(ACK) == framed(1, b"H|\\^&\r", b"\x17")


def test_who_speaks_without_frames_is_answered_without() -> None:
    wire = Wire(mode="auto")
    wire.hear(b"H|\\^&\rQ|1|^SYN-1\rL|1|N\r")
    wire.at(0.6)
    assert isinstance(wire.events[0], Message)
    token = wire.send()
    assert wire.at(0.7) == TEXT
    assert wire.events[-1] == Sent(token)


def test_more_than_sixteen_messages_are_not_queued() -> None:
    wire = Wire()
    tokens = [wire.send() for _ in range(17)]
    wire.at(0)
    assert wire.events == [Unsent(tokens[-1], "too much to send")]


def test_the_line_says_that_it_can_send() -> None:
    assert isinstance(Wire().line, Sending)


@given(
    st.lists(st.sampled_from([ENQ, EOT, ACK, NAK, b"\x02", b"1", b"H|\\^&\r", b"L|1\r", b"\x03", b"\r\n", b"\x00"]), max_size=40),
    st.data(),
)
def test_any_split_of_an_analyzers_bytes_has_the_same_effect(parts: list[bytes], data: st.DataObject) -> None:
    """Within one moment: what is read together and what is read byte by byte is answered alike."""
    stream = b"".join(parts)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=8)))
    whole, split = Wire(mode="auto"), Wire(mode="auto")
    said = []
    for wire, edges in ((whole, [0, len(stream)]), (split, [0, *cuts, len(stream)])):
        wire.send()
        out = wire.at(0)
        for a, b in itertools.pairwise(edges):
            out += wire.hear(stream[a:b])
        said.append((out, [type(event) for event in wire.events if not isinstance(event, Note)]))
    assert said[0] == said[1]
