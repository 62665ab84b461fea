"""The order that a report answers: a ServiceRequest that is made once, a search for it, or its number alone."""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec import Raw

from gateway.deliver.messages.fhir_codes import IDENTIFIER_TYPE, LOINC
from gateway.deliver.messages.fhir_names import create, reference
from gateway.deliver.messages.fhir_types import CodeableConcept, Coding, Identifier, Reference, ServiceRequest
from gateway.deliver.messages.fhir_values import code, query, text
from gateway.model import Category, Order, Report
from gateway.settings.fhir import FhirMessageSettings

STUDIES: Final = CodeableConcept(coding=(Coding(system=LOINC, code="26436-6"),), text="Laboratory studies")
_PLACER: Final = CodeableConcept(coding=(Coding(system=IDENTIFIER_TYPE, code="PLAC"),))
_PRIORITIES: Final = {"S": "stat", "A": "asap", "R": "routine"}
"""ASTM O.6 and HL7 table 0485 to request-priority; call back and preoperative are none of FHIR's."""


class Ordered(NamedTuple):
    """An order, ready for a Bundle: its entry, who points at it, its number."""

    entry: Raw | None = None
    references: tuple[Reference, ...] = ()
    identifiers: tuple[Identifier, ...] = ()


def ordered(
    report: Report, subject: Raw | None, specimen: Reference | None, settings: FhirMessageSettings, names: tuple[str, str]
) -> Ordered:
    """The order by the placer's number; `names` are our own system and the maker's.

    A ServiceRequest has a subject: where nobody is associated (`subject` None), and for a control, the number alone is told.
    """
    order = report.order or Order()
    own = text(order.placer_id)
    if own is None:
        return Ordered()
    system, vendor = names
    plain = Identifier(type=_PLACER, system=settings.order_system or None, value=own)
    if settings.service_request == "identifier" or subject is None or report.category is not Category.LAB:
        return Ordered(None, (Reference(type="ServiceRequest", identifier=plain),), (plain,))
    number = Identifier(type=_PLACER, system=settings.order_system or f"{system}:order", value=own)
    if settings.service_request == "search":
        found = f"ServiceRequest?{query(number.system, own)}"
        return Ordered(None, (Reference(reference=found),), (number,))
    service, details = _services(order, vendor)
    resource = ServiceRequest(
        identifier=(number,),
        status="unknown",
        intent="order",
        priority=_PRIORITIES.get(order.priority),
        code=service,
        order_detail=details,
        subject=subject,
        requester=_requester(order),
        specimen=() if specimen is None else (specimen,),
    )
    return Ordered(create("ServiceRequest", number, resource), (reference("ServiceRequest", number),), (number,))


def _requester(order: Order) -> Reference | None:
    """Who ordered it, by number and name as the device repeats them."""
    number, family, given = (text(part) for part in (*order.provider, "", "", "")[:3])
    name = " ".join(filter(None, (given, family))) or None
    if number is None and name is None:
        return None
    return Reference(type="Practitioner", identifier=Identifier(value=number) if number else None, display=name)


def _services(order: Order, vendor: str) -> tuple[CodeableConcept | None, tuple[CodeableConcept, ...]]:
    """The one test ordered; of several the set, with each as a detail (R4 prr-1: no detail without a code)."""
    named = [found for one in order.services if (found := code(one)) is not None]
    tests = tuple(CodeableConcept(coding=(Coding(system=vendor, code=own),), text=own) for own in named)
    return (tests[0], ()) if len(tests) == 1 else (STUDIES if tests else None, tests)
