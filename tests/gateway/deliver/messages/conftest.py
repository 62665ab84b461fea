"""A synthetic oximeter report, an analyzer's, their patient and the gateway: what message tests start from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, TypeAlias

import msgspec
import pytest

from gateway.model import (
    Category,
    DeviceIdentity,
    Entry,
    Gateway,
    Kind,
    Location,
    Observation,
    Order,
    Part,
    Report,
    Specimen,
    Subject,
    Validity,
)

MakeEntry: TypeAlias = Callable[..., Entry]

NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
CET = timezone(timedelta(hours=1))


def _entry(report: Report, changes: dict[str, Any]) -> Entry:
    return Entry(id=7, epoch="a1b2c3d4", stored_at=NOON + timedelta(seconds=1), report=msgspec.structs.replace(report, **changes))


@pytest.fixture(scope="session")
def gateway() -> Gateway:
    return Gateway(name="4-EAST-1", eui64="0123456789ABCDEF")


@pytest.fixture(scope="session")
def subject() -> Subject:
    return Subject(
        patient_id="SYN-0001",
        assigner="HOSP&1.2.3.4&ISO",
        family_name="Test",
        given_name="Patient",
        birth_date="19700101",
        sex="F",
        visit_id="V-0001",
        patient_class="I",
    )


@pytest.fixture(scope="session")
def oximeter() -> MakeEntry:
    """A bedside report: two metrics of a containment tree, the second one absent. Its clock is 3 min fast."""
    report = Report(
        device=DeviceIdentity(id="4E-044", maker="Masimo", model="Radical-7", serial="SYN-77", eui64="00A037009A0053DE"),
        driver="masimo",
        category=Category.VITALS,
        received_at=NOON,
        device_time=datetime(2026, 11, 21, 13, 3, 0, tzinfo=CET),
        clock_offset_s=180.0,
        location=Location(point_of_care="4E", room="402", bed="1"),
        parts=(
            Part(place=(1, 0, 0, 0), refid="MDC_DEV_ANALY_SAT_O2_MDS"),
            Part(place=(1, 1, 0, 0), refid="MDC_DEV_ANALY_SAT_O2_VMD"),
            Part(place=(1, 1, 1, 0), refid="MDC_DEV_ANALY_SAT_O2_CHAN"),
        ),
        observations=(
            Observation(
                kind=Kind.NUMERIC, vendor_code="SPO2", value="97", refid="MDC_PULS_OXIM_SAT_O2", unit="%", place=(1, 1, 1, 1)
            ),
            Observation(
                kind=Kind.NUMERIC,
                vendor_code="BPM",
                value=None,
                validity=Validity.NOT_AVAILABLE,
                status="X",
                refid="MDC_PULS_OXIM_PULS_RATE",
                unit="/min",
                place=(1, 1, 1, 2),
            ),
        ),
    )
    return lambda **changes: _entry(report, changes)


@pytest.fixture(scope="session")
def analyzer() -> MakeEntry:
    """A laboratory report: a mapped count and an unmapped result over range."""
    report = Report(
        device=DeviceIdentity(id="LAB-02", maker="Sysmex", model="XN-550", serial="SYN-11"),
        driver="astm",
        category=Category.LAB,
        received_at=NOON,
        device_time=datetime(2026, 11, 21, 13, 0, 10, tzinfo=CET),
        clock_offset_s=10.0,
        specimen=Specimen(id="SYN-4711", instrument_id="12", type="Blood", collected=datetime(2026, 11, 21, 11, 30, tzinfo=CET)),
        order=Order(placer_id="ORD-1", services=("WBC", "QQQ")),
        observations=(
            Observation(
                kind=Kind.NUMERIC,
                vendor_code="WBC",
                value="5.50",
                loinc="6690-2",
                unit="10*3/uL",
                vendor_unit="10^3/uL",
                range="3.5-9.0",
                flags=("N",),
                status="F",
            ),
            Observation(
                kind=Kind.NUMERIC,
                vendor_code="QQQ",
                vendor_text="Research test",
                value="1500",
                comparator=">",
                vendor_unit="arb",
                status="F",
                notes=("over range",),
            ),
        ),
    )
    return lambda **changes: _entry(report, changes)
