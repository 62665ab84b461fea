"""A cable with faults: the same words at the same moment come through when they are said again."""

from __future__ import annotations

from datetime import UTC, datetime

from simulators.cable import Cable
from simulators.scenario import Scenario

START = datetime(2026, 11, 21, tzinfo=UTC)


def test_what_is_said_again_at_once_may_come_through() -> None:
    cable = Cable(Scenario(1, START, garble=0.5))
    fates = {cable.carry(b"the same words", 7.0) == b"the same words" for _ in range(50)}
    assert fates == {True, False}


def test_two_cables_of_a_scenario_tell_the_same_story() -> None:
    one, other = (Cable(Scenario(3, START, garble=0.3, drop=0.3)) for _ in range(2))
    assert [one.carry(b"frame", t / 10) for t in range(50)] == [other.carry(b"frame", t / 10) for t in range(50)]
