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

    def scope(self) -> dict[str, Record]:
        """Its own records by type: itself, the first comment and the first manufacturer's record behind it."""
        behind = {record.type: record for record in reversed(self.attached) if record.type in ("C", "M")}
        return {"R": self.record, **behind}


@dataclass(slots=True)
class Specimen:
    """An O record, or none where results came without one, and what belongs to it: the unit of a report."""

    patient: Record | None
    order: Record | None
    of_patient: list[Record] = field(default_factory=list)
    """What hangs on the patient's record: the same for each specimen of that patient, and for no other's."""
    attached: list[Record] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)

    def records(self) -> Iterator[Record]:
        """Every record of it in wire order, the patient's first."""
        yield from () if self.patient is None else (self.patient,)
        yield from self.of_patient
        yield from () if self.order is None else (self.order,)
        yield from self.attached
        for result in self.results:
            yield result.record
            yield from result.attached


@dataclass(slots=True)
class Tree:
    """A message. `loose` are records that hang on no specimen: comments on H, queries, a vendor's own.

    `orphans` hang on a patient without a specimen: they are nobody else's.
    """

    header: Record | None
    specimens: list[Specimen] = field(default_factory=list)
    loose: list[Record] = field(default_factory=list)
    orphans: list[Record] = field(default_factory=list)
    end: Record | None = None

    @property
    def queries(self) -> list[Record]:
        """The Q records: the analyzer asks what to do."""
        return [record for record in self.loose if record.type == "Q"]


def grow(message: AstmMessage) -> Tree:
    """The tree of a message. Nothing is left out: a record out of place hangs on the nearest that can carry it."""
    tree = Tree(header=None)
    patient: Record | None = None
    of_patient: list[Record] = []
    specimen: Specimen | None = None
    carrier: list[Record] = tree.loose
    for record in message.records:
        match record.type:
            case "H" if tree.header is None:
                tree.header = record
            case "P":
                _release(tree, of_patient)
                patient, specimen, of_patient = record, None, []
                carrier = of_patient
            case "O":
                specimen = Specimen(patient, record, of_patient)
                tree.specimens.append(specimen)
                carrier = specimen.attached
            case "R":
                if specimen is None:
                    specimen = Specimen(patient, None, of_patient)
                    tree.specimens.append(specimen)
                specimen.results.append(Result(record))
                carrier = specimen.results[-1].attached
            case "L":
                tree.end = record
            case "Q" | "S":
                tree.loose.append(record)
            case _:
                carrier.append(record)
    _release(tree, of_patient)
    return tree


def _release(tree: Tree, of_patient: list[Record]) -> None:
    if not any(specimen.of_patient is of_patient for specimen in tree.specimens):
        tree.orphans += of_patient
