"""Who calls at which port of a configuration: devices that share one, and the doors of unknown devices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from gateway.acquire.links import parse_link
from gateway.acquire.links.listen import ListenSpec
from gateway.acquire.links.ports import Network, same_callers
from gateway.config import Config
from gateway.errors import ConfigError
from gateway.settings.mllp import is_loopback


@dataclass(frozen=True, slots=True)
class _Claim:
    """A device, or "" for unknown ones, and whom it takes at a port; nobody named: everybody."""

    device: str
    host: str
    port: int
    allow: tuple[Network, ...]


def doors(found: Config) -> Iterator[str]:
    """What cannot be a door of unknown devices: no link, or a device's own line."""
    lines = {device.link: device.id for device in found.device if not device.link.startswith("tcp-listen://")}
    for index, text in enumerate(_listen(found)):
        where = ("gateway", "unknown", "listen", index)
        if text in lines:
            yield found.problem(where, f"got {text!r}, which is the line of {lines[text]}; expected one without a device")
        try:
            parse_link(text)
        except ConfigError as error:
            yield found.problem(where, str(error))


def doubts(found: Config) -> Iterator[str]:
    """What a person should know: who would get nothing, and who could send us anything."""
    devices, unknown = _claims([(one.id, one.link) for one in found.device]), _claims([("", text) for text in _listen(found)])
    for one, other in combinations(devices, 2):
        if _port(one) == _port(other) and same_callers(one.allow, other.allow):
            both = f"devices {one.device} and {other.device} take the same callers at port {one.port}"
            yield f"{both}: give each an allow= of its own"
    for door in unknown:
        for one in devices:
            if _port(one) == _port(door) and not one.allow:
                what = f"nobody unknown is heard at port {door.port}: {one.device} takes everybody there"
                yield f"gateway.unknown: {what}; give it allow="
        if not door.allow and not is_loopback(door.host):
            what = f"anybody who reaches port {door.port} is taken in, unencrypted"
            yield f"gateway.unknown: {what}; name the analyzers' network with ?allow="


def _claims(links: Sequence[tuple[str, str]]) -> list[_Claim]:
    claims = []
    for device, text in links:
        spec = parse_link(text)
        if isinstance(spec, ListenSpec):
            claims.append(_Claim(device, spec.host, spec.port, spec.allow))
    return claims


def _port(one: _Claim) -> tuple[str, int]:
    return one.host, one.port


def _listen(found: Config) -> tuple[str, ...]:
    return found.gateway.unknown.listen if found.gateway.unknown is not None else ()
