"""LIVD as FHIR JSON (HL7 LIVD guide): DeviceDefinition and ObservationDefinition, and a ConceptMap from one to LOINC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from gateway.errors import ActError
from gateway.mapping.livd import Suggestion, cell

LOINC = "http://loinc.org"
_NONE = frozenset({"unmatched", "disjoint", "not-related-to"})
_EQUAL = frozenset({"", "equivalent", "equal", "relatedto"})
"""ConceptMap equivalence (R4) and relationship (R5): no mapping at all, and one without reserve."""

Resource = Mapping[str, Any]


def read(data: bytes) -> tuple[str, list[Suggestion]]:
    """The catalogue's version, and every target of every element. ActError when it holds no such ConceptMap."""
    try:
        root = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ActError(f"not JSON: {error}") from None
    resources = list(_resources(root))
    maps = [one for one in resources if one.get("resourceType") == "ConceptMap"]
    if not maps:
        raise ActError("no ConceptMap in it: expected a Bundle of the LIVD guide, or one ConceptMap")
    catalogue = _Catalogue(resources)
    return catalogue.version, [found for one in maps for found in catalogue.read(one)]


def _resources(root: Any) -> Iterator[Resource]:
    if not isinstance(root, dict):
        return
    yield root
    for one in _list(root, "entry"):
        yield from _resources(one.get("resource"))
    yield from _list(root, "contained")


class _Catalogue:
    """What the resources of a file say of each other."""

    def __init__(self, resources: list[Resource]) -> None:
        by_type: dict[str, list[Resource]] = {}
        for one in resources:
            by_type.setdefault(str(one.get("resourceType")), []).append(one)
        self._devices = {_id(one): _named(one) for one in by_type.get("DeviceDefinition", [])}
        self._analytes = {_id(one): one for one in by_type.get("ObservationDefinition", [])}
        self._by_name = {_coding(one)[1]: one for one in self._analytes.values() if _coding(one)[1]}
        fragment = [
            one for system in by_type.get("CodeSystem", []) if system.get("url") == LOINC for one in _list(system, "concept")
        ]
        self._properties = {str(one.get("code")): _property(one) for one in fragment}
        self._names = {str(one.get("code")): str(one.get("display") or "") for one in fragment}
        composition = next(iter(by_type.get("Composition", [])), {})
        self._author = next((str(one.get("display", "")) for one in _list(composition, "author")), "")
        named = _table(composition, "identifier").get("value") or composition.get("version") or composition.get("title") or ""
        self.version = str(named)

    def read(self, conceptmap: Resource) -> Iterator[Suggestion]:
        """The suggestions of one map; maps to anything but LOINC, such as those of result values, say nothing here."""
        for number, group in enumerate(_list(conceptmap, "group"), 1):
            if str(group.get("target", LOINC)).rstrip("/") != LOINC or "resultvalue" in str(conceptmap.get("meta", "")):
                continue
            for place, element in enumerate(_list(group, "element"), 1):
                for target in _list(element, "target"):
                    yield from self._target(f"group {number}, element {place}", element, target)

    def _target(self, place: str, element: Resource, target: Resource) -> Iterator[Suggestion]:
        said = str(target.get("equivalence") or target.get("relationship") or "")
        if said in _NONE:
            return
        code, analyte, devices, doubts = self._analyte(element)
        if said not in _EQUAL:
            doubts = (*doubts, f"the maker says {said}, not equivalent")
        needs = dict(map(_need, _list(target, "dependsOn")))
        loinc = str(target.get("code", "")).strip()
        for maker, model in devices:
            yield Suggestion(
                place=place,
                maker=maker,
                model=model,
                code=code,
                analyte=analyte,
                specimen=cell(needs.get("specimen", "")),
                result=cell(needs.get("result", "")),
                loinc=loinc,
                name=self._names.get(loinc) or (str(target.get("display") or "") if target.get("display") != analyte else ""),
                prop=self._properties.get(loinc, ""),
                doubts=doubts,
            )

    def _analyte(self, element: Resource) -> tuple[str, str, list[tuple[str, str]], tuple[str, ...]]:
        """Code, name, devices (maker and model), doubts. An element names an ObservationDefinition, or is the code itself."""
        own, name = str(element.get("code", "")).strip(), str(element.get("display", "")).strip()
        found = self._analytes.get(own.rpartition("/")[2])
        if found is not None:
            code, display = _coding(found)
            return code, display or name, self._of(found), ()
        if (found := self._by_name.get(name)) is not None:
            code, display = _coding(found)
            doubt = "the file does not define what it maps; the definition of the same name is taken for it"
            return code, display, self._of(found), (doubt,)
        if self._analytes:
            return "", name or own, [(self._author, "")], ()
        return own, name, sorted(set(self._devices.values())) or [(self._author, "")], ()

    def _of(self, analyte: Resource) -> list[tuple[str, str]]:
        """The devices of an analyte: those that it names, else those that name it, else all of the file."""
        named = [_reference(one) for one in _list(analyte, "extension") if str(one.get("url", "")).endswith("ext-device")]
        found = {self._devices[one] for one in named if one in self._devices} or set(self._devices.values())
        return sorted(found) or [(self._author, "")]


def _need(depends: Resource) -> tuple[str, str]:
    """Specimen or result, and what it must be."""
    said = next((value for key, value in depends.items() if key.startswith("value")), "")
    text = said.get("display") or said.get("code") or said.get("unit") if isinstance(said, dict) else said
    named = str(depends.get("property") or depends.get("attribute") or "").rstrip("/")
    return named.rpartition("/")[2].rpartition("#")[2].casefold(), str(text or "")


def _named(device: Resource) -> tuple[str, str]:
    maker = device.get("manufacturerString") or _table(device, "manufacturerReference").get("display")
    maker = maker or _table(device, "manufacturer").get("display") or ""
    names = [one.get("name") for one in _list(device, "deviceName")]
    return cell(str(maker)), cell(str(device.get("modelNumber") or next(filter(None, names), "") or ""))


def _coding(analyte: Resource) -> tuple[str, str]:
    coding = next(iter(_list(_table(analyte, "code"), "coding")), {})
    return str(coding.get("code", "")).strip(), str(coding.get("display") or _table(analyte, "code").get("text") or "").strip()


def _property(concept: Resource) -> str:
    found = next((one for one in _list(concept, "property") if one.get("code") == "PROPERTY"), {})
    return str(_table(found, "valueCoding").get("display") or found.get("valueString") or found.get("valueCode") or "")


def _id(resource: Resource) -> str:
    return str(resource.get("id", ""))


def _reference(extension: Resource) -> str:
    return str(_table(extension, "valueReference").get("reference", "")).rpartition("/")[2].removeprefix("urn:uuid:")


def _list(resource: Resource, key: str) -> Iterable[Resource]:
    found = resource.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _table(resource: Resource, key: str) -> Resource:
    found = resource.get(key)
    return found if isinstance(found, dict) else {}
