"""The fault matrix: what can go wrong in a ward, each as a coroutine that begins it, lets it last, and ends it."""

from __future__ import annotations

import asyncio
import errno
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

from tests.faults.disk import FATES
from tests.faults.proxy import Mode
from tests.faults.ward import DESTINATIONS, Ward

Fault = Callable[[Ward, random.Random], Awaitable[None]]
DAYLIGHT_SAVING = (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), datetime(2026, 10, 25, 1, 0, tzinfo=UTC))
"""When the clocks of the ward's zone, Europe/Berlin, go forward and back (Directive 2000/84/EC: 01:00 UTC on these Sundays)."""
BEFORE_S = 0.2
"""How long before that the box's clock is set."""
LASTS_S = (0.4, 1.4)
"""How long a fault lasts: longer than an acknowledgement's time-out here (1 s), or shorter."""
DAYS_S = 4.0
"""An outage of "days": so many of the backoff's caps (0.4 s) as a hundred minutes hold of the usual ten minutes."""
KINDS = {"W": 80, "S": 30, "A": 60, "N": 40, "\0": 200}
"""How many acts of a kind a gateway may live before it is killed; kinds as in shim.c."""


async def _last(dice: random.Random) -> None:
    await asyncio.sleep(dice.uniform(*LASTS_S))


async def kill(ward: Ward, dice: random.Random) -> None:
    """kill -9 before a chosen act: a write to the journal, a sync, a device's ACK, a message."""
    kind = dice.choice(list(KINDS))
    async with ward.lock:
        ward.shim.die_before(dice.randint(1, KINDS[kind]), kind)
        if not await ward.dies(2 * LASTS_S[1]):
            ward.shim.die_before(0)
            await ward.kill()
        await ward.gateway_up()


async def power_cut(ward: Ward, dice: random.Random) -> None:
    """The gateway dies at a chosen act, and what was not synced is gone, torn or there, as chance has it."""
    async with ward.lock:
        ward.shim.die_before(dice.randint(1, KINDS["\0"]))
        if not await ward.dies(2 * LASTS_S[1]):
            ward.shim.die_before(0)
            await ward.kill()
        async with ward.people:
            await asyncio.to_thread(ward.cut_power, dice.choice(FATES))
        await ward.gateway_up()


async def corrupt_page(ward: Ward, dice: random.Random) -> None:
    """The gateway dies, and a page of its database is not what was written; what that loses must be said by name."""
    ward.oracle.gaps = True
    async with ward.lock, ward.people:
        await ward.kill()
        await asyncio.to_thread(ward.damage, dice)
        await ward.gateway_up()


async def standstill(ward: Ward, dice: random.Random) -> None:
    """The process gets no processor for a while."""
    async with ward.lock:
        if await ward.is_up():
            await ward.stopped(dice.uniform(*LASTS_S))


async def disk(ward: Ward, dice: random.Random, error: int) -> None:
    """Every write and sync of the journal fails; devices must not be acknowledged meanwhile."""
    ward.oracle.gaps = True
    ward.shim.fail(error)
    try:
        await _last(dice)
    finally:
        ward.shim.fail(0)


async def clock(ward: Ward, dice: random.Random, ahead_s: float) -> None:
    """The wall clock of the gateway's box steps, and after a while steps back."""
    ward.shim.set_clock(ahead_s)
    try:
        await _last(dice)
    finally:
        ward.shim.set_clock(0)


async def daylight_saving(ward: Ward, dice: random.Random) -> None:
    """Where the gateway stands the clocks change, in spring or in autumn, while everything goes on; then it is today again."""
    change = dice.choice(DAYLIGHT_SAVING)
    await clock(ward, dice, change.timestamp() - BEFORE_S - datetime.now(UTC).timestamp())


async def device_clock(ward: Ward, dice: random.Random) -> None:
    """An oximeter's own clock is hours off."""
    one = dice.choice(list(ward.oracle.oximeters.values()))
    one.clock_ahead_s = dice.choice([-7200.0, 3600.0, 8 * 3600.0, -400 * 86400.0])
    await _last(dice)
    one.clock_ahead_s = 0.0


async def receiver_down(ward: Ward, dice: random.Random, lasts_s: float = 0.0) -> None:
    """A receiver is killed, and comes back with its books after a while."""
    name = dice.choice(list(DESTINATIONS))
    await ward.receiver_down(name)
    try:
        await asyncio.sleep(lasts_s or dice.uniform(*LASTS_S))
    finally:
        await ward.receiver_up(name)


