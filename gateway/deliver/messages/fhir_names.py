"""Identifiers and entries of a Bundle: who gives which number, deterministic fullUrls, conditional requests."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from msgspec import Raw

from gateway.deliver.messages.fhir_codes import EUI64, LOCAL, URI
from gateway.deliver.messages.fhir_types import (
    Device,
    DeviceMetric,
    DiagnosticReport,
    Entry,
    Identifier,
    Observation,
    Patient,
    Reference,
    Request,
    ServiceRequest,
    Specimen,
    Substance,
    raw,
)
from gateway.deliver.messages.fhir_values import query, text
from gateway.deliver.messages.hl7 import device_ei
from gateway.model import DeviceIdentity, Gateway, Report
from gateway.settings.fhir import FhirMessageSettings

_SPACE: Final = uuid.UUID("6f2f0d8e-53c1-5d0e-9a47-0c8f5d1b7e24")
"""Namespace of our fullUrls: they serve inside one Bundle only, and are the same at every resend."""
_EUI64: Final = re.compile("[0-9A-F]{16}")
_PARTS_MAX: Final = 100
"""Characters of a maker's or an authority's name in a URI."""

Resource = Device | DeviceMetric | DiagnosticReport | Observation | Patient | ServiceRequest | Specimen | Substance


def full_url(kind: str, identifier: Identifier) -> str:
    """The entry's name inside the Bundle, a UUID of its identity."""
    return uuid.uuid5(_SPACE, f"{kind}\x1f{identifier.system}\x1f{identifier.value}").urn


def create(kind: str, identifier: Identifier, resource: Resource, url: str = "", condition: str = "") -> Raw:
    """An entry that makes the resource unless one with the identifier exists; `condition`: the query for that, when known."""
    condition = condition or query(identifier.system, identifier.value or "")
    request = Request(method="POST", url=kind, if_none_exist=condition)
    return raw(Entry(full_url=url or full_url(kind, identifier), resource=resource, request=request))


def update(kind: str, identifier: Identifier, resource: Resource, url: str = "", condition: str = "") -> Raw:
    """An entry that makes the one with the identifier be as the resource says (PoCD's conditional update); see `create`."""
    condition = condition or query(identifier.system, identifier.value or "")
    request = Request(method="PUT", url=f"{kind}?{condition}")
    return raw(Entry(full_url=url or full_url(kind, identifier), resource=resource, request=request))


def reference(kind: str, identifier: Identifier) -> Reference:
    """A pointer to an entry of the same Bundle."""
    return Reference(reference=full_url(kind, identifier))


def own_system(settings: FhirMessageSettings, gateway: Gateway) -> str:
    """The identifier system of what the gateway makes."""
    return settings.identifier_system or f"{LOCAL}gateway:{gateway.eui64}"


def vendor_system(settings: FhirMessageSettings) -> Callable[[Report], str]:
    """The code system of codes that only the maker knows, by report."""
    fixed = settings.vendor_system

    def system(report: Report) -> str:
        return fixed or f"{LOCAL}code:{local_part(report.device.maker or report.driver)}"

    return system


def local_part(words: str) -> str:
    """A name as part of a URI."""
    words = " ".join(words.lower().split())[:_PARTS_MAX].encode("utf-8", "replace").decode()
    return quote(words.replace(" ", "-"), safe="") or "unknown"


def device_identifiers(device: DeviceIdentity, gateway: Gateway, system: str) -> tuple[Identifier, ...]:
    """Who a device is, identity first: the EUI-64 as PoCD writes it, else the URN of PCD-01's OBX-18; then the label."""
    if _EUI64.fullmatch(device.eui64):
        first = Identifier(system=EUI64, value="-".join(re.findall("..", device.eui64)))
    else:
        first = Identifier(system=URI, value=device_ei(device, gateway).split("^")[2])
    label = text(device.id)
    return (first, Identifier(system=f"{system}:device", value=label)) if label else (first,)
