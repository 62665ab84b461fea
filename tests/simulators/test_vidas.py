"""The simulated mini VIDAS against the host, in memory and virtual time, over lines that lose and damage; every result once."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drivers.lab.vidas import DRIVER
from drivers.lab.vidas_profile import VidasOptions
from gateway.errors import ConfigError
from gateway.model import DeviceIdentity, Report
from protocols.sansio import Event, Message
from simulators.host import build
from simulators.lab.vidas import SIMULATOR, VidasSimulator
from simulators.scenario import Scenario

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
Damage = Callable[[bytes], bytes]


def lossy(chance: float, seed: int) -> Damage:
    dice = random.Random(seed)

    def damage(data: bytes) -> bytes:
        if data and dice.random() < chance:
            at = dice.randrange(len(data))
            return data[:at] + bytes([data[at] ^ (1 << dice.randrange(8))]) + data[at + 1 :]
        return b"" if data and dice.random() < chance else data

    return damage


@pytest.mark.parametrize(
    ("up", "down", "full_until_s"),
    [
        pytest.param(bytes, bytes, 0, id="a good line"),
        pytest.param(lossy(0.1, 1), bytes, 0, id="messages damaged and lost"),
        pytest.param(bytes, lossy(0.2, 2), 0, id="answers damaged and lost"),
        pytest.param(lossy(0.1, 3), lossy(0.1, 4), 0, id="both"),
        pytest.param(bytes, bytes, 60, id="a full disk for a minute"),
    ],
)
def test_every_result_is_kept_exactly_once(up: Damage, down: Damage, full_until_s: float) -> None:
    instrument = VidasSimulator(Scenario(7, START), {"interval_s": "20", "count": "20"})
    context = DRIVER.context(DeviceIdentity(id="V"), VidasOptions(date="MDY"), wall=lambda at: START + timedelta(seconds=at))
    host = context.codec()
    kept: dict[str, Report] = {}
    now = 0.0

    def take(events: Sequence[Event[Any]]) -> None:
        for event in events:
            if isinstance(event, Message) and event.token is not None:
                if now < full_until_s:
                    host.reject(event.token)
                    continue
                for report in DRIVER.interpret(event, context):
                    kept.setdefault(report.identity, report)
                host.confirm(event.token)

    host.start(now)
    instrument.start(now)
    while now < 2400:
        for _ in range(50):
            said = up(instrument.data_to_send())
            take(host.receive(said, now) if said else ())
            answer = down(host.data_to_send())
            if answer:
                instrument.receive(answer, now)
            if not said and not answer:
                break
        now = max(now + 0.01, min(at for at in (instrument.deadline(), host.deadline(), 2400.0) if at is not None))
        instrument.on_deadline(now)
        take(host.on_deadline(now))
    assert len(instrument.acknowledged) == 20
    found = [(r.specimen.id if r.specimen else "", r.observations[0].vendor_code, r.observations[0].value) for r in kept.values()]
    assert sorted(found) == sorted((result.specimen, result.code, result.value) for result in instrument.sent)


@pytest.mark.parametrize("options", [{"interval_s": "0"}, {"colour": "red"}])
def test_options_that_make_no_sense_are_told(options: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        build(SIMULATOR, Scenario(1, START), options)
