"""Reports of an analyzer, and decisions about its codes, made in a line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.mapping import Decision, Key, Kind
from gateway.mapping.fitting import property_of
from gateway.model import Category, DeviceIdentity, Observation, Report, Specimen
from gateway.model import Kind as Sort

MakeReport = Callable[..., Report]
Decide = Callable[..., Decision]


def make_observation(code: str = "QQQ", value: str | None = "1.5", unit: str | None = "mg/dL", **more: Any) -> Observation:
    kind = Sort.NUMERIC if value is None or value[:1].isdigit() else Sort.TEXT
    return Observation(**{"kind": kind, "vendor_code": code, "value": value, "unit": unit, "vendor_unit": unit or "", **more})


@pytest.fixture
def observation() -> Callable[..., Observation]:
    return make_observation


@pytest.fixture
def report() -> MakeReport:
    def make(
        *observations: Observation, maker: str = "Acme", model: str = "X1", device: str = "LAB-1", specimen: str = ""
    ) -> Report:
        return Report(
            device=DeviceIdentity(id=device, maker=maker, model=model),
            driver="astm",
            category=Category.LAB,
            received_at=datetime(2026, 11, 21, 8, 0, tzinfo=UTC),
            observations=observations or (make_observation(),),
            specimen=Specimen(id="SYN-1", type=specimen),
        )

    return make


@pytest.fixture
def decide() -> Decide:
    def make(loinc: str = "2345-7", code: str = "QQQ", prop: str = "", **more: Any) -> Decision:
        narrow = {name: more.pop(name) for name in ("device", "maker", "model", "unit", "specimen") if name in more}
        key = Key(code=code, result=Kind(more.pop("result", "")), **narrow)
        prop = prop or (property_of(loinc) if loinc else "")
        return Decision(id=more.pop("id", 1), key=key, loinc=loinc, prop=prop, **more)

    return make
