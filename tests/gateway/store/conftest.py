"""Journals in a temporary folder, and reports to keep in them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.model import Category, DeviceIdentity, Kind, Observation, Report
from gateway.store.journal import Journal

MakeReport = Callable[..., Report]


@pytest.fixture
def make_report() -> MakeReport:
    def make(
        device: str = "4E-044",
        *,
        identity: str = "",
        at: datetime = datetime(2026, 11, 21, 8, 0, tzinfo=UTC),
        category: Category = Category.VITALS,
        value: str = "98",
        raw: bytes = b"\x01\x02\x00",
    ) -> Report:
        spo2 = Observation(kind=Kind.NUMERIC, vendor_code="SPO2", value=value, refid="MDC_PULS_OXIM_SAT_O2", unit="%")
        return Report(
            device=DeviceIdentity(id=device),
            driver="nonin",
            category=category,
            received_at=at,
            observations=(spo2,),
            identity=identity,
            raw=raw,
        )

    return make


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    opened = await Journal.open(tmp_path / "data", name="4-east-1", reserve_bytes=65536)
    yield opened
    await opened.close()
