"""The FHIR destination against servers that take, refuse, lie, stall, hang up, redirect and speak too much."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509

from gateway.deliver.destination import Accepted, Outcome, Outgoing, Refused, Retry
from gateway.deliver.destinations.fhir import ANSWER_MAX, FhirDestination
from gateway.errors import ConfigError, LocalProtocolError
from gateway.settings import TlsSettings
from gateway.settings.fhir import FhirServerSettings
from simulators.pki import BadPki, Pki, make
from simulators.receiving.behaviour import Script
from simulators.receiving.fhir import FhirDoor
from simulators.receiving.keeping import Keeping

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
TYPE = "application/fhir+json"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def entry(kind: str, number: int) -> dict[str, Any]:
    name = {"system": "urn:oid:2.999", "value": f"{kind}-{number}"}
    request = {"method": "POST", "url": kind, "ifNoneExist": f"identifier=urn:oid:2.999|{kind}-{number}"}
    return {"fullUrl": f"urn:uuid:{number:08x}-0000-5000-8000-000000000000", "request": request} | {
        "resource": {"resourceType": kind, "identifier": [name]}
    }


def message(*kinds: str) -> Outgoing:
    entries = [entry(kind, number) for number, kind in enumerate(kinds or ("Patient", "Observation"), 1)]
    entries[0]["resource"]["name"] = [{"family": "Test-Müller", "given": ["Patient"]}]
    return Outgoing("id-1", json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}).encode())


def response(*entries: tuple[str, str]) -> dict[str, Any]:
    made = [{"response": {"status": status, **({"location": where} if where else {})}} for status, where in entries]
    return {"resourceType": "Bundle", "type": "transaction-response", "entry": made}


def outcome(text: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "processing", "diagnostics": text, **more}],
    }


class Server:
    """A server whose next answers are given; what it got is kept."""

    def __init__(self) -> None:
        self.answers: list[Handler | tuple[int, Any, dict[str, str]]] = []
        self.got: list[tuple[str, str, bytes, dict[str, str]]] = []
        self.present: list[str] = []
        self.port = 0

    def says(self, status: int, body: Any = None, **headers: str) -> None:
        self.answers.append((status, body, {name.replace("_", "-"): value for name, value in headers.items()}))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.got.append((request.method, request.path_qs, await request.read(), dict(request.headers)))
        if request.method == "GET":
            total = self.present.count(request.query["identifier"].rpartition("|")[2])
            return web.json_response({"resourceType": "Bundle", "type": "searchset", "total": total})
        answer = self.answers.pop(0)
        if not isinstance(answer, tuple):
            return await answer(request)
        status, body, headers = answer
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        return web.Response(status=status, body=data, headers={"Content-Type": TYPE, **headers})


async def listen(server: Server, context: ssl.SSLContext | None = None) -> web.AppRunner:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    server.port = runner.addresses[0][1]
    return runner


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    runner = await listen(made)
    yield made
    await runner.cleanup()


@pytest.fixture
async def destination(server: Server) -> AsyncIterator[FhirDestination]:
    made = FhirDestination(settings(server), now=lambda: NOW)
    yield made
    await made.close()


def settings(server: Server, **more: Any) -> FhirServerSettings:
    return FhirServerSettings(url=f"http://127.0.0.1:{server.port}/r4", **more)


async def test_a_bundle_goes_to_the_base_as_it_is(server: Server, destination: FhirDestination) -> None:
    server.says(200, response(("201 Created", "Patient/1/_history/1"), ("200 OK", "Observation/2/_history/1")))
    assert await destination.send(message()) == Accepted("200")
    method, path, body, headers = server.got[0]
    assert (method, path, body) == ("POST", "/r4", message().body)
    assert (headers["Content-Type"], headers["Accept"]) == (TYPE, TYPE)
    assert destination.connected


@pytest.mark.parametrize("status", ["200", "201 Created", "204", "304 Not Modified"])
async def test_every_success_of_an_entry_is_one(status: str, server: Server, destination: FhirDestination) -> None:
    server.says(200, response((status, ""), ("201", "")))
    assert isinstance(await destination.send(message()), Accepted)


REFUSALS: dict[str, tuple[Any, type[Outcome], str]] = {
    "an entry refused inside 200": (
        response(("201", ""), ("400 Bad Request", "")),
        Refused,
        "1 of 2 entries refused, first Observation: 400",
    ),
    "an entry not found inside 200": (response(("201", ""), ("404", "")), Refused, "Observation: 404"),
    "an entry that failed": (response(("201", ""), ("500", "")), Retry, "1 of 2 entries not taken, first Observation: 500"),
    "an entry without status": ({"resourceType": "Bundle", "entry": [{}, {}]}, Retry, "Patient: no status"),
    "fewer entries than were sent": (response(("201", "")), Retry, "1 entries for 2"),
    "no entries": ({"resourceType": "Bundle"}, Retry, "0 entries for 2"),
    "an answer to another Bundle": (response(("201", "Device/1"), ("201", "Observation/2")), Retry, "about something else"),
    "no Bundle": ({"resourceType": "OperationOutcome"}, Retry, "no Bundle"),
    "a page": (b"<html>welcome</html>", Retry, "no Bundle"),
    "nothing": (b"", Retry, "no Bundle"),
    "deep JSON": (b"[" * 100_000, Retry, "no Bundle"),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_http_200_is_no_acceptance_by_itself(name: str, server: Server, destination: FhirDestination) -> None:
    body, kind, words = REFUSALS[name]
    server.says(200, body)
    result = await destination.send(message())
    assert isinstance(result, kind)
    assert words in result.why  # type: ignore[union-attr]


STATUSES = [
    (400, Refused, False),
    (413, Refused, False),
    (422, Refused, False),
    (418, Refused, False),
    (401, Retry, True),
    (403, Retry, True),
    (404, Retry, True),
    (405, Retry, True),
    (415, Retry, True),
    (302, Retry, True),
    (501, Retry, True),
    (408, Retry, False),
    (500, Retry, False),
    (507, Retry, False),
    (429, Retry, True),
    (502, Retry, True),
    (503, Retry, True),
    (504, Retry, True),
]


@pytest.mark.parametrize(("status", "kind", "link"), STATUSES)
async def test_http_statuses(status: int, kind: type[Outcome], link: bool, server: Server, destination: FhirDestination) -> None:
    server.says(status, outcome("words"), **({"Location": "/elsewhere"} if status == 302 else {}))
    result = await destination.send(message())
    assert isinstance(result, kind)
    assert f"HTTP {status}" in result.why  # type: ignore[union-attr]
    assert getattr(result, "link", False) is link
    assert getattr(result, "code", str(status)) == str(status)
    assert len(server.got) == 1  # a redirect is not followed


PAUSES = [
    ("17", 17.0),
    ("Sat, 21 Nov 2026 12:02:30 GMT", 150.0),
    ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
    ("99999999999", 3600.0),
    ("soon", None),
    ("", None),
    ("-1", None),
]


@pytest.mark.parametrize(("header", "after_s"), PAUSES)
async def test_retry_after(header: str, after_s: float | None, server: Server, destination: FhirDestination) -> None:
    server.says(503, None, Retry_After=header)
    result = await destination.send(message())
    assert isinstance(result, Retry)
    assert result.after_s == after_s


@pytest.mark.parametrize("status", [409, 412])
@pytest.mark.parametrize(("present", "kind"), [(["Patient-1", "Observation-2"], Accepted), (["Patient-1"], Retry)])
async def test_a_conflict_is_looked_up(
    status: int, present: list[str], kind: type[Outcome], server: Server, destination: FhirDestination
) -> None:
    server.says(status, outcome("already there"))
    server.present = present
    assert isinstance(await destination.send(message()), kind)
    assert server.got[1][1] == "/r4/Patient?identifier=urn:oid:2.999%7CPatient-1&_summary=count"


async def test_a_conflict_of_one_entry_is_looked_up_alone(server: Server, destination: FhirDestination) -> None:
    server.says(200, response(("201", ""), ("412 Precondition Failed", "")))
    server.present = ["Observation-2"]
    assert isinstance(await destination.send(message()), Accepted)
    assert [path.partition("?")[0] for _, path, _, _ in server.got[1:]] == ["/r4/Observation"]


async def test_a_patient_that_the_server_holds_twice_is_named_as_the_trouble(
    server: Server, destination: FhirDestination
) -> None:
    """HAPI: two writers made two, and every conditional create of it is a 412 from then on."""
    server.says(412, outcome("multiple matches"))
    server.present = ["Patient-1", "Patient-1"]
    result = await destination.send(message())
    assert isinstance(result, Retry)
    assert result.why.endswith("it holds 2 times one Patient and refuses to choose: they must be merged there")


async def test_words_of_a_refusal_name_no_patient(server: Server, destination: FhirDestination) -> None:
    said = "Bundle of TEST-MÜLLER, Patient (Patient-1) \x1b[31mred\n is bad"
    server.says(422, outcome(said, expression=["Bundle.entry[0].resource"]))
    result = await destination.send(message())
    assert result == Refused("HTTP 422: Bundle of [...], [...] ([...]) [31mred is bad (Bundle.entry[0].resource)", "422")


async def test_words_are_capped(server: Server, destination: FhirDestination) -> None:
    server.says(400, {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "diagnostics": "x" * 10_000}] * 50})
    result = await destination.send(message())
    assert isinstance(result, Refused)
    assert len(result.why) < 450


async def test_errors_are_told_before_warnings(server: Server, destination: FhirDestination) -> None:
    issues = [{"severity": "information", "diagnostics": "nice"}] * 3 + [{"severity": "error", "details": {"text": "bad unit"}}]
    server.says(422, {"resourceType": "OperationOutcome", "issue": issues})
    result = await destination.send(message())
    assert isinstance(result, Refused)
    assert result.why.startswith("HTTP 422: bad unit")


async def test_an_answer_without_end_is_not_read(server: Server, destination: FhirDestination) -> None:
    async def flood(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for _ in range(ANSWER_MAX // 65536 + 100):
            await answer.write(b" " * 65536)
        return answer

    server.answers.append(flood)
    result = await destination.send(message())
    assert isinstance(result, Retry)
    assert "not read" in result.why


async def test_a_server_that_stalls_is_given_up(server: Server) -> None:
    async def stall(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    destination = FhirDestination(settings(server, answer_timeout_s=0.1, connect_timeout_s=0.1))
    server.answers.append(stall)
    result = await destination.send(message())
    assert result == Retry(f"127.0.0.1:{server.port}: no answer within 0.1 s")
    server.says(200, response(("200", ""), ("200", "")))
    assert isinstance(await destination.send(message()), Accepted)
    assert server.got[0][2] == server.got[1][2]
    await destination.close()


async def hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def test_a_server_that_hangs_up_is_tried_again(server: Server, destination: FhirDestination) -> None:
    server.answers.append(hang_up)
    result = await destination.send(message())
    assert isinstance(result, Retry)
    assert "closed the connection without an answer" in result.why
    assert not result.link


async def test_a_kept_connection_that_ended_is_opened_anew_at_once(server: Server, destination: FhirDestination) -> None:
    good = response(("201", ""), ("201", ""))
    server.says(200, good)
    server.answers.append(hang_up)
    server.says(200, good)
    assert isinstance(await destination.send(message()), Accepted)
    assert isinstance(await destination.send(message()), Accepted)
    assert len(server.got) == 3


async def test_nobody_listens() -> None:
    probe = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = probe.sockets[0].getsockname()[1]
    probe.close()
    await probe.wait_closed()
    destination = FhirDestination(FhirServerSettings(url=f"http://127.0.0.1:{port}"))
    result = await destination.send(message())
    assert isinstance(result, Retry)
    assert "nothing listens there" in result.why
    assert result.link
    await destination.close()


async def test_something_that_speaks_no_http() -> None:
    async def chatter(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x0bMSH|^~\\&|not http\x1c\r" * 3)
        await writer.drain()
        writer.close()

    stranger = await asyncio.start_server(chatter, "127.0.0.1", 0)
    destination = FhirDestination(FhirServerSettings(url=f"http://127.0.0.1:{stranger.sockets[0].getsockname()[1]}"))
    result = await destination.send(message())
    assert isinstance(result, Retry)
    await destination.close()
    stranger.close()


async def test_what_is_no_bundle_is_parked(destination: FhirDestination) -> None:
    assert isinstance(await destination.send(Outgoing("1", b"MSH|")), Refused)


async def test_one_message_at_a_time(server: Server, destination: FhirDestination) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        begun.set()
        await go.wait()
        return web.json_response(response(("201", ""), ("201", "")))

    server.answers.append(slow)
    first = asyncio.create_task(destination.send(message()))
    await begun.wait()
    with pytest.raises(LocalProtocolError, match="one at a time"):
        await destination.send(message())
    go.set()
    assert isinstance(await first, Accepted)


async def test_token_and_headers(server: Server, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n", encoding="ascii")
    token.chmod(0o600)
    destination = FhirDestination(settings(server, token=str(token), headers={"X-Tenant": "ward"}))
    good = response(("201", ""), ("201", ""))
    for expected in ("first", "second"):
        token.write_text(expected, encoding="ascii")
        server.says(200, good)
        assert isinstance(await destination.send(message()), Accepted)
        assert server.got[-1][3]["Authorization"] == f"Bearer {expected}"
        assert server.got[-1][3]["X-Tenant"] == "ward"
    token.unlink()
    result = await destination.send(message())
    assert isinstance(result, Retry)
    assert result.link
    assert str(token) in result.why
    await destination.close()


@pytest.mark.parametrize(
    ("text", "mode", "words"), [("a b", 0o600, "one token"), ("", 0o600, "one token"), ("x", 0o644, "others can read")]
)
def test_a_token_that_cannot_be_used_is_told_at_the_start(text: str, mode: int, words: str, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(text, encoding="ascii")
    token.chmod(mode)
    with pytest.raises(ConfigError, match=words):
        FhirDestination(FhirServerSettings(url="http://localhost:1", token=str(token)))


def secure(pki: Pki, pair: Any = None, *, mutual: bool = True) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own = pair or pki.server
    context.load_cert_chain(own.cert, own.key)
    if mutual:
        context.load_verify_locations(pki.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def sent_over_tls(context: ssl.SSLContext, tls: TlsSettings, host: str = "localhost") -> Outcome:
    server = Server()
    runner = await listen(server, context)
    server.says(200, response(("201", ""), ("201", "")))
    destination = FhirDestination(FhirServerSettings(url=f"https://{host}:{server.port}", tls=tls))
    result = await destination.send(message())
    await destination.close()
    await runner.cleanup()
    return result


async def test_mutual_tls(pki: Pki, tls: TlsSettings) -> None:
    assert isinstance(await sent_over_tls(secure(pki), tls), Accepted)


async def test_a_renewed_certificate_is_shown_from_the_next_message_on_a_kept_one_keeps_its_connection(
    pki: Pki, tmp_path: Path
) -> None:
    renewed, server = make(tmp_path / "renewed"), Server()
    seen: list[tuple[int, Any]] = []
    context = secure(pki)
    context.load_verify_locations(renewed.ca)

    async def take(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        certificate = request.transport.get_extra_info("ssl_object").getpeercert()
        seen.append((int(certificate["serialNumber"], 16), request.transport.get_extra_info("peername")))
        return web.json_response(response(("201", ""), ("201", "")), content_type=TYPE)

    server.answers += [take] * 3
    runner = await listen(server, context)
    cert, key = tmp_path / "gw.pem", tmp_path / "gw.key"
    shutil.copy(pki.client.cert, cert)
    shutil.copy(pki.client.key, key)
    tls = TlsSettings(ca=pki.ca, cert=cert, key=str(key))
    destination = FhirDestination(FhirServerSettings(url=f"https://localhost:{server.port}", tls=tls))
    for number in range(3):
        if number == 2:
            shutil.copy(renewed.client.cert, cert)
            shutil.copy(renewed.client.key, key)
        assert isinstance(await destination.send(message()), Accepted)
    await destination.close()
    await runner.cleanup()
    assert seen[0] == seen[1], "one certificate, one connection"
    numbers = [x509.load_pem_x509_certificate(one.cert.read_bytes()).serial_number for one in (pki.client, renewed.client)]
    assert [seen[0][0], seen[2][0]] == numbers


async def test_a_name_that_differs_from_the_address(pki: Pki, tls: TlsSettings) -> None:
    named = tls.model_copy(update={"server_name": "localhost"})
    assert isinstance(await sent_over_tls(secure(pki), named, "127.0.0.1"), Accepted)


@pytest.mark.parametrize(
    ("pair", "words"),
    [("expired", "expired on"), ("not_yet", "not valid before"), ("other_host", "is for"), ("unknown_authority", "is signed by")],
)
async def test_a_certificate_that_is_not_believed_is_named(
    pair: str, words: str, pki: Pki, bad: BadPki, tls: TlsSettings
) -> None:
    result = await sent_over_tls(secure(pki, getattr(bad, pair)), tls)
    assert isinstance(result, Retry)
    assert words in result.why
    assert result.link


async def test_a_server_that_wants_a_certificate_that_we_lack(pki: Pki) -> None:
    result = await sent_over_tls(secure(pki), TlsSettings(ca=pki.ca))
    assert isinstance(result, Retry)
    assert "certificate" in result.why


async def test_a_plain_port(pki: Pki, tls: TlsSettings, server: Server) -> None:
    destination = FhirDestination(FhirServerSettings(url=f"https://localhost:{server.port}", tls=tls))
    result = await destination.send(message())
    assert isinstance(result, Retry)
    assert "plain port" in result.why
    await destination.close()


SCRIPTS = [
    ("ack", Accepted),
    ("refuse:AR", Refused),
    ("refuse:AE", Retry),
    ("refuse:409", Retry),
    ("wrong-id", Retry),
    ("close", Retry),
    ("garbage", Retry),
    ("stall", Retry),
]


@pytest.mark.parametrize(("script", "kind"), SCRIPTS)
async def test_the_demo_receiver(script: str, kind: type[Outcome]) -> None:
    door = FhirDoor(Keeping(), Script(script))
    port = await door.open("127.0.0.1", 0)
    url = f"http://127.0.0.1:{port}"
    destination = FhirDestination(FhirServerSettings(url=url, answer_timeout_s=0.2, connect_timeout_s=0.2))
    assert isinstance(await destination.send(message()), kind)
    await destination.close()
    await door.close()


async def test_a_resend_doubles_nothing() -> None:
    door = FhirDoor(Keeping(), Script("ack"))
    port = await door.open("127.0.0.1", 0)
    destination = FhirDestination(FhirServerSettings(url=f"http://127.0.0.1:{port}"))
    for _ in range(3):
        assert isinstance(await destination.send(message()), Accepted)
    assert door.store.count() == {"Observation": 1, "Patient": 1}
    await destination.close()
    await door.close()


def test_what_is_shown(tls: TlsSettings) -> None:
    plain = FhirDestination(FhirServerSettings(url="http://fhir.hospital.example/r4", plain=True))
    assert plain.plaintext
    assert plain.describe() == "FHIR to http://fhir.hospital.example/r4, PLAINTEXT over the network"
    mutual = FhirDestination(FhirServerSettings(url="https://fhir.hospital.example/r4", tls=tls))
    assert not mutual.plaintext
    assert mutual.describe().endswith("mutual TLS")
