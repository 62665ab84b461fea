"""The patient in a Bundle: an entry that is made once, a conditional reference, or an identifier; never an invented one."""

from __future__ import annotations

import re
import uuid
from datetime import date
from typing import Final, NamedTuple

from msgspec import Raw

from gateway.deliver.messages.fhir_codes import GENDERS, IDENTIFIER_TYPE
from gateway.deliver.messages.fhir_names import create, full_url, local_part, own_system
from gateway.deliver.messages.fhir_types import CodeableConcept, Coding, HumanName, Identifier, Patient, Reference, raw
from gateway.deliver.messages.fhir_values import code, query, text
from gateway.model import Gateway, Given, Subject
from gateway.settings.fhir import FhirMessageSettings

_OID: Final = re.compile(r"[0-2](?:\.(?:0|[1-9]\d*))+", re.ASCII)
_UUID: Final = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_URN: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")
_SPACE: Final = uuid.UUID("0ad3a0a6-4f0e-5a86-8a0d-7a1f1d0f6b11")
NOBODY: Final = ""


class Person(NamedTuple):
    """A patient, ready for a Bundle. `mark` tells patients apart in identifiers without naming them."""

    entry: Raw | None
    subject: Raw
    encounter: Raw | None
    mark: str


class People:
    """Makes the patient's part of one destination's Bundles."""

    def __init__(self, settings: FhirMessageSettings, gateway: Gateway) -> None:
        self._settings = settings
        self._own = own_system(settings, gateway)

    def person(self, subject: Subject) -> Person:
        """The patient of the association."""
        identifier = self._identifier(subject)
        encounter = None
        if (visit := text(subject.visit_id)) is not None:
            encounter = raw(Reference(type="Encounter", identifier=Identifier(type=_type("VN"), value=visit)))
        mark = uuid.uuid5(_SPACE, f"{identifier.system}\x1f{identifier.value}").hex[:12]
        if self._settings.patient == "identifier":
            return Person(None, raw(Reference(type="Patient", identifier=identifier)), encounter, mark)
        if self._settings.patient == "search":
            found = f"Patient?{query(identifier.system, identifier.value or '')}"
            return Person(None, raw(Reference(reference=found)), encounter, mark)
        entry = create("Patient", identifier, self._patient(subject, identifier))
        return Person(entry, raw(Reference(reference=full_url("Patient", identifier))), encounter, mark)

    def _identifier(self, subject: Subject) -> Identifier:
        kind = code(subject.id_type)
        return Identifier(type=_type(kind) if kind else None, system=self._system(subject), value=text(subject.patient_id) or "?")

    def _system(self, subject: Subject) -> str:
        """The site's word, else the authority's own universal id, else this gateway's own: two places' numbers never meet."""
        namespace, _, universal = subject.assigner.partition("&")
        for known in (subject.assigner, namespace):
            if known and known in self._settings.assigners:
                return self._settings.assigners[known]
        own, _, kind = universal.partition("&")
        if kind == "ISO" and _OID.fullmatch(own):
            return f"urn:oid:{own}"
        if kind == "UUID" and _UUID.fullmatch(own.lower()):
            return f"urn:uuid:{own.lower()}"
        if kind in ("URN", "URI") and _URN.fullmatch(own):
            return own
        if self._settings.patient_system:
            return self._settings.patient_system
        return f"{self._own}:patient" + (f":{local_part(namespace)}" if namespace else "")

    def _patient(self, subject: Subject, identifier: Identifier) -> Patient:
        if not self._settings.patient_details:
            return Patient(identifier=(identifier,))
        family, given = text(subject.family_name), text(subject.given_name)
        name = (HumanName(family=family, given=(given,) if given else ()),) if family or given else ()
        return Patient(
            identifier=(identifier,), name=name, gender=GENDERS.get(subject.sex), birth_date=_birth_date(subject.birth_date)
        )


def evidence(given: Given) -> Raw | None:
    """The patient as an analyzer named them: an identifier of unknown authority, never taken for a Patient that exists."""
    own = text(given.patient_id)
    return None if own is None else raw(Reference(type="Patient", identifier=Identifier(value=own)))


def _type(own: str) -> CodeableConcept:
    return CodeableConcept(coding=(Coding(system=IDENTIFIER_TYPE, code=own),))


def _birth_date(digits: str) -> str | None:
    """YYYYMMDD as a FHIR date; None when it is no day."""
    if not (digits.isascii() and digits.isdigit() and len(digits) == 8):
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).isoformat()
    except ValueError:
        return None
