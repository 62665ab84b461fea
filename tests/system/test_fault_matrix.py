"""Every fault of the matrix, alone, in a ward with moving patients: what was acknowledged arrives once, for the right patient."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from tests.faults.matrix import FAULTS
from tests.faults.ward import Ward
from tests.faults.world import World

SEED = 20261121
CALM_S = 0.4
"""Between two faults."""
ROUNDS = {
    "kill -9 and power cuts": ("kill", "power-cut", "next-patient", "power-cut", "kill"),
    "a disk that is full, read-only, broken": ("disk-full", "next-patient", "disk-read-only", "disk-error"),
    "clocks that step": ("clock-forward", "next-patient", "clock-back", "clock-daylight-saving", "device-clock", "next-patient", "clock-1970"),
    "receivers that are away": ("receiver-down-for-days", "certificate", "next-patient", "half-open", "partition"),
    "receivers that answer badly": (
        "answers-AE", "answers-CR", "silent", "late-ack", "wrong-msa-2", "closes-before-answer", "closes-after-each", "answers-lost",
    ),
    "a box out of breath, a slow network, a reload, a damaged page": ("standstill", "slow", "reload", "next-patient", "corrupt-page"),
}  # fmt: skip


async def go_through(world: World, names: tuple[str, ...], seed: int) -> str:
    """A ward that meets these faults one after the other; the oracle's statement, or an assertion with its findings."""
    dice = random.Random(seed)
    ward = Ward(world, seed)
    await ward.start()
    try:
        for name in names:
            await asyncio.sleep(CALM_S)
            await FAULTS[name](ward, dice)
        verdict = await ward.judge()
    finally:
        await ward.close()
    assert verdict.faults == []
    return "; ".join(verdict.statement)


@pytest.mark.slow
@pytest.mark.parametrize("name", ROUNDS)
async def test_what_was_acknowledged_arrives_once_whatever_fails(
    world: World, record_property: Callable[[str, object], None], name: str
) -> None:
    record_property("conservation", f"{name}: {await go_through(world, ROUNDS[name], SEED)}")
