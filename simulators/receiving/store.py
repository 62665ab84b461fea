"""A FHIR store as small as can be: transactions with conditional create and update, search by identifier. Pure."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

Resource = dict[str, Any]

RESOURCES_MAX = 1_000_000
"""Resources kept in memory, about a day of a demo; then the store says that it is full (507)."""
_TYPE = re.compile(r"^[A-Z][A-Za-z]{1,63}$")


class Rejected(Exception):  # noqa: N818 - it is an answer, not a fault of ours
    """The request is not carried out; `status` and the text are the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(slots=True)
class _Plan:
    """An entry that will be carried out: where its resource goes, and what is answered."""

    status: int
    kind: str
    id: str
    resource: Resource | None


@dataclass(slots=True)
class FhirStore:
    """Resources by type and id, and by identifier."""

    _resources: dict[tuple[str, str], Resource] = field(default_factory=dict)
    _versions: dict[tuple[str, str], int] = field(default_factory=dict)
    _index: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)
    _next: int = 1

    def transaction(self, bundle: Resource) -> Resource:
        """Carry out a transaction wholly or not at all; the transaction-response. Raises Rejected."""
        if bundle.get("resourceType") != "Bundle" or bundle.get("type") != "transaction":
            raise Rejected(400, "expected a Bundle of type transaction")
        entries = bundle.get("entry")
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise Rejected(400, "expected Bundle.entry, an array of objects")
        plans, references = self._plan(entries)
        ready = [self._referring(plan.resource, references) if plan.resource is not None else None for plan in plans]
        for plan, resource in zip(plans, ready, strict=True):
            if resource is not None:
                self._keep(plan, resource)
        return {"resourceType": "Bundle", "type": "transaction-response", "entry": [self._response(plan) for plan in plans]}

    def search(self, kind: str, identifier: str) -> Resource:
        """The searchset of one type for identifier=system|value."""
        found = [self._resources[kind, id_] for id_ in self._find(kind, identifier)]
        entries = [{"fullUrl": f"{kind}/{one['id']}", "resource": one, "search": {"mode": "match"}} for one in found]
        return {"resourceType": "Bundle", "type": "searchset", "total": len(found), "entry": entries}

    def read(self, kind: str, id_: str) -> Resource:
        """One resource. Raises Rejected 404."""
        try:
            return self._resources[kind, id_]
        except KeyError:
            raise Rejected(404, f"no {kind}/{id_[:64]}") from None

    def restore(self, resource: Resource) -> None:
        """Take back a resource as `changes` told it."""
        kind, id_ = str(resource["resourceType"]), str(resource["id"])
        self._keep(_Plan(200, kind, id_, resource), resource)
        if id_.isdigit():
            self._next = max(self._next, int(id_) + 1)

    def count(self) -> dict[str, int]:
        """How many resources there are of each type."""
        kinds = [kind for kind, _ in self._resources]
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}

    def _plan(self, entries: list[Resource]) -> tuple[list[_Plan], dict[str, str]]:
        if len(self._resources) + len(entries) > RESOURCES_MAX:
            raise Rejected(507, "the store is full")
        plans: list[_Plan] = []
        references: dict[str, str] = {}
        seen: set[str] = set()
        for number, entry in enumerate(entries):
            plan, condition = self._entry(number, entry)
            if condition and condition in seen:
                raise Rejected(400, f"entry[{number}]: {condition} is in this transaction twice")
            seen.add(condition)
            plans.append(plan)
            if isinstance(entry.get("fullUrl"), str):
                references[entry["fullUrl"]] = f"{plan.kind}/{plan.id}"
            if condition:
                references[condition] = f"{plan.kind}/{plan.id}"
        return plans, references

    def _entry(self, number: int, entry: Resource) -> tuple[_Plan, str]:
        """What an entry will do, and the condition it stands under ("Type?identifier=…") if there is one."""
        request, resource = entry.get("request"), entry.get("resource")
        if not isinstance(request, dict) or not isinstance(resource, dict):
            raise Rejected(400, f"entry[{number}]: expected request and resource")
        kind, method, url = str(resource.get("resourceType")), request.get("method"), str(request.get("url"))
        if not _TYPE.match(kind) or re.split("[?/]", url, maxsplit=1)[0] != kind:
            raise Rejected(400, f"entry[{number}]: url {url[:80]!r} is not for a {kind[:64]}")
        query = request.get("ifNoneExist") if method == "POST" else url.partition("?")[2]
        if method not in ("POST", "PUT") or (method == "PUT" and not query):
            raise Rejected(400, f"entry[{number}]: expected POST, or PUT with a condition; this store does nothing else")
        if not query:
            return self._create(kind, resource), ""
        found = self._find(kind, _identifier(str(query)))
        condition = f"{kind}?{query}"
        if len(found) > 1:
            raise Rejected(412, f"entry[{number}]: {condition} matches {len(found)} resources")
        if not found:
            return self._create(kind, resource), condition
        return _Plan(200, kind, found[0], resource if method == "PUT" else None), condition

    def _create(self, kind: str, resource: Resource) -> _Plan:
        id_, self._next = str(self._next), self._next + 1
        return _Plan(201, kind, id_, resource)

    def _referring(self, resource: Resource, references: dict[str, str]) -> Resource:
        """The resource with what it refers to inside the transaction replaced by where that now is."""
        resource = copy.deepcopy(resource)
        for holder in _references(resource):
            target = holder["reference"]
            if target in references:
                holder["reference"] = references[target]
            elif target.startswith("urn:uuid:"):
                raise Rejected(400, f"reference {target} points at nothing in this transaction")
            elif "?" in target:
                holder["reference"] = self._conditional(target)
        return resource

    def _conditional(self, target: str) -> str:
        kind, _, query = target.partition("?")
        found = self._find(kind, _identifier(query))
        if len(found) != 1:
            raise Rejected(412, f"conditional reference to a {kind[:64]} matches {len(found)} resources")
        return f"{kind}/{found[0]}"

    def _find(self, kind: str, identifier: str) -> list[str]:
        system, bar, value = identifier.rpartition("|")
        if bar:
            return list(self._index.get((kind, system, value), ()))
        return [id_ for (k, _, v), ids in self._index.items() if k == kind and v == value for id_ in ids]

    def _keep(self, plan: _Plan, resource: Resource) -> None:
        key = (plan.kind, plan.id)
        for system, value in _identifiers(self._resources.get(key, {})):
            self._index[plan.kind, system, value].remove(plan.id)
        self._versions[key] = self._versions.get(key, 0) + 1
        self._resources[key] = {
            **resource,
            "id": plan.id,
            "meta": {**resource.get("meta", {}), "versionId": str(self._versions[key])},
        }
        for system, value in _identifiers(resource):
            self._index.setdefault((plan.kind, system, value), []).append(plan.id)

    def _response(self, plan: _Plan) -> Resource:
        version = self._versions[plan.kind, plan.id]
        word = "201 Created" if plan.status == 201 else "200 OK"
        return {"response": {"status": word, "location": f"{plan.kind}/{plan.id}/_history/{version}", "etag": f'W/"{version}"'}}


def _identifier(query: str) -> str:
    """The value of identifier= in a query; nothing else can be searched for."""
    found = parse_qs(query, keep_blank_values=True)
    if set(found) != {"identifier"} or len(found["identifier"]) != 1:
        raise Rejected(400, f"{unquote(query)[:80]!r}: this store searches by identifier=system|value only")
    return found["identifier"][0]


def _identifiers(resource: Resource) -> list[tuple[str, str]]:
    given = resource.get("identifier", [])
    each = given if isinstance(given, list) else [given]
    return list(dict.fromkeys((str(one.get("system", "")), str(one.get("value", ""))) for one in each if isinstance(one, dict)))


def _references(node: Any) -> list[dict[str, str]]:
    """Every object in `node` that has a literal reference."""
    found: list[dict[str, str]] = []
    stack = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            if isinstance(item.get("reference"), str):
                found.append(item)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
    return found
