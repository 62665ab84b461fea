"""The AU line: texts of a real AU480, check bytes by the specification's rule, damage, any split, ACK and NAK, our own texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.sansio import BadFrame, Event, Message, Note, Sent, Unsent
from protocols.vendor.beckman_au import AuLine, AuText, LineProfile

CAPTURE = Path(__file__).parents[2] / "captures" / "beckman-au" / "beckman-au480" / "flag-r" / "wire.bin"
REAL = CAPTURE.read_bytes()
ACK, NAK = b"\x06", b"\x15"
DB = b"\x02DB\x03\x05"
"""D xor B xor ETX is 44 ^ 42 ^ 03 = 05: worked out by hand."""
DE = b"\x02DE\x03\x02"
"""44 ^ 45 ^ 03 = 02: a check byte that looks like STX."""


def line(**keys: object) -> AuLine:
    made = AuLine(LineProfile(**keys))  # type: ignore[arg-type]
    made.start(0.0)
    return made


def texts(events: Sequence[Event[AuText]]) -> list[str]:
    return [event.body.text for event in events if isinstance(event, Message)]


def bad(events: Sequence[Event[AuText]]) -> list[tuple[int, int, str]]:
    return [(event.offset, event.size, event.reason) for event in events if isinstance(event, BadFrame)]


def hear(codec: AuLine, data: bytes, size: int = 1 << 20) -> list[Event[AuText]]:
    events = [event for at in range(0, len(data), size) for event in codec.receive(data[at : at + size], 0.0)]
    return [*events, *codec.end(0.0)]


@pytest.mark.parametrize("size", [1, 2, 5, 1 << 20])
def test_a_real_text_comes_out_whole_in_any_split(size: int) -> None:
    events = hear(line(), REAL + REAL, size)
    assert texts(events) == [REAL[1:-1].decode()] * 2
    assert bad(events) == []


@pytest.mark.parametrize(
    ("wire", "expected", "faults"),
    [
        pytest.param(DB + DE, ["DB", "DE"], [], id="check bytes, one of them like STX"),
        pytest.param(DB + b"\x02DE\x03", ["DB"], ["no check"], id="once a check was right, a missing one is a fault"),
        pytest.param(b"\x02DB\x03\x02DE\x03", ["DB", "DE"], [], id="no check bytes"),
        pytest.param(b"\x02DB\x03\x44", [], ["check"], id="a wrong check byte"),
        pytest.param(b"\x02DB\x03\r\n\x02DE\x03\r\n", ["DB", "DE"], [], id="line ends of a serial server"),
        pytest.param(b"\x02D 0001\x02DE\x03", ["DE"], ["truncated"], id="a lost ETX"),
        pytest.param(b"xyz\x02DE\x03", ["DE"], ["garbage"], id="noise before a text"),
        pytest.param(b"\x02D\x01B\x03", [], ["no text"], id="a control character in a text"),
        pytest.param(b"\x02D 00", [], ["link end"], id="half a text at the end"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1 << 20])
def test_what_comes_of_check_bytes_and_damage(wire: bytes, expected: list[str], faults: list[str], size: int) -> None:
    events = hear(line(), wire, size)
    assert texts(events) == expected
    assert [reason for _, _, reason in bad(events)] == faults


def test_a_required_check_is_required_from_the_first_text_on() -> None:
    assert [reason for _, _, reason in bad(hear(line(check="required"), b"\x02DB\x03"))] == ["no check"]


def test_without_a_check_in_the_profile_the_next_byte_is_never_one() -> None:
    events = hear(line(check="none"), DB)
    assert texts(events) == ["DB"]
    assert [reason for _, _, reason in bad(events)] in ([], ["garbage"])


def test_etb_ends_a_block_and_says_so() -> None:
    events = hear(line(), b"\x02D 1\x17\x02D 2\x03")
    assert [(e.body.text, e.body.last) for e in events if isinstance(e, Message)] == [("D 1", False), ("D 2", True)]


def test_two_byte_marks_are_what_the_menu_sets() -> None:
    events = hear(line(start=b"\x01\x02", end=b"\x03\x04"), b"\x01\x02DB\x03\x04\x01\x02DE\x03\x04", 1)
    assert texts(events) == ["DB", "DE"]


def test_an_endless_text_is_cut() -> None:
    events = hear(line(text_max=64), b"\x02" + b"D" * 500 + b"\x02DE\x03")
    assert texts(events) == ["DE"]
    assert bad(events)[0] == (0, 64, "too long")


PIECES = (b"\x02", b"\x03", b"\x17", b"DB", b"D 1", b"\x05", b"\x06", b"\x15", b"\r\n", b"\x41", b"x", DB, DE)


@given(st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join) | st.binary(max_size=200), st.integers(1, 7))
def test_no_bytes_make_it_raise_and_no_split_changes_what_is_told(data: bytes, size: int) -> None:
    whole, parts = hear(line(), data), hear(line(), data, size)
    assert texts(whole) == texts(parts)
    assert bad(whole) == bad(parts)


# Answers


def first_token(codec: AuLine, wire: bytes, now: float = 0.0) -> int:
    (message,) = [event for event in codec.receive(wire, now) if isinstance(event, Message)]
    assert message.token is not None
    return message.token


def test_a_text_is_acknowledged_when_it_is_durable_and_not_before() -> None:
    codec = line()
    token = first_token(codec, DB)
    assert codec.data_to_send() == b""
    codec.confirm(token)
    codec.confirm(token)
    assert codec.data_to_send() == ACK


def test_what_could_not_be_kept_is_refused_and_a_wrong_check_at_once() -> None:
    codec = line()
    codec.reject(first_token(codec, DB))
    assert codec.data_to_send() == NAK
    codec.receive(b"\x02DE\x03\x55", 0.0)
    assert codec.data_to_send() == NAK


def test_an_answer_that_would_come_too_late_is_not_given() -> None:
    codec = line()
    token = first_token(codec, DB)
    assert codec.deadline() == pytest.approx(1.8)
    assert codec.on_deadline(1.8) == [Note("too late to acknowledge")]
    codec.confirm(token)
    assert codec.data_to_send() == b""
    again = first_token(codec, DB, 2.0)
    codec.confirm(token)
    codec.confirm(again)
    assert codec.data_to_send() == ACK


def test_class_a_answers_nothing_and_waits_for_nothing() -> None:
    codec = line(handshake="class-a")
    (message,) = [event for event in codec.receive(DB, 0.0) if isinstance(event, Message)]
    codec.receive(b"\x02DE\x03\x55", 0.0)
    assert (message.token, codec.data_to_send()) == (None, b"")


def test_silence_settles_whether_a_check_byte_follows() -> None:
    codec = line()
    assert codec.receive(b"\x02DB\x03", 1.0) == []
    assert codec.deadline() == pytest.approx(1.2)
    assert codec.on_deadline(1.1) == []
    assert texts(codec.on_deadline(1.2)) == ["DB"]


def test_half_a_text_is_refused_after_half_a_minute() -> None:
    codec = line()
    codec.receive(b"\x02D 0001", 1.0)
    assert codec.deadline() == 31.0
    assert [reason for _, _, reason in bad(codec.on_deadline(31.0))] == ["silence"]


# Our own texts


def told(codec: AuLine, data: bytes, now: float) -> list[Event[AuText]]:
    return [event for event in codec.receive(data, now) if isinstance(event, Sent | Unsent)]


def test_a_text_of_ours_goes_out_when_the_question_is_acknowledged_and_counts_when_they_acknowledge_it() -> None:
    codec = line(check="none")
    asked = first_token(codec, b"\x02R 000101 0001SYN\x03")
    answer = codec.send(b"S 000101 0001SYN    E016", 0.0)
    assert codec.data_to_send() == b""
    codec.confirm(asked)
    assert codec.data_to_send() == ACK + b"\x02S 000101 0001SYN    E016\x03"
    assert told(codec, ACK, 0.1) == [Sent(answer)]
    assert codec.clear


def test_it_carries_a_check_byte_where_theirs_do() -> None:
    codec = line()
    codec.confirm(first_token(codec, DB))
    codec.send(b"SE", 0.0)
    assert codec.data_to_send() == ACK + b"\x02SE\x03\x15"  # 53 ^ 45 ^ 03 = 15


@pytest.mark.parametrize("reply", [NAK, None], ids=["refused", "no reply"])
def test_it_is_said_twice_and_then_given_up(reply: bytes | None) -> None:
    codec = line()
    token = codec.send(b"SE", 0.0)
    assert codec.data_to_send() == b"\x02SE\x03"
    events = list(codec.receive(reply, 1.0)) if reply else list(codec.on_deadline(2.0))
    assert codec.data_to_send() == b"\x02SE\x03"
    events += list(codec.receive(reply, 2.5)) if reply else list(codec.on_deadline(4.0))
    assert [event for event in events if isinstance(event, Unsent)] == [Unsent(token, "not accepted")]
    assert codec.data_to_send() == b""


def test_in_class_a_it_counts_once_it_is_written() -> None:
    codec = line(handshake="class-a")
    token = codec.send(b"SE", 0.0)
    assert codec.data_to_send() == b"\x02SE\x03"
    assert codec.deadline() == 0.0
    assert codec.on_deadline(0.0) == [Sent(token)]


def test_an_analyzer_that_is_deaf_after_its_text_is_left_in_peace() -> None:
    codec = line(pause_s=0.5, check="none")
    codec.confirm(first_token(codec, b"\x02DB\x03", 1.0))
    assert codec.data_to_send() == b""
    assert codec.deadline() == pytest.approx(1.5)
    codec.on_deadline(1.5)
    assert codec.data_to_send() == ACK


def test_an_answer_to_a_question_that_was_taken_back_is_forgotten_before_it_leaves() -> None:
    codec = line(check="none")
    first_token(codec, b"\x02R 000101 0001SYN\x03")
    answer = codec.send(b"S 1", 0.0)
    assert codec.withdraw(answer)
    assert not codec.withdraw(answer)


# Recordings

BARE = REAL[1:-1].decode()


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        pytest.param(REAL, [BARE], id="as it was on the line"),
        pytest.param(REAL[1:-1], [BARE], id="a text alone"),
        pytest.param(b"DB\r\n" + REAL[1:-1] + b"\r\nDE\r\n", ["DB", BARE, "DE"], id="line ends for STX and ETX"),
        pytest.param(b"DB01\n" + REAL[1:], ["DB01", BARE], id="an ETX left"),
        pytest.param(DB + b"\x06" + REAL[1:-1] + b"\n" + DE, ["DB", BARE, "DE"], id="some framed, and the host's answers"),
        pytest.param(b"DEBUG DATA: D 0011\r\n" + REAL[1:-1], [BARE], id="other lines are none"),
        pytest.param(b"2026-11-21 " + REAL[1:-1], [], id="nor what stands behind something else"),
    ],
)
def test_a_recording_may_have_lost_stx_and_etx(recorded: bytes, expected: list[str], size: int) -> None:
    codec = line()
    codec.overhear()
    codec.start(0.0)
    events = hear(codec, recorded, size)
    assert texts(events) == expected
    assert all(event.token is None for event in events if isinstance(event, Message) and event.raw[:1] != b"\x02")


def test_on_a_line_nothing_is_a_text_without_stx_and_etx() -> None:
    assert texts(hear(line(), REAL[1:-1] + b"\r\n")) == []


def test_an_acknowledgement_that_a_stalled_disk_made_late_is_not_given() -> None:
    """The analyzer waits two seconds; at 2.5 it has sent the text again, unread yet."""
    codec = line()
    (message,) = codec.receive(DB, 0.0)
    assert isinstance(message, Message)
    assert message.token is not None
    codec.late(2.5)
    codec.confirm(message.token)
    assert codec.data_to_send() == b""
