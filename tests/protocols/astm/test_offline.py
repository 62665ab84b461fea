"""Files that hold the sender's bytes alone, in every shape they have been seen in; any split, any noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.astm.link import LinkProfile, Receiver
from protocols.astm.records import AstmMessage
from protocols.sansio import BadFrame, Event, Fragment, Incomplete, Message

ENQ, EOT = b"\x05", b"\x04"
H, R, L = b"H|\\^&|||X\r", b"R|1|^^^K|4.1\r", b"L|1|N\r"
Framed = Callable[..., bytes]
MODES = [
    LinkProfile(),
    LinkProfile(mode="framed"),
    LinkProfile(mode="records", close_ends=True),
    LinkProfile(checksum="if-present", frame_end="none", frame_numbers="ignored"),
    LinkProfile(checksum="if-present", frame_numbers="if-present", ack_stx=True, ack_eot=True),
    LinkProfile(checksum="none", frame_end="CR", frame_numbers="absent", ack_eot=True),
    LinkProfile(frame_numbers="restart-per-message", enq_restarts=False, frame_max=60, message_max=200),
]


def _read(pieces: Sequence[bytes], profile: LinkProfile | None = None) -> list[Event[AstmMessage]]:
    codec = Receiver(profile)
    codec.start(0.0)
    events: list[Event[AstmMessage]] = []
    for piece in pieces:
        new = codec.receive(piece, 0.0)
        for event in new:
            if isinstance(event, Fragment | Message) and event.token is not None:
                codec.confirm(event.token)
        codec.data_to_send()
        events += new
    return [*events, *codec.end(0.0)]


def _messages(data: bytes, profile: LinkProfile | None = None) -> list[str]:
    return [
        "".join(record.type for record in event.body.records) for event in _read([data], profile) if isinstance(event, Message)
    ]


def _faults(data: bytes) -> list[str]:
    return [event.reason for event in _read([data]) if isinstance(event, BadFrame | Incomplete)]


def _session(sysmex: Sequence[bytes]) -> bytes:
    return ENQ + b"".join(sysmex) + EOT


@pytest.mark.parametrize(
    ("shape", "change"),
    [
        ("as sent", lambda data: data),
        ("CR after the checksum", lambda data: data.replace(b"\r\n", b"\r")),
        ("LF after the checksum", lambda data: data.replace(b"\r\n", b"\n")),
        ("LF for every CR", lambda data: data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")),
        ("CR LF for every line end", lambda data: data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")),
        ("CR LF for CR and for LF", lambda data: data.replace(b"\r", b"\n").replace(b"\n", b"\r\n")),
        ("no ENQ", lambda data: data[1:]),
        ("no EOT", lambda data: data[:-1]),
        ("neither", lambda data: data[1:-1]),
        ("a line end after ENQ and EOT", lambda data: ENQ + b"\r\n" + data[1:] + b"\r\n"),
        ("noise before", lambda data: b"\xff\xfe junk \r" + data),
        ("noise behind", lambda data: data + b"\x00\x00 junk"),
        ("cut off earlier", lambda data: b"^4.1|||\r\x03A0\r\n" + EOT + data),
        ("an aborted try before", lambda data: data[:300] + data),
        ("heartbeats around", lambda data: b"\x02\x02\x00" + data + b"\x02\x02"),
        ("the host's ACKs too", lambda data: data.replace(b"\x05", b"\x05\x06").replace(b"\r\n", b"\r\n\x06")),
        ("ENQ answered with NAK at first", lambda data: b"\x05\x15\r\n" + data),
        ("an ACK of EOT, and the next try", lambda data: ENQ + b"\x06" + EOT + b"\x06" + data),
        ("ENQ thrice", lambda data: ENQ * 2 + data),
    ],
)
def test_a_framed_capture_is_read_in_every_shape(sysmex: Sequence[bytes], shape: str, change: Callable[[bytes], bytes]) -> None:
    assert _messages(change(_session(sysmex))) == ["HPCOCRRRRL"], shape


@pytest.mark.parametrize("tail", [b"", b"\r", b"\n", b"\r\n"])
def test_what_ends_a_frame_need_not_be_configured(framed: Framed, tail: bytes) -> None:
    data = framed(1, H, b"\x17", tail) + framed(2, R, b"\x17", tail) + framed(3, L, b"\x03", tail)
    for whole in (ENQ + data + EOT, data, ENQ + data, data + EOT, ENQ + data + EOT + ENQ + data + EOT):
        assert _messages(whole) == ["HRL"] * whole.count(H)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (H + R + L, ["HRL"]),
        (H + R + L[:-1], ["HRL"]),
        ((H + R + L).replace(b"\r", b"\n"), ["HRL"]),
        ((H + R + L).replace(b"\r", b"\r\n"), ["HRL"]),
        (b"\r\n\r\n" + H + R + L, ["HRL"]),
        (b"   " + H + b"   " + R + b"   L||N\r", ["HRL"]),
        (b"a file's first line\n" + H + R + L, ["HRL"]),
        (H + R + L + H + L, ["HRL", "HL"]),
        (H + R + H + L, ["HR", "HL"]),
        (ENQ + H + R + L + EOT, ["HRL"]),
        (ENQ + H + R + EOT, ["HR"]),
        (ENQ + H + R + L[:-1] + EOT + ENQ + H + L + EOT, ["HRL", "HL"]),
        (H + R + L + b"\x00\x00" + H + L, ["HRL", "HL"]),
        (b"\xef\xbb\xbf" + H + R + L, ["HRL"]),
        (b"\x01" + H + R + L + EOT + b"\x01" + H + L + EOT, ["HRL", "HL"]),
        (b"\x01H|@^\\|GXM" + H[5:] + R + L, ["HRL"]),
        (b"\x0b" + H + R + L + b"\x1c\r", ["HRL"]),
        (b"junk" + H + R + L, ["HRL"]),
        (b"\xff\xfe" + H + R + L + b"\x06" + H + L, ["HRL", "HL"]),
        (b"\x02" + H + R + L, ["HRL"]),
        (b"\x02\x02" + H + R + L, ["HRL"]),
        (b"1" + H + R + L, []),
    ],
)
def test_bare_records_are_read_in_every_shape(data: bytes, expected: list[str]) -> None:
    assert _messages(data) == expected


def test_a_bare_message_of_45_kb() -> None:
    """Nihon Kohden Celltak: two bitmaps of 20 kB in R records, no frames."""
    bitmap = b"R|33|^^^WBC_HIST|" + b"Qk0A" * 5000 + b"\r"
    data = H + R + bitmap + bitmap + L
    assert len(data) > 40_000
    for size in (1, 1460, len(data)):
        (event,) = _read([data[at : at + size] for at in range(0, len(data), size)])
        assert isinstance(event, Message)
        assert event.raw == data
        assert event.token is None
        assert len(event.body.records[3].field(4)) == 20_000


def test_bare_records_without_end_are_incomplete_unless_closing_ends_them() -> None:
    assert _read([H + R]) == [Incomplete(H + R, 0.0, "link end")]
    assert _messages(H + R, LinkProfile(close_ends=True)) == ["HR"]


def test_bare_records_beyond_the_cap_are_given_up_and_the_next_message_is_read() -> None:
    long = H + b"M|1|" + b"x" * 1000 + b"\r" + L
    events = _read([long + H + L], LinkProfile(message_max=300))
    assert events[0] == Incomplete(long[:300], 0.0, "too long")
    assert [event.raw for event in events if isinstance(event, Message)] == [H + L]


def test_a_babbling_line_is_told_in_pieces_and_never_held() -> None:
    codec = Receiver()
    codec.start(0.0)
    told = 0
    for n in range(100):
        told += sum(event.size for event in codec.receive(b"x" * 1000, 0.0) if isinstance(event, BadFrame))
        assert (n + 1) * 1000 - told < 4096
    assert told == 98_304


def test_bare_records_may_want_an_ack() -> None:
    codec = Receiver(LinkProfile(mode="records", ack_records=True))
    codec.start(0.0)
    (event,) = codec.receive(H + L + H, 0.0)
    assert isinstance(event, Message)
    assert codec.data_to_send() == b""
    assert event.token is not None
    codec.confirm(event.token)
    assert codec.data_to_send() == b"\x06"


def test_acks_of_a_recording_are_no_fault(sysmex: Sequence[bytes]) -> None:
    data = ENQ + b"\x06" + b"\x06".join(sysmex) + b"\x06" + EOT
    assert _faults(data) == []
    assert [type(event) for event in _read([data[at : at + 1] for at in range(len(data))])] == [type(e) for e in _read([data])]


def test_records_of_a_frame_without_its_beginning_are_not_believed(framed: Framed) -> None:
    """Their checksum says nothing any more; the sender sends them again."""
    frame = framed(1, H + R + L)
    for data in (frame[2:], b"\r" + frame[2:], ENQ + frame[2:], ENQ + b"\r" + frame[2:] + EOT):
        assert _messages(data) == []
    assert _messages(ENQ + frame[2:] + EOT + ENQ + frame + EOT) == ["HRL"]


def test_a_damaged_message_costs_no_other_message(framed: Framed) -> None:
    """The sender of a recording does not hear our NAK; the next H record is where sense returns."""
    frames = [framed(1, H, b"\x17"), framed(2, R, b"\x17"), framed(3, L), framed(4, H, b"\x17"), framed(5, L), framed(6, H + L)]
    for lost in range(6):
        for bad in (b"", frames[lost].replace(b"|", b"!"), frames[lost][1:], frames[lost][:4]):
            damaged = ENQ + b"".join([*frames[:lost], bad, *frames[lost + 1 :]]) + EOT
            expected = {0: [], 1: [], 2: [], 3: ["HRL"], 4: ["HRL"], 5: ["HRL", "HL"]}[lost]
            expected += {0: ["HL", "HL"], 1: ["HL", "HL"], 2: ["HL", "HL"], 3: ["HL"], 4: ["HL"], 5: []}[lost]
            assert _messages(damaged) == expected, (lost, bad)


def test_a_message_whose_beginning_was_refused_is_not_read_without_it(framed: Framed) -> None:
    """Numbers that begin at 1 again where the profile does not say so: results without their H would be nobody's."""
    first = framed(1, H, b"\x17") + framed(2, R, b"\x17") + framed(3, L)
    again = framed(1, H, b"\x17") + framed(2, R, b"\x17") + framed(3, R, b"\x17") + framed(4, R, b"\x17") + framed(5, L)
    data = ENQ + first + again + EOT
    assert _messages(data) == ["HRL"]
    assert _faults(data) == ["frame number"] * 5
    assert _messages(data, LinkProfile(frame_numbers="restart-per-message")) == ["HRL", "HRRRL"]


