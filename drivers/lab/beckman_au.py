"""Beckman Coulter (Olympus) AU chemistry analyzers: texts in columns over a serial line or TCP, a profile a model."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from drivers.lab import beckman_au_orders as orders
from drivers.lab.beckman_au_profile import AuOptions
from drivers.lab.meaning import meaning
from drivers.lab.values import shown, translated, value
from gateway.driver import Context, Driver, LineSettings, Ordering
from gateway.model import Category, Given, Kind, Observation, Report, Specimen, Validity
from protocols.sansio import Codec, Message
from protocols.vendor.beckman_au import AuLine, AuText
from protocols.vendor.beckman_au_columns import Sample, TestResult, read

AuContext: TypeAlias = Context[AuOptions]

RESULTS = ("D ", "DH", "d ", "dH")
"""A sample's results, those of its rerun, and the same sent ahead for a sample in a hurry (STAT, emergency)."""
NO_PATIENT = {"DQ": "Q", "DA": "C", "DR": ""}
"""Control, calibration, reagent blank; the specimen's role (HL7 table 0369)."""
_TALK = ("DB", "DE", "R ", "RB", "RH", "RE", "S ", "SH", "SE")
"""Begin and end of a transmission, questions, and our own answers."""


def codec(options: AuOptions) -> Codec[AuText]:
    """The line, set as the profile says."""
    return AuLine(options.link.line_profile())


def interpret(message: Message[AuText], context: AuContext) -> Iterator[Report]:
    """A report a text about a sample; a text that cannot be read is told as an event, for it has been acknowledged."""
    kind = message.body.classification
    if kind in _TALK:
        return
    sample = read(message.body.text, context.options.layout) if kind in (*RESULTS, *NO_PATIENT) else None
    if sample is None:
        yield _unread(message, context)
    else:
        yield _report(message, sample, context)


def _report(message: Message[AuText], sample: Sample, context: AuContext) -> Report:
    options = context.options
    found, kind = sample.head, message.body.classification
    control = kind in NO_PATIENT or (options.control_ids is not None and re.fullmatch(options.control_ids, sample.sample_id))
    what = options.specimens.get(found.kind, found.kind.strip())
    return context.report(
        message,
        (_observe(result, what, options) for result in sample.results),
        category=Category.QC if control else Category.LAB,
        episodic=True,
        given=_given(sample, options),
        specimen=Specimen(
            id=sample.sample_id or (found.number if options.number_is_id else ""),
            instrument_id=found.number,
            type=what,
            position="^".join(filter(None, (found.rack, found.cup))),
            role=NO_PATIENT.get(kind, "Q" if control else ""),
        ),
        notes=tuple(_notes(kind, sample)),
        identity=_identity(message, sample, context, anonymous=bool(control) or not sample.sample_id),
    )


def _observe(result: TestResult, specimen: str, options: AuOptions) -> Observation:
    found = value(result.value, options.reading)
    marks = tuple(result.marks.replace(" ", ""))
    code = result.test.lstrip("0")
    said = meaning(code, (), options, maker=options.maker, specimen=specimen)
    doubted = found.text is not None and any(mark in options.doubtful_flags for mark in marks)
    words = {f"flag {mark}: {options.meanings[mark]}": None for mark in marks if mark in options.meanings}
    diluted = (f"dilution {result.dilution}",) if result.dilution.strip("0") else ()
    return Observation(
        kind=found.kind,
        vendor_code=result.test,
        value=found.text,
        vendor_text=options.names.get(result.test, options.names.get(code, "")),
        loinc=said.loinc,
        unit=said.unit,
        comparator=found.comparator,
        validity=Validity.QUESTIONABLE if doubted else found.validity,
        status="X" if found.text is None else options.status,
        flags=translated(marks, options.flags),
        notes=(*words, *diluted),
    )


def _given(sample: Sample, options: AuOptions) -> Given:
    info = ("", *sample.info, *[""] * 6)
    family, _, given = info[options.patient_name].partition(" ") if options.patient_name else ("", "", "")
    return Given(
        patient_id=info[options.patient_id],
        family_name=family.strip(","),
        given_name=given.strip(),
        sex=sample.sex if sample.sex in ("M", "F") else "",
    )


def _notes(kind: str, sample: Sample) -> Iterator[str]:
    if kind.endswith("H"):
        yield "rerun"
    if kind.startswith("d"):
        yield "sent ahead of the others: a sample in a hurry"
    if sample.head.unit:
        yield f"unit {sample.head.unit}"
    if sample.block != "E":
        yield f"block {sample.block}: more results of the sample follow"
    ages = ((sample.years.lstrip("0"), "years"), (sample.months.lstrip("0"), "months"))
    if age := [f"{number} {what}" for number, what in ages if number]:
        yield f"age: {', '.join(age)}"
    yield from (f"about the patient: {text}" for text in sample.info if text)


def _identity(message: Message[AuText], sample: Sample, context: AuContext, *, anonymous: bool) -> str:
    """Equal for the same results of the same sample, sent ahead or not; another for a rerun.

    No text carries a time. Sample numbers begin again every day, so without an id the day of arrival tells one sample from
    another; with an id the same results on another day are a repeat.
    """
    parts = [context.device.id, message.body.classification.upper(), *sample.head[:5], sample.sample_id, sample.block]
    parts += [field for result in sample.results for field in result]
    if anonymous:
        parts.append(context.wall(message.at).astimezone(context.timezone).date().isoformat())
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def _unread(message: Message[AuText], context: AuContext) -> Report:
    """A text that no layout fits: kept whole and shown, never guessed."""
    kind = message.body.classification
    what = Observation(
        kind=Kind.EVENT,
        vendor_code=kind.strip(),
        value="a text that was not read: its columns fit no layout, or more than one; set columns in the profile",
    )
    identity = hashlib.sha256(f"{context.device.id}\x1f{context.wall(message.at)}\x1f{message.body.text}".encode())
    return context.report(
        message,
        (what,),
        category=Category.QC if kind in NO_PATIENT else Category.EVENTS,
        episodic=True,
        notes=(shown(message.body.text),),
        identity=identity.hexdigest(),
    )


DRIVER = Driver(
    id="beckman-au",
    maker="Beckman Coulter",
    models=(),
    source="AU2700 & AU5400 On-line Specifications (Olympus, 2000); texts of AU480 analyzers",
    options=AuOptions,
    codec=codec,
    interpret=interpret,
    line=LineSettings(baud=9600, bits=8, parity="N", stop=1),
    profiles=Path(__file__).parent / "beckman_au_analyzers",
    ordering=Ordering(orders.asks, orders.answer, orders.worklists),
)
