"""A finding, and the rules of PCD-01 that findings name: each with its severity and its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from protocols.hl7v2.message import Segment

GOT_MAX: Final = 120
"""Characters of a field that a finding shows: enough to recognise it."""

FINDINGS_MAX: Final = 1000
"""Findings of one message: a file of noise needs no longer list."""


class Severity(StrEnum):
    """How bad it is: an error breaks a rule, a warning departs from what is expected, an info is worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """One departure: which rule, where (`OBX[3]-6`), what was got, what was expected, and who says so."""

    rule: str
    severity: Severity
    field: str
    got: str
    expected: str
    source: str


_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO
RULES: Final[dict[str, tuple[Severity, str]]] = {
    "message": (_E, "HL7 v2.6 2.5, 2.16.9"),
    "segment-end": (_W, "HL7 v2.6 2.5.4: CR"),
    "segment-unknown": (_E, "IHE PCD TF-2 3.1.4.1.1"),
    "segment-local": (_W, "IHE PCD TF-2 3.1.4.1.1"),
    "segment-forbidden": (_E, "IHE PCD TF-2 3.1.4.1.1"),
    "segment-order": (_E, "IHE PCD TF-2 3.1.4.1.1"),
    "patient-missing": (_W, "IHE PCD TF-2 3.1.4.1.1"),
    "obr-missing": (_E, "IHE PCD TF-2 3.1.4.1.1"),
    "nte-repeated": (_E, "IHE PCD TF-2 3.1.4.1.1"),
    "structure": (_E, "HL7 v2.6 ORU_R01 (hl7apy)"),
    "charset": (_E, "IHE PCD TF-2 B.1, MSH-18"),
    "control-character": (_E, "HL7 v2.6 2.5.3, 2.7"),
    "escape": (_W, "HL7 v2.6 2.7"),
    "null": (_W, "HL7 v2.6 2.5.3: two quotation marks delete what the receiver holds"),
    "dtm-form": (_E, "HL7 v2.6 2.A.21"),
    "dtm-seconds": (_E, "IHE PCD TF-2 C.4"),
    "dtm-offset": (_E, "IHE PCD TF-2 C.4"),
    "msh-delimiters": (_E, "IHE PCD TF-2 B.1, MSH-1, MSH-2"),
    "msh-3": (_E, "IHE PCD TF-2 B.1, MSH-3"),
    "msh-3-universal": (_W, "IHE PCD TF-2 B.1, MSH-3"),
    "msh-hd": (_E, "IHE PCD TF-2 B.1, MSH-4 to MSH-6"),
    "msh-7": (_E, "IHE PCD TF-2 B.1, MSH-7"),
    "msh-forbidden": (_E, "IHE PCD TF-2 B.1"),
    "msh-unused": (_W, "IHE PCD TF-2 B.1, MSH-13, MSH-14"),
    "msh-9": (_E, "IHE PCD TF-2 B.1, MSH-9"),
    "msh-10": (_E, "IHE PCD TF-2 B.1, MSH-10"),
    "msh-10-length": (_E, "IHE PCD TF-2 B.1, MSH-10"),
    "msh-10-unique": (_E, "IHE PCD TF-2 B.1, MSH-10"),
    "msh-11": (_E, "IHE PCD TF-2 B.1, MSH-11"),
    "msh-12": (_E, "IHE PCD TF-2 B.1, MSH-12"),
    "msh-15": (_E, "IHE PCD CP 091; NIST PCD-01 constraints"),
    "msh-16": (_E, "IHE PCD CP 091; NIST PCD-01 constraints"),
    "msh-17": (_E, "IHE PCD TF-2 B.1, MSH-17; ISO 3166"),
    "msh-18": (_E, "IHE PCD TF-2 B.1, MSH-18; HL7 table 0211"),
    "msh-21": (_E, "IHE PCD TF-2 B.1, MSH-21"),
    "pid-forbidden": (_E, "IHE PCD TF-2 B.5"),
    "pid-3": (_E, "IHE PCD TF-2 B.5, PID-3; NIST PCD-01 profile"),
    "pid-3-id": (_E, "IHE PCD TF-2 B.5, PID-3"),
    "pid-3-authority": (_W, "IHE PCD TF-2 B.5, PID-3"),
    "pid-3-count": (_E, "IHE PCD TF-2 B.5, PID-3"),
    "pid-5": (_E, "IHE PCD TF-2 B.5, PID-5"),
    "pid-5-type": (_E, "IHE PCD TF-2 C.8, XPN-7, table 0200"),
    "pid-5-nist": (_W, "NIST PCD-01 constraints, PID-5.7"),
    "pid-unknown": (_W, "IHE PCD TF-2 B.5, PID-31"),
    "pid-8": (_E, "IHE PCD TF-2 B.5, PID-8"),
    "pid-11": (_E, "IHE PCD TF-2 B.5, PID-11; NIST PCD-01 constraints"),
    "pid-13": (_E, "IHE PCD TF-2 B.5, PID-13"),
    "pv1-forbidden": (_E, "IHE PCD TF-2 B.6"),
    "pv1-2": (_E, "IHE PCD TF-2 B.6, PV1-2"),
    "pv1-51": (_E, "IHE PCD TF-2 B.6, PV1-51"),
    "obr-1": (_E, "IHE PCD TF-2 B.7, OBR-1"),
    "obr-2": (_W, "IHE PCD TF-2 B.7, OBR-2"),
    "obr-3": (_E, "IHE PCD TF-2 B.7, OBR-3"),
    "obr-3-authority": (_E, "IHE PCD TF-2 B.7, OBR-3"),
    "obr-3-unique": (_W, "IHE PCD TF-2 B.7, OBR-3"),
    "obr-4": (_E, "IHE PCD TF-2 B.7, OBR-4"),
    "obr-forbidden": (_E, "IHE PCD TF-2 B.7"),
    "obr-7": (_W, "IHE PCD TF-2 B.7, OBR-7"),
    "obr-8": (_E, "IHE PCD TF-2 B.7, OBR-8"),
    "ei-type": (_E, "NIST PCD-01 constraints, EI-4"),
    "eui64": (_E, "IHE PCD TF-2 appendix C (EI, HD); IEEE EUI-64"),
    "obx-1": (_E, "IHE PCD TF-2 B.8, OBX-1"),
    "obx-2": (_E, "IHE PCD TF-2 B.8, OBX-2"),
    "obx-2-type": (_E, "IHE PCD TF-2 B.8, OBX-2"),
    "obx-3": (_E, "IHE PCD TF-2 B.8, OBX-3"),
    "obx-3-system": (_E, "IHE PCD TF-2 B.8, OBX-3"),
    "obx-3-code": (_E, "IEEE 11073-10101; NIST january2025 codes"),
    "obx-3-context": (_E, "IHE PCD TF-2 B.8, OBX-3: the 32-bit context-free code"),
    "obx-3-unknown": (_I, "the terms of this gateway"),
    "obx-3-private": (_I, "IHE PCD TF-2 B.8, OBX-3: order of preference"),
    "obx-4": (_E, "IHE PCD TF-2 B.8, OBX-4"),
    "obx-4-length": (_E, "IHE PCD TF-2 B.8, OBX-4"),
    "obx-4-unique": (_E, "IHE PCD TF-2 B.8, OBX-4"),
    "obx-4-order": (_E, "IHE PCD TF-2 B.8, OBX-4"),
    "obx-5": (_E, "IHE PCD TF-2 B.8, OBX-5"),
    "obx-5-device": (_E, "IHE PCD TF-2 B.8, OBX-5: null for device rows"),
    "obx-5-unavailable": (_W, "IHE PCD TF-2 B.8, OBX-11: X means that there is no value"),
    "obx-5-number": (_E, "HL7 v2.6 2.A.47 NM"),
    "obx-5-structured": (_E, "HL7 v2.6 2.A.72 SN"),
    "obx-5-array": (_E, "HL7 v2.6 2.A.46 NA"),
    "obx-5-coded": (_E, "HL7 v2.6 2.A.13 CWE"),
    "obx-5-sentinel": (_W, "IHE PCD TF-2 B.8.8: a missing value is a state"),
    "obx-6": (_E, "IHE PCD TF-2 B.8, OBX-6"),
    "obx-6-code": (_E, "IEEE 11073-10101; NIST january2025 units"),
    "obx-6-text": (_E, "NIST january2025 units; UCUM"),
    "obx-6-allowed": (_E, "NIST january2025 units for this term"),
    "obx-6-ucum": (_W, "UCUM; IHE PCD TF-2 B.8, OBX-6"),
    "obx-7": (_W, "IHE PCD TF-2 B.8, OBX-7"),
    "obx-8": (_E, "IHE PCD TF-2 B.8, OBX-8; HL7 table 0078"),
    "obx-8-reason": (_W, "IHE PCD TF-2 B.8.8: measurement status"),
    "obx-11": (_E, "IHE PCD TF-2 B.8, OBX-11"),
    "obx-11-table": (_E, "HL7 table 0085"),
    "obx-11-device": (_E, "IHE PCD TF-2 B.8, OBX-11"),
    "obx-11-state": (_E, "IHE PCD TF-2 B.8.8: measurement status"),
    "obx-14-periodic": (_W, "IHE PCD TF-2 B.8, OBX-14: its presence says episodic"),
    "obx-17": (_W, "IHE PCD TF-2 B.8, OBX-17"),
    "obx-18": (_W, "IHE PCD TF-2 B.8, OBX-18"),
    "obx-18-authority": (_W, "IHE PCD TF-2 B.8, OBX-18"),
    "obx-18-count": (_W, "NIST PCD-01 profile, OBX-18 [0..1]"),
    "obx-forbidden": (_E, "IHE PCD TF-2 B.8"),
    "time-sync": (_W, "IHE PCD TF-2 B.8.7"),
}
"""Rule to severity and source. What the TF leaves open, or real senders do without harm, is a warning."""


