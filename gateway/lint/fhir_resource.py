"""Rules for single resources: statuses, values, the vital signs profile, device metrics."""

from __future__ import annotations

from typing import Any, Final

from gateway.lint.fhir_finding import Judge, Object, codes, codings, indexed, objects
from gateway.lint.fhir_tables import CATEGORY, LOINC, MDC, PANEL, SPECIMEN_ROLE, UCUM, VITAL_SIGNS

_OBSERVATION: Final = "registered preliminary final amended corrected cancelled entered-in-error unknown"
_REPORT: Final = "registered partial preliminary final amended corrected appended cancelled entered-in-error unknown"
_STATUSES: Final = {
    ("Observation", "status"): _OBSERVATION,
    ("DiagnosticReport", "status"): _REPORT,
    ("Device", "status"): "active inactive entered-in-error unknown",
    ("DeviceMetric", "operationalStatus"): "on off standby entered-in-error",
    ("DeviceMetric", "category"): "measurement setting calculation unspecified",
    ("DeviceMetric", "color"): "black red green yellow blue magenta cyan white",
    ("ServiceRequest", "status"): "draft active on-hold revoked completed entered-in-error unknown",
    ("ServiceRequest", "intent"): "proposal plan directive order original-order reflex-order filler-order instance-order option",
    ("ServiceRequest", "priority"): "routine urgent asap stat",
    ("Substance", "status"): "active inactive entered-in-error",
    ("Specimen", "status"): "available unavailable unsatisfactory entered-in-error",
    ("Patient", "gender"): "male female other unknown",
    ("Bundle", "type"): "document message transaction transaction-response batch batch-response history searchset collection",
}
"""Required bindings, which fhir.resources does not check."""
_IDENTIFIED: Final = frozenset(
    {"Observation", "Device", "DeviceMetric", "Patient", "ServiceRequest", "Specimen", "Substance", "DiagnosticReport"}
)
_BLOOD_PRESSURE: Final = ("8480-6", "8462-4")
_VITAL: Final = "vital-signs"


def check_resource(judge: Judge, where: str, resource: Object) -> None:
    """Everything that one resource must meet by itself."""
    kind = str(resource.get("resourceType"))
    for (of, name), allowed in _STATUSES.items():
        if of == kind and name in resource and resource[name] not in allowed.split():
            judge.add("status", f"{where}.{name}", resource[name], f"one of {allowed}")
    if kind in _IDENTIFIED and not objects(resource.get("identifier")):
        judge.add("identifier", f"{where}.identifier", None, "an identifier by which it is made once")
    _contained(judge, where, resource)
    if kind == "Observation":
        _observation(judge, where, resource)
    elif kind == "DeviceMetric":
        _metric(judge, where, resource)


def references(where: str, value: Any) -> list[tuple[str, str]]:
    """Every Reference.reference inside, with its place."""
    found = []
    if isinstance(value, dict):
        for name, one in value.items():
            if name == "reference" and isinstance(one, str):
                found.append((f"{where}.reference", one))
            elif name != "contained":
                found += references(f"{where}.{name}", one)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            found += references(f"{where}[{number}]", one)
    return found


def _contained(judge: Judge, where: str, resource: Object) -> None:
    known = {f"#{one.get('id')}" for one in objects(resource.get("contained"))} | {"#"}
    for place, target in references(where, resource):
        if target.startswith("#") and target not in known:
            judge.add("reference-contained", place, target, "the id of a contained resource")


def _metric(judge: Judge, where: str, metric: Object) -> None:
    unit = metric.get("unit")
    if unit is not None and not codes(unit, MDC):
        judge.add("mdc-unit", f"{where}.unit", next(iter(codings(unit)), {}).get("system"), f"a coding of {MDC}")
    if "source" not in metric:
        judge.add("metric-source", f"{where}.source", None, "a reference to the Device")


def _observation(judge: Judge, where: str, observation: Object) -> None:
    category = [code for one in objects(observation.get("category")) for code in codes(one, CATEGORY)]
    _values(judge, where, observation)
    _ranges(judge, where, observation)
    _subject(judge, where, observation, category)
    if "device" in observation and "laboratory" not in category and not codes(observation.get("code"), MDC):
        judge.add("mdc-missing", f"{where}.code", None, "an MDC coding; without one the device's code is not mapped")
    listed = [code for code in codes(observation.get("code"), LOINC) if code in VITAL_SIGNS]
    if _VITAL in category:
        _vital_signs(judge, where, observation, listed)
    elif listed and "laboratory" not in category:
        judge.add("vs-category", f"{where}.category", ", ".join(category) or None, f"{_VITAL}, as {listed[0]} is one")


