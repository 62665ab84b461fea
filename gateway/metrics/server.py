"""The metrics endpoint: HTTP/1.1, GET /metrics and GET /healthz, one request a connection, everything bounded.

A hand-written server of a hundred lines instead of a framework's: nothing but these two can be asked of it, whatever is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.errors import ConfigError
from gateway.metrics import exposition
from gateway.metrics.exposition import Family
from gateway.metrics.sparing import Sparing
from gateway.security.tls import server_context
from gateway.settings.metrics import MetricsSettings

_log = logging.getLogger(__name__)

REQUEST_MAX = 8 * 1024
"""Bytes of a request's head: a scraper's has 300; web servers commonly stop at 8 KiB."""
CONNECTIONS_MAX = 16
"""Connections at a time: two scrapers and a person need three; the rest is a scan or a mistake."""
TIMEOUT_S = 10.0
"""For the whole of one connection; Prometheus itself gives up after 10 s."""

RETRY_S = 60.0
"""Between two tries to get the address."""

_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    code: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


class Endpoint:
    """Serves what `families` returns; `trouble` says in words why the gateway is not well, empty when it is."""

    def __init__(self, families: Callable[[], Awaitable[list[Family]]], trouble: Callable[[], Awaitable[str]]) -> None:
        self._families, self._trouble = Sparing(families), trouble
        self._open = 0

    async def run(self, settings: MetricsSettings | None) -> None:
        """Serve until cancelled. An address that cannot be had is told and tried again: readings go on without being watched."""
        while settings is not None:
            try:
                server = await self.serve(settings)
            except ConfigError as error:
                _log.error("no metrics for now: %s", error)
                await asyncio.sleep(RETRY_S)
                continue
            _log.info("metrics on %s", settings.listen)
            try:
                await asyncio.Event().wait()
            finally:
                await close(server)
        await asyncio.Event().wait()

    async def serve(self, settings: MetricsSettings) -> asyncio.Server:
        """Listen. Raises ConfigError when the address cannot be had or the TLS files cannot be used."""
        context = server_context(settings.tls) if settings.tls is not None else None
        try:
            server = await asyncio.start_server(
                self._connected, settings.host, settings.port, ssl=context, limit=REQUEST_MAX,
                ssl_handshake_timeout=TIMEOUT_S if context else None,
            )  # fmt: skip
        except OSError as error:
            why = error.strerror or str(error)
            raise ConfigError(f"gateway.metrics.listen: {settings.listen}: {why}; choose another address or port") from None
        if settings.open_to_all:
            _log.warning("metrics on %s are open to anybody on the network: plain = true", settings.listen)
        return server

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= CONNECTIONS_MAX:
                async with asyncio.timeout(TIMEOUT_S):
                    writer.write(_written(await self._answered(reader)))
                    await writer.drain()
                    writer.close()
                    await writer.wait_closed()
        except (OSError, TimeoutError):
            pass  # the asker is gone, or too slow: there is nobody to tell
        finally:
            self._open -= 1
            writer.transport.abort()

    async def _answered(self, reader: asyncio.StreamReader) -> Answer:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return Answer(400, b"expected a request of HTTP/1.1 with a head of at most 8 KiB\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        method, _, rest = line.partition(" ")
        path, _, version = rest.rpartition(" ")
        if not version.startswith("HTTP/1."):
            return Answer(400, b"expected HTTP/1.1\n")
        if method != "GET":
            return Answer(405, b"expected GET\n")
        return await self._page(path.partition("?")[0], _field(fields, "accept"))

    async def _page(self, path: str, accept: str) -> Answer:
        if path == "/metrics":
            kind = exposition.negotiate(accept)
            found = await self._families()
            # on a thread: 500 devices are 50 ms of text, and a device waits for its ACK meanwhile
            return Answer(200, await asyncio.to_thread(exposition.render, found, kind), kind)
        if path == "/healthz":
            why = await self._trouble()
            return Answer(503 if why else 200, f"{why or 'ok'}\n".encode())
        return Answer(404, b"expected /metrics or /healthz\n")


def _field(fields: list[str], name: str) -> str:
    """All the values of a header field, joined (RFC 9110 5.3)."""
    pairs = (one.partition(":") for one in fields)
    return ",".join(value.strip() for key, _, value in pairs if key.strip().lower() == name)


def _written(answer: Answer) -> bytes:
    head = [
        f"HTTP/1.1 {answer.code} {_REASONS[answer.code]}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
        "Cache-Control: no-store",
        *(["Allow: GET"] if answer.code == 405 else []),
        "Connection: close",
    ]
    return "\r\n".join([*head, "", ""]).encode() + answer.body


async def close(server: asyncio.Server) -> None:
    """Stop listening; what is being answered has until its time-out."""
    server.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(TIMEOUT_S):
            await server.wait_closed()
