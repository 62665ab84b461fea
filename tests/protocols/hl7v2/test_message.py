"""Escaping and parsing against HL7 2.7 and messages of real senders."""

from __future__ import annotations

import hl7 as python_hl7
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.hl7v2.message import Delimiters, escape, field, parse, segment, unescape

MINDRAY = (
    b"MSH|^~\\&|MINDRAY_D-SERIES^00A037009A0053DE^EUI-64||||20190929092150000||ORU^R01^ORU_R01|374|P|2.6|||AL|NE||UNICODE UTF-8"
    b"|||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO\n"
    b"PID|||^^^Hospital^PI||^^^^^^L\nPV1||I\n"
    b"OBR|1||374^MINDRAY_D-SERIES^00A037009A0053DE^EUI-64|CONTINUOUS WAVEFORM|||20190929092149610|20190929092150610\n"
    b"OBX|1|NA|151780^MDC_IMPED_TTHOR^MDC|1.7.1.151780|0^0^-3\n"
)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        pytest.param("a|b", "a\\F\\b", id="field separator"),
        pytest.param("a^b", "a\\S\\b", id="component separator"),
        pytest.param("a&b", "a\\T\\b", id="subcomponent separator"),
        pytest.param("a~b", "a\\R\\b", id="repetition separator"),
        pytest.param("a\\b", "a\\E\\b", id="escape character"),
        pytest.param("\\F\\", "\\E\\F\\E\\", id="text that looks like an escape"),
        pytest.param("a\r\nb", "a\\X0D\\\\X0A\\b", id="line ends are data, never a segment's end"),
        pytest.param("\x00\x0b\x1c", "\\X00\\\\X0B\\\\X1C\\", id="NUL and the framing bytes of MLLP"),
        pytest.param("a\u2028b\x85c", "a\\XE280A8\\b\\XC285\\c", id="line ends of Unicode as UTF-8 octets"),
        pytest.param('""', "\\X2222\\", id="two quotation marks alone never mean delete"),
        pytest.param('"a"', '"a"', id="quotation marks in a text are text"),
        pytest.param("Größe µ 心", "Größe µ 心", id="letters of the charset stand as they are"),
    ],
)
def test_escape(text: str, escaped: str) -> None:
    assert escape(text) == escaped
    assert unescape(escaped) == text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a\\.br\\b", "a\nb"),
        ("\\H\\bold\\N\\", "bold"),
        ("\\X0D0A\\", "\r\n"),
        ("\\XZZ\\", "\\XZZ\\"),
        ("100\\", "100\\"),
        ("\\Cxxyy\\", "\\Cxxyy\\"),
        ("\\Z03BC\\g/L", "μg/L"),
        ("\\ZD800\\", "\\ZD800\\"),
        ("\\Zoo\\", "\\Zoo\\"),
    ],
)
def test_other_senders_escapes(text: str, plain: str) -> None:
    assert unescape(text) == plain


def test_fields_lose_empty_components_at_their_end_only() -> None:
    assert field("SYN-1", "", "", ("HOSP", "1.2.3", "ISO"), "MR", "") == "SYN-1^^^HOSP&1.2.3&ISO^MR"
    assert segment("PID", "", "", "1", "", "") == "PID|||1\r"


def test_a_real_monitors_message() -> None:
    """A bedside monitor's waveform message with LF segment ends."""
    message = parse(MINDRAY)
    assert message is not None
    assert [one.name for one in message.segments] == ["MSH", "PID", "PV1", "OBR", "OBX"]
    assert (message.text("MSH", 1), message.text("MSH", 2), message.text("MSH", 10)) == ("|", "^~\\&", "374")
    assert (message.text("MSH", 3, 2), message.text("MSH", 21, 3)) == ("00A037009A0053DE", "1.3.6.1.4.1.19376.1.6.1.1.1")
    assert [message.text("OBX", 5, n) for n in (1, 2, 3, 4)] == ["0", "0", "-3", ""]


