"""A person's decision about an unknown device, as the command line asks for it: by the running gateway, or where none runs."""

from __future__ import annotations

import asyncio
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from gateway import control
from gateway.acquire.quarantine import Quarantine
from gateway.config import Config
from gateway.errors import ActError
from gateway.store.journal import Journal
from gateway.unknown import acts, replay

WAIT_S = 300.0
"""For the answer: sixteen megabytes are read by a profile in some seconds, on a small box in a minute."""


class Wish(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be done with an unknown device. `device` empty: it is dismissed, for `reason`; else it is that device."""

    id: int
    by: str
    device: str = ""
    driver: str = ""
    profile: str = ""
    timezone: str = ""
    anyway: bool = False
    reason: str = ""


def ask(wish: Wish, settings: Config) -> dict[str, Any]:
    """Have it done by the gateway that runs, or do it here where none runs. Raises ActError that says why it was not done."""
    text = msgspec.json.encode(wish).decode()
    if len(text) > control.LINE_MAX - 64:
        raise ActError("the reason, or the path of the profile, is too long")
    said = control.ask(settings.gateway.data, f"unknown {text}", timeout_s=WAIT_S)
    if said is None:
        return asyncio.run(_alone(wish, settings))
    if "error" in said:
        raise ActError(str(said["error"]))
    done: dict[str, Any] = said
    return done


async def carry_out(request: str, journal: Journal, settings: Config, quarantine: Quarantine) -> dict[str, Any]:
    """The same in the running gateway: what the device is saying just now is ended first, so that it is whole."""
    try:
        wish = msgspec.json.decode(request, type=Wish)
    except msgspec.DecodeError as error:
        raise ActError(f"the request cannot be read: {error}") from None
    peer = await journal.read(lambda conn: acts.find(conn, wish.id))
    await quarantine.hang_up(peer.caller.address, peer.caller.door)
    return await _do(wish, journal, settings)


async def _alone(wish: Wish, settings: Config) -> dict[str, Any]:
    own = settings.gateway
    journal = await Journal.open(own.data, name=own.name, eui64=own.eui64, max_bytes=own.disk.max_bytes)
    try:
        await journal.count_days(ZoneInfo(own.timezone))
        return await _do(wish, journal, settings)
    finally:
        await journal.close()


async def _do(wish: Wish, journal: Journal, settings: Config) -> dict[str, Any]:
    if not wish.device:
        messages = await journal.act(lambda conn: acts.dismiss(conn, wish.id, by=wish.by, reason=wish.reason))
        return {"id": wish.id, "dismissed": messages}
    zone = ZoneInfo(wish.timezone) if wish.timezone else None
    how = replay.reader(settings, wish.device, wish.driver, wish.profile, zone)
    done = await acts.assign(journal, wish.id, how, by=wish.by, anyway=wish.anyway)
    return done.as_json()
