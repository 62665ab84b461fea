"""The FHIR door over HTTP: good answers, and every way to misbehave, seen by a client that knows nothing of us."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from simulators.pki import make
from simulators.receiver import Doors, Receiver
from simulators.receiving.behaviour import Script

DEVICE = {"resourceType": "Device", "identifier": [{"system": "urn:test", "value": "0123456789ABCDEF"}]}


def transaction(id_: str) -> dict[str, Any]:
    observation = {"resourceType": "Observation", "identifier": [{"system": "urn:test", "value": id_}], "status": "final"}
    entries = [
        {"resource": DEVICE, "request": {"method": "PUT", "url": "Device?identifier=urn:test|0123456789ABCDEF"}},
        {
            "resource": observation,
            "request": {"method": "POST", "url": "Observation", "ifNoneExist": f"identifier=urn:test|{id_}"},
        },
    ]
    return {"resourceType": "Bundle", "type": "transaction", "identifier": {"system": "urn:test", "value": id_}, "entry": entries}


@asynccontextmanager
async def receiving(script: str = "ack", keep: Path | None = None) -> AsyncIterator[tuple[Receiver, aiohttp.ClientSession]]:
    async with Receiver(Doors(fhir="127.0.0.1:0", keep=keep), Script(script)) as receiver:
        timeout = aiohttp.ClientTimeout(total=0.5 if script in ("stall", "late") else 10)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{receiver.ports['fhir']}/", timeout=timeout) as client:
            yield receiver, client


async def post(client: aiohttp.ClientSession, id_: str) -> tuple[int, Any]:
    async with client.post("", json=transaction(id_)) as answer:
        assert answer.content_type == "application/fhir+json"
        return answer.status, await answer.json(content_type=None)


async def test_a_transaction_is_answered_entry_by_entry_and_found_again() -> None:
    async with receiving() as (receiver, client):
        status, answer = await post(client, "B1")
        assert status == 200
        assert answer["type"] == "transaction-response"
        assert [one["response"]["status"] for one in answer["entry"]] == ["201 Created", "201 Created"]
        status, answer = await post(client, "B1")
        assert [one["response"]["status"] for one in answer["entry"]] == ["200 OK", "200 OK"]
        async with client.get("Observation", params={"identifier": "urn:test|B1"}) as found:
            bundle = await found.json(content_type=None)
        assert (bundle["type"], bundle["total"]) == ("searchset", 1)
        async with client.get(bundle["entry"][0]["fullUrl"]) as one:
            assert (await one.json(content_type=None))["identifier"][0]["value"] == "B1"
        summary = receiver.keeping.ledger.summary()
    assert (summary.received, summary.unique, summary.accepted, summary.repeats) == (2, 1, 1, 1)
    assert summary.devices == {"0123456789ABCDEF": {"unique": 1, "out_of_order": 0}}


@pytest.mark.parametrize(
    ("script", "status"),
    [("refuse:AE", 503), ("refuse:CE", 503), ("refuse:AR", 422), ("refuse:CR", 422), ("refuse:409", 409), ("refuse:429", 429)],
)
async def test_a_refusal_has_a_status_and_an_outcome_and_keeps_nothing(script: str, status: int) -> None:
    async with receiving(script) as (receiver, client):
        got, answer = await post(client, "B1")
        assert got == status
        assert answer["resourceType"] == "OperationOutcome"
        async with client.get("Observation", params={"identifier": "urn:test|B1"}) as found:
            assert (await found.json(content_type=None))["total"] == 0
        summary = receiver.keeping.ledger.summary()
    assert (summary.received, summary.accepted) == (1, 0)


async def test_garbage_is_no_json() -> None:
    async with receiving("garbage") as (_, client), client.post("", json=transaction("B1")) as answer:
        assert answer.status == 200
        with pytest.raises(json.JSONDecodeError):
            json.loads(await answer.text())


async def test_a_wrong_answer_has_no_entries() -> None:
    async with receiving("wrong-id") as (receiver, client):
        assert await post(client, "B1") == (200, {"resourceType": "Bundle", "type": "transaction-response", "entry": []})
        assert receiver.keeping.ledger.summary().accepted == 0


async def test_closing_is_no_answer() -> None:
    async with receiving("close") as (receiver, client):
        with pytest.raises(aiohttp.ClientError):
            await post(client, "B1")
        assert receiver.keeping.ledger.summary().received == 1


async def test_closing_after_the_answer_is_announced() -> None:
    async with receiving("close-after") as (_, client), client.post("", json=transaction("B1")) as answer:
        assert answer.headers["Connection"] == "close"
        assert answer.status == 200


async def test_stalling_never_answers() -> None:
    async with receiving("stall") as (receiver, client):
        with pytest.raises(asyncio.TimeoutError):
            await post(client, "B1")
        assert receiver.keeping.ledger.summary().received == 1


async def test_a_late_answer_is_the_former_ones() -> None:
    async with receiving("late") as (_, client):
        with pytest.raises(asyncio.TimeoutError):
            await post(client, "B1")
        status, answer = await post(client, "B2")
        assert status == 200
        assert {one["response"]["location"] for one in answer["entry"]} == {"Observation/late/_history/1"}


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff"])
async def test_what_is_no_bundle_gets_an_outcome(body: bytes) -> None:
    async with receiving() as (receiver, client), client.post("", data=body) as answer:
        assert answer.status == 400
        assert (await answer.json(content_type=None))["resourceType"] == "OperationOutcome"
    assert receiver.keeping.ledger.summary().nameless == 1


@pytest.mark.parametrize(("path", "status"), [("Observation", 400), ("Observation/999", 404), ("metadata", 200)])
async def test_other_questions_are_answered(path: str, status: int) -> None:
    async with receiving() as (_, client), client.get(path) as answer:
        assert answer.status == status


async def test_what_was_stored_is_there_after_a_restart(tmp_path: Path) -> None:
    for expected in ("201 Created", "200 OK"):
        async with receiving(keep=tmp_path) as (_, client):
            _, answer = await post(client, "B1")
            assert [one["response"]["status"] for one in answer["entry"]] == [expected] * 2


async def test_https_wants_a_certificate_of_the_sender(tmp_path: Path) -> None:
    pki = make(tmp_path / "pki")
    doors = Doors(fhir="127.0.0.1:0", cert=pki.server.cert, key=pki.server.key, ca=pki.ca)
    known = ssl.create_default_context(cafile=str(pki.ca))
    stranger = ssl.create_default_context(cafile=str(pki.ca))
    known.load_cert_chain(*pki.client)
    async with Receiver(doors, Script()) as receiver, aiohttp.ClientSession() as client:
        url = f"https://localhost:{receiver.ports['fhir']}/"
        async with client.post(url, json=transaction("B1"), ssl=known) as answer:
            assert answer.status == 200
        with pytest.raises(aiohttp.ClientError):
            await client.post(url, json=transaction("B2"), ssl=stranger)
        assert receiver.keeping.ledger.summary().received == 1
