"""Tables that people give: CSV with a head, or a JSON list of objects with the same keys. What is wrong is told with its line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.errors import ActError

SIZE_MAX = 16 * 1024 * 1024
"""Bytes of a file: a hundred thousand rows; a disk image given by mistake is none."""
BEYOND = "more than the head has"
"""The column of what stands in a row behind the last one that the head names."""

Row = Mapping[str, Any]
"""Texts of CSV; of JSON whatever stands there. Columns without a value may be missing."""


def rows(data: bytes, columns: Sequence[str], needed: Sequence[str]) -> Iterator[tuple[str, Row]]:
    """The rows, each with its place in words; a head has all columns that are `needed`. ActError for what is no such table."""
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode().lstrip()
    except UnicodeDecodeError as error:
        raise ActError(f"byte {error.start}: got {data[error.start]:#04x}; expected CSV or JSON in UTF-8") from None
    for where, row in _json(text) if text[:1] in ("[", "{") else _csv(text, needed):
        if strange := [str(key)[:40] for key in row if key not in columns]:
            raise ActError(f"{where}: got {', '.join(strange)}; expected only {', '.join(columns)}")
        yield where, row


def _json(text: str) -> Iterator[tuple[str, Row]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ActError(f"not JSON: {error}") from None
    for n, row in enumerate(found if isinstance(found, list) else [found], 1):
        if not isinstance(row, dict):
            raise ActError(f"entry {n}: got {type(row).__name__}, expected an object")
        yield f"entry {n}", row


def _csv(text: str, needed: Sequence[str]) -> Iterator[tuple[str, Row]]:
    head = text.split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=";" if head.count(";") > head.count(",") else ",", restkey=BEYOND)
    if not set(needed) <= set(reader.fieldnames or ()):
        raise ActError(
            f"line 1: got {head[:80]!r}; expected a head with the column{'s' * (len(needed) > 1)} {' and '.join(needed)}"
        )
    try:
        for row in reader:
            yield f"line {reader.line_num}", {key: value for key, value in row.items() if value}
    except csv.Error as error:
        raise ActError(f"line {reader.line_num}: not CSV: {error}") from None


def moment(text: str, where: str) -> datetime | None:
    """ISO 8601 with an offset; None when empty. Raises ActError."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ActError(f"{where}: got the time {text!r}, expected ISO 8601 with an offset, such as 2026-11-21T08:00:00+01:00")
    return found
