"""Bytes of real analyzers and of the makers' examples, and a sum that shares nothing with the code under test."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

Framed = Callable[..., bytes]


@pytest.fixture
def framed() -> Framed:
    def make(number: int, text: bytes, end: bytes = b"\x03", tail: bytes = b"\r\n") -> bytes:
        total = 0
        body = str(number).encode() + text + end
        for byte in body:
            total = (total + byte) % 256
        return b"\x02" + body + "0123456789ABCDEF"[total // 16].encode() + "0123456789ABCDEF"[total % 16].encode() + tail

    return make


@pytest.fixture
def architect() -> bytes:
    """Abbott ARCHITECT: a whole message in one frame of 566 characters, the checksum the analyzer's own."""
    return (
        b"\x021H|\\^&|||ARCHITECT^1.00^123456789^H1P1O1R1C1Q1L1|||||||P|1|19930330133346\r"
        b"P|1|||PIDSID13|Patient^Im^A||19320122|F|||||Dr.Amesbury||||||||||||ParkClinic\r"
        b"O|1|SID13|SID3^A123^5|^^^123^Assay1^UNDILUTED^P|R||20010223081223||||||||||||||||||F\r"
        b"R|1|^^^0021^B-hCG^UNDILUTED^P^47331M100^00788^^F|< 1.20|mIU/mL|0.35 TO 4.94|EXP^<||F||||19990715081030|I20100\r"
        b"C|1|I|Example Result Comment|G\r"
        b"R|2|^^^0021^B-hCG^UNDILUTED^P^47331M100^00788^^I|NEGATIVE|||||F||||19990715081030|I20100\r"
        b"R|3|^^^0021^B-hCG^UNDILUTED^P^47331M100^00788^^P|9245|RLU||||F||||19990715081030|I20100\r"
        b"L|1|N\r\x0302\r\n"
    )


@pytest.fixture
def genexpert() -> bytes:
    r"""GeneXpert 6.4: delimiters @^\, escapes in the operator and the flag, and an R record with a delimiter too many."""
    return (
        b"\x021H|@^\\|GXM-2184461||.806149 Happy Hospital^GeneXpert^6.4|||||HNH-SENAITE||P|1394-97|20260923031504\r"
        b"P|1||||Jane Doe^^^^|||U|||||^\r"
        b"O|1|PR26A0042||^^^MTB-RIF|R|20260923030112|||||||||ORH||||||||||F\r"
        b"R|1|^MTB-RIF^^Xpert^Xpert MTB-RIF Ultra^4^MTB^|NOT DETECTED^|||||F||John \\R\\Doe|20260923025511|20260923030112|"
        b"Cepheid-44413S0\r"
        b"R|2|^MTB-RIF^^Xpert^^^SPC^|PASS^|||A\\R\\B||F||John Doe|20260923025511|20260923030112|Cepheid-44413S0\r"
        b"R|3|^MTB-RIF^^Xpert^^^SPC^Ct|^24.7|||||F||John Doe|20260923025511|20260923030112|Cepheid-44413S0|EXTRA\r"
        b"R|4|^MTB-RIF^^Xpert^^^SPC^EndPt|^159.0|||||F||John Doe|20260923025511|20260923030112|Cepheid-44413S0|\r"
        b"C|1|I|Notes^^Id# 118176 cp|I\r"
        b"L|1|N\r\x0354\r\n"
    )


@pytest.fixture
def sysmex() -> Sequence[bytes]:
    """Sysmex XN-550: a record a frame, each with ETX; the analyzer's checksums but for the patient, who is synthetic."""
    return (
        b"\x021H|\\^&|||    XN-550^00-24^22723^^^^BD634545||||||||E1394-97\r\x03C1\r\n",
        b"\x022P|1|||SYN-37182|^Patient,^Test||19700101|U\r\x0314\r\n",
        b"\x023C|1||POST HD\r\x031D\r\n",
        (
            b"\x024O|1||^^                    27^M|^^^^WBC\\^^^^RBC\\^^^^HGB\\^^^^HCT\\^^^^MCV\\^^^^MCH\\^^^^MCHC\\^^^^PLT\\^^^^RDW-SD\\"
            b"^^^^RDW-CV\\^^^^MPV\\^^^^NEUT#\\^^^^LYMPH#\\^^^^MONO#\\^^^^EO#\\^^^^BASO#\\^^^^NEUT%\\^^^^LYMPH%\\^^^^MONO%\\^^^^EO%\\"
            b"^^^^BASO%\\^^^^IG#\\^^^^IG%|||||||N||||||||||||||F\r\x0337\r\n"
        ),
        b"\x025C|1||\r\x032D\r\n",
        b"\x026R|1|^^^^WBC^1|8.13|10*3/uL||N||F||||20240627135407\r\x0353\r\n",
        b"\x027R|2|^^^^RBC^1|2.60|10*6/uL||N||F||||20240627135407\r\x034F\r\n",
        b"\x020R|3|^^^^HGB^1|8.0|g/dL||N||F||||20240627135407\r\x03A8\r\n",
        b"\x021R|4|^^^^HCT^1|22.7|%||L||F||||20240627135407\r\x03C8\r\n",
        b"\x022L|1|N\r\x0305\r\n",
    )
