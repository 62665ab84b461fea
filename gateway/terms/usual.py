"""Unit texts in one way of writing: what differs only in signs of one meaning (µ and u, l and L, 10^3 and x10³) is the same."""

from __future__ import annotations

import re

_SIGNS = str.maketrans("µμ\u00d7⁰¹²³⁴⁵⁶⁷⁸⁹", "uux0123456789")
_RAISED = re.compile(r"(?<![0-9])10(?=[⁰¹²³⁴-⁹])")
_POWER = re.compile(r"[xX]? ?10 ?(?:\^|\*\*?|[eE]|\()0?(\d{1,2})\)?(?=/|\Z)")
"""A power of ten: 10^3, 10*3, 10**3, 10E3, 10(3), 10^03, each with or without a sign of multiplication before it."""
_CUBIC_MM = re.compile(r"/ ?(?:mm\^3|cu\.? ?mm|cmm)\Z")
_LITRE = re.compile(r"(?<![A-Za-z])([dcmunpf]?)l(?![A-Za-z])")


def usual(text: str) -> str:
    """`text` as the tables write it, letters in their case but for the litre's, which UCUM has in both."""
    text = _RAISED.sub("10^", text).translate(_SIGNS)
    found = _POWER.match(text)
    if found is not None:
        text = f"10*{found[1]}{text[found.end() :]}"
    return _LITRE.sub(r"\1L", _CUBIC_MM.sub("/mm3", text))
