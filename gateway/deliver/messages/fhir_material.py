"""Lots behind results as Substances: what a result was made with, and what a control was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Raw

from gateway.deliver.messages.fhir_codes import SUBSTANCE_TYPE
from gateway.deliver.messages.fhir_names import create, reference
from gateway.deliver.messages.fhir_types import (
    CodeableConcept,
    Coding,
    Extension,
    Identifier,
    Lot,
    Reference,
    Substance,
)
from gateway.deliver.messages.fhir_values import code, text
from gateway.model import Material, Observation, Report

REAGENT: Final = "http://hl7.org/fhir/StructureDefinition/observation-reagent"
CONTROL: Final = "CO"
_KINDS: Final = {
    "SR": "Single Test Reagent",
    "MR": "Multiple Test Reagent",
    "DI": "Diluent",
    "PT": "Pretreatment",
    "RC": "Reagent Calibrator",
    "CO": "Control",
    "PW": "Purified Water",
    "LW": "Liquid Waste",
    "SW": "Solid Waste",
    "SC": "Countable Solid Item",
    "LI": "Measurable Liquid Item",
    "OT": "Other",
}
"""HL7 table 0384."""


class Lots:
    """The Substances of one report, each made once however many results it is behind."""

    def __init__(self, report: Report, system: str) -> None:
        self._report, self._system = report, f"{system}:lot"
        self._names: dict[Material, Identifier] = {}

    def reagents(self, observation: Observation) -> tuple[Extension, ...]:
        """What an Observation says of what it was made with."""
        shared = [one for one in self._report.materials if one.kind != CONTROL]
        found = self._references((*observation.materials, *shared))
        return tuple(Extension(url=REAGENT, value_reference=one) for one in found)

    def controls(self) -> tuple[Reference, ...]:
        """Observation.focus of a control: the material that was measured in place of a patient's."""
        return tuple(self._references(one for one in self._report.materials if one.kind == CONTROL))

    def entries(self) -> list[Raw]:
        """Those that were pointed at."""
        return [create("Substance", name, _substance(material, name)) for material, name in self._names.items()]

    def _references(self, materials: Iterable[Material]) -> list[Reference]:
        return [reference("Substance", self._name(one)) for one in dict.fromkeys(materials) if text(one.name) or text(one.lot)]

    def _name(self, material: Material) -> Identifier:
        found = self._names.get(material)
        if found is None:
            found = self._names[material] = Identifier(system=self._system, value=_value(self._report.device.maker, material))
        return found


def _value(maker: str, material: Material) -> str:
    parts: Sequence[str] = (maker, material.kind, material.name, material.lot, material.level, material.expires)
    return text("/".join(parts)) or "?"


def _substance(material: Material, name: Identifier) -> Substance:
    kind = code(material.kind)
    category = None
    if kind is not None:
        coding = (Coding(system=SUBSTANCE_TYPE, code=kind, display=_KINDS[kind]),) if kind in _KINDS else ()
        category = CodeableConcept(coding=coding, text=_KINDS.get(kind, kind))
    level = f"level {material.level}" if text(material.level) else ""
    lot, expiry = text(material.lot), _expiry(material.expires)
    return Substance(
        identifier=(name,),
        category=() if category is None else (category,),
        code=CodeableConcept(text=" ".join(filter(None, (text(material.name) or lot, level)))),
        instance=(Lot(identifier=Identifier(value=lot) if lot else None, expiry=expiry),) if lot or expiry else (),
    )


def _expiry(digits: str) -> str | None:
    """YYYYMMDD… as a FHIR date."""
    return (
        f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}" if len(digits) >= 8 and digits[:8].isdecimal() and digits.isascii() else None
    )