def test_what_was_lost_is_told(framed: Framed) -> None:
    frames = [framed(1, H, b"\x17"), framed(2, R, b"\x17").replace(b"4.1", b"4.2"), framed(3, L), framed(4, H + L)]
    assert _faults(ENQ + b"".join(frames) + EOT) == ["checksum", "frame number", "frame lost"]


# Any split

_SCRAPS = (b"\x02", b"\x03", b"\x04", b"\x05", b"\x17", b"\r", b"\n", b"\r\n", b"\x00", b" ", b"|", b"\xff", b"\xef\xbb\xbf")
_TEXTS = (b"H", b"H|\\^&\r", b"L|1\r", b"L", b"1", b"7")
_FRAMES = (
    b"\x021H|\\^&\r\x17F9\r\n",
    b"\x022L|1\r\x033B\r\n",
    b"\x021H|\\^&\rL|1\r\x03EB\r\n",
    b"\x024L|1|N\r\x0307\r\n",
)
_WORDS = st.sampled_from(_SCRAPS + _TEXTS + _FRAMES)
_STREAMS = st.lists(_WORDS, max_size=30).map(b"".join) | st.binary(max_size=80)


def _cut(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(ends)]


@pytest.mark.parametrize("profile", MODES)
@settings(deadline=None, max_examples=150)
@given(data=_STREAMS, cuts=st.lists(st.integers(0, 400), max_size=8))
def test_any_split_of_anything_gives_the_same_events(profile: LinkProfile, data: bytes, cuts: list[int]) -> None:
    whole = _read([data], profile)
    assert _read(_cut(data, cuts), profile) == whole
    assert _read([data[n : n + 1] for n in range(len(data))], profile) == whole


