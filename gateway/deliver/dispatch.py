"""A destination's worker: from its cursor in the journal to the receiver's word, in order, whatever fails.

A batch is read, each report gets the patient of its own time, is rendered, and its bytes are made durable before the first
is sent; one commit later records what became of them. A crash anywhere resends the same bytes with the same ids.

Trouble with the link makes the head of the line wait, and everything behind it. A "not now" to a message (AE) makes its
device wait (order "device"), its patient (order "patient") or everything (order "strict"), until its budget is spent and it is
parked. A refused message is parked at once. Parked ones hold up nothing, but in strict order everything. With `live_first`
fresh reports go past a backlog, which is sent beside them in short turns.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from gateway.deliver.backoff import Backoff
from gateway.deliver.destination import Accepted, Destination, Outcome, Outgoing, Refused, Retry
from gateway.deliver.job import Job, Preparation, parked, tell_bug
from gateway.deliver.messages import Renderer
from gateway.deliver.pace import Pace
from gateway.deliver.watch import Watch
from gateway.errors import StoreError
from gateway.settings.dispatch import DispatchSettings
from gateway.store import cursors, mappings
from gateway.store.cursors import Batch, Item, Lane, Lanes, Pin, Result, State
from gateway.store.journal import Journal
from gateway.store.mappings import Remembered
from gateway.store.times import utc_now
from gateway.store.writer import Transaction

log = logging.getLogger(__name__)

T = TypeVar("T")

FLUSH_S = 0.25
"""Outcomes are recorded at least this often: with a slow receiver a batch takes long, and status must not lie."""
GATHER_S = 0.04
"""What comes while this passes goes out together: a read and two commits cost as much for one report as for forty. The first
after a quiet time goes at once, so nothing is later by more than this; a receiver files a reading under its own time anyway."""
STREAK = 3
"""So many messages in a row answered "not now" are the receiver's trouble, not theirs: pause before the next."""
REASON_MAX = 500
"""Characters of a receiver's words that are kept: enough to act on, too few to fill the journal."""

Wait = Callable[[asyncio.Event, float | None], Awaitable[None]]


