"""The records of a message, each where it belongs: H over P over O over R; C and M with the record before them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from protocols.astm.records import AstmMessage, Record


@dataclass(slots=True)
class Result:
    """An R record with the comments and manufacturer records that follow it."""

    record: Record
    attached: list[Record] = field(default_factory=list)


@dataclass(slots=True)
class Specimen:
    """An O record, or none where results came without one, and what belongs to it: the unit of a report."""

    patient: Record | None
    order: Record | None
    attached: list[Record] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)

    def records(self) -> Iterator[Record]:
        """Every record of it in wire order, the patient's first."""
        yield from (record for record in (self.patient, self.order) if record is not None)
        yield from self.attached
        for result in self.results:
            yield result.record
            yield from result.attached


@dataclass(slots=True)
class Tree:
    """A message. `loose` are records that hang on no specimen: comments on H or P, queries, a vendor's own."""

    header: Record | None
    specimens: list[Specimen] = field(default_factory=list)
    loose: list[Record] = field(default_factory=list)
    end: Record | None = None

    @property
    def queries(self) -> list[Record]:
        """The Q records: the analyzer asks what to do."""
        return [record for record in self.loose if record.type == "Q"]


def grow(message: AstmMessage) -> Tree:
    """The tree of a message. Nothing is left out: a record out of place hangs on the nearest that can carry it."""
    tree = Tree(header=None)
    patient: Record | None = None
    specimen: Specimen | None = None
    carrier: list[Record] = tree.loose
    for record in message.records:
        match record.type:
            case "H" if tree.header is None:
                tree.header = record
            case "P":
                patient, specimen, carrier = record, None, tree.loose
            case "O":
                specimen = Specimen(patient, record)
                tree.specimens.append(specimen)
                carrier = specimen.attached
            case "R":
                if specimen is None:
                    specimen = Specimen(patient, None)
                    tree.specimens.append(specimen)
                specimen.results.append(Result(record))
                carrier = specimen.results[-1].attached
            case "L":
                tree.end = record
            case "Q" | "S":
                tree.loose.append(record)
            case _:
                carrier.append(record)
    return tree