@dataclass(slots=True)
class Judge:
    """Collects findings of one message."""

    findings: list[Finding] = field(default_factory=list)
    rules: Mapping[str, tuple[Severity, str]] = field(default_factory=lambda: RULES)
    """What it judges by: PCD-01, or another transaction."""

    def add(self, rule: str, where: str, got: str, expected: str) -> None:
        """One more finding, unless there are far too many."""
        if len(self.findings) < FINDINGS_MAX:
            severity, source = self.rules[rule]
            self.findings.append(Finding(rule, severity, where, got[:GOT_MAX], expected, source))


@dataclass(frozen=True, slots=True)
class Line:
    """A segment and its place among those of its name, counted from 1."""

    segment: Segment
    number: int
    judge: Judge

    @property
    def name(self) -> str:
        """The segment's name."""
        return self.segment.name

    def raw(self, number: int) -> str:
        """A field as it stands."""
        return self.segment.raw(number)

    def text(self, number: int, component: int = 1, repeat: int = 1) -> str:
        """A component with its escapes resolved."""
        return self.segment.text(number, component, repeat)

    def where(self, number: int, component: int = 0) -> str:
        """`OBX[3]-6` or `OBX[3]-6.1`."""
        return f"{self.name}[{self.number}]-{number}" + (f".{component}" if component else "")

    def add(self, rule: str, number: int, expected: str, *, component: int = 0, got: str | None = None) -> None:
        """A finding in one of its fields."""
        self.judge.add(rule, self.where(number, component), self.raw(number) if got is None else got, expected)

    def require(self, rule: str, number: int, expected: str) -> bool:
        """Whether the field has a value; a finding when it has none."""
        if self.raw(number):
            return True
        self.add(rule, number, expected)
        return False

    def forbid(self, rule: str, *numbers: int) -> None:
        """A finding for each of the fields that has a value."""
        for number in numbers:
            if self.raw(number):
                self.add(rule, number, "nothing: the field is not supported (X)")