def _value_of(element: Object) -> str | None:
    return next((name for name in element if name.startswith("value")), None)


def _values(judge: Judge, where: str, observation: Object) -> None:
    parts = [(where, observation), *indexed(where, "component", observation.get("component"))]
    for place, one in parts:
        if _value_of(one) and "dataAbsentReason" in one:
            judge.add("value-absent", f"{place}.dataAbsentReason", "both", "a value or a reason for its absence")
    own = {_coded(one) for one in codings(observation.get("code"))}
    for place, one in parts[1:]:
        if _value_of(observation) and own & {_coded(each) for each in codings(one.get("code"))}:
            judge.add("value-component", place, "the Observation's own code", "another code than the Observation's")
    if not _told(observation) and not parts[1:] and "hasMember" not in observation:
        judge.add("value", where, None, "a value, or dataAbsentReason")


def _coded(coding: Object) -> tuple[str, str]:
    return str(coding.get("system")), str(coding.get("code"))


def _told(element: Object) -> bool:
    return _value_of(element) is not None or "dataAbsentReason" in element


def _ranges(judge: Judge, where: str, observation: Object) -> None:
    for place, one in indexed(where, "referenceRange", observation.get("referenceRange")):
        if not one.keys() & {"low", "high", "text"}:
            judge.add("range", place, None, "low, high or text")


def _subject(judge: Judge, where: str, observation: Object, category: list[str]) -> None:
    subject = observation.get("subject")
    control = any(codes(one, SPECIMEN_ROLE) == ["Q"] for one in objects(observation.get("category")))
    if control and isinstance(subject, dict):
        kind = f"{subject.get('type', '')} {subject.get('reference', '')}"
        if "Patient" in kind:
            judge.add("control-patient", f"{where}.subject", kind.strip(), "no patient: it is a control")
    if subject is None and "laboratory" not in category and _VITAL not in category:
        judge.add("subject", f"{where}.subject", None, "the patient, or the device when it is about that")


def _vital_signs(judge: Judge, where: str, observation: Object, listed: list[str]) -> None:
    if "subject" not in observation:
        judge.add("vs-subject", f"{where}.subject", None, "the patient")
    if not observation.keys() & {"effectiveDateTime", "effectivePeriod"}:
        judge.add("vs-effective", f"{where}.effectiveDateTime", None, "when it was measured")
    loincs = codes(observation.get("code"), LOINC)
    if not loincs:
        judge.add("vs-loinc", f"{where}.code", None, "a LOINC coding")
    components = indexed(where, "component", observation.get("component"))
    for place, one in components:
        if not _told(one):
            judge.add("vs-value", place, None, "a value, or dataAbsentReason")
        _unit(judge, place, one, [code for code in codes(one.get("code"), LOINC) if code in VITAL_SIGNS])
    if not _told(observation) and not components and "hasMember" not in observation:
        judge.add("vs-value", where, None, "a value, or dataAbsentReason")
    _unit(judge, where, observation, listed)
    if PANEL in listed:
        _panel(judge, where, components)


def _unit(judge: Judge, where: str, element: Object, listed: list[str]) -> None:
    """The value of a listed vital sign is a UCUM Quantity in a unit of the table."""
    name = _value_of(element)
    for code in listed:
        allowed = VITAL_SIGNS[code]
        if name is None or not allowed:
            continue
        value = element[name]
        unit = str(value.get("code")) if isinstance(value, dict) and value.get("system") == UCUM else None
        if name != "valueQuantity" or unit not in allowed:
            got = unit if name == "valueQuantity" else name
            judge.add("vs-unit", f"{where}.{name}", got, f"for {code} the UCUM unit {' or '.join(sorted(allowed))}")


def _panel(judge: Judge, where: str, components: list[tuple[str, Object]]) -> None:
    held = {code for _, one in components for code in codes(one.get("code"), LOINC)}
    for wanted in _BLOOD_PRESSURE:
        if wanted not in held:
            judge.add("vs-panel", f"{where}.component", None, f"a component {wanted}")
