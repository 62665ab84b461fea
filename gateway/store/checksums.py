"""Checksums of journal rows: a disk that gives back other bytes than it was given must not reach the hospital.

CRC-32 finds what disks and memory do (a flipped bit, a zeroed or foreign sector) at 5 GB/s; it is no defence against a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

ROW_DAMAGED = "damaged: the journal gave back other bytes than were kept (checksum)"
PIN_DAMAGED = "damaged: the bytes it was sent with cannot be read back; a replay renders it anew under the same id"


ASSOCIATION = ("device", "subject", "valid_from", "valid_to", "recorded_at", "after_report")
"""The columns of an association that its checksum is of."""


def of_report(device: str, category: str, received_at: str, identity: str | None, payload: bytes) -> int:
    """The part of a report's checksum that is known before it is stored; `of_row` ends it."""
    return crc32(payload, crc32(f"{device}\n{category}\n{received_at}\n{identity or ''}\n".encode()))


def of_row(report: int, stored_at: str) -> int:
    """The checksum of a row: `of_report` of it, and when it was stored."""
    return crc32(stored_at.encode(), report)


def of_association(told: Sequence[object]) -> int:
    """The checksum of what decides whose a reading is: the columns of ASSOCIATION in their order.

    `after_report` None: recorded by a schema that had no such column.
    """
    *always, after_report = told
    return crc32("\n".join("" if one is None else str(one) for one in (always if after_report is None else told)).encode())


def of_unknown(peer: int, call: int, received_at: str, messages: int, raw: bytes) -> int:
    """The checksum of what was taken from an unknown device."""
    return crc32(raw, crc32(f"{peer}\n{call}\n{received_at}\n{messages}\n".encode()))


DECISION = slice(1, 13), 18
"""In a row of `mappings`: what decides, code to override, and the place of its checksum."""


def of_decision(told: Sequence[object]) -> int:
    """The checksum of what a person decided about a code."""
    return crc32("\n".join(map(str, told)).encode())


def is_decision(row: Sequence[object]) -> bool:
    """Whether a row of `mappings`, in the order of the table, is what was kept."""
    told, place = DECISION
    return row[place] == of_decision(row[told])
