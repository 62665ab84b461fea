"""A LIVD file of either form: which one it is shows in its bytes."""

from __future__ import annotations

from gateway.errors import ActError
from gateway.mapping import livd_csv, livd_fhir
from gateway.mapping.livd import Table, judge

_SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""The first bytes of xlsx and xls."""


def read(data: bytes) -> Table:
    """The suggestions of a file. ActError says what it is instead, and what was expected."""
    if data.startswith(_SPREADSHEETS):
        raise ActError("it is a spreadsheet, and none of our libraries reads these: save the sheet as CSV (UTF-8)")
    text = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    version, rows = livd_fhir.read(text) if text[:1] in {b"{", b"["} else livd_csv.read(data)
    return judge(version, rows)
