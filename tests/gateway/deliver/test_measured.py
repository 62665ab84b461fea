"""A destination that is measured: what is timed, what is counted, by which words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.deliver.destination import Accepted, Outcome, Outgoing, Refused, Retry
from gateway.deliver.measured import Measured
from gateway.security.certificates import Certificate

MESSAGE = Outgoing("1", b"x")
CERTIFICATE = Certificate("engine", "ca", (), datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))


class Receiver:
    """Takes 20 ms of a clock of its own for every answer."""

    connected = True
    now = 0.0

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)

    async def send(self, message: Outgoing) -> Outcome:
        assert message is MESSAGE
        self.now += 0.02
        return self.outcomes.pop(0)

    async def close(self) -> None:
        self.connected = False

    def peer_certificate(self) -> Certificate | None:
        return CERTIFICATE


async def test_answers_are_timed_and_what_is_no_answer_is_counted() -> None:
    outcomes: list[Outcome] = [
        Accepted("AA"),
        Refused("no", "AR"),
        Retry("away", link=True),
        Retry("later"),
        Retry("away", link=True),
    ]
    receiver = Receiver(*outcomes)
    measured = Measured(receiver, lambda: receiver.now)
    assert [await measured.send(MESSAGE) for _ in range(5)] == outcomes
    status = measured.status(None)
    assert status["acks"]["count"] == 2
    assert status["acks"]["sum_s"] == pytest.approx(0.04)
    assert status["retries"] == {"out of reach": 2, "not now": 1}
    assert (status["refused"], status["connected"]) == (1, True)
    assert status["certificates"] == {"peer": {"subject": "engine", "not_after": CERTIFICATE.not_after}}
    await measured.close()
    assert measured.status(CERTIFICATE)["connected"] is False
    assert set(measured.status(CERTIFICATE)["certificates"]) == {"own", "peer"}
