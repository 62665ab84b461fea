"""R records with an empty field more or less than the standard has: put right, so that all is read where it belongs."""

from __future__ import annotations

import re
from collections.abc import Mapping

from drivers.lab.message_tree import Result, Tree
from drivers.lab.profile import AstmOptions
from protocols.astm.records import Record

_RANGE_AT = 6
_RANGE = re.compile(r"[+-]?\d+(?:\.\d+)?\s*(?:to|-)\s*[+-]?\d+(?:\.\d+)?\Z", re.IGNORECASE)
_STATUSES = ("F", "C", "P", "X")
"""What R.9 says and R.8, the nature of the range, never does."""


def aligned(tree: Tree, options: AstmOptions) -> Tree:
    """The tree with its results aligned: always, or where they are seen to be shifted ("3.8 to 11.8" in R.7 is no flag)."""
    moved = {int(to[2:]): int(at[2:]) for to, at in options.result_fields.items()}
    results = [result for specimen in tree.specimens for result in specimen.results]
    mode = options.blank_before_range
    if mode == "always" or (mode == "seen" and _shifted(results)):
        for result in results:
            result.record = _without(result.record, _RANGE_AT)
    if moved:
        for result in results:
            result.record = _moved(result.record, moved)
    if options.status_in_8:
        for result in results:
            result.record = _lengthened(result.record)
    return tree


def _moved(record: Record, moved: Mapping[int, int]) -> Record:
    """The record with fields where the standard has them; where they came from is empty then."""
    fields = _fields(record)
    kept = ["" if n in moved.values() else text for n, text in enumerate(fields, 1)]
    kept += [""] * (max(moved) - len(kept))
    for to, at in moved.items():
        kept[to - 1] = fields[at - 1] if at <= len(fields) else ""
    return _of(kept, record)


def _shifted(results: list[Result]) -> bool:
    """Whether R.6 is empty in all and R.7 a range in some."""
    records = [result.record for result in results]
    ranges = any(_RANGE.match(record.component(_RANGE_AT + 1, 1).strip()) for record in records)
    return ranges and not any(record.field(_RANGE_AT).strip() for record in records)


def _without(record: Record, n: int) -> Record:
    fields = _fields(record)
    if len(fields) < n or fields[n - 1].strip():
        return record
    del fields[n - 1]
    return _of(fields, record)


def _lengthened(record: Record) -> Record:
    """The record with the empty field before its flag that it lacks, if its status stands in R.8."""
    fields = _fields(record)
    if record.field(8).strip().upper() not in _STATUSES or record.field(9).strip():
        return record
    fields.insert(_RANGE_AT - 1, "")
    return _of(fields, record)


def _fields(record: Record) -> list[str]:
    mark = record.delimiters.field
    return record.text.split(mark) if mark else [record.text]


def _of(fields: list[str], record: Record) -> Record:
    return Record(record.type, record.delimiters.field.join(fields), record.delimiters)
