"""What a report takes of the disk: `python tests/bench/bench_bytes.py [REPORTS]`.

Method: reports of one sort are kept in a journal of their own, with one destination that takes them; pages with something in
them, divided by the number of reports, are measured three times: as they wait; when all of them are held (each is noted);
and when all are delivered (each keeps what answers for it later). Page counts, not time: a busy machine changes nothing.
The reports are made by the drivers from what a device sends: a Rad-8's line, a Sysmex XN's blood count, and a report of 30
metrics with identity, place and location as an intensive care monitor's.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec

from gateway.acquire import registry
from gateway.acquire.flow import Chunk, Flow
from gateway.acquire.offline import decode
from gateway.model import Category, DeviceIdentity, Kind, Location, Observation, Report
from gateway.store import cursors
from gateway.store.items import Item, Pin, Result, State
from gateway.store.journal import Journal
from gateway.store.times import utc_now

START = datetime(2026, 11, 21, 8, tzinfo=UTC)
CAPTURES = Path(__file__).parents[1] / "captures"
STEP = 500


def single() -> Report:
    """One numeric, nothing else."""
    seen = Observation(kind=Kind.NUMERIC, vendor_code="SpO2", value="98", refid="MDC_PULS_OXIM_SAT_O2", unit="%")
    return Report(
        device=DeviceIdentity(id="4E-044"), driver="nonin", category=Category.VITALS, received_at=START, observations=(seen,), raw=bytes(5)
    )  # fmt: skip


def monitor() -> Report:
    """Thirty metrics, as an intensive care monitor sends them, in 300 bytes."""
    seen = tuple(
        Observation(
            kind=Kind.NUMERIC, vendor_code=f"NOM_{n:04d}", value=f"{n + 60}.5", refid="MDC_PULS_OXIM_SAT_O2", unit="%",
            vendor_unit="NOM_DIM_PERCENT", place=(1, 1, 1, n),
        )
        for n in range(1, 31)
    )  # fmt: skip
    device = DeviceIdentity(id="4E-310", maker="Maker", model="Monitor 70", serial="DE00000001", eui64="02AABBCCDDEEFF01")
    place = Location(point_of_care="4E", room="402", bed="1")
    return Report(
        device=device, driver="monitor", category=Category.VITALS, received_at=START, observations=seen, location=place, raw=bytes(300)
    )  # fmt: skip


def captured(driver: str, capture: str, profile: str = "") -> Report:
    """The largest report of a recorded device."""
    made = registry.load(driver)
    options = registry.options(made, profile, {})
    data = (CAPTURES / capture / "wire.bin").read_bytes()
    context = made.context(DeviceIdentity(id="4E-044"), options, wall=lambda _: START, profile=profile)
    found = decode(Flow("", START, [Chunk(0.0, data)]), made.codec(options), context, START)
    reports = [one for one in found if isinstance(one, Report)]
    return max(reports, key=lambda one: len(one.observations))


SORTS: dict[str, Callable[[], Report]] = {
    "one numeric": single,
    "Masimo Rad-8, a line": partial(captured, "masimo", "masimo/rad8-steady"),
    "30 metrics": monitor,
    "blood count, Sysmex XN": partial(captured, "astm", "astm/sysmex-xn/xn-550", "sysmex-xn"),
}


async def per_report(journal: Journal, count: int) -> float:
    """Bytes in use a report."""
    space = await journal.read(journal.reserve.space)
    return space.used / count


async def outcome(journal: Journal, make: Callable[[Item], Result]) -> None:
    """What became of everything that is next, in steps."""
    while True:
        query = partial(cursors.batch, destination="engine", now=utc_now(), limit=STEP, order="device")
        items = (await journal.read(query)).items
        if not items:
            return
        await journal.write(partial(cursors.settle, destination="engine", results=[make(item) for item in items]))


async def measure(folder: Path, report: Report, count: int) -> tuple[float, float, float]:
    """Bytes a report: waiting, held, delivered."""
    found = []
    for name, state in (("held", State.HELD), ("delivered", State.DELIVERED)):
        journal = await Journal.open(folder / name, name="bench")
        await journal.use({"engine": frozenset(Category)})
        for first in range(0, count, STEP):
            made = [
                msgspec.structs.replace(
                    report, received_at=START + timedelta(seconds=n), identity=report.identity and f"{n:064x}"
                )
                for n in range(first, first + STEP)
            ]
            await journal.keep(made, device_id=report.device.id)
        found.append(await per_report(journal, count))
        sent = Pin("x", b"x") if state is State.DELIVERED else None
        reason = "no patient is known for its time" if state is State.HELD else ""
        await outcome(journal, lambda item: Result(item=item, state=state, reason=reason, code="AA", sent=sent))  # noqa: B023 - used at once
        found.append(await per_report(journal, count))
        await journal.close()
    waiting, held, _, delivered = found
    return waiting, held, delivered


def main(words: Sequence[str]) -> None:
    """Print a row a sort of report."""
    count = int(words[0]) if words else 5000
    print(f"{'bytes a report':24} {'readings':>8} {'waiting':>9} {'held':>9} {'delivered':>9}")
    for name, make in SORTS.items():
        report = make()
        with tempfile.TemporaryDirectory() as folder:
            sizes = asyncio.run(measure(Path(folder), report, count))
        print(f"{name:24} {len(report.observations):8} " + " ".join(f"{size:9,.0f}" for size in sizes))


if __name__ == "__main__":
    main(sys.argv[1:])
