"""LIVD as a table: the columns of the IICC format and of public health's files, however they are spelled."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence

from gateway.errors import ActError
from gateway.mapping.livd import Suggestion, cell

HEAD_WITHIN = 30
"""Rows in which the head must come: a title and notes may stand before it."""

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "maker": ("manufacturer", "manufacturername", "vendor", "vendorname"),
    "model": ("model", "modelname", "instrumentmodel", "devicemodel", "instrument"),
    "code": ("vendoranalytecode", "analytecode", "vendortestcode", "vendortransmissioncode", "transmissioncode"),
    "analyte": ("vendoranalytename", "analytename", "vendortestname"),
    "specimen": ("vendorspecimendescription", "specimendescription", "vendorspecimen", "specimen"),
    "result": ("vendorresultdescription", "resultdescription", "vendorresult", "vendorunits", "resultunits", "units", "unit"),
    "loinc": ("testperformedloinccode", "testperformedloinc", "loinccode", "loinc"),
    "name": ("testperformedloinclongname", "loinclongname", "loinclongcommonname", "longcommonname", "longname"),
    "prop": ("property", "loincproperty"),
    "version": ("publicationversionid", "publicationversion"),
}
"""What a row says, and the heads under which it stands: letters and digits alone, in lower case."""
_NEEDED = ("code", "loinc")
_SQUASHED = re.compile(r"[\W_]+")
_LOINC = re.compile(r"\d{1,7}-\d", re.ASCII)


def read(data: bytes) -> tuple[str, list[Suggestion]]:
    """The publication version, and every row. ActError when it is no such table."""
    rows = _rows(_text(data))
    head: Mapping[str, int] = {}
    for number, row in rows:
        head = _head(row)
        if all(name in head for name in _NEEDED):
            break
        if number > HEAD_WITHIN:
            head = {}
            break
    if not all(name in head for name in _NEEDED):
        raise ActError(f"no head in the first {HEAD_WITHIN} rows names Vendor Analyte Code and a LOINC code: is it a LIVD table?")
    found: list[Suggestion] = []
    version = ""
    for number, row in rows:
        told = {name: row[place] if place < len(row) else "" for name, place in head.items()}
        version = max(version, told.get("version", "").strip())  # each row has its own
        if any(text.strip() for text in told.values()):
            found += _suggestions(number, told)
    return version, found


def _text(data: bytes) -> str:
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")  # what a spreadsheet program of an older Windows saves


def _rows(text: str) -> Iterator[tuple[int, Sequence[str]]]:
    """(number of the row, its cells). Cells may hold several lines."""
    delimiter = max(",;\t", key=text[:4096].count)
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
    try:
        yield from enumerate(reader, 1)
    except csv.Error as error:
        raise ActError(f"line {reader.line_num}: not CSV: {error}") from None


def _head(row: Sequence[str]) -> dict[str, int]:
    names = [_SQUASHED.sub("", text.casefold()) for text in row]
    found = {what: next((names.index(one) for one in spelled if one in names), -1) for what, spelled in COLUMNS.items()}
    return {what: place for what, place in found.items() if place >= 0}


def _suggestions(number: int, told: Mapping[str, str]) -> Iterator[Suggestion]:
    """A cell may name several models, codes or LOINC codes, a line each."""
    loincs = _LOINC.findall(told["loinc"]) or [told["loinc"].strip()]
    for model in cell(told.get("model", "")).split("; "):
        for code in cell(told["code"]).split("; "):
            for loinc in loincs:
                yield Suggestion(
                    place=f"row {number}",
                    maker=cell(told.get("maker", "")),
                    model=model,
                    code=code,
                    analyte=cell(told.get("analyte", "")),
                    specimen=cell(told.get("specimen", "")),
                    result=cell(told.get("result", "")),
                    loinc=loinc,
                    name=" ".join(told.get("name", "").split()),
                    prop=told.get("prop", "").strip(),
                )
