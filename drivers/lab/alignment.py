"""R records with an empty field more than the standard has: taken out, so that what stands behind it is read where it belongs."""

from __future__ import annotations

import re
from typing import Literal

from drivers.lab.message_tree import Tree
from protocols.astm.records import Record

_RANGE_AT = 6
_RANGE = re.compile(r"[+-]?\d+(?:\.\d+)?\s*(?:to|-)\s*[+-]?\d+(?:\.\d+)?\Z", re.IGNORECASE)


def aligned(tree: Tree, mode: Literal["never", "seen", "always"]) -> Tree:
    """The tree with its results aligned: always, or where they are seen to be shifted ("3.8 to 11.8" in R.7 is no flag)."""
    records = [result.record for specimen in tree.specimens for result in specimen.results]
    if mode == "always" or (mode == "seen" and _shifted(records)):
        for specimen in tree.specimens:
            for result in specimen.results:
                result.record = _without(result.record, _RANGE_AT)
    return tree


def _shifted(records: list[Record]) -> bool:
    """Whether R.6 is empty in all and R.7 a range in some."""
    ranges = any(_RANGE.match(record.component(_RANGE_AT + 1, 1).strip()) for record in records)
    return ranges and not any(record.field(_RANGE_AT).strip() for record in records)


def _without(record: Record, n: int) -> Record:
    mark = record.delimiters.field
    fields = record.text.split(mark) if mark else [record.text]
    if len(fields) < n or fields[n - 1].strip():
        return record
    del fields[n - 1]
    return Record(record.type, mark.join(fields), record.delimiters)
