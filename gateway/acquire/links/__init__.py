"""Ways to a device. One dial string names a link (docs/links.md); a link opens connections; a connection carries bytes."""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import Protocol

from gateway.acquire.clock import Clock
from gateway.acquire.links.dial import Dial
from gateway.driver import LineSettings
from gateway.errors import ConfigError, LinkError

__all__ = ["Connection", "Link", "LinkEndedError", "LinkSpec", "parse_link"]

READ_MAX = 65536
"""Bytes of one read: a second of the fastest serial line; a flood is taken in pieces, and the commit is between them."""
WRITE_TIMEOUT_S = 10.0
"""Seconds that a peer may take no bytes before the line counts as stuck (flow control off, cable half in)."""

_SCHEMES = {
    "serial": "gateway.acquire.links.serial",
    "tcp": "gateway.acquire.links.tcp",
    "tcp-listen": "gateway.acquire.links.listen",
    "rfc2217": "gateway.acquire.links.rfc2217",
    "udp": "gateway.acquire.links.udp",
    "trace": "gateway.acquire.links.replay",
}


class LinkEndedError(LinkError):
    """The link has nothing more to give and is not opened again: a recording is at its end."""


class Connection(Protocol):
    """A line that is up. One reader, one writer at a time."""

    clock: Clock | None
    """The connection's own time, where it has one (a recording); None: the machine's."""

    async def read(self) -> bytes:
        """Some bytes; b"": the peer closed. Cancelling it loses no byte. Raises LinkError when the line is lost."""
        ...

    async def write(self, data: bytes) -> None:
        """Hand over all of `data`. Raises LinkError when the line is lost or takes nothing for WRITE_TIMEOUT_S."""
        ...

    async def close(self) -> None:
        """Let go of the line; never raises, harmless when repeated."""
        ...

    def describe(self) -> str:
        """The line in words for people: "/dev/ttyUSB0 9600 8N1"."""
        ...


class Link(Protocol):
    """A way to one device."""

    passive: bool
    """The device connects to us: after it closed, wait for it again at once."""

    async def open(self) -> Connection:
        """A connection, when there is one. Raises LinkError that says what is wrong and what to do."""
        ...

    async def close(self) -> None:
        """Let go of what `open` keeps between connections (a listening socket)."""
        ...

    def describe(self) -> str:
        """The link in words for people."""
        ...


class LinkSpec(Protocol):
    """A checked dial string."""

    def link(self) -> Link:
        """A fresh link."""
        ...


def parse_link(text: str, line: LineSettings | None = None) -> LinkSpec:
    """The link that `text` names; `line`: the driver's line settings, which parameters of `text` override.

    Raises ConfigError that says what was got and what was expected. Opens nothing.
    """
    scheme, separator, _ = text.partition("://")
    if not separator or scheme not in _SCHEMES:
        near = difflib.get_close_matches(scheme, _SCHEMES, 1)
        hint = f", did you mean {near[0]}://?" if near else ""
        if text.startswith("/dev/"):
            hint = f", did you mean serial://{text}?"
        raise ConfigError(f"link {text!r}: expected one of {', '.join(f'{name}://' for name in _SCHEMES)}{hint}")
    spec: LinkSpec = import_module(_SCHEMES[scheme]).parse(Dial(text), line)
    return spec
