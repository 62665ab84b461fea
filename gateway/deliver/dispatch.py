"""A destination's worker: from its cursor in the journal to the receiver's word, in order, whatever fails.

A batch is read, each report gets the patient of its own time, is rendered, and its bytes are made durable before the first
is sent; one commit later records what became of them. A crash anywhere resends the same bytes with the same ids.

Trouble with the link makes the head of the line wait, and everything behind it. A "not now" to a message (AE) makes its
device wait (order "device") or everything (order "strict"), until its budget is spent and it is parked. A refused message
is parked at once. Parked ones hold up nothing, but in strict order everything.
"""

from __future__ import annotations

import asyncio
import logging
import random
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from gateway.deliver.backoff import Backoff
from gateway.deliver.destination import Accepted, Destination, Outcome, Outgoing, Refused, Retry
from gateway.deliver.messages import Renderer
from gateway.errors import StoreError
from gateway.model import Category
from gateway.settings.dispatch import DispatchSettings
from gateway.store import cursors
from gateway.store.cursors import Batch, Item, Pin, Result, State
from gateway.store.journal import Journal
from gateway.store.times import utc_now
from gateway.store.writer import Transaction

log = logging.getLogger(__name__)

T = TypeVar("T")

HOLDABLE = frozenset({Category.VITALS, Category.EVENTS, Category.WAVEFORMS})
"""What means nothing without a patient; lab and QC results travel on their specimen id."""
POLL_S = 1.0
"""How soon an act of another process (an association, a replay) is noticed while anything waits for one."""
FLUSH_S = 0.25
"""Outcomes are recorded at least this often: with a slow receiver a batch takes long, and status must not lie."""
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


@dataclass(slots=True)
class _Job:
    """An item and what is known of it before it is sent: its message, or why there is none."""

    item: Item
    message: Outgoing | None = None
    instead: Result | None = None
    sent: bool = False


