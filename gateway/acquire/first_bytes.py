"""What an unknown device's first bytes tell: which protocol it speaks, and what it says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

ASTM, HL7, POCT1A, RAW = "astm", "hl7-lab", "poct1a", "raw"
"""Drivers' ids, and what no driver is spoken with."""
SAYS_MAX = 120
"""Characters of what a device says of itself: a line on a screen; makers write name, version and serial number in sixty."""
FILL = b"\x00\x02\r\n \t\xef\xbb\xbf"
"""What may stand before the first byte that means something: heartbeats (Mindray's 02), line ends, a byte order mark."""

_FRAME_CUT = re.compile(rb"[\x03\x17][0-9A-Fa-f]{0,2}\r?\n?\x02?[0-7]?")
_H = re.compile(rb"(?:^|[\r\n\x02\x05])[0-7]? *(H[^\sA-Za-z0-9][^\r\n]*)")
_MSH = re.compile(rb"MSH([^\sA-Za-z0-9])([^\r\n]*)")
_DEV = re.compile(rb"<DEV\.(manufacturer_name|vendor_id|model_id|device_name|device_id|serial_id)\s[^>]*?V\s*=\s*[\"']([^\"']*)")


def protocol(head: bytes) -> str | None:
    """The protocol of a call that begins with `head`; None: more bytes are needed to tell."""
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"}:  # XML in UTF-16
        return POCT1A
    rest = head.lstrip(FILL)
    if not rest or rest in {b"\x0b", b"M", b"MS", b"H"}:
        return None
    body = rest[1:].lstrip(FILL) if rest[:1] == b"\x0b" else rest
    if body[:1] == b"<":
        return POCT1A
    if rest[:1] == b"\x0b" or rest[:3] == b"MSH":
        return HL7
    framed = head[: len(head) - len(rest)].endswith(b"\x02") and rest[:1].isdigit()
    if rest[:1] == b"\x05" or framed or (rest[:1] == b"H" and not rest[1:2].isalnum()):
        return ASTM
    return RAW


def says(spoken: str, raw: bytes) -> str:
    """What the device says of itself in `raw`: H.5 (or H.9), MSH-3 and MSH-4, or what the HEL message has of it; "": nothing."""
    told = {ASTM: _of_header, HL7: _of_msh, POCT1A: _of_hello}.get(spoken, lambda _: ())(raw)
    text = " ".join(dict.fromkeys(filter(None, (_plain(one) for one in told))))
    return text[:SAYS_MAX]


def _of_header(raw: bytes) -> Iterator[bytes]:
    text = _FRAME_CUT.sub(b"", raw)
    if (found := _H.search(text)) is None:
        yield from _of_msh(text)  # HL7 in ASTM frames, as a GeneXpert sends it after a change of protocol
    else:
        fields = found[1].split(found[1][1:2])
        yield next((fields[n - 1] for n in (5, 9) if n <= len(fields) and fields[n - 1].strip()), b"")


def _of_msh(raw: bytes) -> Iterable[bytes]:
    found = _MSH.search(raw)
    return () if found is None else found[2].split(found[1])[1:3]


def _of_hello(raw: bytes) -> Iterator[bytes]:
    if raw[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raw = raw.decode("utf-16", "replace").encode()
    for _, value in _DEV.findall(raw):
        yield value


def _plain(text: bytes) -> str:
    return "".join(char for char in text.decode("utf-8", "replace") if char.isprintable()).strip(" ^&~")
