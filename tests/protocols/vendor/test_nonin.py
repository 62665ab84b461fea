"""The Nonin codec: the frame table, recognition, resynchronisation, any split, noise."""

from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.sansio import BadFrame, Event, Incomplete, Message, Note
from protocols.vendor.nonin import Body, Format, NoninCodec, Packet, Stat2, Status, TextLine, crc16_xmodem

CAPTURES = Path(__file__).parents[2] / "captures" / "nonin"
OEM3 = (CAPTURES / "oem3-format2" / "wire.bin").read_bytes()[-125:]
SEVEN = (CAPTURES / "format7-worked" / "wire.bin").read_bytes()[:125]
TEXT = b"SPO2=098 HR=072\r\n"


def packet(form: Literal[2, 7] = 2, *, status: int = 0x80, pleth: int = 0, **floats: int) -> bytes:
    """A packet laid out by the frame table; `f1=…` is the FLOAT byte of frame 1."""
    out = b""
    for frame in range(1, 26):
        first = status | (frame == 1)
        high, low = divmod(pleth, 256)
        body = bytes([1, first, low] if form == 2 else [first, high, low]) + bytes([floats.get(f"f{frame}", 0)])
        out += body + bytes([sum(body) % 256])
    return out


def events_of(*reads: bytes, form: Format = "auto") -> list[Event[Body]]:
    codec = NoninCodec(form)
    codec.start(0.0)
    events = [event for data in reads for event in codec.receive(data, 0.0)]
    return [*events, *codec.end(0.0)]


def bodies(*reads: bytes, form: Format = "auto") -> list[Body]:
    return [event.body for event in events_of(*reads, form=form) if isinstance(event, Message)]


def only(data: bytes) -> Packet:
    (body,) = bodies(data)
    assert isinstance(body, Packet)
    return body


def test_a_third_partys_oem3_packet_gives_what_its_test_asserts() -> None:
    body = only(OEM3)
    assert body.format == 2
    assert {name: body.rate(name) for name in ("HR", "E-HR", "HR-D", "E-HR-D")} == dict.fromkeys(
        ["HR", "E-HR", "HR-D", "E-HR-D"], 72
    )
    assert [body.saturation(name) for name in ("SpO2", "SpO2-D", "SpO2-Fast", "SpO2-B-B", "E-SpO2", "E-SpO2-D")] == [97] * 6
    assert body.revision == 48
    assert body.pleth == (1,) * 25
    assert body.status == Status.SYNC


@pytest.mark.parametrize(
    ("high", "low", "rate"),
    [(0, 0x48, 72), (0, 127, 127), (1, 0, 128), (1, 0x7F, 255), (2, 0, 256), (2, 0x41, 321), (3, 0x7E, 510), (3, 0x7F, None)],
)
def test_a_rate_is_two_bits_above_seven_and_511_is_none(high: int, low: int, rate: int | None) -> None:
    assert only(packet(f1=high, f2=low)).rate("HR") == rate


def test_reserved_bits_of_a_rate_are_no_part_of_it() -> None:
    assert only(packet(f1=0xFD, f2=0x82)).rate("HR") == 130


@pytest.mark.parametrize(("byte", "percent"), [(0, 0), (97, 97), (100, 100), (127, None)])
def test_a_saturation_of_127_is_none(byte: int, percent: int | None) -> None:
    assert only(packet(f3=byte)).saturation("SpO2") == percent


@pytest.mark.parametrize(("form", "value", "pleth"), [(2, 0xFE, 0xFE), (7, 0xFE01, 0xFE01)])
def test_pleth_has_8_bits_in_format_2_and_16_in_format_7(form: Literal[2, 7], value: int, pleth: int) -> None:
    body = only(packet(form, pleth=value))
    assert (body.format, body.pleth) == (form, (pleth,) * 25)


@pytest.mark.parametrize(
    ("status", "flags"),
    [
        (0xC0, Status.DISCONNECTED),
        (0xA0, Status.ARTIFACT),
        (0x90, Status.OUT_OF_TRACK),
        (0x88, Status.SENSOR_ALARM),
        (0xFE, ~Status.SYNC),
    ],
)
def test_status_bits(status: int, flags: Status) -> None:
    assert only(packet(status=status)).status == flags | Status.SYNC


@pytest.mark.parametrize(
    ("first", "rest", "grade"),
    [(0x81, 0x80, ""), (0x83, 0x80, "green"), (0x87, 0x82, "yellow"), (0x85, 0x86, "red"), (0x81, 0x84, "red")],
)
def test_perfusion_is_the_worst_grade_of_the_packets_frames(first: int, rest: int, grade: str) -> None:
    assert Packet(2, bytes([first]) + bytes([rest] * 24), (0,) * 25, bytes(25)).perfusion == grade


