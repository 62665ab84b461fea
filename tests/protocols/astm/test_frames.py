"""Frames: checksums and endings as analyzers and makers write them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from protocols.astm.checksums import checksum
from protocols.astm.frames import OVER, QUIET, Frame, Scanner, frame
from protocols.astm.profile import LinkProfile
from protocols.sansio import BadFrame

REAL = [
    ("1H|\\^&|||MHR1^001^1.0.0|||||||P|LIS2-A2|20170323162715\r\x03", 0xD9),  # Horiba Micros
    ("2P|1|||||||||||||||||||||||||||||||||||\r\x03", 0x33),
    ("3O|1|NUMSID^01^006947^7||^^^DIF||||||||||||||||AP^STANDARD(m)|||||F|||||\r\x03", 0x38),
    ("5M|2|SETTING|RUO\\5DIFF|TRUE\\FALSE\r\x03", 0x79),
    ("1H|\\^&|||ACCP1|||||Host||P|1|20141217090209\r\x03", 0xE2),  # Beckman Access 2
    ("1H|\\^&|||Mini LIS||||||||LIS2-A|20210309142633\r\x03", 0x96),
    ("3O|1|SID305||ABO|N|20210309142633|||||N||||CENTBLOOD\r\x03", 0x4B),
    ("4L|1|N\r\x03", 0x07),
    ("5R|3|^^^Glucose|93|mg/dL^P||A/M0/T1||201505261150\r\x17", 0x74),  # Bayer Contour Next Link
    ("7L|1|N\r\x17", 0x1E),  # YHLO iFlash 3000
    ("1H|\\^&|||^^||||||ASCII|PR|1394-97|20180120110408\r\x03", 0xA6),
]


@pytest.mark.parametrize(("body", "expected"), REAL)
def test_checksum_of_real_frames(body: str, expected: int) -> None:
    assert checksum(body.encode()) == expected


@pytest.mark.parametrize("size", [0, 1, 254, 255, 256, 257, 511, 512, 513, 63_993])
def test_checksum_of_any_length(size: int) -> None:
    """FF is 256 less 1, so that many of them take as many away from the ETX."""
    assert checksum(b"\xff" * size + b"\x03") == (3 - size) % 256
    assert checksum(bytearray(b"\x00" * size + b"\x03")) == 3


@pytest.mark.parametrize(("body", "expected"), REAL)
def test_frame_is_built_as_the_analyzer_built_it(body: str, expected: int) -> None:
    built = frame(int(body[0]), body[1:-1].encode(), last=body[-1] == "\x03")
    assert built == b"\x02" + body.encode() + f"{expected:02X}".encode() + b"\r\n"


def test_frame_numbers_wrap_after_seven() -> None:
    assert [frame(n, b"", last=True)[1:2] for n in (6, 7, 8, 9)] == [b"6", b"7", b"0", b"1"]


def _scan(data: bytes, **profile: Any) -> list[object]:
    scanner = Scanner(LinkProfile(**profile))
    scanner.feed(data, 1.0)
    return list(scanner.items(OVER))


BODY = b"4L|1|N\r"


@pytest.mark.parametrize(
    ("profile", "tail", "sound"),
    [
        ({}, b"07\r\n", True),
        ({}, b"07\r", True),
        ({}, b"07\n", True),
        ({}, b"07", True),
        ({}, b"08\r\n", False),
        ({}, b"0\r\n", False),
        ({}, b"\r\n", False),
        ({}, b" 7\r\n", False),
        ({}, b"+7\r\n", False),
        ({}, b"0x\r\n", False),
        ({"checksum": "if-present"}, b"\r\n", True),
        ({"checksum": "if-present"}, b"", True),
        ({"checksum": "if-present"}, b"07\r\n", True),
        ({"checksum": "if-present"}, b"08\r\n", False),
        ({"checksum": "none"}, b"\r\n", True),
        ({"checksum": "none"}, b"08\r\n", True),
        ({"checksum": "none"}, b"", True),
        ({"frame_end": "none"}, b"07", True),
        ({"frame_end": "CR"}, b"07\r", True),
        ({"frame_end": "LF"}, b"07\n", True),
    ],
)
def test_what_follows_etx(profile: dict[str, Any], tail: bytes, *, sound: bool) -> None:
    (item,) = _scan(b"\x02" + BODY + b"\x03" + tail, **profile)
    assert isinstance(item, Frame)
    assert (item.body, item.last, item.sound, item.raw) == (BODY, True, sound, b"\x02" + BODY + b"\x03" + tail)


@pytest.mark.parametrize("digits", [b"C8", b"c8"])
def test_checksum_digits_are_compared_without_case(digits: bytes) -> None:
    (item,) = _scan(b"\x021R|4|^^^^HCT^1|22.7|%||L||F||||20240627135407\r\x03" + digits + b"\r\n")
    assert isinstance(item, Frame)
    assert item.sound


@pytest.mark.parametrize("digits", [b"AB", b"Ab", b"aB", b"ab"])
def test_mixed_case_digits_too(digits: bytes) -> None:
    """The sum of "0R|27|…Left_Shift?…" of an XN-550 is AB."""
    (item,) = _scan(b"\x020R|27|^^^^Left_Shift?|0|||||F||||20240627135407\r\x03" + digits + b"\r\n")
    assert isinstance(item, Frame)
    assert item.sound


def test_a_text_file_with_lf_for_cr_keeps_its_checksum(sysmex: Sequence[bytes]) -> None:
    """Editors turn the CR of a capture into LF; the checksum is then the analyzer's over CR."""
    for original in sysmex:
        (item,) = _scan(original.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
        assert isinstance(item, Frame)
        assert item.sound
        assert item.body.endswith(b"\r")


def test_damage_in_such_a_file_is_still_seen(sysmex: Sequence[bytes]) -> None:
    (item,) = _scan(sysmex[5].replace(b"\r", b"\n").replace(b"8.13", b"8.14"))
    assert isinstance(item, Frame)
    assert not item.sound


@pytest.mark.parametrize(
    ("data", "reason", "size"),
    [
        (b"\x024L|1", "truncated", 5),
        (b"noise", "garbage", 5),
        (b"\x021H" + b"x" * 300, "too long", 243),
    ],
)
def test_what_is_no_frame_says_why(data: bytes, reason: str, size: int) -> None:
    first = _scan(data, frame_max=247, mode="framed")[0]
    assert isinstance(first, BadFrame)
    assert (first.offset, first.size, first.reason) == (0, size, reason)


def test_a_frame_of_64000_bytes_passes_and_one_more_does_not(framed: Callable[..., bytes]) -> None:
    text = b"R|1|" + b"x" * (64_000 - 7 - 4)
    whole = framed(1, text)
    assert len(whole) == 64_000
    (item,) = _scan(whole)
    assert isinstance(item, Frame)
    assert item.sound
    longer = _scan(framed(1, text + b"xxxx"))
    assert next(item.reason for item in longer if isinstance(item, BadFrame)) == "too long"
    assert not any(isinstance(item, Frame) for item in longer)


def test_heartbeats_between_transmissions_are_nothing() -> None:
    assert _scan(b"\x00\x00\x02\x02\x02\r\n\x00") == []
    assert _scan(b"\x10\x10", heartbeat=b"\x10") == []


def test_only_silence_ends_a_frame_without_its_cr_lf() -> None:
    scanner = Scanner(LinkProfile())
    scanner.feed(b"\x02" + BODY + b"\x0307", 1.0)
    assert list(scanner.items()) == []
    assert scanner.undecided
    (item,) = scanner.items(QUIET)
    assert isinstance(item, Frame)
    assert not scanner.pending
