"""The receiver's FHIR door: an R4 server that takes transactions, finds by identifier, and misbehaves as its script says."""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path
from typing import Any, BinaryIO

from aiohttp import web

from simulators.receiving.behaviour import Act, Behaviour, Script
from simulators.receiving.keeping import Keeping
from simulators.receiving.store import FhirStore, Rejected, Resource

TYPE = "application/fhir+json"
FILE = "resources.jsonl"
BODY_MAX = 16 * 1024 * 1024
"""Bytes of a Bundle: a hundred times that of thirty observations."""
_STATUS = {"AE": 503, "CE": 503, "AR": 422, "CR": 422}
"""HTTP's words for a refusal that MLLP would give: trouble of the receiver's, or of the message."""


class FhirDoor:
    """The server. With a folder, each resource that a transaction changed is appended to resources.jsonl."""

    def __init__(self, keeping: Keeping, script: Script, folder: Path | None = None) -> None:
        self.store = FhirStore()
        self._keeping = keeping
        self._script = script
        self._former: Resource | None = None
        self._file: BinaryIO | None = None
        self._runner: web.AppRunner | None = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = self._restored(folder / FILE)

    async def open(self, host: str, port: int, context: ssl.SSLContext | None = None) -> int:
        """Listen; returns the port, which the system chooses when 0 is given."""
        app = web.Application(client_max_size=BODY_MAX)
        app.add_routes(
            [
                web.post("/", self._transaction),
                web.get("/metadata", self._metadata),
                web.get("/{kind:[A-Z][A-Za-z]+}", self._search),
                web.get("/{kind:[A-Z][A-Za-z]+}/{id}", self._read),
            ]
        )
        # a stalled request ends with its connection, and does not hold up the end of the program
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, ssl_context=context).start()
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Stop listening and close every connection."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._file is not None:
            self._file.close()

    async def _transaction(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        behaviour = self._script.next()
        bundle = _json(body)
        answer = self._carry_out(bundle) if behaviour.act in (Act.ACK, Act.CLOSE_AFTER) else self._misbehave(behaviour)
        former, self._former = self._former, _names(bundle)
        accepted = behaviour.act in (Act.ACK, Act.CLOSE_AFTER) and answer is not None and answer[0] == 200
        said = "nothing" if answer is None else str(answer[0])
        id_, device = _id(bundle), _device(bundle)
        self._keeping.add("fhir", id_, device, body, accepted=accepted, answer=said)
        return await self._say(request, behaviour, answer, former)

    def _carry_out(self, bundle: Resource | None) -> tuple[int, Resource]:
        if bundle is None:
            return 400, _outcome("structure", "the body is no JSON object")
        try:
            response = self.store.transaction(bundle)
        except Rejected as no:
            return no.status, _outcome("processing", str(no))
        self._append(response)
        return 200, response

    @staticmethod
    def _misbehave(behaviour: Behaviour) -> tuple[int, Resource] | None:
        if behaviour.act is Act.REFUSE:
            status = _STATUS.get(behaviour.code) or int(behaviour.code)
            return status, _outcome("transient" if status >= 500 else "processing", "refused on command")
        if behaviour.act in (Act.WRONG_ID, Act.LATE):
            return 200, {}
        return (200, {}) if behaviour.act is Act.GARBAGE else None

    async def _say(
        self, request: web.Request, behaviour: Behaviour, answer: tuple[int, Resource] | None, former: Resource | None
    ) -> web.StreamResponse:
        if behaviour.act is Act.STALL or (behaviour.act is Act.LATE and former is None):
            await asyncio.Event().wait()
        if answer is None:
            return _hang_up(request)
        if behaviour.act is Act.GARBAGE:
            return web.Response(body=b"<html>this is no Bundle</html>", content_type=TYPE)
        if behaviour.act is Act.LATE:
            return _reply(200, former or {})
        if behaviour.act is Act.WRONG_ID:
            return _reply(200, {"resourceType": "Bundle", "type": "transaction-response", "entry": []})
        response = _reply(*answer)
        if behaviour.act is Act.CLOSE_AFTER:
            response.force_close()
        return response

    async def _search(self, request: web.Request) -> web.StreamResponse:
        identifier = request.query.get("identifier")
        if identifier is None:
            return _reply(400, _outcome("not-supported", "this store searches by identifier=system|value only"))
        return _reply(200, self.store.search(request.match_info["kind"], identifier))

    async def _read(self, request: web.Request) -> web.StreamResponse:
        try:
            return _reply(200, self.store.read(request.match_info["kind"], request.match_info["id"]))
        except Rejected as no:
            return _reply(no.status, _outcome("not-found", str(no)))

    @staticmethod
    async def _metadata(request: web.Request) -> web.StreamResponse:
        del request
        rest = [{"mode": "server", "interaction": [{"code": "transaction"}]}]
        head = {"resourceType": "CapabilityStatement", "status": "active", "kind": "instance", "fhirVersion": "4.0.1"}
        return _reply(200, {**head, "date": "2026-11-21", "format": ["json"], "rest": rest})

    def _append(self, response: Resource) -> None:
        if self._file is None:
            return
        for entry in response["entry"]:
            kind, id_ = entry["response"]["location"].split("/")[:2]
            self._file.write(json.dumps(self.store.read(kind, id_), ensure_ascii=False).encode() + b"\n")
        self._file.flush()

    def _restored(self, path: Path) -> BinaryIO:
        path.touch(mode=0o600)
        with path.open("rb") as file:
            for line in file:
                resource = _json(line)
                if resource is not None and "id" in resource:
                    self.store.restore(resource)
        return path.open("ab")


def _json(body: bytes) -> Resource | None:
    try:
        data: Any = json.loads(body)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def _reply(status: int, resource: Resource) -> web.Response:
    return web.Response(status=status, body=json.dumps(resource).encode(), content_type=TYPE)


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _outcome(code: str, text: str) -> Resource:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code, "diagnostics": text}]}


def _names(bundle: Resource | None) -> Resource:
    """The answer that a transaction would have had: what a late answer shows to the one after."""
    entries = bundle.get("entry") if bundle else None
    count = len(entries) if isinstance(entries, list) else 0
    entry = {"response": {"status": "201 Created", "location": "Observation/late/_history/1"}}
    return {"resourceType": "Bundle", "type": "transaction-response", "entry": [entry] * count}


def _id(bundle: Resource | None) -> str:
    identifier = bundle.get("identifier") if bundle else None
    return str(identifier.get("value", "")) if isinstance(identifier, dict) else ""


def _device(bundle: Resource | None) -> str:
    """The first identifier of the first Device in a Bundle."""
    entries = bundle.get("entry") if bundle else None
    resources = [entry.get("resource") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    for resource in resources:
        if isinstance(resource, dict) and resource.get("resourceType") == "Device":
            given = resource.get("identifier")
            if isinstance(given, list) and given and isinstance(given[0], dict):
                return str(given[0].get("value", ""))
    return ""
