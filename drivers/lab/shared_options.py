"""What profiles of every laboratory protocol share: patterns, units, statuses, ways to write that there is no value, analytes."""

from __future__ import annotations

import re
from datetime import tzinfo
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from gateway import terms
from gateway.driver import Options
from gateway.model import ABSENT, Kind, Validity


def pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None
    return text


def _known_unit(text: str) -> str:
    if text and terms.dimension(text) is None:
        raise ValueError(f"{text!r} is no UCUM unit that the terms hold")
    return text


def _reason(found: Validity) -> Validity:
    if found not in ABSENT:
        expected = ", ".join(sorted(state.value for state in ABSENT))
        raise ValueError(f"{found.value!r} is no reason for an absent value; expected one of {expected}")
    return found


Pattern = Annotated[str, AfterValidator(pattern)]
Unit = Annotated[str, AfterValidator(_known_unit)]
"""UCUM; "" says that what the device writes there is no unit."""

Letter = Annotated[str, Field(pattern="^[CDFINOPRSUWX]$")]
"""Result status, HL7 table 0085."""


def _zone(name: str) -> str:
    if name:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"{name!r} is no time zone of the IANA list, such as Europe/Berlin or UTC") from None
    return name


class AnalyzerOptions(Options):
    """What every profile says first."""

    models: tuple[str, ...] = ()
    """The models that it is for."""
    evidence: Literal["capture", "document", "general"] = "general"
    """How it is known: capture (real bytes), document (the maker's words), general (assumed)."""
    source: str = ""
    """From what."""
    timezone: Annotated[str, AfterValidator(_zone)] = ""
    """The zone of its times without an offset, where it is the same at every site (UTC); else the configuration's."""

    @property
    def zone(self) -> tzinfo | None:
        return ZoneInfo(self.timezone) if self.timezone else None


class AnalyteOptions(Options):
    """What a profile knows of one code, as `code` and `code_pattern` leave it."""

    term: str = ""
    """The code under which the terms hold it, where the device writes another ("RDWSD" for "RDW-SD")."""
    unit: Unit = ""
    """The unit of results that come without one."""
    specimen: str = ""
    """What it is measured in, where the device does not say and it can be nothing else (albumin on a urine cartridge)."""
    kind: Literal[Kind.NUMERIC, Kind.TEXT] | None = None
    """What its values are, where their text misleads: a code "1" for "reactive" is text."""


class Absent(Options):
    """A way to write that there is no value: the whole text fits `text`, and `why` says why."""

    text: Pattern
    why: Annotated[Validity, AfterValidator(_reason)] = Validity.NOT_AVAILABLE


STANDARD_ABSENT = (
    Absent(text=r"-{2,}(?:\.-+)?"),
    Absent(text=r"\*[*.]*\*", why=Validity.INVALID),
    Absent(text=r"\.{2,}"),
    Absent(text="<>", why=Validity.INVALID),
    Absent(text=">{2,}", why=Validity.OVER),
    Absent(text="<{2,}", why=Validity.UNDER),
)
""""---" and "-----" (Atellica DM, Horiba), "***.**" (Mindray), "....." (Radiometer), "<>" (i-STAT: it rests on what is out of
range), ">>>>>" (CELL-DYN: more than it can count). One "-" alone is a negative strip result: a value."""

STANDARD_FAILED = (
    r"(?i:ABN|(?:INSTRUMENT )?ERROR|INVALID|NO[ _]?RESULT(?: ?- ?REPEAT TEST)?|CANCELLED|CANCELED"
    r"|ERREUR|PAS DE R[ÉE]SULTAT|NON VALIDE|INVALIDE|ERRO|SEM RESULTADO|SIN RESULTADO|(?:NO V|INV)[ÁA]LIDO"
    r"|ERRORE|NESSUN RISULTATO|NON VALIDO|FEHLER|KEIN ERGEBNIS|UNG[ÜU]LTIG|FAILED|ABORTED)\.?"
)
"""Words that stand for a result that could not be obtained, whatever R.9 says: GeneXpert sends ERROR as final, and ERREUR in
French."""
