"""The line splitter: ends, limits, offsets, any split."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.framing import Garbage, Line, LineSplitter
from protocols.sansio import SAMPLE_MAX, BadFrame

LIMIT = 16


def split(*reads: bytes, limit: int = LIMIT) -> list[Line | BadFrame]:
    lines = LineSplitter(limit)
    out = [event for data in reads for event in lines.feed(data, 0.0)]
    rest = lines.rest()
    return [*out, rest] if rest else out


@pytest.mark.parametrize(
    ("data", "texts"),
    [
        pytest.param(b"a\r\nb\r\n", [b"a", b"b"], id="CR LF"),
        pytest.param(b"a\nb\n", [b"a", b"b"], id="LF"),
        pytest.param(b"a\rb\r", [b"a", b"b"], id="CR"),
        pytest.param(b"a\r\r\n\r\nb\n", [b"a", b"b"], id="empty lines are passed over"),
        pytest.param(b"a\nb", [b"a", b"b"], id="a rest without its end"),
        pytest.param(b"0123456789abcdef\n", [b"0123456789abcdef"], id="as long as the limit"),
    ],
)
def test_lines(data: bytes, texts: list[bytes]) -> None:
    assert [event.text for event in split(data) if isinstance(event, Line)] == texts


def test_a_line_tells_where_and_when_it_began() -> None:
    lines = LineSplitter(LIMIT)
    assert lines.feed(b"\r\nab", 1.0) == []
    assert lines.feed(b"cd\re", 2.0) == [Line(b"abcd", b"abcd\r", offset=2, at=1.0)]
    assert lines.rest() == Line(b"e", b"e", offset=7, at=2.0)


def test_the_line_behind_an_over_long_one_comes_out_in_the_same_read() -> None:
    assert split(b"x" * 20 + b"\r\nabc\n") == [
        BadFrame(0, 16, b"x" * 16, "too long"),
        BadFrame(16, 4, b"x" * 4, "too long"),
        Line(b"abc", b"abc\n", offset=22, at=0.0),
    ]


def test_endless_noise_is_told_before_it_ends_and_never_kept() -> None:
    lines = LineSplitter(LIMIT)
    told = [event for _ in range(1000) for event in lines.feed(b"x" * 100, 0.0)]
    assert sum(event.size for event in told if isinstance(event, BadFrame)) == 100_000 - 100_000 % LIMIT


def test_garbage_keeps_a_sample_and_the_first_reason() -> None:
    garbage = Garbage(limit=10_000)
    assert garbage.add(b"a" * 300, 7, "checksum") == []
    assert garbage.add(b"b" * 300, 307, "garbage") == []
    assert garbage.flush() == [BadFrame(7, 600, b"a" * SAMPLE_MAX, "checksum")]
    assert garbage.flush() == []


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=120) | st.text("ab\r\n", max_size=120).map(str.encode), st.lists(st.integers(0, 120), max_size=6))
def test_any_split_gives_the_same_lines(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    assert split(*(data[a:b] for a, b in pairwise(edges))) == split(data) == split(*(bytes([byte]) for byte in data))


@settings(deadline=None, max_examples=100)
@given(st.text("abc\r\n", max_size=200).map(str.encode))
def test_every_byte_but_line_ends_is_accounted_for(data: bytes) -> None:
    sizes = [len(event.text) if isinstance(event, Line) else event.size for event in split(data)]
    assert sum(sizes) == len(data.replace(b"\r", b"").replace(b"\n", b""))