class Dispatcher:
    """Sends what the journal holds for one destination; `run` until cancelled, one at a time.

    `now`, `wait` and `chance` (0 to 1, for jitter) are the clock, the pauses and the dice; tests bring their own.
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
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.id = destination_id
        self.settings = settings or DispatchSettings()
        self.state = "starting"
        """For people: starting, sending, idle, or what it waits for."""
        self._journal = journal
        self._destination = destination
        self._renderer = renderer
        self._now = now
        self._wait = wait
        self._backoff = Backoff(self.settings.retry_base_s, self.settings.retry_cap_s, self.settings.retry_jitter, chance)
        self._strict = self.settings.order == "strict"
        self._work = asyncio.Event()
        self._acts = -1
        self._done: list[Result] = []
        self._acknowledged: tuple[str, datetime] | None = None
        self._flushed_at = now()
        self._streak = 0
        self._unreached = 0
        self._jobs: list[_Job] = []
        self._turn = asyncio.Lock()

    def wake(self) -> None:
        """There may be something to send."""
        self._work.set()

    async def run(self) -> None:
        """Send until cancelled. What was sent and not yet recorded is recorded on the way out."""
        unsubscribe = self._journal.subscribe(self.wake)
        try:
            if not self.settings.hold:
                await self._store(lambda tx: cursors.free_all_held(tx, self.id))
            while True:
                self._work.clear()
                await self._round()
        finally:
            unsubscribe()
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
        batch = await self._read()
        if batch.acts != self._acts:
            await self._notice(batch)
        elif batch.items:
            self._say("sending")
            await self._deliver(batch)
        else:
            await self._idle(batch)

    async def _read(self) -> Batch:
        query = partial(
            cursors.batch,
            destination=self.id,
            now=self._now(),
            limit=self.settings.batch,
            strict=self._strict,
        )
        return await self._stubbornly(lambda: self._journal.read(query))

    async def _notice(self, batch: Batch) -> None:
        """A person did something since: what is held may have its patient now."""
        while batch.held and await self._store(lambda tx: cursors.free_held(tx, self.id)) == cursors.RELEASE_MAX:
            pass
        self._acts = batch.acts

    async def _idle(self, batch: Batch) -> None:
        strictly = self._strict and batch.parked
        self._say("waiting: a message is parked and the order is strict" if strictly else "idle")
        timeout_s = POLL_S if batch.held or batch.parked else None
        if batch.next_retry is not None:
            due_s = max(0.0, (batch.next_retry - self._now()).total_seconds())
            timeout_s = due_s if timeout_s is None else min(due_s, timeout_s)
        await self._wait(self._work, timeout_s)

    async def _deliver(self, batch: Batch) -> None:
        jobs = self._jobs = [self._prepare(item) for item in batch.items]
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

    async def _step(self, job: _Job, blocked: frozenset[str], failed: set[str]) -> bool:
        """Bring one item to a result; True when what follows should be looked at afresh."""
        waited = False
        result: Result | None
        if self._must_follow(job.item, blocked, failed):
            result = _aside(job.item)
        elif job.message is None:
            result = job.instead or _parked(job.item, "has no message")
        else:
            result, waited = await self._send(job, job.message)
        if result is None:
            return True
        self._done.append(result)
        if job.sent and result.state is State.RETRY:
            failed.add(job.item.device)
            waited = await self._pause_after_streak(result) or waited
        return waited or (self._strict and result.state is State.PARKED)

    def _must_follow(self, item: Item, blocked: frozenset[str], failed: set[str]) -> bool:
        """Whether an earlier report of its device waits for another try; what was held or replayed is out of order anyway."""
        if self._strict or item.state is State.DUE:
            return False
        return item.device in failed or (item.state is None and item.device in blocked)

    def _prepare(self, item: Item) -> _Job:
        """The message of an item: its pinned bytes, or rendered now; or why it has none."""
        if item.pin is not None:
            return _Job(item, Outgoing(id=item.pin.message_id, body=item.pin.body))
        if item.entry is None:
            return _Job(item, instead=_parked(item, item.fault))
        if item.subject is None and self.settings.hold and item.category in HOLDABLE:
            return _Job(item, instead=Result(item=item, state=State.HELD, reason="no patient is known for its time"))
        try:
            return _Job(item, self._renderer(item.entry, item.subject))
        except Exception as error:  # noqa: BLE001 - a renderer's bug must cost one message, not the destination
            self._tell_bug(f"report {item.report} cannot be rendered", error)
            return _Job(item, instead=_parked(item, f"cannot be rendered: {type(error).__name__}"))

    async def _pin(self, jobs: list[_Job]) -> None:
        pins = [
            (job.item.report, Pin(job.message.id, job.message.body))
            for job in jobs
            if job.message is not None and job.item.pin is None
        ]
        if not pins:
            return
        gone = await self._store(lambda tx: cursors.pin(tx, self.id, pins))
        for job in jobs:
            if job.item.report in gone:
                job.message, job.instead = None, Result(item=job.item, state=State.GONE)

    async def _send(self, job: _Job, message: Outgoing) -> tuple[Result | None, bool]:
        """Send until there is a result; whether the head of the line had to wait for it. None: nothing has left the house."""
        cost = job.item.pin or Pin(message.id, message.body)
        waited = False
        while True:
            async with self._turn:
                fresh, job.sent = not job.sent and job.item.pin is None, True
                outcome = await self._attempt(message)
            if not isinstance(outcome, Retry) or not outcome.link:
                self._unreached = 0
            if not isinstance(outcome, Retry):
                return self._answered(job.item, outcome), waited
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

    def _answered(self, item: Item, outcome: Accepted | Refused) -> Result:
        self._streak = 0
        if isinstance(outcome, Refused):
            return _parked(item, outcome.why[:REASON_MAX], outcome.code)
        self._acknowledged = (outcome.code, self._now())
        return Result(item=item, state=State.DELIVERED, code=outcome.code, unpin=True)

    def _not_now(self, item: Item, outcome: Retry, cost: Pin, delay_s: float) -> Result | None:
        """What a "not now" to the message itself means: parked, aside until later, or (None) the head of the line waits."""
        why = outcome.why[:REASON_MAX]
        if cost.spent_s >= self.settings.retry_budget_h * 3600:
            return replace(_parked(item, why), unpin=False, tries=cost.tries, spent_s=cost.spent_s)
        if self._strict:
            return None
        later = self._now() + timedelta(seconds=delay_s)
        return Result(item=item, state=State.RETRY, reason=why, not_before=later, tries=cost.tries, spent_s=cost.spent_s)

    async def _attempt(self, message: Outgoing) -> Outcome:
        try:
            outcome = await self._destination.send(message)
        except Exception as error:  # noqa: BLE001 - the contract says that it never raises; the queue survives one that does
            self._tell_bug("the destination failed", error)
            return Retry(f"the destination failed: {type(error).__name__}")
        if isinstance(outcome, Refused) and outcome.code in self.settings.refused_retry:
            return Retry(f"{outcome.code}: {outcome.why}", quoted=True)
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
        return [job.item.report for job in self._jobs if job.message is not None and job.item.pin is None and not job.sent]

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
        """A pause that nothing shortens: backing off is the point."""
        await self._wait(asyncio.Event(), seconds)

    def _tell_bug(self, what: str, error: Exception) -> None:
        """Type and traceback without the error's own text: that may hold patient data."""
        log.error("%s: %s: %s\n%s", self.id, what, type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))

    def _say(self, state: str, *, quoted: bool = False) -> None:
        if state != self.state:
            if state.startswith("waiting") or self.state.startswith("waiting"):
                told = "waiting: the receiver says not now; `wardlink status` has its words" if quoted else state
                log.info("%s: %s", self.id, told, extra={"event": "destination state", "destination": self.id})
            self.state = state


def _parked(item: Item, reason: str, code: str = "") -> Result:
    return Result(item=item, state=State.PARKED, reason=reason, code=code, unpin=True)


def _aside(item: Item) -> Result:
    """Waits behind an earlier report of its device; its bytes, never sent, may still change."""
    return Result(item=item, state=State.RETRY, reason="waits behind an earlier report of its device", unpin=item.pin is None)
