"""BCI messages: checksums of real instruments, records that end anywhere, ASTM frames, damage, any split, answers in time."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.sansio import BadFrame, Event, Fragment, Incomplete, Message, Note
from protocols.vendor.vidas import BciLine, BciMessage, BciProfile

ENQ, EOT, ACK, NAK = b"\x05", b"\x04", b"\x06", b"\x15"
FIELDS = (
    "mtrsl",
    "pi",
    "pn",
    "si",
    "ciZ1G021SCR",
    "rtHBCT",
    "rnAnti-HBc Total II",
    "tt18:35",
    "td10/25/24",
    "qlPositif",
    "qn0.05",
)
REAL = b"\x02" + b"".join(b"\x1e" + field.encode() + b"|" for field in FIELDS) + b"\x1db0\x03"
"""A mini VIDAS's own message, with its own checksum."""
FSH = (
    b"\x021mtrsl|pis0319-042|pn|pb|ps-|so|si|cis0319-042|rtFSH|rnFSH|tt12:25|td13/01/2022|ql|"
    b"qn30.94 mUI/ml|y3mUI/ml|qd1|ncvalid|idVIDASPC01|sn|m4manitoha|\x0312\r\n"
)
"""A VIDAS PC's frame, with its own checksum: names and numbers have their characters in another order, which a sum does not see."""


def line(**keys: object) -> BciLine:
    made = BciLine(BciProfile(**keys))  # type: ignore[arg-type]
    made.start(0.0)
    return made


def hear(codec: BciLine, data: bytes, size: int = 1 << 20) -> list[Event[BciMessage]]:
    return hear_each(codec, *(data[at : at + size] for at in range(0, len(data), size)))


def hear_each(codec: BciLine, *reads: bytes) -> list[Event[BciMessage]]:
    events = []
    for data in reads:
        for event in codec.receive(data, 0.0):
            if isinstance(event, Message | Fragment) and event.token is not None:
                codec.confirm(event.token)
            events.append(event)
    return [*events, *codec.end(0.0)]


def messages(events: Sequence[Event[BciMessage]]) -> list[BciMessage]:
    return [event.body for event in events if isinstance(event, Message)]


def reasons(events: Sequence[Event[BciMessage]]) -> list[str]:
    return [event.reason for event in events if isinstance(event, BadFrame | Incomplete)]


@pytest.mark.parametrize("size", [1, 3, 1 << 20])
def test_a_real_message_in_any_split(size: int) -> None:
    codec = line()
    (message,) = messages(hear(codec, ENQ + REAL + EOT, size))
    assert [name + text for name, text in message.fields] == list(FIELDS)
    assert (message.type, message.value("ci"), message.value("pi"), message.value("xx")) == ("rsl", "Z1G021SCR", "", "")
    assert codec.data_to_send() == ACK + ACK


@pytest.mark.parametrize("size", [1, 3, 1 << 20])
def test_a_real_frame_in_any_split(size: int) -> None:
    (message,) = messages(hear(line(), ENQ + FSH + EOT, size))
    assert (message.value("rt"), message.value("qn"), message.value("m4")) == ("FSH", "30.94 mUI/ml", "manitoha")


def bci(*records: bytes, ends: bytes = b"", upper: bool = False) -> bytes:
    """Records with their sum, as the specification has it; `ends` behind each separator's text are no part of it."""
    summed = b"".join(b"\x1e" + record for record in records) + b"\x1d"
    total = f"{sum(summed) & 0xFF:02X}" if upper else f"{sum(summed) & 0xFF:02x}"
    return b"\x02" + ends + ends.join(b"\x1e" + r for r in records) + ends + b"\x1d" + total.encode() + ends + b"\x03"


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(bci(b"mtrsl|ciSYN-1|rtTSH|", b"qn1.5|"), id="records between fields"),
        pytest.param(bci(b"mtrsl|ciSYN-", b"1|rtT", b"SH|qn1.5|"), id="records that end within a field"),
        pytest.param(bci(b"mtrsl|ciSYN-1", b"|rtTSH|qn1.5"), id="a bar at the front, none at the end"),
        pytest.param(bci(b"mtrsl|ciSYN-1|rtTSH|qn1.5|", upper=True), id="a checksum in capitals"),
        pytest.param(bci(b"mtrsl|ciSYN-1|", b"rtTSH|qn1.5|", ends=b"\r\n"), id="line ends behind the separators"),
    ],
)
def test_however_it_is_cut_it_says_the_same(wire: bytes) -> None:
    (message,) = messages(hear(line(), wire))
    assert message.fields == (("mt", "rsl"), ("ci", "SYN-1"), ("rt", "TSH"), ("qn", "1.5"))


