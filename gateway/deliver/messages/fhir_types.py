"""The FHIR R4 elements we write: frozen structs whose encoding is FHIR's JSON. Empty elements are never written.

A `Raw` is a part that was encoded before: static ones once a device or metric, numbers as the digits the device sent.
"""

from __future__ import annotations

from typing import Final

from msgspec import Raw, Struct
from msgspec.json import Encoder

_ENCODER: Final = Encoder()


class Element(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel", gc=False):
    """Base of all: FHIR's names are ours in camel case."""


class Coding(Element, frozen=True, kw_only=True):
    """A code and the system it is from."""

    system: str | None = None
    code: str | None = None
    display: str | None = None


class CodeableConcept(Element, frozen=True, kw_only=True):
    """One concept in several codings."""

    coding: tuple[Coding, ...] = ()
    text: str | None = None


class Identifier(Element, frozen=True, kw_only=True):
    """A number and who gave it."""

    type: CodeableConcept | None = None
    system: str | None = None
    value: str | None = None


class Reference(Element, frozen=True, kw_only=True):
    """A pointer: to an entry of the Bundle by `reference`, or to somebody by `identifier`."""

    reference: str | None = None
    type: str | None = None
    identifier: Identifier | None = None
    display: str | None = None


class Quantity(Element, frozen=True, kw_only=True):
    """A measured amount; `value` is the device's own digits."""

    value: Raw | None = None
    comparator: str | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None


class Ratio(Element, frozen=True, kw_only=True):
    """A relation of two numbers (I:E)."""

    numerator: Quantity
    denominator: Quantity


class SampledData(Element, frozen=True, kw_only=True):
    """A curve: `period` in milliseconds, samples in `data` separated by spaces."""

    origin: Quantity
    period: Raw
    factor: Raw | None = None
    dimensions: int
    data: str


class Annotation(Element, frozen=True, kw_only=True):
    """A remark."""

    text: str


class ReferenceRange(Element, frozen=True, kw_only=True):
    """What is normal (lab), or where the alarm limits are (bedside)."""

    low: Quantity | None = None
    high: Quantity | None = None
    type: CodeableConcept | None = None
    text: str | None = None


class Meta(Element, frozen=True, kw_only=True):
    """Labels of a resource."""

    tag: tuple[Coding, ...] = ()
    security: tuple[Coding, ...] = ()


class Component(Element, frozen=True, kw_only=True):
    """A part of an Observation that has a value of its own."""

    code: Raw
    value_quantity: Quantity | None = None
    value_codeable_concept: CodeableConcept | None = None
    value_string: str | None = None
    value_ratio: Ratio | None = None
    data_absent_reason: Raw | None = None
    interpretation: tuple[CodeableConcept, ...] = ()
    reference_range: tuple[ReferenceRange, ...] = ()


class Extension(Element, frozen=True, kw_only=True):
    """What R4 has no element for, as HL7 itself names it."""

    url: str
    value_reference: Reference


class Observation(Element, frozen=True, kw_only=True, tag_field="resourceType", tag="Observation"):
    """One thing a device said."""

    meta: Meta | None = None
    extension: tuple[Extension, ...] = ()
    identifier: tuple[Identifier, ...]
    based_on: tuple[Reference, ...] = ()
    status: str
    category: Raw | None = None
    code: Raw
    subject: Raw | None = None
    focus: tuple[Reference, ...] = ()
    encounter: Raw | None = None
    effective_date_time: str
    issued: str | None = None
    performer: tuple[Reference, ...] = ()
    value_quantity: Quantity | None = None
    value_codeable_concept: CodeableConcept | None = None
    value_string: str | None = None
    value_ratio: Ratio | None = None
    value_sampled_data: SampledData | None = None
    data_absent_reason: Raw | None = None
    interpretation: tuple[CodeableConcept, ...] = ()
    note: tuple[Annotation, ...] = ()
    method: CodeableConcept | None = None
    specimen: Reference | None = None
    device: Raw | None = None
    reference_range: tuple[ReferenceRange, ...] = ()
    component: tuple[Component, ...] = ()


class Udi(Element, frozen=True, kw_only=True):
    """Device.udiCarrier: the whole label text, or the device identifier alone."""

    device_identifier: str | None = None
    carrier_h_r_f: str | None = None


class DeviceName(Element, frozen=True, kw_only=True):
    """A name and what sort of name it is."""

    name: str
    type: str


class Version(Element, frozen=True, kw_only=True):
    """Device.version: the firmware."""

    value: str


class Device(Element, frozen=True, kw_only=True, tag_field="resourceType", tag="Device"):
    """The device as a whole (PoCD: MdsDevice)."""

    identifier: tuple[Identifier, ...]
    udi_carrier: tuple[Udi, ...] = ()
    status: str
    manufacturer: str | None = None
    serial_number: str | None = None
    device_name: tuple[DeviceName, ...] = ()
    model_number: str | None = None
    type: CodeableConcept | None = None
    version: tuple[Version, ...] = ()


class DeviceMetric(Element, frozen=True, kw_only=True, tag_field="resourceType", tag="DeviceMetric"):
    """One metric of a device; the only place of the MDC unit (PoCD)."""

    identifier: tuple[Identifier, ...]
    type: CodeableConcept
    unit: CodeableConcept | None = None
    source: Reference
    operational_status: str | None = None
    category: str


class HumanName(Element, frozen=True, kw_only=True):
    """A name."""

    family: str | None = None
    given: tuple[str, ...] = ()


class Patient(Element, frozen=True, kw_only=True, tag_field="resourceType", tag="Patient"):
    """What is known of a patient, for a server that has never heard of them."""

    identifier: tuple[Identifier, ...]
    name: tuple[HumanName, ...] = ()
    gender: str | None = None
    birth_date: str | None = None


class Collection(Element, frozen=True, kw_only=True):
    """Specimen.collection."""

    collected_date_time: str | None = None
    body_site: CodeableConcept | None = None


class Specimen(Element, frozen=True, kw_only=True, tag_field="resourceType", tag="Specimen"):
    """What was examined."""

    identifier: tuple[Identifier, ...]
    accession_identifier: Identifier | None = None
    type: CodeableConcept | None = None
    subject: Raw | None = None
    received_time: str | None = None
    collection: Collection | None = None


class Lot(Element, frozen=True, kw_only=True):
    """Substance.instance: one lot."""

    identifier: Identifier | None = None
    expiry: str | None = None


class Substance(Element, frozen=True, kw_only=True, tag_field="resourceType", tag="Substance"):
    """A reagent, a control, a calibrator."""

    identifier: tuple[Identifier, ...]
    category: tuple[CodeableConcept, ...] = ()
    code: CodeableConcept
    instance: tuple[Lot, ...] = ()


class ServiceRequest(Element, frozen=True, kw_only=True, tag_field="resourceType", tag="ServiceRequest"):
    """An order, as far as a device repeats it."""

    identifier: tuple[Identifier, ...]
    status: str
    intent: str
    priority: str | None = None
    code: CodeableConcept | None = None
    order_detail: tuple[CodeableConcept, ...] = ()
    subject: Raw
    requester: Reference | None = None
    specimen: tuple[Reference, ...] = ()


class DiagnosticReport(Element, frozen=True, kw_only=True, tag_field="resourceType", tag="DiagnosticReport"):
    """A laboratory report: which results belong together."""

    identifier: tuple[Identifier, ...]
    based_on: tuple[Reference, ...] = ()
    status: str
    category: tuple[CodeableConcept, ...]
    code: CodeableConcept | Raw
    subject: Raw | None = None
    encounter: Raw | None = None
    effective_date_time: str
    issued: str
    specimen: tuple[Reference, ...] = ()
    result: tuple[Reference, ...]


class Request(Element, frozen=True, kw_only=True):
    """Bundle.entry.request."""

    method: str
    url: str
    if_none_exist: str | None = None


class Entry(Element, frozen=True, kw_only=True):
    """Bundle.entry."""

    full_url: str
    resource: Observation | Device | DeviceMetric | Patient | Specimen | ServiceRequest | Substance | DiagnosticReport
    request: Request


class Bundle(Element, frozen=True, kw_only=True, tag_field="resourceType", tag="Bundle"):
    """The transaction."""

    identifier: Identifier
    type: str
    timestamp: str
    entry: tuple[Raw, ...]


def raw(element: Element | tuple[Element, ...]) -> Raw:
    """An element encoded now, to be put into another as it is."""
    return Raw(_ENCODER.encode(element))


def encode(element: Element) -> bytes:
    """FHIR JSON."""
    return _ENCODER.encode(element)