@pytest.mark.parametrize(("byte", "flags"), [(0, 0), (1, Stat2.LOW_BATTERY), (0x20, Stat2.SMART_POINT), (0x21, 0x21)])
def test_stat2(byte: int, flags: int) -> None:
    assert only(packet(f8=byte)).stat2 == flags


@pytest.mark.parametrize(
    ("line", "body"),
    [
        pytest.param(b"SPO2=098 HR=072\r\n", TextLine("098", "072"), id="plain"),
        pytest.param(b"SPO2=--- HR=---\r\n", TextLine(None, None), id="no value"),
        pytest.param(b"SPO2=097 HR=128 F\r\n", TextLine("097", "128", fast=True), id="fast"),
        pytest.param(b"SPO2=097 HR=128*\r\n", TextLine("097", "128", mark=True), id="event mark"),
        pytest.param(b"SPO2=097 HR=128 F *\n", TextLine("097", "128", fast=True, mark=True), id="fast, marked, LF alone"),
        pytest.param(b"SPO2=097 HR=128 B\r\n", TextLine("097", "128", breath=True), id="breath"),
        pytest.param(b"14:05:59 SPO2=098 HR=072\r", TextLine("098", "072", time="14:05:59"), id="clock, CR alone"),
        pytest.param(b"spo2=098%\tHR=072\r\n", TextLine("098", "072"), id="lower case, percent sign, tab"),
        pytest.param(b"14:05:59,SPO2=098,HR=072\r\n", TextLine("098", "072", time="14:05:59"), id="commas, as a logger writes"),
        pytest.param(b"SPO2=098 HR=321\r\n", TextLine("098", "321"), id="the highest rate of the specifications"),
        pytest.param(b"SPO2= 98 HR= 72\r\n", TextLine("98", "72"), id="blanks for leading zeros"),
        pytest.param(b"SPO2=098 HR=072", TextLine("098", "072"), id="last line of a file, without its end"),
        pytest.param(b"x#SPO2=098 HR=072\r\n", TextLine("098", "072"), id="noise in front"),
        pytest.param(b"SPO2=09SPO2=098 HR=072\r\n", TextLine("098", "072"), id="two lines glued: the whole one"),
    ],
)
def test_text_lines(line: bytes, body: TextLine) -> None:
    assert bodies(line) == [body]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param(b"SPO2=09 HR=072\r\n", "unknown line", id="a digit lost: 09 is not 9"),
        pytest.param(b"SPO2=098 HR=07\r\n", "unknown line", id="a digit lost in the rate"),
        pytest.param(b"SPO2=0x8 HR=072\r\n", "unknown line", id="no digit"),
        pytest.param(b"SPO2=198 HR=072\r\n", "out of range", id="no saturation is above 100"),
        pytest.param(b"SPO2=098 HR=322\r\n", "out of range", id="no rate is above 321"),
        pytest.param(b"SPO2=098 HR=511\r\n", "out of range", id="511 is no rate in text either"),
        pytest.param(b"SPO2=98 HR=072\r\n", "unknown line", id="a lost zero"),
        pytest.param(b"SPO2=098 HR=072 CKSUM=0000\r\n", "checksum", id="wrong checksum"),
        pytest.param(b"\x80\x02\xffSPO\r\n", "garbage", id="bytes"),
        pytest.param(b"x" * 600 + b"\r\n", "too long", id="over-long"),
    ],
)
def test_a_damaged_line_gives_no_value(line: bytes, reason: str) -> None:
    events = events_of(line + TEXT)
    assert [event.reason for event in events if isinstance(event, BadFrame)] == [reason]
    assert [event.body for event in events if isinstance(event, Message)] == [TextLine("098", "072")]


def test_the_checksum_of_text_lines_is_crc16_xmodem() -> None:
    assert crc16_xmodem(b"123456789") == 0x31C3


@pytest.mark.parametrize("summed", [b"SPO2=098 HR=072 ", b"SPO2=098 HR=072 CKSUM="])
def test_a_checksum_may_or_may_not_cover_its_own_key(summed: bytes) -> None:
    line = b"SPO2=098 HR=072 CKSUM=%04X\r\n" % crc16_xmodem(summed)
    assert bodies(line) == [TextLine("098", "072")]


def test_a_header_is_noted_and_is_no_fault() -> None:
    events = events_of(b"NONIN MODEL 7500 11/21/26 14:00:00\r\n" + TEXT)
    assert events[0] == Note("header")
    assert [type(event) for event in events] == [Note, Message]


@pytest.mark.parametrize("whole", [OEM3, SEVEN], ids=["format 2", "format 7"])
@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5, 37, 50, 124])
def test_a_start_in_the_middle_of_a_packet_loses_that_packet_only(whole: bytes, cut: int) -> None:
    events = events_of(whole[cut:] + whole + whole)
    assert [event.raw for event in events if isinstance(event, Message)] == [whole, whole]
    assert isinstance(events[0], BadFrame)
    assert (events[0].offset, events[0].raw) == (0, whole[cut:])


