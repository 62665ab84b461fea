"""What the receiver does with a message, by a script that may be changed while it runs.

A script is a list of acts separated by commas, each with an optional count: "ack*10,refuse:AE*3,stall*1,ack". The last act
goes on for ever; when it has a count too, the receiver acknowledges afterwards.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from enum import StrEnum

ACTS_MAX = 1000
"""Acts of a script: more than any test needs."""


class Act(StrEnum):
    """What may be done with a message."""

    ACK = "ack"
    REFUSE = "refuse"
    STALL = "stall"
    LATE = "late"
    WRONG_ID = "wrong-id"
    CLOSE = "close"
    CLOSE_AFTER = "close-after"
    GARBAGE = "garbage"
    FLAKY = "flaky"


FAULTS = ("refuse:AE", "wrong-id", "close", "garbage")
"""What a flaky receiver does beside acknowledging: everything that a sender needs no patience to see."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """An act. `code` is what a refusal says (AE AR CE CR, or an HTTP status), `chance` how often a flaky one fails."""

    act: Act
    code: str = ""
    chance: float = 0.0

    def __str__(self) -> str:
        argument = self.code or (f"{self.chance:g}" if self.act is Act.FLAKY else "")
        return f"{self.act}:{argument}" if argument else str(self.act)


def parse(text: str) -> list[tuple[Behaviour, int | None]]:
    """The acts of a script, each with its count (None: for ever). Raises ValueError that says what was expected."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > ACTS_MAX:
        raise ValueError(f"{len(parts)} acts; expected at most {ACTS_MAX}")
    steps = [_step(part) for part in parts]
    for behaviour, count in steps[:-1]:
        if count is None:
            raise ValueError(f"{behaviour} goes on for ever and hides what follows: give it a count, {behaviour}*3")
    return steps


class Script:
    """The act for each message, in turn. The same seed makes a flaky receiver fail at the same messages."""

    def __init__(self, text: str = "ack", seed: int = 1) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - a script, not a secret
        self._steps: deque[tuple[Behaviour, int | None]] = deque()
        self.switch(text)

    def switch(self, text: str) -> None:
        """From the next message on, follow this script. Raises ValueError and changes nothing when it is none."""
        self._steps = deque(parse(text))

    def next(self) -> Behaviour:
        """The act for the next message."""
        while self._steps:
            behaviour, count = self._steps[0]
            if count is None:
                return self._settle(behaviour)
            if count > 0:
                self._steps[0] = (behaviour, count - 1)
                return self._settle(behaviour)
            self._steps.popleft()
        return Behaviour(Act.ACK)

    def _settle(self, behaviour: Behaviour) -> Behaviour:
        if behaviour.act is not Act.FLAKY:
            return behaviour
        failing = self._dice.random() < behaviour.chance
        return _step(self._dice.choice(FAULTS))[0] if failing else Behaviour(Act.ACK)


def _step(part: str) -> tuple[Behaviour, int | None]:
    what, star, count = part.partition("*")
    if star and not (count.isascii() and count.isdigit() and len(count) < 10):
        raise ValueError(f"{part!r}: expected a number of messages after the star")
    return _behaviour(what), int(count) if star else None


def _behaviour(text: str) -> Behaviour:
    name, colon, argument = text.partition(":")
    act = next((act for act in Act if act.value == name), None)
    if act is None:
        raise ValueError(f"{text!r}: expected one of {', '.join(Act)}")
    if act is Act.REFUSE:
        return Behaviour(act, _code(argument))
    if act is Act.FLAKY:
        return Behaviour(act, chance=_chance(argument))
    if colon:
        raise ValueError(f"{text!r}: {name} takes no argument")
    return Behaviour(act)


def _code(text: str) -> str:
    if text in ("AE", "AR", "CE", "CR") or (text.isascii() and text.isdigit() and 400 <= int(text) <= 599):
        return text
    raise ValueError(f"refuse:{text}: expected AE, AR, CE or CR, or an HTTP status from 400 to 599")


def _chance(text: str) -> float:
    try:
        chance = float(text)
    except ValueError:
        chance = -1
    if not 0 <= chance <= 1:
        raise ValueError(f"flaky:{text}: expected a chance from 0 to 1")
    return chance
