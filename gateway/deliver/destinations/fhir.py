"""The FHIR destination: a transaction Bundle over HTTPS, believed accepted only when every entry of the answer says so.

After an ambiguous failure the same bytes go again: each entry is conditional on its identifier, so nothing is made twice.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientError,
    ClientOSError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
)
from yarl import URL

from gateway.deliver.destination import Accepted, Outcome, Outgoing, Refused, Retry
from gateway.deliver.destinations.fhir_answer import Answer, Conflict, Request, Words, count, judge, requests
from gateway.errors import ConfigError, LocalProtocolError
from gateway.security import certificates
from gateway.security.certificates import Certificate
from gateway.security.explain import Peer, explain, look
from gateway.security.tls import check_key, client_context, key_path, stamp
from gateway.settings.fhir import FhirServerSettings
from gateway.settings.mllp import is_loopback

_log = logging.getLogger(__name__)

ANSWER_MAX: Final = 8 * 1024 * 1024
"""Bytes of an answer: a hundred times that to thirty observations with every resource repeated."""
TOKEN_MAX: Final = 16 * 1024
"""Bytes of a token file: servers refuse headers of that size."""
_TYPE: Final = "application/fhir+json"
_HEADERS: Final = {"Content-Type": _TYPE, "Accept": _TYPE, "Accept-Encoding": "identity", "Prefer": "return=minimal"}


class FhirDestination:
    """Where Bundles go. Raises ConfigError when the TLS files or the token cannot be used.

    The connection is opened by the first `send` and kept. `now` is the clock for a Retry-After that is a date.
    """

    def __init__(
        self, settings: FhirServerSettings, name: str = "fhir", *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.name = name
        self._settings = settings
        self._now = now
        self._peer = Peer(settings.host, settings.port, settings.tls)
        self._session: ClientSession | None = None
        self._shown: bytes | None = None
        self._served = 0
        self._busy = False
        self._state = ""
        self._stamp = stamp(settings.tls)
        self._context()  # a wrong file is told at the start, not at the first message
        self._token()
        if self.plaintext:
            _log.warning("destination %s: %s", name, self.describe())

    @property
    def plaintext(self) -> bool:
        """Whether messages leave this machine unencrypted."""
        return self._settings.tls is None and not is_loopback(self._settings.host)

    @property
    def connected(self) -> bool:
        """Whether the last message reached the server and the connection is kept for the next."""
        return self._session is not None and self._served > 0

    def peer_certificate(self) -> Certificate | None:
        """The server's certificate as last seen, over TLS."""
        try:
            return certificates.from_der(self._shown) if self._shown else None
        except ValueError:  # OpenSSL reads more sloppily than cryptography
            return None

    def describe(self) -> str:
        """Server and protection, for people."""
        if self._settings.tls is not None:
            return f"FHIR to {self._settings.url}, {'mutual TLS' if self._settings.tls.cert else 'TLS'}"
        return f"FHIR to {self._settings.url}, " + ("PLAINTEXT over the network" if self.plaintext else "this machine")

    async def send(self, message: Outgoing) -> Outcome:
        """Deliver one Bundle and wait for the server's word; never raises for what the peer or the network does."""
        sent = requests(message.body)
        if not sent:
            return Refused("cannot be sent: the message is no transaction Bundle with entries")
        if self._busy:
            raise LocalProtocolError("send was called while a message is in flight; expected one at a time")
        self._busy = True
        try:
            await self._renew()
            result = await self._deliver(message, sent)
        finally:
            self._busy = False
        self._change("taking messages" if isinstance(result, Accepted) else result.why if isinstance(result, Retry) else "")
        return result

    async def close(self) -> None:
        """Close the connection; a later `send` opens a new one."""
        session, self._session, self._served = self._session, None, 0
        if session is not None:
            await session.close()

    async def _renew(self) -> None:
        """Renewed certificates are used from the next message on: a session would go on with those of its first connection."""
        found = stamp(self._settings.tls)
        if found != self._stamp:
            await self.close()
        self._stamp = found

    async def _deliver(self, message: Outgoing, sent: tuple[Request, ...]) -> Outcome:
        try:
            try:
                result = await self._post(message, sent)
            except ServerDisconnectedError:
                if not self._served:
                    raise
                # the server let the kept connection go just then; the same bytes may go again
                self._served = 0
                result = await self._post(message, sent)
            return await self._settle(result) if isinstance(result, Conflict) else result
        except (ClientError, OSError, ValueError, ConfigError) as error:  # ValueError: a host name that no resolver takes
            await self.close()
            return await self._explained(error)

    async def _post(self, message: Outgoing, sent: tuple[Request, ...]) -> Outcome | Conflict:
        async with self._request("POST", URL(self._settings.url), message.body) as response:
            transport = response.connection.transport if response.connection is not None else None
            tls = transport.get_extra_info("ssl_object") if transport is not None else None
            self._shown = tls.getpeercert(binary_form=True) if tls is not None else self._shown
            body = await _read(response)
        self._served += 1
        if body is None:
            await self.close()
            return Retry(f"{self._peer.address}: HTTP {response.status} with an answer of more than {ANSWER_MAX} bytes: not read")
        answer = Answer(response.status, body, response.headers.get("Retry-After", ""))
        result = judge(answer, sent, Words(message.body), self._now())
        return replace(result, why=f"{self._peer.address}: {result.why}") if isinstance(result, Retry) else result

    async def _settle(self, conflict: Conflict) -> Outcome:
        """After a conflict: what can be found by its identifier has arrived, by an earlier try or by somebody else."""
        wanted = [request for request in conflict.entries if request.if_none_exist]
        if not wanted:
            return Retry(f"{self._peer.address}: a conflict over a {conflict.entries[0].kind} that is to be brought up to date")
        doubled = ""
        for request in wanted:
            found = await self._held(request)
            if found > 1 and not doubled:
                doubled = f"; it holds {found} times one {request.kind} and refuses to choose: they must be merged there"
            if not found:
                return Retry(f"{self._peer.address}: a conflict, and its {request.kind} is not there{doubled}")
        return Accepted("409")

    async def _held(self, request: Request) -> int:
        """How many resources the server holds under an identifier."""
        address = URL(f"{self._settings.url}/{request.kind}?{request.if_none_exist}&_summary=count")
        async with self._request("GET", address) as response:
            body = await _read(response)
        return count(body) if response.status == 200 and body is not None else 0

    def _request(self, method: str, address: URL, body: bytes | None = None) -> AbstractAsyncContextManager[ClientResponse]:
        wanted = self._settings.tls.server_name if self._settings.tls is not None else None
        token = self._token()
        headers = {**_HEADERS, **self._settings.headers, **({"Authorization": f"Bearer {token}"} if token else {})}
        return self._open().request(method, address, data=body, headers=headers, allow_redirects=False, server_hostname=wanted)

    def _open(self) -> ClientSession:
        if self._session is None:
            # one connection: one message at a time, and no two requests race for one identifier
            connector = TCPConnector(limit=1, ssl=self._context() or True)
            limits = self._settings
            timeout = ClientTimeout(total=limits.connect_timeout_s + limits.answer_timeout_s, connect=limits.connect_timeout_s)
            # a compressed answer could grow without end
            self._session = ClientSession(
                connector=connector, timeout=timeout, cookie_jar=DummyCookieJar(), trust_env=False, auto_decompress=False
            )
        return self._session

    def _context(self) -> ssl.SSLContext | None:
        return client_context(self._settings.tls) if self._settings.tls is not None else None

    def _token(self) -> str:
        """The bearer token, read anew each time. Raises ConfigError naming the file and what to do about it."""
        own = self._settings.token
        if not own:
            return ""
        try:
            path = key_path(own)
            check_key(path, credential=own.startswith("credential:"))
            token = path.read_text("ascii").strip() if path.stat().st_size <= TOKEN_MAX else ""
        except ConfigError as error:
            raise ConfigError(f"token: {str(error).removeprefix('tls.key: ')}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"token: {own}: cannot be read: {error}") from None
        if not token.isprintable() or not token or " " in token:
            raise ConfigError(f"token: {own}: expected a file that holds one token of at most {TOKEN_MAX} characters")
        return token

    async def _explained(self, error: Exception) -> Retry:
        """The sentence for what went wrong on the way."""
        cause = _cause(error)
        if isinstance(cause, ConnectionTimeoutError) or not isinstance(error, ClientError | TimeoutError):
            return Retry(explain(cause, self._peer), link=True)
        if isinstance(cause, TimeoutError):
            return Retry(f"{self._peer.address}: no answer within {self._settings.answer_timeout_s:g} s")
        if isinstance(cause, OSError) and not isinstance(cause, ClientError):
            shown = await look(self._peer) if isinstance(cause, ssl.SSLCertVerificationError) else None
            return Retry(explain(cause, Peer(self._peer.host, self._peer.port, self._peer.tls, shown)), link=True)
        if isinstance(cause, ServerDisconnectedError | ClientOSError):
            hint = "; it may not accept our certificate" if self._settings.tls is not None else ""
            return Retry(f"{self._peer.address}: closed the connection without an answer{hint}")
        return Retry(f"{self._peer.address}: the answer is no HTTP that can be read ({type(cause).__name__})")

    def _change(self, state: str) -> None:
        """Say a change of state once."""
        if state and state != self._state:
            _log.info("destination %s: %s", self.name, state, extra={"event": "receiver", "destination": self.name})
            self._state = state


async def _read(response: ClientResponse) -> bytes | None:
    """The body; None when it is too long, and the connection is given up then."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > ANSWER_MAX:
            response.close()
            return None
        parts.append(part)
    return b"".join(parts)


def _cause(error: BaseException) -> BaseException:
    """What lies under aiohttp's error: TLS and the operating system speak plainer."""
    if isinstance(error, ClientConnectorCertificateError):
        return error.certificate_error
    if isinstance(error, ClientConnectorError):
        return error.os_error
    seen: BaseException | None = error
    for _ in range(5):
        if seen is None:
            break
        if isinstance(seen, ssl.SSLError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return error
