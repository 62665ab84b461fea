"""Which protocol a device speaks by its first bytes, whatever heartbeats come before, and what it says of itself."""

from __future__ import annotations

import pytest

from gateway.acquire.first_bytes import protocol, says

ASTM, HL7, POCT, RAW = "astm", "hl7-lab", "poct1a", "raw"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\x05", ASTM),
        (b"\x00\x05", ASTM),
        (b"\x021H|\\^&", ASTM),
        (b"\x02\x02\x021H|", ASTM),
        (b"H|\\^&|||", ASTM),
        (b"\r\nH|\\^&", ASTM),
        (b"H`|^&", ASTM),
        (b"\x0bMSH|^~\\&|", HL7),
        (b"\x02\x02\x02\x02\x0bMSH|", HL7),
        (b"MSH|^~\\&|", HL7),
        (b"<?xml version='1.0'?>", POCT),
        (b"\xef\xbb\xbf<HEL.R01>", POCT),
        (b"\x0b<OBS.R01>", POCT),
        (b"\xff\xfe<\x00H\x00", POCT),
        (b"\x02D 000101", RAW),
        (b"GET / HTTP/1.1\r\n", RAW),
        (b"HELLO", RAW),
        (b"\x16\x03\x01", RAW),
        (b"mtrsl|", RAW),
    ],
)
def test_a_protocol_is_told_by_its_first_bytes(head: bytes, expected: str) -> None:
    assert protocol(head) == expected


@pytest.mark.parametrize("head", [b"", b"\x02", b"\x00\x00\r\n", b"\x02" * 300, b"\x0b", b"H", b"M", b"MS", b"\x02\x02\x0b"])
def test_what_may_still_become_anything_waits_for_more(head: bytes) -> None:
    assert protocol(head) is None


@pytest.mark.parametrize(
    ("spoken", "raw", "expected"),
    [
        (ASTM, b"\x05\x021H|\\^&|||XP-100^00-13^^^^A7869^BS649542||||||||E1394-97\rP|1\r", "XP-100^00-13^^^^A7869^BS649542"),
        (ASTM, b"\x021H|@^\\|id|pw|GeneX\x17A1\r\n\x022pert^6.4||\r\x03", "GeneXpert^6.4"),
        (ASTM, b"H|\\^&|||||||Atellica DM||P||20260101\r", "Atellica DM"),
        (ASTM, b"H|\\^&\rP|1\r", ""),
        (ASTM, b"P|1|H|x\r", ""),
        (ASTM, b"\x05\x021MSH|^~\\&|GeneXpert PC^GeneXpert|Lab|||\x17A1\r\n", "GeneXpert PC^GeneXpert Lab"),
        (HL7, b"\x0bMSH|^~\\&|BC-5130|Mindray|||2026||ORU^R01|1|P|2.3.1\r", "BC-5130 Mindray"),
        (HL7, b"\x0bMSH|^~\\&||||\r", ""),
        (
            POCT,
            b'<HEL.R01><DEV><DEV.device_id V="00-11"/><DEV.vendor_id V="NOVA"/><DEV.model_id V=\'SS\'/></DEV></HEL.R01>',
            "00-11 NOVA SS",
        ),
        (POCT, '<DEV.serial_id V="S1"/>'.encode("utf-16"), "S1"),
        (RAW, b"H|\\^&|||XN\r", ""),
        (ASTM, b"H|\\^&|||" + b"X" * 500 + b"\r", "X" * 120),
        (ASTM, b"H|\\^&|||A\x1b[2JB\r", "A[2JB"),
    ],
)
def test_what_a_device_says_of_itself_is_fit_for_a_screen(spoken: str, raw: bytes, expected: str) -> None:
    assert says(spoken, raw) == expected
