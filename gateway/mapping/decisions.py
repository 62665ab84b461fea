"""A decision of a person: what a device's code means, and for which results that holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from gateway import model, terms
from gateway.model import Observation, Report

NAMES_MAX = 1024
"""Pairs of names whose answer is remembered: a laboratory's devices against its decisions."""

_SQUASHED = re.compile(r"[\W_]+")
_WORD = re.compile(r"[^\W_]+")
_EITHER = frozenset({"serum/plasma"})
_COMPANY = frozenset(
    {"ag", "bv", "co", "company", "corp", "corporation", "diagnostic", "diagnostics", "gmbh", "group", "healthcare", "inc"}
    | {"international", "kg", "kgaa", "laboratories", "llc", "ltd", "limited", "medical", "nv", "plc", "sa", "sas", "spa", "srl"}
)
"""Words by which one maker is called differently: "Abbott Laboratories" and "Abbott" are one."""


class Kind(StrEnum):
    """What sort of result a decision is about: one code may stand for a number and, beside it, for what it means in words."""

    ANY = ""
    NUMBER = "number"
    WORDS = "words"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Which results: a device's code, and what narrows it. Empty: any."""

    code: str
    device: str = ""
    maker: str = ""
    model: str = ""
    unit: str = ""
    """UCUM where the terms know the device's unit, else the device's own text."""
    specimen: str = ""
    result: Kind = Kind.ANY

    def told(self) -> str:
        """In words, for people."""
        named = (
            ("", self.device),
            ("", f"{self.maker} {self.model}".strip()),
            ("in ", self.unit),
            ("in ", self.specimen),
            ("as ", self.result),
        )
        return " ".join([self.code, *(f"{before}{text}" for before, text in named if text)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A row of the journal's table `mappings`: what a person said, and from which act to which act it holds."""

    id: int
    key: Key
    loinc: str
    """Empty: this has no LOINC, and nobody needs to be asked."""
    name: str = ""
    """LOINC's name of the code, where the terms do not hold it."""
    prop: str = ""
    """LOINC's property of the code: what its unit must measure."""
    ucum: str = ""
    """What the device's unit means, where the terms do not know it."""
    override: bool = False
    """Also where driver and terms say otherwise."""
    source: str = ""
    reason: str = ""
    by: str = ""
    at: datetime | None = None
    since_act: int = 0
    until_act: int | None = None
    until_by: str = ""
    until_at: datetime | None = None

    @property
    def ignores(self) -> bool:
        """Whether it says that there is no LOINC."""
        return not self.loinc

    def told(self) -> str:
        """What it says, in words."""
        return f"{self.key.told()}: {self.loinc or 'ignored'}"


def is_subject(observation: Observation) -> bool:
    """Whether an observation is a result that a LOINC could name: no curve, no event, nothing that MDC names already."""
    return observation.refid is None and observation.kind not in {model.Kind.WAVEFORM, model.Kind.EVENT}


def kind_of(observation: Observation) -> Kind:
    """Number or words; what has no value is what its kind says."""
    return Kind.NUMBER if observation.kind is model.Kind.NUMERIC else Kind.WORDS


def key_of(report: Report, observation: Observation) -> Key:
    """All that is known of a result: the narrowest key that means it."""
    return Key(
        code=observation.vendor_code,
        device=report.device.id,
        maker=report.device.maker,
        model=report.device.model,
        unit=observation.unit or observation.vendor_unit,
        specimen=report.specimen.type if report.specimen is not None else "",
        result=kind_of(observation),
    )


def covers(key: Key, said: Key, vendor_unit: str = "") -> bool:
    """Whether a key means a result, of which `said` is all that is known; `vendor_unit` as the device wrote it."""
    return (
        key.code == said.code
        and key.device in {"", said.device}
        and (not key.maker or same_maker(said.maker, key.maker))
        and (not key.model or same_model(said.model, key.model))
        and key.unit in {"", said.unit, vendor_unit}
        and (not key.specimen or same_specimen(said.specimen, key.specimen))
        and key.result in {Kind.ANY, said.result}
    )


def normal_unit(text: str) -> str:
    """A unit as keys hold it: in UCUM where the terms know it."""
    known = terms.spelling(text) if text else None
    return known.ucum if known is not None and known.ucum else text.strip()


@lru_cache(maxsize=NAMES_MAX)
def same_maker(said: str, wanted: str) -> bool:
    """Whether two names of a maker are one: the words of one, without those of company law, are all in the other."""
    one, other = _names(said), _names(wanted)
    return bool(one and other) and (one <= other or other <= one)


@lru_cache(maxsize=NAMES_MAX)
def same_model(said: str, wanted: str) -> bool:
    """Whether two names of a model differ in blanks, signs and case alone: "cobas c 111" is "COBAS C111", "XN" is not "XN-L"."""
    return squashed(said) == squashed(wanted)


def same_specimen(said: str, wanted: str) -> bool:
    """Whether two names of a specimen may mean one; not said: blood, serum or plasma. Serum is not plasma."""
    return not (terms.specimens(said) & terms.specimens(wanted)) <= _EITHER


def squashed(text: str) -> str:
    """Letters and digits alone, in one case."""
    return _SQUASHED.sub("", text.casefold())


def _names(maker: str) -> frozenset[str]:
    words = frozenset(_WORD.findall(maker.casefold()))
    return words - _COMPANY or words