def test_a_real_session_byte_by_byte(sysmex: Sequence[bytes]) -> None:
    data = b"junk" + _session(sysmex) + _session(sysmex)
    whole = _read([data])
    assert sum(isinstance(event, Message) for event in whole) == 2
    for size in (1, 2, 7, 64):
        assert _read([data[at : at + size] for at in range(0, len(data), size)]) == whole


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(max_size=60).filter(lambda noise: not set(noise) & {2, 3, 4, 5, 0x17}), at=st.integers(0, 10))
def test_noise_between_frames_costs_nothing(sysmex: Sequence[bytes], noise: bytes, at: int) -> None:
    data = ENQ + b"".join(sysmex[:at]) + noise + b"".join(sysmex[at:]) + EOT
    if b"H" not in noise:
        assert _messages(data) == ["HPCOCRRRRL"]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(max_size=60))
def test_a_session_behind_any_noise_is_read(sysmex: Sequence[bytes], noise: bytes) -> None:
    """Two sessions: a first ENQ may drown in what the noise began, as a real sender's would; then it sends again."""
    assert "HPCOCRRRRL" in _messages(noise + _session(sysmex) + _session(sysmex))


@pytest.mark.parametrize("profile", MODES)
@settings(deadline=None, max_examples=100)
@given(
    data=_STREAMS,
    acts=st.lists(st.sampled_from(["confirm", "reject", "wait", "start", "send"]), max_size=20),
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
def test_no_bytes_and_no_answers_make_it_raise(profile: LinkProfile, data: bytes, acts: list[str], cuts: list[int]) -> None:
    codec = Receiver(profile)
    now = 0.0
    codec.start(now)
    tokens = [0]
    for n, piece in enumerate(_cut(data, cuts) or [b""]):
        events = codec.receive(piece, now)
        tokens += [event.token for event in events if isinstance(event, Fragment | Message) and event.token is not None]
        act = acts[n % len(acts)] if acts else "wait"
        if act == "confirm":
            codec.confirm(tokens[-1])
        elif act == "reject":
            codec.reject(tokens[n % len(tokens)])
        elif act == "start":
            codec.start(now)
        elif act == "send":
            assert set(codec.data_to_send()) <= {0x06, 0x15}
        else:
            now = codec.deadline() or now + 1.0
            codec.on_deadline(now)
    codec.end(now)
    for _ in range(5):
        if (due := codec.deadline()) is not None:
            codec.on_deadline(due)
    assert codec.deadline() is None


@settings(deadline=None, max_examples=100)
@given(st.lists(st.binary(max_size=40), max_size=12))
def test_every_byte_is_accounted_for(pieces: list[bytes]) -> None:
    """Bad frames never overlap and never lie outside what came in."""
    reached = 0
    for event in _read(pieces):
        if isinstance(event, BadFrame):
            assert event.offset >= reached
            assert event.raw == b"".join(pieces)[event.offset : event.offset + event.size][:256]
            reached = event.offset + event.size
    assert reached <= sum(map(len, pieces))
