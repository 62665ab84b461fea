"""Documents that follow each other without a mark between them: CLSI POCT01-A2 Annex B gives neither length nor delimiter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.poct1a.message import parse
from protocols.poct1a.stream import Document, Splitter
from protocols.sansio import BadFrame

HEL = b'<HEL.R01><HDR><HDR.control_id V="1"/></HDR></HEL.R01>'
KPA = b'<?xml version="1.0" encoding="utf-8"?>\r\n<KPA.R01><HDR><HDR.control_id V="2"/></HDR></KPA.R01>'
TRAPS = (
    b"<OBS.R01><!-- </OBS.R01> --><A V=\"a>b\"/><B V='/OBS.R01>'/><![CDATA[</OBS.R01>]]><?x </OBS.R01>?><C>1 &gt; 0</C></OBS.R01>"
)


def split(data: bytes, sizes: list[int] | None = None, *, document_max: int = 1 << 20) -> list[Document | BadFrame]:
    splitter, events, at = Splitter(document_max=document_max), list[Document | BadFrame](), 0
    for size in sizes or [len(data)]:
        events += splitter.feed(data[at : at + size], 1.0)
        at += size
    events += splitter.feed(data[at:], 1.0)
    return [*events, *splitter.end()]


def told(events: list[Document | BadFrame]) -> list[tuple[str, int, bytes]]:
    return [
        ("document", event.offset, event.raw) if isinstance(event, Document) else (event.reason, event.offset, event.raw)
        for event in events
    ]


CASES = {
    "one document": (HEL, [("document", 0, HEL)]),
    "two without a mark between them": (HEL + KPA, [("document", 0, HEL), ("document", len(HEL), KPA)]),
    "line ends and a byte order mark between them": (
        b"\xef\xbb\xbf" + HEL + b"\r\n\x00" + KPA + b"\n",
        [("document", 3, HEL), ("document", 3 + len(HEL) + 3, KPA)],
    ),
    "each in an MLLP frame": (
        b"\x0b" + HEL + b"\x1c\r\x0b" + KPA + b"\x1c\r",
        [("document", 1, HEL), ("document", len(HEL) + 4, KPA)],
    ),
    "end tags in comments, attributes, CDATA and instructions end nothing": (TRAPS, [("document", 0, TRAPS)]),
    "an empty root": (b'<END.R01 V="1"/>' + HEL, [("document", 0, b'<END.R01 V="1"/>'), ("document", 16, HEL)]),
    "garbage before a document": (b"ab c\x1b" + HEL, [("garbage", 0, b"ab c\x1b"), ("document", 5, HEL)]),
    "the rest of what began before we listened": (
        b'V="1"/></HDR></OBS.R01>' + HEL,
        [("garbage", 0, b'V="1"/></HDR></OBS.R01>'), ("document", 23, HEL)],
    ),
    "a document that the next one cuts off": (
        HEL[:-9] + b"\r\n" + KPA,
        [("cut off", 0, HEL[:-9] + b"\r\n"), ("document", len(HEL) - 7, KPA)],
    ),
    "cut off within an attribute": (
        b'<OBS.R01><A V="12' + HEL,
        [("cut off", 0, b'<OBS.R01><A V="12'), ("document", 17, HEL)],
    ),
    "a prolog that lost its end": (
        b'<?xml version="1.0">' + HEL,
        [("cut off", 0, b'<?xml version="1.0">'), ("document", 20, HEL)],
    ),
    "cut off within a tag": (b"<OBS.R01><OBS.val" + HEL, [("cut off", 0, b"<OBS.R01><OBS.val"), ("document", 17, HEL)]),
    "cut off by the end of its frame": (
        b"\x0b<OBS.R01><A>\x1c\r\x0b" + HEL,
        [("cut off", 1, b"<OBS.R01><A>"), ("document", 16, HEL)],
    ),
    "cut off by the end of the line": (HEL + KPA[:-1], [("document", 0, HEL), ("cut off", len(HEL), KPA[:-1])]),
    "a document type is refused": (
        b'<!DOCTYPE x [<!ENTITY e "v">]>' + HEL,
        [
            ("document type", 0, b"<!"),
            ("garbage", 2, b"DOCTYPE x ["),
            ("document type", 13, b"<!"),
            ("garbage", 15, b'ENTITY e "v">]>'),
            ("document", 30, HEL),
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_documents_of_a_stream(case: str) -> None:
    data, expected = CASES[case]
    assert told(split(data)) == expected


@given(st.lists(st.integers(1, 9), max_size=80), st.sampled_from(sorted(CASES)))
def test_any_split_gives_the_same(sizes: list[int], case: str) -> None:
    data = CASES[case][0]
    assert split(data, sizes) == split(data)


MARKUP = [
    HEL,
    KPA,
    TRAPS,
    b"<",
    b">",
    b"/",
    b'"',
    b"'",
    b"</",
    b"<!",
    b"<!--",
    b"-->",
    b"<![CDATA[",
    b"]]>",
    b"<?",
    b"?>",
    b"\x0b",
    b"\x1c\r",
]
MARKUP += [b" ", b"\n", b"x", b"<OBS.R01>", b"</OBS.R01>", b"<?xml ", b"<A.b V='", b"\xff", b"\x00"]


@given(st.lists(st.sampled_from(MARKUP), max_size=12), st.lists(st.integers(1, 7), max_size=60))
def test_hostile_markup_is_told_alike_in_any_split_and_to_the_last_byte(parts: list[bytes], sizes: list[int]) -> None:
    data = b"".join(parts)
    whole = split(data, document_max=64)
    assert split(data, sizes, document_max=64) == whole
    at = 0
    for event in [*whole, BadFrame(len(data), 0, b"", "")]:
        assert data[at : event.offset].strip(b" \t\r\n\x0b\x1c\x00") == b"", "bytes that nobody told of"
        at = event.offset + (len(event.raw) if isinstance(event, Document) else event.size)


def test_a_document_that_never_ends_is_given_up_at_the_limit_and_the_next_comes_out() -> None:
    events = split(b"<OBS.R01>" + b"x" * 500 + HEL, document_max=100)
    assert told(events)[0] == ("too long", 0, (b"<OBS.R01>" + b"x" * 91))
    assert told(events)[-1] == ("document", 509, HEL)


@given(st.lists(st.integers(1, 30), max_size=60))
def test_the_limit_is_met_at_the_same_byte_in_any_split(sizes: list[int]) -> None:
    data = b"<OBS.R01>" + b"<A>1</A>" * 40 + b"</OBS.R01>" + HEL
    assert split(data, sizes, document_max=100) == split(data, document_max=100)


def test_a_document_has_the_time_of_its_first_bytes() -> None:
    splitter = Splitter()
    splitter.feed(b"  <HEL", 5.0)
    (found,) = splitter.feed(b".R01/>", 9.0)
    assert isinstance(found, Document)
    assert found.at == 5.0


# ---- UTF-16, which every XML reader must know

WIDE = '<?xml version="1.0" encoding="UTF-16"?><KPA.R01><HDR><HDR.control_id V="\u00e4>\u20ac"/></HDR></KPA.R01>'


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["without a mark", "with a mark"])
def test_utf_16_documents_come_out_as_they_were_sent(encoding: str, mark: str) -> None:
    before, one = mark.encode(encoding), WIDE.encode(encoding)
    data = before + one + "\r\n".encode(encoding) + one
    expected = [("document", len(before), one), ("document", len(before) + len(one) + 4, one)]
    assert told(split(data)) == told(split(data, [1] * len(data))) == expected
    assert parse(one).control_id == "\u00e4>\u20ac"


def test_a_comment_before_a_prolog_is_no_part_of_the_document() -> None:
    data = b"<!-- </KPA.R01> -->\r\n" + KPA + b"<?pi <KPA.R01>?> <!-- x -->" + KPA
    first = data.index(KPA)
    expected = [("document", first, KPA), ("document", data.index(KPA, first + 1), KPA)]
    assert told(split(data)) == told(split(data, [1] * len(data))) == expected


def test_a_less_than_sign_in_a_value_ends_nothing() -> None:
    data = b'<OBS.R01><A V="<5"/><B V=\'<\'/><C V="<a><b>"/></OBS.R01>'
    expected = [("document", 0, data), ("document", len(data), KPA)]
    assert told(split(data + KPA)) == told(split(data + KPA, [1] * len(data))) == expected


def test_what_a_terminal_writes_before_each_line_is_garbage_and_the_document_behind_it_is_read() -> None:
    prolog, root = KPA.split(b"\r\n")
    lines = (b"[1.0]  Client 1: ", prolog, b"\r\n[1.0]  Client 1: ", root)
    data = b"".join(lines)
    expected = [
        ("garbage", 0, lines[0]),
        ("garbage", len(lines[0]), prolog + lines[2]),
        ("document", len(data) - len(root), root),
    ]
    assert told(split(data)) == told(split(data, [1] * len(data))) == expected


def test_a_byte_that_is_too_little_to_tell_is_told_at_the_end() -> None:
    assert told(split(b"x")) == [("garbage", 0, b"x")]


def test_whether_a_document_stood_in_a_frame() -> None:
    framed = b"\x0b\r\n" + HEL + b"\x1c\r" + KPA
    for sizes in (None, [1] * len(framed)):
        assert [one.framed for one in split(framed, sizes) if isinstance(one, Document)] == [True, False]
