"""Fields of an HL7 message, read without our own parser: a witness must not share the accused's eyes."""

from __future__ import annotations


def fields(body: str, segment: str, number: int) -> list[str]:
    """`fields(message, "OBX", 5)`: that field of every such segment."""
    found = [line.split("|") for line in body.split("\r")]
    shift = segment == "MSH"  # MSH-1 is the separator itself
    return [row[number - shift] if number - shift < len(row) else "" for row in found if row[0] == segment]


def values(text: bytes) -> tuple[str, ...]:
    """The values of an ASTM message's R records (LIS02-A2 10.1.4)."""
    return tuple(record.split("|")[3] for record in text.decode().split("\r") if record.startswith("R|"))
