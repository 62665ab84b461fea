"""What a person may set of a destination: one table for each way of speaking to a receiver, and what it may be sent."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Annotated, Final, Literal

from pydantic import StringConstraints, field_validator

from gateway import explain
from gateway.model import Category
from gateway.settings.dispatch import DispatchSettings
from gateway.settings.fhir import FhirMessageSettings, FhirServerSettings
from gateway.settings.lab import LabSettings, LawSettings, PoctSettings
from gateway.settings.mllp import MllpSettings
from gateway.settings.pcd01 import Pcd01Settings

Name = Annotated[str, StringConstraints(pattern=explain.ID)]
"""An id people write on labels: letters, digits and . _ : - ; 64 characters fit every label and message field."""


def _without(takes: frozenset[Category], unsuited: AbstractSet[Category], why: str) -> frozenset[Category]:
    """`takes`, if none of it is unsuited."""
    wrong = ", ".join(sorted(takes & unsuited))
    if wrong:
        raise ValueError(f"{wrong} cannot be taken: {why}")
    return takes


class DestinationConfig(DispatchSettings):
    """What every destination has: a name, what it takes, how it is spoken to."""

    id: Name
    """What people call it; its place in the journal hangs on it."""
    kind: Literal["mllp", "fhir"]
    """How it is spoken to."""
    format: Literal["pcd01", "lab", "law", "poct", "fhir"]
    """What it is sent."""
    takes: frozenset[Category] = frozenset({Category.VITALS})
    """The categories of reports that it is sent: vitals, lab, qc, events, waveforms."""
    formerly: Name | None = None
    """The id that it had before: what waits under that id goes on under this one."""


class MllpPcd01(DestinationConfig, MllpSettings, Pcd01Settings):
    """PCD-01 over MLLP."""

    kind: Literal["mllp"]
    """How it is spoken to: HL7 over MLLP."""
    format: Literal["pcd01"]
    """What it is sent: IHE PCD-01, docs/messages/pcd01.md."""

    @field_validator("takes")
    @classmethod
    def _no_controls(cls, takes: frozenset[Category]) -> frozenset[Category]:
        return _without(
            takes, {Category.QC}, 'PCD-01 cannot say that a result is a control\'s; send qc as format = "lab" or "law"'
        )


class MllpLab(DestinationConfig, MllpSettings, LabSettings):
    """Laboratory ORU^R01 over MLLP."""

    kind: Literal["mllp"]
    """How it is spoken to: HL7 over MLLP."""
    format: Literal["lab"]
    """What it is sent: laboratory ORU^R01, docs/messages/lab.md."""
    takes: frozenset[Category] = frozenset({Category.LAB})
    """The categories of reports that it is sent: vitals, lab, qc, events, waveforms."""


class MllpLaw(DestinationConfig, MllpSettings, LawSettings):
    """OUL^R22 (IHE LAW, LAB-29) over MLLP."""

    kind: Literal["mllp"]
    """How it is spoken to: HL7 over MLLP."""
    format: Literal["law"]
    """What it is sent: OUL^R22 as LAB-29 has it, docs/messages/law.md."""
    takes: frozenset[Category] = frozenset({Category.LAB})
    """The categories of reports that it is sent: vitals, lab, qc, events, waveforms."""

    @field_validator("takes")
    @classmethod
    def _specimens(cls, takes: frozenset[Category]) -> frozenset[Category]:
        others = frozenset(Category) - {Category.LAB, Category.QC}
        return _without(takes, others, "LAB-29 carries results of specimens: lab and qc")


class MllpPoct(DestinationConfig, MllpSettings, PoctSettings):
    """ORU^R30, R31 and R32 (IHE LAB-32) over MLLP."""

    kind: Literal["mllp"]
    """How it is spoken to: HL7 over MLLP."""
    format: Literal["poct"]
    """What it is sent: point-of-care results as LAB-32 has them, docs/messages/poct.md."""
    takes: frozenset[Category] = frozenset({Category.LAB})
    """The categories of reports that it is sent: vitals, lab, qc, events, waveforms."""

    @field_validator("takes")
    @classmethod
    def _patients(cls, takes: frozenset[Category]) -> frozenset[Category]:
        others = frozenset(Category) - {Category.LAB}
        return _without(takes, others, 'LAB-32 carries patients\' results alone: lab; send qc as format = "lab" or "law"')


class FhirServer(DestinationConfig, FhirServerSettings, FhirMessageSettings):
    """FHIR R4 transaction Bundles over HTTPS."""

    kind: Literal["fhir"]
    """How it is spoken to: FHIR over HTTPS."""
    format: Literal["fhir"] = "fhir"
    """What it is sent: FHIR R4 transaction Bundles, docs/messages/fhir.md."""
    takes: frozenset[Category] = frozenset({Category.VITALS, Category.LAB})
    """The categories of reports that it is sent: vitals, lab, qc, events, waveforms."""


AnyDestination = MllpPcd01 | MllpLab | MllpLaw | MllpPoct | FhirServer
DESTINATIONS: Final[dict[tuple[str, str], type[AnyDestination]]] = {
    ("mllp", "pcd01"): MllpPcd01,
    ("mllp", "lab"): MllpLab,
    ("mllp", "law"): MllpLaw,
    ("mllp", "poct"): MllpPoct,
    ("fhir", "fhir"): FhirServer,
}
"""By kind and format."""
