"""Rules for a Bundle: requests, conditions, identities, references between entries."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from gateway.lint.fhir_finding import Judge, Object, indexed, objects
from gateway.lint.fhir_resource import references

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH")
_CARRYING: Final = ("POST", "PUT", "PATCH")
_URN: Final = re.compile(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|urn:oid:[0-2](\.(0|[1-9]\d*))+", re.ASCII)


def check_bundle(judge: Judge, where: str, bundle: Object) -> None:
    """What entries must meet together; each entry's resource is judged by itself elsewhere."""
    entries = indexed(where, "entry", bundle.get("entry"))
    if bundle.get("type") in ("transaction", "batch"):
        conditions: set[str] = set()
        for place, entry in entries:
            _request(judge, place, entry, conditions)
    _full_urls(judge, entries)
    _identities(judge, entries)
    _references(judge, entries, transaction=bundle.get("type") == "transaction")


def _request(judge: Judge, where: str, entry: Object, conditions: set[str]) -> None:
    request = entry.get("request")
    if not isinstance(request, dict):
        judge.add("entry-request", f"{where}.request", None, "method and url")
        return
    method, url = request.get("method"), str(request.get("url", ""))
    resource = entry.get("resource")
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    if method not in _METHODS:
        judge.add("entry-method", f"{where}.request.method", method, "GET HEAD POST PUT DELETE or PATCH")
    if method in _CARRYING and kind is None:
        judge.add("entry-resource", f"{where}.resource", None, f"what is to be written by {method}")
    elif method in _CARRYING and not _fits(str(method), url, str(kind)):
        expected = str(kind) if method == "POST" else f"{kind}/id or {kind}?identifier=..."
        judge.add("entry-url", f"{where}.request.url", url or None, expected)
    _condition(judge, where, entry, conditions)


def _fits(method: str, url: str, kind: str) -> bool:
    if method == "POST":
        return url == kind
    return re.fullmatch(rf"{re.escape(kind)}(/[A-Za-z0-9.-]{{1,64}}|\?\S+)", url) is not None


def _condition(judge: Judge, where: str, entry: Object, conditions: set[str]) -> None:
    request = entry["request"]
    method, condition = request.get("method"), request.get("ifNoneExist")
    if condition is not None and method != "POST":
        judge.add("entry-condition-method", f"{where}.request.ifNoneExist", condition, f"none with {method}")
    if method == "POST" and condition is None:
        judge.add("entry-condition", f"{where}.request.ifNoneExist", None, "identifier=system|value")
    query = condition if method == "POST" else str(request.get("url", "")).partition("?")[2]
    if not isinstance(query, str) or not query:
        return
    resource = entry.get("resource")
    kind = resource.get("resourceType") if isinstance(resource, dict) else ""
    if f"{kind}?{query}" in conditions:
        judge.add("identity-unique", f"{where}.request", query, "one entry for each identity")
    conditions.add(f"{kind}?{query}")
    if query.startswith("identifier=") and isinstance(resource, dict) and _searched(query) not in _tokens(resource):
        judge.add("entry-condition-identifier", f"{where}.request", query, "an identifier that the resource has")


def _searched(query: str) -> str:
    token = query.removeprefix("identifier=").partition("&")[0]
    return re.sub(r"\\([\\|,$])", r"\1", unquote(token))


def _tokens(resource: Object) -> set[str]:
    found = set()
    for one in _identifiers(resource):
        found |= {f"{one.get('system', '')}|{one.get('value')}", str(one.get("value"))}
    return found


def _identifiers(resource: Object) -> list[Object]:
    value = resource.get("identifier")
    return [value] if isinstance(value, dict) else objects(value)


def _full_urls(judge: Judge, entries: list[tuple[str, Object]]) -> None:
    seen: set[str] = set()
    for where, entry in entries:
        url = entry.get("fullUrl")
        if not isinstance(url, str):
            continue
        if url.startswith("urn:") and not _URN.fullmatch(url):
            judge.add("full-url", f"{where}.fullUrl", url, "urn:uuid: and a lower-case UUID")
        if url in seen:
            judge.add("full-url-unique", f"{where}.fullUrl", url, "a fullUrl of its own")
        seen.add(url)


def _identities(judge: Judge, entries: list[tuple[str, Object]]) -> None:
    """Two entries that are the same thing: servers make both, or refuse the whole."""
    seen: set[tuple[str, str, str]] = set()
    for where, entry in entries:
        resource = entry.get("resource")
        if not isinstance(resource, dict):
            continue
        for one in _identifiers(resource):
            key = (str(resource.get("resourceType")), str(one.get("system")), str(one.get("value")))
            if one.keys() >= {"system", "value"} and key in seen:
                judge.add("identity-unique", f"{where}.resource.identifier", one.get("value"), "one entry for each identity")
            seen.add(key)


def _references(judge: Judge, entries: list[tuple[str, Object]], *, transaction: bool) -> None:
    known = {str(entry.get("fullUrl")) for _, entry in entries}
    for where, entry in entries:
        for place, target in references(f"{where}.resource", entry.get("resource")):
            if target.startswith("urn:") and target not in known:
                judge.add("reference", place, target, "the fullUrl of an entry of this Bundle")
            elif "?" in target and not transaction:
                judge.add("reference", place, target, "no search: that is for transactions")
