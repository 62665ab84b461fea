"""How many messages a second are rendered, one core: `python tests/bench/bench_messages.py [SECONDS]`.

Method: reports are decoded from the journal's form before the clock starts, so every string is fresh as in the dispatcher; each
format renders 1,000 rows of 20 devices over and over; one warm-up round; the median of the rounds is printed. Decoding and
rendering together are printed too, since a dispatcher does both.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from gateway.deliver.messages import Renderer, lab, pcd01
from gateway.model import (
    Category,
    DeviceIdentity,
    Entry,
    Gateway,
    Kind,
    Observation,
    Part,
    Report,
    Specimen,
    Subject,
    Validity,
    decode,
    encode,
)
from gateway.settings.lab import LabSettings
from gateway.settings.pcd01 import Pcd01Settings

BOX = Gateway(name="bench", eui64="0123456789ABCDEF")
WHO = Subject(patient_id="SYN-0001", assigner="HOSP", family_name="Test", given_name="Patient", visit_id="V-1", patient_class="I")
NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
REFIDS = (("MDC_PULS_OXIM_SAT_O2", "%"), ("MDC_PULS_OXIM_PULS_RATE", "/min"), ("MDC_PRESS_BLD_ART_SYS", "mm[Hg]"))
PARTS = ("MDC_DEV_ANALY_SAT_O2_MDS", "MDC_DEV_ANALY_SAT_O2_VMD", "MDC_DEV_ANALY_SAT_O2_CHAN")


def vitals(number: int, *, absent: int = 0) -> Report:
    """30 metrics behind 3 device rows and the device's clock; `absent` of them without a value."""
    metrics = []
    for n in range(30):
        refid, unit = REFIDS[n % 3]
        value, validity = (None, Validity.NOT_AVAILABLE) if n < absent else (str(60 + (n + number) % 40), Validity.OK)
        status = "R" if value else "X"
        metrics.append(
            Observation(
                kind=Kind.NUMERIC,
                vendor_code=f"M{n}",
                value=value,
                validity=validity,
                status=status,
                refid=refid,
                unit=unit,
                place=(1, 1, 1, n + 1),
            )
        )
    at = NOON + timedelta(seconds=number)
    places = ((1, 0, 0, 0), (1, 1, 0, 0), (1, 1, 1, 0))
    return Report(
        device=DeviceIdentity(id=f"D{number % 20}", maker="Bench", model="B1", serial=f"SYN-{number % 20}"),
        driver="bench",
        category=Category.VITALS,
        received_at=at,
        device_time=at,
        clock_offset_s=0.0,
        observations=tuple(metrics),
        parts=tuple(Part(place=place, refid=refid) for place, refid in zip(places, PARTS, strict=True)),
    )


def results(number: int) -> Report:
    """20 results of a cell counter."""
    rows = [
        Observation(
            kind=Kind.NUMERIC,
            vendor_code=f"T{n}",
            value=f"{n}.{number % 10}0",
            loinc="6690-2",
            unit="10*3/uL",
            vendor_unit="10^3/uL",
            range="3.5-9.0",
            flags=("N",),
            status="F",
        )
        for n in range(20)
    ]
    return Report(
        device=DeviceIdentity(id=f"L{number % 20}", maker="Bench", model="L1", serial=f"SYN-{number % 20}"),
        driver="bench",
        category=Category.LAB,
        received_at=NOON + timedelta(seconds=number),
        observations=tuple(rows),
        specimen=Specimen(id=f"SYN-{number}", type="Blood"),
    )


def measure(name: str, render: Renderer, make: Callable[[int], Report], seconds: float) -> None:
    """Print the rate of rendering, and of decoding and rendering."""
    payloads = [encode(make(number)) for number in range(1000)]
    entries = [Entry(id=n, epoch="a1b2c3d4", stored_at=NOON, report=decode(payload)) for n, payload in enumerate(payloads)]
    size = len(render(entries[0], WHO).body)

    def plain() -> None:
        for entry in entries:
            render(entry, WHO)

    def decoded() -> None:
        for n, payload in enumerate(payloads):
            render(Entry(id=n, epoch="a1b2c3d4", stored_at=NOON, report=decode(payload)), WHO)

    rates = [f"{_rate(work, seconds, len(entries)):>9,.0f}" for work in (plain, decoded)]
    print(f"{name:<34} {size:>6} B  render {rates[0]} msg/s  decode + render {rates[1]} msg/s")


def _rate(work: Callable[[], None], seconds: float, count: int) -> float:
    work()
    rounds, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        work()
        rounds.append(count / (time.perf_counter() - start))
    return statistics.median(rounds or [0.0])


def main() -> None:
    """Measure each format."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    measure("pcd01, 30 metrics", pcd01.renderer(Pcd01Settings(), BOX), vitals, seconds)
    measure("pcd01, 30 metrics, 10 absent", pcd01.renderer(Pcd01Settings(), BOX), lambda n: vitals(n, absent=10), seconds)
    measure("lab, 20 results", lab.renderer(LabSettings(), BOX), results, seconds)


if __name__ == "__main__":
    main()
