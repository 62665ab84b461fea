"""MLLP framing against the transport specification's block format, in any split, over any noise."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.hl7v2.mllp import BadBlock, MllpDecoder, encode

A = b"MSH|^~\\&|A\r"
B = b"MSH|^~\\&|B\r"
BLOCK = b"\x0b%b\x1c\r"


def all_at_once(data: bytes, *, max_bytes: int = 64, fill: bytes = b"\r\n") -> list[bytes | BadBlock]:
    decoder = MllpDecoder(max_bytes=max_bytes, fill=fill)
    return [*decoder.feed(data), *decoder.end()]


def test_a_block_is_vt_body_fs_cr() -> None:
    assert encode(A) == b"\x0bMSH|^~\\&|A\r\x1c\r"


@pytest.mark.parametrize("byte", [b"\x0b", b"\x1c"])
def test_a_body_with_a_framing_byte_is_our_own_fault(byte: bytes) -> None:
    with pytest.raises(ValueError, match="VT and no FS"):
        encode(b"MSH" + byte)


@pytest.mark.parametrize(
    ("wire", "events"),
    [
        pytest.param(BLOCK % A + BLOCK % B, [A, B], id="two blocks in one read"),
        pytest.param(b"\x0b\x1c\r", [b""], id="an empty block is a block"),
        pytest.param(BLOCK % A + b"\r\n\n" + BLOCK % B, [A, B], id="line ends between blocks are fill"),
        pytest.param(b"noise" + BLOCK % A, [BadBlock(0, 5, b"noise", "garbage"), A], id="garbage before, block after, same read"),
        pytest.param(b"\x0bMSH|cut" + BLOCK % A, [BadBlock(0, 8, b"\x0bMSH|cut", "truncated"), A], id="VT inside begins anew"),
        pytest.param(b"\x0ba\x1cb\x1c\r", [b"a\x1cb"], id="FS without CR belongs to the body"),
        pytest.param(b"\x0ba\x1c" + BLOCK % A, [BadBlock(0, 3, b"\x0ba\x1c", "truncated"), A], id="FS then VT is a cut block"),
        pytest.param(BLOCK % (64 * b"x"), [64 * b"x"], id="a body of exactly the cap"),
        pytest.param(b"\x0bhalf", [BadBlock(0, 5, b"\x0bhalf", "truncated")], id="the link ends inside a block"),
        pytest.param(b"half", [BadBlock(0, 4, b"half", "garbage")], id="the link ends outside a block"),
    ],
)
def test_blocks_and_faults(wire: bytes, events: list[bytes | BadBlock]) -> None:
    assert all_at_once(wire) == events


def test_beyond_the_cap_is_bad_and_the_next_block_still_comes_out() -> None:
    events = all_at_once(BLOCK % (65 * b"x") + BLOCK % A)
    assert events[0] == BadBlock(0, 66, b"\x0b" + 65 * b"x", "too long")
    assert events[-1] == A


def test_a_mindray_heartbeat_is_fill_where_the_profile_says_so() -> None:
    """BC-series analyzers send runs of 0x02 while idle and one right before a block."""
    wire = 7 * b"\x02" + BLOCK % A + b"\x02" + BLOCK % B
    assert all_at_once(wire, fill=b"\r\n\x02") == [A, B]
    assert [type(event) for event in all_at_once(wire)] == [BadBlock, bytes, BadBlock, bytes]


def test_memory_is_bounded_by_the_cap() -> None:
    decoder = MllpDecoder(max_bytes=64)
    for opening in (b"\x0b", b"x"):
        for _ in range(1000):
            decoder.feed(opening + 50 * b"y")
        assert len(decoder._buffer) <= 66


wire_bytes = st.lists(
    st.one_of(
        st.binary(max_size=8),
        st.sampled_from(
            [b"\x0b", b"\x1c", b"\r", b"\x1c\r", b"\n", BLOCK % A, BLOCK % B, BLOCK % (80 * b"z"), b"\x0b" + 70 * b"q"]
        ),
    ),
    max_size=12,
).map(b"".join)


@settings(max_examples=200, deadline=None)
@given(wire=wire_bytes, cuts=st.lists(st.integers(0, 400), max_size=8))
def test_any_split_gives_the_same_events(wire: bytes, cuts: list[int]) -> None:
    decoder = MllpDecoder(max_bytes=64)
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    events = [event for start, end in pairwise(edges) for event in decoder.feed(wire[start:end])]
    assert [*events, *decoder.end()] == all_at_once(wire)


@settings(max_examples=200, deadline=None)
@given(wire=wire_bytes)
def test_one_byte_at_a_time_gives_the_same_events(wire: bytes) -> None:
    decoder = MllpDecoder(max_bytes=64)
    events = [event for byte in wire for event in decoder.feed(bytes([byte]))]
    assert [*events, *decoder.end()] == all_at_once(wire)


@settings(max_examples=200, deadline=None)
@given(wire=wire_bytes)
def test_every_byte_is_accounted_for_once(wire: bytes) -> None:
    """Blocks, faults and nothing but fill make up the stream."""
    end = 0
    for event in all_at_once(wire):
        size, start = (len(event) + 3, end) if isinstance(event, bytes) else (event.size, event.offset)
        if isinstance(event, bytes):
            start = wire.index(BLOCK % event, end)
            assert len(event) <= 64
        assert not wire[end:start].strip(b"\r\n")
        end = start + size
    assert not wire[end:].strip(b"\r\n")
