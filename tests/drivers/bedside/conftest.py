"""Bytes through a driver's own codec and interpretation, as the gateway runs them."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, TypeAlias

import pytest

from gateway.driver import Driver
from gateway.model import DeviceIdentity, Report
from gateway.readings import readings
from protocols.sansio import Message

Reports: TypeAlias = Callable[..., list[Report]]
Decode: TypeAlias = Callable[..., list[Mapping[str, Any]]]

RECEIVED = datetime(2026, 11, 21, 23, 59, 30, tzinfo=UTC)


@pytest.fixture
def reports() -> Reports:
    """`reports(driver, bytes, timezone=…, option=…)`: what the driver makes of the bytes, received at RECEIVED."""

    def run(driver: Driver[Any, Any], data: bytes, timezone: tzinfo = UTC, **options: Any) -> list[Report]:
        chosen = driver.options(**options)
        context = driver.context(
            DeviceIdentity(id="4E-044"), chosen, wall=lambda t_s: RECEIVED + timedelta(seconds=t_s), timezone=timezone
        )
        codec = driver.codec(chosen)
        codec.start(0.0)
        events = [*codec.receive(data, 0.0), *codec.end(0.0)]
        return [report for event in events if isinstance(event, Message) for report in driver.interpret(event, context)]

    return run


@pytest.fixture
def decode(reports: Reports) -> Decode:
    """The same as flat readings."""

    def run(driver: Driver[Any, Any], data: bytes, **options: Any) -> list[Mapping[str, Any]]:
        return [reading for report in reports(driver, data, **options) for reading in readings(report)]

    return run