@pytest.mark.parametrize("whole", [OEM3, SEVEN], ids=["format 2", "format 7"])
def test_a_lost_byte_anywhere_loses_one_packet(whole: bytes) -> None:
    for at in range(125):
        damaged = whole[:at] + whole[at + 1 :]
        assert [event.raw for event in events_of(whole + damaged + whole) if isinstance(event, Message)] == [whole, whole], at


@pytest.mark.parametrize("whole", [OEM3, SEVEN], ids=["format 2", "format 7"])
@pytest.mark.parametrize("bit", [0, 3, 7])
def test_a_flipped_bit_anywhere_loses_one_packet(whole: bytes, bit: int) -> None:
    for at in range(125):
        damaged = whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :]
        assert [event.raw for event in events_of(whole + damaged + whole) if isinstance(event, Message)] == [whole, whole], at


@pytest.mark.parametrize("pleth", [0, 1, 0x7F, 0x80, 0xFF])
@pytest.mark.parametrize("start", range(5))
def test_frames_that_add_up_in_the_wrong_place_never_shift_the_grid(pleth: int, start: int) -> None:
    """80 00 00 81 01: a format 2 stream of zeros, read one byte off, has right format 7 checksums."""
    whole = packet(status=0x80, pleth=pleth)
    assert {event.raw for event in events_of(whole[start:] + whole * 4) if isinstance(event, Message)} == {whole}


def test_formats_follow_each_other_on_one_line() -> None:
    assert [type(body) for body in bodies(TEXT + OEM3 + SEVEN + TEXT)] == [TextLine, Packet, Packet, TextLine]


@pytest.mark.parametrize(("form", "kept"), [("2", [2]), ("7", [7]), ("ascii", [])])
def test_a_named_format_reads_that_one_only(form: Format, kept: list[int]) -> None:
    got = bodies(OEM3 + SEVEN + TEXT, form=form)
    assert [body.format for body in got if isinstance(body, Packet)] == kept
    assert [body for body in got if isinstance(body, TextLine)] == ([TextLine("098", "072")] if form == "ascii" else [])


@pytest.mark.parametrize(
    ("rest", "reason"),
    [(OEM3[:60], "ended inside a packet"), (b"SPO2=09", "ended inside a line"), (b"\x01", "ended inside a packet")],
)
def test_half_a_packet_or_line_at_the_end_is_incomplete(rest: bytes, reason: str) -> None:
    assert events_of(OEM3 + rest)[-1] == Incomplete(rest, 0.0, reason)


def test_a_new_connection_forgets_half_a_packet() -> None:
    codec = NoninCodec()
    assert codec.receive(OEM3[:60], 0.0) == []
    codec.start(5.0)
    assert [type(event) for event in codec.receive(OEM3, 6.0)] == [Message]


def test_a_message_carries_the_time_of_its_first_byte() -> None:
    codec = NoninCodec()
    events = [event for n in range(250) for event in codec.receive((OEM3 + OEM3)[n : n + 1], float(n))]
    assert [event.at for event in events if isinstance(event, Message)] == [0.0, 125.0]


def test_offsets_count_from_the_first_byte_ever() -> None:
    codec = NoninCodec()
    codec.receive(OEM3, 0.0)
    (bad, *_) = codec.receive(b"\x00\x02" + OEM3, 0.0)
    assert bad == BadFrame(125, 2, b"\x00\x02", "garbage")


PIECES = st.lists(
    st.binary(max_size=40)
    | st.sampled_from([OEM3, SEVEN, TEXT, OEM3[:77], SEVEN[13:], b"\r\n", b"SPO2=", packet(), b"\x01\x81", b"\x81\x01"]),
    max_size=8,
).map(b"".join)


@settings(deadline=None, max_examples=150)
@given(PIECES, st.lists(st.integers(0, 1000), max_size=8))
def test_any_split_gives_the_same_events(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    assert events_of(*(data[a:b] for a, b in pairwise(edges))) == events_of(data) == events_of(*(bytes([byte]) for byte in data))


@settings(deadline=None, max_examples=150)
@given(PIECES, st.sampled_from([OEM3, SEVEN]))
def test_no_noise_hides_the_packets_behind_it(noise: bytes, whole: bytes) -> None:
    """A half line or a packet's start in front may take the first one with it, never the second."""
    assert [event.raw for event in events_of(noise + whole + whole) if isinstance(event, Message)][-1] == whole


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=1500), st.sampled_from(["auto", "2", "7", "ascii"]))
def test_no_bytes_make_it_raise_or_remember_without_bound(data: bytes, form: Format) -> None:
    codec = NoninCodec(form)
    for n in range(0, len(data), 7):
        codec.receive(data[n : n + 7], float(n))
        assert len(codec._buffer) <= 513 + 125
        assert len(codec._arrivals) <= len(codec._buffer) + 1
    codec.end(0.0)