@pytest.mark.parametrize(
    ("data", "codec", "name"),
    [
        pytest.param("MSH|^~\\&|Größe\r".encode(), "utf-8", "Größe", id="nothing declared, UTF-8"),
        pytest.param("MSH|^~\\&|Größe\r".encode("latin-1"), "latin-1", "Größe", id="nothing declared, one byte a letter"),
        pytest.param(
            "MSH|^~\\&|Größe€|||||||||||||||8859/1\r".encode("cp1252"), "cp1252", "Größe€", id="8859/1 as Windows means it"
        ),
        pytest.param("MSH|^~\\&|Größe|||||||||||||||ASCII\r".encode(), "utf-8", "Größe", id="ASCII declared, UTF-8 sent"),
        pytest.param("MSH|^~\\&|飞测|||||||||||||||GBK\r".encode("gbk"), "gb18030", "飞测", id="a word that table 0211 lacks"),
        pytest.param(b"\xef\xbb\xbfMSH|^~\\&|A\r", "utf-8", "A", id="a byte order mark"),
    ],
)
def test_charsets(data: bytes, codec: str, name: str) -> None:
    message = parse(data)
    assert message is not None
    assert message.text("MSH", 3) == name
    assert message.codec == codec


@pytest.mark.parametrize("padding", ["", "    ", "\t", "\x02\x02"])
def test_blanks_and_heartbeats_before_a_segment_are_no_part_of_its_name(padding: str) -> None:
    message = parse(f"{padding}MSH|^~\\&|A\r\n{padding}PID|1||P\r\n{padding}OBX|1|ST|X||  two  blanks\r\n{padding}".encode())
    assert message is not None
    assert [one.name for one in message.segments] == ["MSH", "PID", "OBX"]
    assert message.text("OBX", 5) == "  two  blanks"


def test_a_line_that_goes_on_with_a_field_keeps_its_blanks() -> None:
    message = parse(b"MSH|^~\\&|A\rOBX|1|ST|X||HbA1c\n  HBA1C(IFCC)|9.3\r", broken=True)
    assert message is not None
    assert message.text("OBX", 5) == "HbA1c\n  HBA1C(IFCC)"


@pytest.mark.parametrize("data", [b"", b"MSH", b"MSHA^~\\&A", b"MSH|^^\\&|", b"MSH|^a\\&|", b"PID|1\r", b"MSH ^~\\& "])
def test_what_is_no_message_is_none(data: bytes) -> None:
    assert parse(data) is None


def test_delimiters_that_msh_2_leaves_out_have_their_recommended_values() -> None:
    for data in (b"MSH|||", b"MSH|^|", b"MSH|^~|", b"MSH|^~\\|"):
        message = parse(data)
        assert message is not None
        assert message.delimiters == Delimiters("|", "^", "~", "\\", "&")


def test_the_peers_own_delimiters_are_read() -> None:
    message = parse(b"MSH#:!@%#A:B%C!D\rNTE#1##x@F@y@S@z\r")
    assert message is not None
    assert message.delimiters == Delimiters("#", ":", "!", "@", "%")
    assert (message.text("MSH", 3, 2), message.text("NTE", 3)) == ("B", "x#y:z")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.binary(max_size=120).map(lambda noise: b"MSH|^~\\&|" + noise))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    message = parse(data)
    for found in message.segments if message else ():
        for number in range(len(found.fields) + 2):
            found.text(number)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.text(max_size=12), min_size=1, max_size=4), min_size=1, max_size=5))
def test_any_text_comes_back(fields: list[list[str]]) -> None:
    line = segment("ZZZ", *(field(*components) for components in fields))
    assert line.count("\r") == 1
    message = parse(b"MSH|^~\\&|||||||||||||||UNICODE UTF-8\r" + line.encode("utf-8", "replace"))
    assert message is not None
    found = message.segments[-1]
    for number, components in enumerate(fields, 1):
        assert [found.text(number, n) for n in range(1, len(components) + 1)] == components


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=30))
def test_another_parser_sees_the_same_segments(text: str) -> None:
    """The PyPI package hl7 splits our message as we do."""
    body = segment("MSH", "^~\\&", "A") + segment("NTE", "1", "", escape(text)) + segment("NTE", "2", "", "end")
    other = python_hl7.parse(body)
    assert [str(one[0]) for one in other] == ["MSH", "NTE", "NTE"]
    assert str(other[2][3]) == "end"
