"""Device bytes written down as text: each way of writing gives back the one session it was made from by hand."""

from __future__ import annotations

import gzip

import pytest

from gateway.acquire.written import Written, hint, unwritten
from gateway.errors import ConfigError

SESSION = b"\x05\x021H|\\^&|||X\rL|1\r\x0306\r\n\x04"
DUMP_C = b"""00000000  05 02 31 48 7c 5c 5e 26  7c 7c 7c 58 0d 4c 7c 31  |..1H|\\^&|||X.L|1|
00000010  0d 03 30 36 0d 0a 04                              |..06...|
00000017
"""
XXD = b"""00000000: 0502 3148 7c5c 5e26 7c7c 7c58 0d4c 7c31  ..1H|\\^&|||X.L|1
00000010: 0d03 3036 0d0a 04                        ..06...
"""

NAMES = {
    "angles": b"<ENQ><STX>1H|\\^&|||X<CR>L|1<CR><ETX>06<CR><LF><EOT>",
    "a line a record": b"<ENQ>\r\n<STX>1H|\\^&|||X<CR>\r\n  L|1<CR>\r\n<ETX>06<CR><LF>\r\n<EOT>\r\n",
    "brackets, small": b"[enq][stx]1H|\\^&|||X[cr]L|1[cr][etx]06[cr][lf][eot]",
    "braces": b"{ENQ}{STX}1H|\\^&|||X{CR}L|1{CR}{ETX}06{CR}{LF}{EOT}",
    "a program's text": b"\\x05\\x021H|\\\\^&|||X\\rL|1\\r\\x0306\\r\\n\\x04",
    "a JSON log's text": b"\\u0005\\u00021H|\\\\^&|||X\\rL|1\\r\\u000306\\r\\n\\u0004",
    "octal digits": b"\\005\\0021H|\\\\^&|||X\\rL|1\\r\\00306\\r\\n\\004",
    "pictures": "␅␂1H|\\^&|||X␍L|1␍␃06␍␊␄".encode(),
    "line ends as they are": b"<ENQ><STX>1H|\\^&|||X\rL|1\r<ETX>06\r\n<EOT>",
}
HEX = {
    "blanks": SESSION.hex(" ").encode(),
    "close": SESSION.hex().upper().encode() + b"\n",
    "0x and commas": b", ".join(b"0x%02X" % byte for byte in SESSION),
    "hexdump -C": DUMP_C,
    "xxd": XXD,
}


@pytest.mark.parametrize("text", NAMES.values(), ids=list(NAMES))
def test_names_of_control_characters_are_the_characters(text: bytes) -> None:
    assert unwritten("ticket", text, Written.NAMES) == SESSION
    assert unwritten("ticket", text, Written.RAW) == text


@pytest.mark.parametrize("text", HEX.values(), ids=list(HEX))
def test_digits_are_bytes(text: bytes) -> None:
    assert unwritten("ticket", text, Written.HEX) == SESSION


@pytest.mark.parametrize(
    "text", [rb"MSH|^~\\&|A\rPID|1\rOBX|1|NM\r", b"\\u000bMSH|^~\\\\&|A\\r\\nPID|1\\r\\n"], ids=["a program's", "JSON"]
)
def test_hl7_in_a_programs_text_has_its_segments(text: bytes) -> None:
    segments = unwritten("log.json", text, Written.NAMES).lstrip(b"\x0b").split(b"\r")
    assert segments[0] == rb"MSH|^~\&|A"
    assert segments[1].strip() == b"PID|1"


def test_a_backslash_before_a_letter_is_a_delimiter_where_names_are_in_angles() -> None:
    assert unwritten("ticket", b"<STX>^^^WBC\\rbc<ETX>", Written.NAMES) == b"\x02^^^WBC\\rbc\x03"


LINES = b"""1H|\\^&|||XN530
AA
4C|1||
2C
5L|1|N
08
"""


@pytest.mark.parametrize(
    "text", [LINES, b"\xef\xbb\xbf" + LINES.replace(b"\n", b"\r\n\r\n")], ids=["as it is", "with empty lines"]
)
def test_a_line_is_a_frame_and_the_next_its_checksum(text: bytes) -> None:
    frames = b"\x021H|\\^&|||XN530\r\x03AA\r\n\x024C|1||\r\x032C\r\n\x025L|1|N\r\x0308\r\n"
    assert unwritten("ticket", text, Written.LINES) == b"\x05" + frames + b"\x04"


@pytest.mark.parametrize("ahead", ["28/01/2024 16:55:17 \tIn: \t", "2024-01-28 16:55:17,123 INFO ", "[16:55:17] rx <- "])
def test_a_log_may_say_ahead_of_each_frame_when_it_came(ahead: str) -> None:
    text = LINES.replace(b"1H|", ahead.encode() + b"1H|").replace(b"4C|", ahead.encode() + b"4C|")
    assert unwritten("ticket", text, Written.LINES) == unwritten("ticket", LINES, Written.LINES)
    assert "--bytes lines" in hint(text)


