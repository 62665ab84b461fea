"""The rules that FHIR findings name: each with its severity and its source; and who collects them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from gateway.lint.finding import FINDINGS_MAX, GOT_MAX, Finding, Severity

_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO
_VS: Final = "FHIR R4 vital signs profile"
_TX: Final = "FHIR R4 http, transaction"

RULES: Final[dict[str, tuple[Severity, str]]] = {
    "json": (_E, "RFC 8259; FHIR R4 JSON"),
    "json-duplicate": (_E, "FHIR R4 JSON: property names are unique"),
    "json-null": (_E, "FHIR R4 JSON: null only keeps a place in an array"),
    "json-empty": (_E, "FHIR R4 JSON: no empty array, object or string"),
    "resource-type": (_E, "FHIR R4 JSON: resourceType"),
    "structure": (_E, "FHIR R4 (fhir.resources R4B)"),
    "status": (_E, "FHIR R4 required binding"),
    "decimal": (_E, "FHIR R4 JSON: a decimal is a JSON number"),
    "date-time": (_E, "FHIR R4 datatypes, dateTime and instant"),
    "time-zone": (_E, "FHIR R4 datatypes: a time has its time zone"),
    "quantity-system": (_E, "FHIR R4 qty-3: a unit's code has a system"),
    "quantity-ucum": (_E, "PoCD: UCUM only in Quantity"),
    "quantity-unit": (_W, "UCUM"),
    "coding-system": (_W, "FHIR R4 Coding: a code means something in its system only"),
    "loinc": (_E, "LOINC: number and check digit"),
    "mdc-code": (_E, "IEEE 11073-10101; PoCD: the 32-bit decimal code, the reference id as display"),
    "mdc-missing": (_I, "PoCD: MDC coding in Observation.code"),
    "mdc-unit": (_W, "PoCD: the MDC unit in DeviceMetric.unit"),
    "metric-source": (_W, "PoCD: DeviceMetric.source is the MDS"),
    "value": (_W, "FHIR R4 Observation: a value, or why there is none"),
    "value-absent": (_E, "FHIR R4 obs-6: no reason for absence beside a value"),
    "value-component": (_E, "FHIR R4 obs-7: no value beside a component with the same code"),
    "range": (_E, "FHIR R4 obs-3: low, high or text"),
    "sampled-data": (_E, "FHIR R4 SampledData"),
    "subject": (_W, "FHIR R4 Observation.subject; PoCD: mandatory"),
    "control-patient": (_E, "A control result is nobody's"),
    "vs-category": (_W, _VS),
    "vs-subject": (_E, _VS),
    "vs-effective": (_E, f"{_VS}, vs-1"),
    "vs-loinc": (_E, _VS),
    "vs-unit": (_E, f"{_VS}: units table"),
    "vs-value": (_E, f"{_VS}, vs-2 and vs-3"),
    "vs-panel": (_E, "FHIR R4 blood pressure profile"),
    "identifier": (_W, "PHD: resources are made once by their identifier"),
    "entry-request": (_E, f"{_TX}; bdl-3"),
    "entry-method": (_E, "FHIR R4 required binding HTTPVerb"),
    "entry-url": (_E, _TX),
    "entry-resource": (_E, f"{_TX}; bdl-5"),
    "entry-condition": (_W, "FHIR R4 http, conditional create: a resend changes nothing"),
    "entry-condition-method": (_E, "FHIR R4 Bundle.entry.request: ifNoneExist is for POST"),
    "entry-condition-identifier": (_E, "FHIR R4 http, conditional create: what is made must meet its own condition"),
    "full-url": (_E, "FHIR R4 Bundle.entry.fullUrl, bdl-8"),
    "full-url-unique": (_E, "FHIR R4 bdl-7"),
    "identity-unique": (_E, f"{_TX}: one entry an identity"),
    "reference": (_E, "FHIR R4 Bundle: references resolve"),
    "reference-contained": (_E, "FHIR R4 dom-3"),
}
"""What servers or the profiles refuse is an error; what makes data worse but legal, a warning."""

Object = dict[str, Any]


@dataclass(slots=True)
class Judge:
    """Collects findings of one resource or Bundle."""

    findings: list[Finding] = field(default_factory=list)

    def add(self, rule: str, where: str, got: object, expected: str) -> None:
        """One more finding, unless there are far too many."""
        if len(self.findings) < FINDINGS_MAX:
            severity, source = RULES[rule]
            self.findings.append(Finding(rule, severity, where, shown(got), expected, source))


def shown(got: object) -> str:
    """What was got, short enough to be read."""
    if got is None:
        return "nothing"
    if isinstance(got, str | int | Decimal):
        return str(got)[:GOT_MAX]
    return type(got).__name__


def objects(value: object) -> list[Object]:
    """The objects of an array; what is none of them is the structure check's business."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def indexed(where: str, name: str, value: object) -> list[tuple[str, Object]]:
    """The objects of an array with the place of each."""
    rows = enumerate(value) if isinstance(value, list) else ()
    return [(f"{where}.{name}[{number}]", one) for number, one in rows if isinstance(one, dict)]


def codings(concept: object) -> list[Object]:
    """The codings of a CodeableConcept."""
    return objects(concept.get("coding")) if isinstance(concept, dict) else []


def codes(concept: object, system: str) -> list[str]:
    """The codes that a CodeableConcept has of one system."""
    return [str(one["code"]) for one in codings(concept) if one.get("system") == system and "code" in one]
