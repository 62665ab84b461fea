"""How many Bundles a second one core renders: `python tests/bench/bench_fhir.py [SECONDS]`.

Method: 30 numeric readings of one device for one patient, other digits and another journal row each time, one process, rendering
alone: neither journal nor network. Processor time is counted, so that a busy machine disturbs it less. Printed: the mean of the
whole run, the size of a Bundle, and the same for 10,000 devices in turn (more than are remembered, so static parts are made anew
each time).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count, cycle

from gateway.deliver.messages.fhir import renderer
from gateway.model import Category, DeviceIdentity, Entry, Gateway, Kind, Observation, Part, Report, Subject
from gateway.settings.fhir import FhirMessageSettings

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
METRICS = (("MDC_TEMP_BODY", "Cel"), ("MDC_PULS_OXIM_SAT_O2", "%"), ("MDC_ECG_HEART_RATE", "/min"), ("MDC_RESP_RATE", "/min"))
PATIENT = Subject(patient_id="SYN-0001", assigner="HOSP&2.999.1&ISO", family_name="Test", given_name="Patient", sex="F")


def observation(index: int, turn: int) -> Observation:
    """One reading."""
    refid, unit = METRICS[index % len(METRICS)]
    value = f"{30 + (index + turn) % 60}.{turn % 10}0"
    return Observation(
        kind=Kind.NUMERIC, vendor_code=f"C{index}", value=value, refid=refid, unit=unit, place=(1, 1, 1, index + 1)
    )


def entries(devices: int) -> Iterator[Entry]:
    """Journal rows without end, of so many devices in turn."""
    values = [tuple(observation(index, turn) for index in range(30)) for turn in range(10)]
    parts = (Part(place=(1, 0, 0, 0), refid="MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS"),)
    identities = [
        DeviceIdentity(id=f"4E-{number:05d}", maker="Maker", model="M1", serial=str(number)) for number in range(devices)
    ]
    for number, device in zip(count(1), cycle(identities), strict=False):
        report = Report(
            device=device, driver="x", category=Category.VITALS, received_at=NOON, observations=values[number % 10], parts=parts
        )
        yield Entry(id=number, epoch="a1b2c3d4", stored_at=NOON, report=report)


def measure(name: str, devices: int, seconds: float) -> None:
    """Render for so long; print what came of it."""
    write = renderer(FhirMessageSettings(), Gateway(name="bench", eui64="0123456789ABCDEF"))
    made = size = 0
    write(next(entries(1)), PATIENT)  # the terms are read once
    begin = time.process_time()
    for entry in entries(devices):
        size = len(write(entry, PATIENT).body)
        made += 1
        if time.process_time() - begin > seconds:
            break
    took = time.process_time() - begin
    print(f"{name:16} {made / took:8.0f} Bundles/s {30 * made / took:10.0f} readings/s   {size} bytes")


if __name__ == "__main__":
    duration = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    measure("one device", 1, duration)
    measure("10,000 devices", 10_000, duration)
