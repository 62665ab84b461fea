"""The soak: faults of the matrix composed at random on a ward that runs for a long time; the oracle speaks after every round."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.faults.matrix import FAULTS, UNDISTURBED
from tests.faults.oracle import Verdict
from tests.faults.ward import Ward
from tests.faults.world import World

AT_ONCE = 3
"""Faults that may last at the same time: a receiver is away while the box is killed while a nurse moves a patient."""
ROUND_S = 40.0
"""Between two judgements: long enough for a backlog, short enough to know which faults were to blame."""
PAUSE_S = (0.2, 1.5)
"""Between the beginnings of two faults."""

Tell = Callable[[str], None]


@dataclass(slots=True)
class Soak:
    """One run. The same seed gives the same faults in the same order with the same dice; their moments differ by what a machine does."""

    seed: int
    only: Sequence[str] = ()
    met: Counter[str] = field(default_factory=Counter)
    rounds: int = 0

    async def run(self, world: World, minutes: float, tell: Tell) -> Verdict:
        """Rounds until the time is over or the promise is broken; the last verdict."""
        end = time.monotonic() + minutes * 60
        ward, dice = Ward(world, self.seed), random.Random(self.seed)
        await ward.start()
        try:
            while True:
                await self._round(ward, dice, min(end, time.monotonic() + ROUND_S))
                self.rounds += 1
                verdict = await self._judged(ward)
                tell(
                    f"round {self.rounds}, {sum(self.met.values())} faults, {ward.restarts} starts: {'; '.join(verdict.statement)}"
                )
                if verdict.faults or time.monotonic() >= end:
                    return verdict
                ward.resume()
        finally:
            await ward.close()

    async def _round(self, ward: Ward, dice: random.Random, end: float) -> None:
        lasting: dict[str, asyncio.Task[None]] = {}
        while time.monotonic() < end:
            await asyncio.sleep(dice.uniform(*PAUSE_S))
            name, own = self._next(dice), random.Random(dice.random())
            lasting = {one: task for one, task in lasting.items() if not _over(task)}
            if len(lasting) < AT_ONCE and name not in lasting and UNDISTURBED.get(name, name) not in map(_alone, lasting):
                lasting[name] = asyncio.create_task(_meet(name, ward, own))
                self.met[name] += 1
        for task in lasting.values():
            await task

    def _next(self, dice: random.Random) -> str:
        return dice.choice(list(self.only or FAULTS))

    @staticmethod
    async def _judged(ward: Ward) -> Verdict:
        try:
            return await ward.judge()
        except AssertionError as stuck:
            return Verdict(faults=[str(stuck)])


async def _meet(name: str, ward: Ward, dice: random.Random) -> None:
    await FAULTS[name](ward, dice)


def _over(task: asyncio.Task[None]) -> bool:
    if task.done():
        task.result()
    return task.done()


def _alone(name: str) -> str:
    return UNDISTURBED.get(name, name)