def test_a_line_without_a_checksum_is_a_frame_without_one() -> None:
    assert unwritten("ticket", b"1H|\\^&\n2L|1\n", Written.LINES) == b"\x05\x021H|\\^&\r\x03\r\n\x022L|1\r\x03\r\n\x04"


CUT = b"4O|1||^^  866426^M|^^^^EO%D3\n5\\^^^^BASO%|||||||N\n15\n6L|1|N\n09\n"
"""A record that ETB parts: 4O|…EO% and ETB sum up to 0xD3, what follows with CR and ETX to 0x15."""


def test_a_checksum_at_a_lines_end_says_that_etb_cut_the_record_there() -> None:
    frames = b"\x024O|1||^^  866426^M|^^^^EO%\x17D3\r\n\x025\\^^^^BASO%|||||||N\r\x0315\r\n\x026L|1|N\r\x0309\r\n\x04"
    assert unwritten("ticket", CUT, Written.LINES) == frames


def test_digits_at_a_lines_end_that_are_no_checksum_are_text() -> None:
    text = CUT.replace(b"%D3", b"%98")
    assert b"^^^^EO%98\r\x03\r\n\x026L" in unwritten("ticket", text, Written.LINES)


def test_a_log_may_have_every_checksum_at_its_lines_end() -> None:
    text = b"1H|\\^&|||XN53097\n4C|1||2C\n5L|1|N08\n"
    frames = b"\x021H|\\^&|||XN530\r\x0397\r\n\x024C|1||\r\x032C\r\n\x025L|1|N\r\x0308\r\n"
    assert unwritten("ticket", text, Written.LINES) == b"\x05" + frames + b"\x04"


def test_messages_whose_frames_are_numbered_on_are_one_transmission() -> None:
    frames = b"\x021H|\r\x03\r\n\x022L|1\r\x03\r\n\x023H|\r\x03\r\n\x024L|1\r\x03\r\n"
    assert unwritten("ticket", b"1H|\n2L|1\n3H|\n4L|1\n", Written.LINES) == b"\x05" + frames + b"\x04"
    ended = frames.replace(b"\x023H", b"\x04\x05\x021H").replace(b"\x024L", b"\x022L")
    assert unwritten("ticket", b"1H|\n2L|1\n1H|\n2L|1\n", Written.LINES) == b"\x05" + ended + b"\x04"


def test_a_record_that_ends_with_etb_is_told_by_its_checksum() -> None:
    assert unwritten("ticket", b"2P|1||\n4B\n", Written.LINES) == b"\x022P|1||\r\x174B\r\n"


@pytest.mark.parametrize("text", [b"05 02 3", b"05 zz", b"05 02\nhello"], ids=["half a byte", "no digits", "a word"])
def test_what_is_no_digit_is_refused_with_its_line(text: bytes) -> None:
    with pytest.raises(ConfigError, match=r"ticket, line \d: .* hexadecimal"):
        unwritten("ticket", text, Written.HEX)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (NAMES["angles"], "--bytes names"),
        (NAMES["a program's text"], "--bytes names"),
        (HEX["blanks"], "--bytes hex"),
        (DUMP_C, "--bytes hex"),
        (XXD * 100, "--bytes hex"),
        (LINES, "--bytes lines"),
        (gzip.compress(SESSION, mtime=0), "unpack"),
        (b"PK\x03\x04rest", "unpack"),
        ("\ufeffH|\\^&".encode("utf-16-le"), "UTF-16"),
    ],
)
def test_a_file_that_was_not_understood_says_what_it_seems_to_be(data: bytes, told: str) -> None:
    assert told in hint(data)


@pytest.mark.parametrize("data", [b"", b"\n", SESSION, b"H|\\^&\rL|1\r", bytes(range(256)), b"SPO2=098 HR=072\r\n"])
def test_nothing_is_said_of_what_says_nothing(data: bytes) -> None:
    assert hint(data) == ""


ONE_FRAME = b"\x05\x021H|\\^&|||X\rL|1\r\x03B7\r\n\x04"


def test_records_of_one_frame_may_stand_on_lines_of_their_own() -> None:
    assert unwritten("log", b"1H|\\^&|||X\nL|1\nB7\n", Written.LINES) == ONE_FRAME
    assert unwritten("log", b"1H|\\^&|||X\r\nL|1B7\r\n", Written.LINES) == ONE_FRAME


def test_records_of_a_log_that_escapes_their_ends_are_told_by_them() -> None:
    text = b"H|\\\\^&|||X\\rO|1||||^^^A\\\\^^^B\\rL|1|N\\r"
    assert hint(text) == "it spells control characters, as <STX>: try --bytes names"
    assert unwritten("log", text, Written.NAMES) == b"H|\\^&|||X\rO|1||||^^^A\\^^^B\rL|1|N\r"
