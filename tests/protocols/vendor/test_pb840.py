"""The PB840 codec against replies of real ventilators: any split, noise, lost bytes, the polling."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.sansio import BadFrame, Event, Message, Note
from protocols.vendor.pb840 import FRAME_MAX, Poller, Reply

CAPTURES = Path(__file__).parents[2] / "captures" / "pb840"
MISCA = (CAPTURES / "misca-840" / "wire.bin").read_bytes()
MISCF = (CAPTURES / "miscf-840" / "wire.bin").read_bytes()
MISCF_980 = (CAPTURES / "miscf-980" / "wire.bin").read_bytes()


def events_of(*reads: bytes) -> list[Event[Reply]]:
    codec = Poller()
    codec.start(0.0)
    events = [event for data in reads for event in codec.receive(data, 0.0)]
    return [*events, *codec.end(0.0)]


def replies(*reads: bytes) -> list[Reply]:
    return [event.body for event in events_of(*reads) if isinstance(event, Message)]


def test_reads_the_fields_of_a_real_miscf_reply_by_the_manuals_numbers() -> None:
    (reply,) = replies(MISCF)
    assert reply.name == "MISCF"
    assert len(reply.fields) == 169
    got = {n: reply.field(n) for n in (5, 6, 7, 8, 9, 10, 12, 13, 14, 16, 18, 70, 71, 72, 73, 74, 76, 77, 87, 105, 118)}
    assert got == {
        5: "14:51", 6: "840 3510053249", 7: "NOV 22 2011", 8: "INVASIVE", 9: "A/C", 10: "VC", 12: "V-Trig", 13: "14.0",
        14: "0.365", 16: "21", 18: "5.0", 70: "14.0", 71: "0.378", 72: "5.290", 73: "24.0", 74: "8.6", 76: "1:5.00",
        77: "20", 87: "5.8", 105: "OFF", 118: "RESET",
    }  # fmt: skip


def test_reads_the_fields_of_a_real_misca_reply() -> None:
    (reply,) = replies(MISCA)
    assert (reply.name, len(reply.fields)) == ("MISCA", 97)
    assert [reply.field(n) for n in (9, 34, 35, 36, 38, 62, 101, 102)] == [
        "CMV", "14", "0.38", "5.29", "24.0", "NOV 22 2011", "1:5.00", "",
    ]  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(st.lists(st.integers(0, 2400), max_size=8), st.binary(max_size=600))
def test_any_split_gives_the_same_events(cuts: list[int], noise: bytes) -> None:
    data = noise + MISCA + MISCF_980[:700] + MISCF
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    split = [data[a:b] for a, b in pairwise(edges)]
    assert events_of(*split) == events_of(data) == events_of(*(bytes([byte]) for byte in data))


@settings(deadline=None, max_examples=200)
@given(st.lists(st.binary(max_size=300) | st.sampled_from([b"MISCF,1225,169 ,\x02", b"\x03\r", b"MISC", MISCA]), max_size=12))
def test_no_bytes_make_it_raise_and_none_are_unaccounted_for(reads: list[bytes]) -> None:
    events = events_of(*reads)
    told = sum(e.size for e in events if isinstance(e, BadFrame)) + sum(len(e.raw) for e in events if isinstance(e, Message))
    line_ends = sum(map(len, reads)) - told
    assert 0 <= line_ends <= b"".join(reads).count(b"\r") + b"".join(reads).count(b"\n")


def test_a_good_reply_behind_garbage_in_the_same_read_comes_out() -> None:
    events = events_of(b"\x00\xffMISx MISCQ" + MISCF)
    bad = [(event.offset, event.size, event.reason) for event in events if isinstance(event, BadFrame)]
    assert bad == [(0, 7, "garbage"), (7, 4, "header"), (11, 1, "garbage")]
    assert isinstance(events[-1], Message)


@pytest.mark.parametrize("lost", [20, 60, 300, 700, 1100])
def test_a_reply_that_lost_a_byte_is_refused_whole(lost: int) -> None:
    events = events_of(MISCF[:lost] + MISCF[lost + 1 :] + MISCA)
    assert next(e.reason for e in events if isinstance(e, BadFrame)) == "fewer bytes than announced"
    assert [e.body.name for e in events if isinstance(e, Message)] == ["MISCA"]


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        pytest.param(re.sub(rb" +,", b",", MISCF), "fewer bytes than announced", id="padding stripped by an editor"),
        pytest.param(MISCF.replace(b"NORMAL,", b"", 1), "fewer fields than announced", id="a lost field"),
        pytest.param(MISCF.replace(b"NORMAL,", b"NORMAL,,", 1), "more fields than announced", id="a comma too many"),
        pytest.param(MISCF.replace(b",24.0  ,", b",24.0   ,", 1), "more bytes than announced", id="a blank too many"),
        pytest.param(MISCF.replace(b"INVASIVE ,", b"INVASI,"), "fewer bytes than announced", id="a wide field lost three bytes"),
        pytest.param(MISCF.replace(b",\x03", b"\x03"), "field end", id="the last comma"),
    ],
)
def test_a_damaged_reply_says_what_is_wrong(damaged: bytes, reason: str) -> None:
    (bad,) = events_of(damaged)
    assert isinstance(bad, BadFrame)
    assert bad.reason == reason


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(MISCF.replace(b"MISCF,1225", b"MISCF,1229"), id="1229, the Philips port setting"),
        pytest.param(MISCF.replace(b"MISCF,1225", b"MISCF,1226"), id="1226: the manual counts up to the CR"),
        pytest.param(MISCF.replace(b",169 ,", b",169,"), id="the field count three characters wide"),
        pytest.param(MISCF.replace(b"\x02", b"").replace(b"\x03", b""), id="a text log without STX and ETX"),
        pytest.param(MISCF.replace(b"\r", b"\n"), id="LF for CR"),
        pytest.param(MISCF + b"\n", id="LF behind CR"),
        pytest.param(MISCF.rstrip(b"\r"), id="no CR"),
        pytest.param(MISCF[:-2], id="neither ETX nor CR, at the end of the file"),
    ],
)
def test_a_reply_whose_fields_have_their_documented_widths_is_whole(wire: bytes) -> None:
    (event,) = events_of(wire)
    assert isinstance(event, Message)
    assert event.body == replies(MISCF)[0]


def test_another_layout_is_whole_when_both_counts_hold() -> None:
    wire = MISCF.replace(b"MISCF,1225", b"MISCF,1228").replace(b",INVASIVE ,", b",INVASIVE    ,")
    assert replies(wire) == replies(MISCF)


def test_the_echo_of_the_poll_is_noted_and_is_no_fault() -> None:
    events = events_of(b"RSET\rSNDF\r\n" + MISCF + b"\nSNDA\r" + MISCA)
    assert [event if isinstance(event, Note) else type(event) for event in events] == [
        Note("echo of the poll"), Message, Note("echo of the poll"), Message,
    ]  # fmt: skip


def test_a_reply_cut_off_by_the_next_one_is_truncated_and_the_next_is_read() -> None:
    bad, good = events_of(MISCF[:500] + MISCA)
    assert isinstance(bad, BadFrame)
    assert (bad.reason, bad.size) == ("truncated", 500)
    assert isinstance(good, Message)


def test_an_endless_reply_is_given_up_at_the_cap() -> None:
    events = events_of(MISCF[:500] + b"9" * (2 * FRAME_MAX) + MISCA)
    assert isinstance(events[0], BadFrame)
    assert (events[0].reason, events[0].size) == ("too long", FRAME_MAX)
    assert isinstance(events[-1], Message)


def test_field_100_of_six_characters_is_read() -> None:
    short = MISCA.replace(b",         ,1:5.00", b",      ,1:5.00")
    assert replies(short)[0].field(101) == "1:5.00"


def test_polls_on_start_then_at_the_interval_after_each_reply() -> None:
    codec = Poller("SNDF", interval_s=5.0, timeout_s=2.0)
    codec.start(100.0)
    assert codec.data_to_send() == b"RSET\rSNDF\r"
    assert codec.deadline() == 102.0
    codec.receive(MISCF, 100.9)
    assert codec.deadline() == 105.9
    assert codec.on_deadline(105.0) == []
    assert codec.on_deadline(105.9) == []
    assert codec.data_to_send() == b"SNDF\r"
    assert codec.data_to_send() == b""


def test_silence_is_noted_and_asked_again_behind_a_reset() -> None:
    codec = Poller("SNDA", timeout_s=2.0)
    codec.start(0.0)
    codec.data_to_send()
    assert codec.on_deadline(2.0) == [Note("no reply")]
    assert codec.data_to_send() == b"RSET\rSNDA\r"
    assert codec.deadline() == 4.0