async def certificate(ward: Ward, dice: random.Random) -> None:
    """A receiver comes back with a certificate that must not be believed, then with a good one."""
    name = dice.choice(list(DESTINATIONS))
    bad = ward.world.pki[1]
    await ward.receiver_down(name)
    await ward.receiver_up(name, dice.choice([bad.expired, bad.not_yet, bad.other_host, bad.unknown_authority]))
    try:
        await _last(dice)
    finally:
        await ward.receiver_down(name)
        await ward.receiver_up(name)


async def answers(ward: Ward, dice: random.Random, script: str) -> None:
    """A receiver answers as its script says (docs/receiver.md)."""
    name = dice.choice(list(DESTINATIONS))
    if not ward.receiver(name).running:
        return
    await asyncio.to_thread(ward.receiver(name).tell, script)
    await _last(dice)
    if ward.receiver(name).running:
        await asyncio.to_thread(ward.receiver(name).tell, "ack")


async def network(ward: Ward, dice: random.Random, mode: Mode) -> None:
    """The way to a receiver behaves badly, then breaks off, then works."""
    proxy = ward.proxy(dice.choice(list(DESTINATIONS)))
    proxy.mode = mode
    try:
        await _last(dice)
    finally:
        proxy.mode = Mode.PASS
        if dice.random() < 0.7:
            await proxy.break_off()


async def patients(ward: Ward, dice: random.Random) -> None:
    """No fault, but what every fault meets: a bed gets its next patient."""
    await ward.move(dice.choice(list(ward.oracle.oximeters)))


async def reload(ward: Ward, dice: random.Random) -> None:
    """SIGHUP: once with a changed ward name, which concerns the oximeters only; once with nothing changed."""
    ward.configure(dice.choice(["4E", "4W", "5N"]))
    await ward.hang_up()
    await _last(dice)


FAULTS: dict[str, Fault] = {
    "kill": kill,
    "power-cut": power_cut,
    "corrupt-page": corrupt_page,
    "standstill": standstill,
    "disk-full": partial(disk, error=errno.ENOSPC),
    "disk-read-only": partial(disk, error=errno.EROFS),
    "disk-error": partial(disk, error=errno.EIO),
    "clock-forward": partial(clock, ahead_s=3600.0),
    "clock-back": partial(clock, ahead_s=-3600.0),
    "clock-1970": partial(clock, ahead_s=-56 * 365 * 86400.0),
    "clock-daylight-saving": daylight_saving,
    "device-clock": device_clock,
    "receiver-down": receiver_down,
    "receiver-down-for-days": partial(receiver_down, lasts_s=DAYS_S),
    "certificate": certificate,
    "answers-AE": partial(answers, script="refuse:AE"),
    "answers-CE": partial(answers, script="refuse:CE"),
    "answers-AR": partial(answers, script="refuse:AR*3,ack"),
    "answers-CR": partial(answers, script="refuse:CR*3,ack"),
    "silent": partial(answers, script="stall"),
    "late-ack": partial(answers, script="ack*1,late*1,ack*1,late*1,ack*2,late"),
    "wrong-msa-2": partial(answers, script="wrong-id"),
    "closes-before-answer": partial(answers, script="close"),
    "closes-after-each": partial(answers, script="close-after"),
    "garbage": partial(answers, script="garbage"),
    "flaky": partial(answers, script="flaky:0.5"),
    "half-open": partial(network, mode=Mode.DEAF),
    "partition": partial(network, mode=Mode.SWALLOW),
    "answers-lost": partial(network, mode=Mode.MUTE),
    "slow": partial(network, mode=Mode.TRICKLE),
    "next-patient": patients,
    "reload": reload,
}

_OF_A_RECEIVER = "receiver"
_OF_THE_DISK = "disk"
_OF_THE_CLOCK = "clock"
UNDISTURBED = {
    **{name: _OF_THE_DISK for name in FAULTS if name.startswith("disk-")},
    **{name: _OF_THE_CLOCK for name in FAULTS if name.startswith("clock-")},
    **dict.fromkeys(("receiver-down", "receiver-down-for-days", "certificate"), _OF_A_RECEIVER),
}
"""Faults that use the same thing, of which one may last at a time: a receiver cannot be killed twice."""
