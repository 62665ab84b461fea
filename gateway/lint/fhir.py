"""Judging FHIR R4 JSON, anyone's: fhir.resources' structure check and the rules that it, the profiles and servers leave to us."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.lint.fhir_bundle import check_bundle
from gateway.lint.fhir_finding import Judge, Object, indexed
from gateway.lint.fhir_json import check_elements, plain, read, type_of
from gateway.lint.fhir_resource import check_resource
from gateway.lint.finding import Finding


def lint_fhir(data: bytes) -> list[Finding]:
    """Findings in one resource or Bundle, or several in a file: then a field begins with its number, `2:Observation.status`."""
    judge = Judge()
    try:
        judged = [_value(value) for value in read(data.decode("utf-8-sig"))]
    except UnicodeDecodeError as error:
        judge.add("json", "file", f"byte {error.start}", "UTF-8")
        return judge.findings
    except (ValueError, RecursionError) as error:
        judge.add("json", "file", str(error) or "too deep", "a FHIR resource as JSON")
        return judge.findings
    if len(judged) == 1:
        return judged[0]
    return [replace(one, field=f"{number}:{one.field}") for number, found in enumerate(judged, 1) for one in found]


def _value(value: Any) -> list[Finding]:
    judge = Judge()
    kind = type_of(value)
    where = kind if kind.isascii() and kind.isalpha() else "resource"
    resource = plain(judge, where, value)
    if isinstance(resource, dict):
        _resource(judge, where, resource)
        _structure(judge, where, resource)
    else:
        judge.add("resource-type", where, resource, "an object with resourceType")
    return judge.findings


def _resource(judge: Judge, where: str, resource: Object) -> None:
    check_elements(judge, where, resource)
    check_resource(judge, where, resource)
    if resource.get("resourceType") != "Bundle":
        return
    check_bundle(judge, where, resource)
    for place, entry in indexed(where, "entry", resource.get("entry")):
        inner = entry.get("resource")
        if isinstance(inner, dict):
            _resource(judge, f"{place}.resource", inner)


def _structure(judge: Judge, where: str, resource: Object) -> None:
    """fhir.resources' R4B classes, whose elements are R4's for what we send; loaded only here, as they are large."""
    from fhir.resources.R4B import get_fhir_model_class

    try:
        model = get_fhir_model_class(str(resource.get("resourceType")))
    except (KeyError, ValueError, LookupError):
        judge.add("resource-type", f"{where}.resourceType", resource.get("resourceType"), "a resource type of FHIR R4")
        return
    from pydantic import ValidationError

    try:
        model.model_validate(resource)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            _told(judge, where, one)
    except (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        # its validators trip over what they do not expect, such as a resourceType that is an array
        judge.add("structure", where, type(error).__name__, "elements of the types that R4 gives them")


def _told(judge: Judge, where: str, one: Any) -> None:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in one["loc"])
    got = one["input"] if isinstance(one["input"], str | int) else one["type"]
    judge.add("structure", f"{where}{place}", got, str(one["msg"])[:200])