@pytest.mark.parametrize(
    ("wire", "count", "faults"),
    [
        pytest.param(REAL.replace(b"0.05", b"0.06"), 0, ["checksum"], id="a changed digit"),
        pytest.param(REAL.replace(b"\x1db0", b""), 0, ["no checksum"], id="no checksum"),
        pytest.param(REAL[:40] + REAL, 1, ["truncated"], id="a lost ETX"),
        pytest.param(REAL[:40] + ENQ + REAL, 1, ["truncated"], id="a new session in a message"),
        pytest.param(b"noise" + REAL, 1, ["garbage"], id="noise"),
        pytest.param(REAL[:40], 0, ["link end"], id="half a message"),
        pytest.param(FSH.replace(b"30.94", b"30.95"), 0, ["checksum"], id="a changed digit in a frame"),
        pytest.param(FSH.replace(b"\x021", b"\x022")[:1] + b"2rest|\x03\xc5\r\n", 0, ["checksum"], id="a frame from the middle"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_damage_is_refused_and_what_follows_comes_out(wire: bytes, count: int, faults: list[str], size: int) -> None:
    events = hear(line(), wire, size)
    assert len(messages(events)) == count
    assert reasons(events) == faults


def test_damage_is_answered_with_nak_and_without_a_checksum_only_where_the_profile_says_so() -> None:
    codec = line()
    hear(codec, REAL.replace(b"0.05", b"0.06"))
    assert codec.data_to_send() == NAK
    bare = REAL.replace(b"\x1db0", b"")
    assert len(messages(hear(line(checksum="if-present"), bare))) == 1
    assert len(messages(hear(line(checksum="none"), REAL.replace(b"0.05", b"0.06")))) == 1


def test_latin_1_is_read_where_it_is_no_utf_8() -> None:
    (message,) = messages(hear(line(), bci("mtrsl|rnÖstradiol|".encode("iso-8859-1"))))
    assert message.value("rn") == "Östradiol"


def test_a_bar_that_names_nothing_is_told() -> None:
    (message,) = messages(hear(line(), bci(b"mtrsl|x|ciSYN-1|")))
    assert message.problems == ("a field without a name: x",)


# Frames


def frame(number: int, text: bytes, end: bytes) -> bytes:
    body = str(number).encode() + text + end
    return b"\x02" + body + b"%02X\r\n" % (sum(body) & 0xFF)


FIRST, SECOND = frame(1, b"mtrsl|ciSYN-1|rtTS", b"\x17"), frame(2, b"H|qn1.5|", b"\x03")


def test_frames_are_joined_each_acknowledged() -> None:
    codec = line()
    events = hear_each(codec, ENQ, FIRST, SECOND, EOT)
    (message,) = messages(events)
    assert message.value("rt") == "TSH"
    assert codec.data_to_send() == ACK * 3
    assert [type(event) for event in events] == [Fragment, Message]


def test_a_frame_whose_acknowledgement_was_lost_is_acknowledged_and_dropped() -> None:
    codec = line()
    events = hear_each(codec, ENQ, FIRST, FIRST, SECOND, SECOND, EOT)
    assert len(messages(events)) == 1
    assert [event.what for event in events if isinstance(event, Note)] == ["retransmission"] * 2
    assert codec.data_to_send() == ACK * 5


@pytest.mark.parametrize("which", [0, 1], ids=["the first frame", "the last frame"])
def test_a_frame_that_could_not_be_kept_is_taken_when_it_comes_again(which: int) -> None:
    codec = line()
    found = []
    codec.receive(ENQ, 0.0)
    for n, wire in enumerate((FIRST, SECOND)):
        (event,) = codec.receive(wire, 0.0)
        assert isinstance(event, Fragment | Message)
        assert event.token is not None
        if n == which:
            codec.reject(event.token)
            (event,) = codec.receive(wire, 0.0)
            assert isinstance(event, Fragment | Message)
            assert event.token is not None
        token = event.token
        assert token is not None
        codec.confirm(token)
        found.append(event)
    assert isinstance(found[1], Message)
    assert found[1].body.value("rt") == "TSH"
    assert codec.data_to_send().count(NAK) == 1


def test_a_frame_that_comes_again_before_it_is_durable_is_acknowledged_once_and_not_before() -> None:
    codec = line()
    codec.receive(ENQ, 0.0)
    (event,) = codec.receive(FIRST, 0.0)
    assert isinstance(event, Fragment)
    assert codec.receive(FIRST, 12.0) == [Note("retransmission")]
    assert codec.data_to_send() == ACK  # of ENQ
    codec.confirm(event.token)
    assert codec.data_to_send() == ACK


def test_a_frame_that_was_not_kept_after_the_sender_gave_up_is_not_taken_for_a_repeat() -> None:
    codec = line()
    codec.receive(ENQ, 0.0)
    (event,) = codec.receive(FIRST, 0.0)
    assert isinstance(event, Fragment)
    codec.on_deadline(10.0)
    codec.reject(event.token)
    (again,) = codec.receive(FIRST, 15.0)
    assert isinstance(again, Fragment)


def test_a_lost_frame_is_refused_and_a_session_that_ends_without_its_last_is_incomplete() -> None:
    assert reasons(hear(line(), ENQ + FIRST + frame(3, b"x|", b"\x03") + EOT)) == ["frame number", "EOT"]
    assert reasons(hear(line(), ENQ + FIRST + ENQ + FIRST + SECOND)) == ["ENQ in a message"]


# Answers


def test_a_message_is_acknowledged_when_it_is_durable() -> None:
    codec = line()
    (event,) = codec.receive(REAL, 0.0)
    assert isinstance(event, Message)
    assert event.token is not None
    assert codec.data_to_send() == b""
    codec.confirm(event.token)
    assert codec.data_to_send() == ACK


def test_an_answer_that_would_come_too_late_is_not_given() -> None:
    codec = line()
    (event,) = codec.receive(REAL, 1.0)
    assert isinstance(event, Message)
    assert event.token is not None
    assert codec.deadline() == 11.0
    assert codec.on_deadline(11.0) == [Note("too late to acknowledge")]
    codec.confirm(event.token)
    assert codec.data_to_send() == b""


def test_silence_ends_what_is_unfinished() -> None:
    codec = line()
    codec.receive(REAL[:30], 1.0)
    assert codec.deadline() == 31.0
    assert reasons(codec.on_deadline(31.0)) == ["silence"]


def test_an_endless_message_is_cut() -> None:
    events = hear(line(message_max=1024), b"\x02" + b"x" * 5000 + REAL)
    assert len(messages(events)) == 1
    assert reasons(events)[0] == "too long"


PIECES = (ENQ, EOT, ACK, b"\x02", b"\x03", b"\x17", b"\x1e", b"\x1d", b"1", b"mtrsl|", b"\r\n", b"5c", REAL, FIRST, SECOND, FSH)


@given(st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join) | st.binary(max_size=200), st.integers(1, 7))
def test_no_bytes_make_it_raise_and_no_split_changes_what_is_told(data: bytes, size: int) -> None:
    whole, parts = hear(line(), data), hear(line(), data, size)
    assert messages(whole) == messages(parts)
    assert reasons(whole) == reasons(parts)


# Recordings

BARE = b"|".join(field.encode() for field in FIELDS) + b"|"


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("recorded", "expected", "faults"),
    [
        pytest.param(ENQ + ACK + REAL + ACK + EOT, 1, [], id="as it was on the line"),
        pytest.param(REAL[1:-1], 1, [], id="without STX and ETX"),
        pytest.param(REAL[1:-1] + REAL[1:-1], 2, [], id="two of them"),
        pytest.param(REAL[1:-1].replace(b"0.05", b"0.06"), 0, ["checksum"], id="its checksum still counts"),
        pytest.param(BARE, 1, [], id="the fields alone"),
        pytest.param(BARE + b"\r\n" + BARE + b"\n", 2, [], id="a line each"),
        pytest.param(BARE.replace(b"|", b"|\r\n"), 1, [], id="a field a line"),
        pytest.param(BARE.replace(b"|", b"|\n") + BARE.replace(b"|", b"|\n"), 2, [], id="a field a line, two of them"),
        pytest.param(b"\x02" + BARE + b"\x03", 1, [], id="without separators and checksum"),
        pytest.param(b"2024-10-25 mt\r\n" + BARE + b"\r\nend", 1, ["garbage"], id="other lines are none"),
        pytest.param(BARE + REAL, 2, [], id="one without, one as it was"),
    ],
)
def test_a_recording_may_have_lost_its_controls(recorded: bytes, expected: int, faults: list[str], size: int) -> None:
    codec = line()
    codec.overhear()
    codec.start(0.0)
    events = hear(codec, recorded, size)
    assert [[name + text for name, text in message.fields] for message in messages(events)] == [list(FIELDS)] * expected
    assert reasons(events) == faults


@pytest.mark.parametrize("said", [BARE, REAL[1:-1], b"\x02" + BARE + b"\x03"])
def test_on_a_line_nothing_is_a_message_without_its_controls(said: bytes) -> None:
    assert messages(hear(line(), said)) == []


def test_an_acknowledgement_that_a_stalled_disk_made_late_is_not_given() -> None:
    codec = line()
    codec.receive(ENQ, 0.0)
    assert codec.data_to_send() == ACK
    (message,) = codec.receive(REAL, 1.0)
    assert isinstance(message, Message)
    assert message.token is not None
    codec.late(12.0)
    codec.confirm(message.token)
    assert codec.data_to_send() == b""