async def wait_for(event: asyncio.Event, timeout_s: float | None) -> None:
    """Return when `event` is set or `timeout_s` seconds have passed."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()


class Dispatcher:
    """Sends what the journal holds for one destination; `run` until cancelled, one at a time.

    `now`, `wait`, `poll` and `chance` (0 to 1, for jitter) are the clock, the pauses and the dice; tests bring their own.
    `gather_s` is the pause after less than a full batch.
    """

    def __init__(
        self,
        journal: Journal,
        destination_id: str,
        destination: Destination,
        renderer: Renderer,
        settings: DispatchSettings | None = None,
        *,
        now: Callable[[], datetime] = utc_now,
        wait: Wait = wait_for,
        poll: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
        gather_s: float = 0.0,
    ) -> None:
        self.id = destination_id
        self.settings = settings or DispatchSettings()
        self.state = "starting"
        """For people: starting, sending, idle, or what it waits for."""
        self.late = 0
        """Messages acknowledged since the start that were late (`late_after_s`)."""
        self._journal = journal
        self._destination = destination
        self._preparation = Preparation(destination_id, renderer, self.settings)
        self._now = now
        self._wait = wait
        self._poll = poll
        self._watch = Watch(journal, destination_id, poll)
        self._work, self._hurry = self._watch.work, self._watch.hurry
        self._gather_s = gather_s
        self._backoff = Backoff(self.settings.retry_base_s, self.settings.retry_cap_s, self.settings.retry_jitter, chance)
        self._order = self.settings.order
        self._strict = self._order == "strict"
        self._pace = Pace(self.settings.drain_rate)
        self._acts = -1
        self._decided = Remembered()
        self._done: list[Result] = []
        self._acknowledged: tuple[str, datetime] | None = None
        self._flushed_at = self._round_at = now()
        self._streak = 0
        self._unreached = 0
        self._jobs: list[Job] = []
        self._turn = asyncio.Lock()

    def wake(self) -> None:
        """There may be something to send."""
        self._work.set()

    async def run(self) -> None:
        """Send until cancelled. What was sent and not yet recorded is recorded on the way out."""
        unsubscribe = self._journal.subscribe(self.wake)
        watch = asyncio.create_task(self._watch.run(), name=f"{self.id}: acts of people")
        try:
            if not self.settings.hold:
                await self._store(lambda tx: cursors.free_all_held(tx, self.id))
            await self._free_unmapped()
            while True:
                self._work.clear()
                await self._round()
        finally:
            unsubscribe()
            watch.cancel()
            with suppress(StoreError):  # then it is sent again, the same bytes: the receiver knows the id
                await self._leave()

    async def finish(self, drain_s: float) -> None:
        """Send nothing further; the message under way gets `drain_s` seconds to be answered. Then cancel `run`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(drain_s):
                await self._turn.acquire()  # and never released: it is nobody's turn any more

    async def _leave(self) -> None:
        """On the way out: record what was sent, unpin what was not; whoever goes on from here may send it otherwise."""
        if self._done:
            await self._record()
        if unsent := self._unsent():
            await self._journal.write(lambda tx: cursors.unpin(tx, self.id, unsent))

    async def _round(self) -> None:
        await self._mind_the_clock()
        batch = await self._read()
        if batch.acts != self._acts:
            await self._notice(batch)
        elif batch.items:
            self._say("sending")
            await self._deliver(batch)
            if self._gather_s and len(batch.items) < self.settings.batch:
                await self._poll(self._gather_s)
        else:
            await self._idle(batch)

    async def _mind_the_clock(self) -> None:
        """A wall clock that was set back, by hand or by NTP, would stretch a pause of seconds to hours."""
        before, self._round_at = self._round_at, self._now()
        if self._round_at < before:
            await self._store(lambda tx: cursors.end_pauses(tx, self.id))

    async def _read(self) -> Batch:
        query = partial(
            cursors.batch,
            destination=self.id,
            now=self._now(),
            limit=self.settings.batch,
            order=self._order,
            lanes=self._lanes(),
            decided=self._decided,
        )
        return await self._stubbornly(lambda: self._journal.read(query))

    def _lanes(self) -> Lanes | None:
        if not self.settings.live_first:
            return None
        turn = self._pace.turn(self._now().timestamp(), self.settings.batch)
        return Lanes(fresh_s=self.settings.fresh_s, backlog=turn)

    async def _notice(self, batch: Batch) -> None:
        """A person did something since: what is held may have its patient now, or its codes may have been decided about."""
        while batch.held and await self._store(lambda tx: cursors.free_held(tx, self.id)) == cursors.RELEASE_MAX:
            pass
        before = self._acts
        if batch.held and await self._stubbornly(lambda: self._journal.read(partial(mappings.changed, after=before))):
            await self._free_unmapped()
        self._acts = batch.acts

    async def _free_unmapped(self) -> None:
        while await self._store(lambda tx: cursors.free_unmapped(tx, self.id)) == cursors.RELEASE_MAX:
            pass

    async def _idle(self, batch: Batch) -> None:
        strictly = self._strict and batch.parked
        paced = "sending: the backlog is paced" if batch.backlog else "idle"
        self._say("waiting: a message is parked and the order is strict" if strictly else paced)
        waits = [max(0.0, (batch.next_retry - self._now()).total_seconds())] if batch.next_retry is not None else []
        if batch.backlog:
            waits.append(self._pace.wait_s(self._now().timestamp()))
        await self._wait(self._work, min(waits, default=None))

    async def _deliver(self, batch: Batch) -> None:
        jobs = self._jobs = await self._preparation.jobs(batch.items, self._now())
        await self._pin(jobs)
        failed: set[str] = set()
        for job in jobs:
            if await self._step(job, batch.blocked, failed):
                await self._flush()
                await self._let_go()
                return
            if (self._now() - self._flushed_at).total_seconds() >= FLUSH_S:
                await self._flush()
        await self._flush()

    async def _step(self, job: Job, blocked: frozenset[str], failed: set[str]) -> bool:
        """Bring one item to a result; True when what follows should be looked at afresh."""
        waited = False
        result: Result | None
        if self._must_follow(job.item, blocked, failed):
            result = _aside(job.item)
        elif job.message is None:
            result = job.instead or parked(job.item, "has no message")
        else:
            result, waited = await self._send(job, job.message)
        if result is None:
            return True
        self._done.append(result)
        if job.sent and result.state is State.RETRY:
            failed.add(job.item.line(self._order))
            waited = await self._pause_after_streak(result) or waited
        return waited or (self._strict and result.state is State.PARKED)

    def _must_follow(self, item: Item, blocked: frozenset[str], failed: set[str]) -> bool:
        """Whether an earlier report of its line waits for another try; what was held or replayed is out of order anyway."""
        if self._strict or item.state is State.DUE:
            return False
        line = item.line(self._order)
        return line in failed or (item.state is None and line in blocked)

    async def _pin(self, jobs: list[Job]) -> None:
        pins = [(job.item.report, job.pin()) for job in jobs if job.fresh]
        if not pins:
            return
        gone = await self._store(lambda tx: cursors.pin(tx, self.id, pins))
        for job in jobs:
            if job.item.report in gone:
                job.message, job.instead = None, Result(item=job.item, state=State.GONE)

    async def _send(self, job: Job, message: Outgoing) -> tuple[Result | None, bool]:
        """Send until there is a result; whether the head of the line had to wait for it. None: nothing has left the house."""
        cost = job.pin()
        waited = False
        while True:
            if job.item.lane is Lane.BACKLOG and not waited:
                self._pace.took()
            async with self._turn:
                fresh, job.sent = not job.sent and job.item.pin is None, True
                outcome = await self._attempt(message)
            if not isinstance(outcome, Retry) or not outcome.link:
                self._unreached = 0
            if not isinstance(outcome, Retry):
                return self._answered(job.item, outcome, cost), waited
            if outcome.link:
                job.sent = not (fresh and outcome.unsent)
                delay_s = self._backoff.delay_s(self._unreached, outcome.after_s)
                self._unreached += 1
            else:
                delay_s = self._backoff.delay_s(cost.tries, outcome.after_s)
                cost = replace(cost, tries=cost.tries + 1, spent_s=cost.spent_s + delay_s)
                if (result := self._not_now(job.item, outcome, cost, delay_s)) is not None:
                    return result, waited
            await self._wait_at_head(job.item, outcome, cost, delay_s)
            if not job.sent:
                return None, True
            waited = True

    def _answered(self, item: Item, outcome: Accepted | Refused, sent: Pin) -> Result:
        self._streak = 0
        if isinstance(outcome, Refused):
            return parked(item, outcome.why[:REASON_MAX], outcome.code)
        now = self._now()
        self.late += sent.late
        self._acknowledged = (outcome.code, now)
        return Result(item=item, state=State.DELIVERED, code=outcome.code, unpin=True, sent=sent, at=now)

    def _not_now(self, item: Item, outcome: Retry, cost: Pin, delay_s: float) -> Result | None:
        """What a "not now" to the message itself means: parked, aside until later, or (None) the head of the line waits."""
        why = outcome.why[:REASON_MAX]
        if cost.spent_s >= self.settings.retry_budget_h * 3600:
            return replace(parked(item, why), unpin=False, tries=cost.tries, spent_s=cost.spent_s)
        if self._strict:
            return None
        later = self._now() + timedelta(seconds=delay_s)
        return Result(item=item, state=State.RETRY, reason=why, not_before=later, tries=cost.tries, spent_s=cost.spent_s)

    async def _attempt(self, message: Outgoing) -> Outcome:
        try:
            outcome = await self._timed(message)
        except Exception as error:  # noqa: BLE001 - the contract says that it never raises; the queue survives one that does
            tell_bug(self.id, "the destination failed", error)
            return Retry(f"the destination failed: {type(error).__name__}")
        if isinstance(outcome, Refused) and outcome.code in self.settings.refused_retry:
            return Retry(f"{outcome.code}: {outcome.why}", quoted=True)
        return outcome

    async def _timed(self, message: Outgoing) -> Outcome:
        """Send, and note how long an answer took."""
        begun = self._now()
        outcome = await self._destination.send(message)
        if not isinstance(outcome, Retry) or not outcome.link:
            self._pace.answered((self._now() - begun).total_seconds())
        return outcome

    async def _wait_at_head(self, item: Item, outcome: Retry, cost: Pin, delay_s: float) -> None:
        """Record what is known, say why nothing goes out, pause."""
        await self._flush()
        await self._let_go()
        why = outcome.why[:REASON_MAX]

        def note(tx: Transaction) -> None:
            cursors.spend(tx, self.id, item.report, cost.tries, cost.spent_s)
            cursors.trouble(tx, self.id, why)

        await self._store(note)
        self._say(f"waiting: {why}", quoted=outcome.quoted)
        await self._pause(delay_s)

    async def _pause_after_streak(self, result: Result) -> bool:
        self._streak += 1
        if self._streak < STREAK:
            return False
        await self._flush()
        await self._let_go()
        await self._store(lambda tx: cursors.trouble(tx, self.id, result.reason))
        self._say(f"waiting: {result.reason}", quoted=True)
        await self._pause(self._backoff.delay_s(self._streak - STREAK))
        return True

    async def _let_go(self) -> None:
        """Unpin what has not left: it may wait long, and its patient or its mapping may be put right meanwhile."""
        if unsent := self._unsent():
            await self._store(lambda tx: cursors.unpin(tx, self.id, unsent))

    def _unsent(self) -> list[int]:
        """The reports of this batch whose bytes were made durable, and have not left."""
        return [job.item.report for job in self._jobs if job.fresh and not job.sent]

    async def _flush(self) -> None:
        """Record results; nothing further is sent until that has worked."""
        if self._done:
            await self._stubbornly(self._record)
        self._flushed_at = self._now()

    async def _record(self) -> None:
        results, acknowledged = self._done, self._acknowledged
        await self._journal.write(lambda tx: cursors.settle(tx, self.id, results, acknowledged))
        self._done, self._acknowledged = [], None

    async def _store(self, apply: Callable[[Transaction], T]) -> T:
        return await self._stubbornly(lambda: self._journal.write(apply))

    async def _stubbornly(self, act: Callable[[], Awaitable[T]]) -> T:
        """Do what the journal refuses again, with pauses, until it works: without it nothing may be sent."""
        tries = 0
        while True:
            try:
                return await act()
            except StoreError as error:
                self._say(f"waiting: {error}")
                await self._pause(self._backoff.delay_s(tries))
                tries += 1

    async def _pause(self, seconds: float) -> None:
        """A pause that only a person shortens: backing off is the point."""
        self._hurry.clear()
        await self._wait(self._hurry, seconds)
        if self._hurry.is_set():
            self._unreached = 0

    def _say(self, state: str, *, quoted: bool = False) -> None:
        if state != self.state:
            if state.startswith("waiting") or self.state.startswith("waiting"):
                told = "waiting: the receiver says not now; `wardlink status` has its words" if quoted else state
                log.info("%s: %s", self.id, told, extra={"event": "destination state", "destination": self.id})
            self.state = state


def _aside(item: Item) -> Result:
    """Waits behind an earlier report of its line; its bytes, never sent, may still change."""
    return Result(item=item, state=State.RETRY, reason="waits behind an earlier one", unpin=item.pin is None)
