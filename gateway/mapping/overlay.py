"""Decisions laid over a report when it is rendered: the stored report stays as the device and the terms had it.

Of the decisions that mean a result the narrowest holds: one for a device goes before one for a model, that before one for a
maker, that before one for all; then one that names unit, specimen and sort of result. Two that are equally narrow and say
different things hold nothing. A LOINC never goes to a unit that does not measure what its property says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from gateway import terms
from gateway.mapping.decisions import Decision, Key, covers, is_subject, key_of
from gateway.mapping.fitting import fits
from gateway.model import Observation, Report


class Applied(NamedTuple):
    """A report as decided, and the codes in it that nobody knows and nobody decided about."""

    report: Report
    unmapped: tuple[str, ...] = ()


class Overlay:
    """The decisions in force at one moment; `state` names the moment: the last act of a person that changed any."""

    def __init__(self, decisions: Sequence[Decision] = (), state: int = 0) -> None:
        self.state = state
        self.decisions = tuple(decisions)
        self._by_code: dict[str, list[Decision]] = {}
        for one in decisions:
            self._by_code.setdefault(one.key.code, []).append(one)

    def about(self, code: str) -> Sequence[Decision]:
        """The decisions about a device's code, whosever it is."""
        return self._by_code.get(code, ())

    def find(self, report: Report, observation: Observation) -> Decision | None:
        """The decision that holds for a result of a report, or None."""
        near = self._by_code.get(observation.vendor_code, ())
        near = [one for one in near if one.override or observation.loinc is None]
        if not near or not is_subject(observation):
            return None
        said = key_of(report, observation)
        meant = [one for one in near if _means(one, said, observation)]
        most = max(map(_narrowness, meant), default=())
        best = [one for one in meant if _narrowness(one) == most]
        return best[0] if len({(one.loinc, one.ucum) for one in best}) == 1 else None

    def apply(self, report: Report) -> Applied:
        """The report with what was decided about its codes."""
        found: list[Observation] | None = None
        unmapped: dict[str, None] = {}
        for index, one in enumerate(report.observations):
            decided = self.find(report, one) if self._by_code else None
            if decided is not None:
                found = list(report.observations) if found is None else found
                found[index] = decide(one, decided)
            elif one.loinc is None and is_subject(one):
                unmapped[one.vendor_code] = None
        changed = report if found is None else msgspec.structs.replace(report, observations=tuple(found))
        return Applied(changed, tuple(unmapped))


def decide(observation: Observation, decision: Decision) -> Observation:
    """One result with what was decided about it: LOINC, LOINC's name where the terms have none, UCUM where it was unknown."""
    if decision.ignores:
        return msgspec.structs.replace(observation, loinc=None)
    name = "" if terms.loinc(decision.loinc) is not None else decision.name
    unit = observation.unit if observation.unit is not None else decision.ucum or None
    return msgspec.structs.replace(observation, loinc=decision.loinc, loinc_text=name, unit=unit)


def _means(decision: Decision, said: Key, observation: Observation) -> bool:
    return covers(decision.key, said, observation.vendor_unit) and (decision.ignores or fits(decision, observation))


def _narrowness(decision: Decision) -> tuple[bool, ...]:
    key = decision.key
    return bool(key.device), bool(key.model), bool(key.maker), bool(key.unit), bool(key.specimen), bool(key.result)
