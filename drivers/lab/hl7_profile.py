"""What may be set of an analyzer that sends HL7: the schema of hl7_analyzers/, explained in docs/drivers/hl7-lab.md."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from drivers.lab.hl7_places import At
from drivers.lab.shared_options import (
    STANDARD_ABSENT,
    STANDARD_FAILED,
    Absent,
    AnalyteOptions,
    AnalyzerOptions,
    Letter,
    Pattern,
    Unit,
)
from drivers.lab.values import Reading
from gateway.driver import Options
from protocols.hl7v2.queries import DISPLAY, ORDERS
from protocols.hl7v2.server import ServerProfile

_LINE = ServerProfile()
WORK_ORDER_STEP = ("WOS", "WOS_ALL", "WOS_ROCHE", "INIBAR", "INISEQ")
"""QPD-1.1 of LAB-27: for a specimen, for everything; Roche's: x800 systems, cobas pro and pure by barcode and by position."""
GENEXPERT = ("Z01", "Z03")
"""QPD-1.1 of a GeneXpert: for everything, for a specimen."""


def _with_value(text: str) -> str:
    if text and "value" not in re.compile(text).groupindex:
        raise ValueError("needs a group named value: (?P<value>…)")
    return text


class LineOptions(Options):
    """The switches of the line: the fields of protocols.hl7v2.server.ServerProfile, which explains them."""

    heartbeat: tuple[Annotated[int, Field(ge=0, le=31)], ...] = tuple(_LINE.fill)
    """Bytes between messages that mean nothing."""
    block_max: int = Field(default=_LINE.block_max, ge=1024)
    """Bytes of a message."""
    open_end: bool = _LINE.open_end
    """The analyzer never ends a block: the next one does, or two seconds of silence."""
    broken: bool = _LINE.broken
    """The analyzer writes line ends into fields: a line that begins no segment belongs to the one before."""
    echo: tuple[Annotated[int, Field(ge=15, le=20)], ...] = _LINE.echo
    """Fields of the analyzer's MSH that its answers repeat; MSH-21 they repeat always."""
    says: Annotated[tuple[str, ...], Field(max_length=4)] = _LINE.says
    """MSA-3 and on of an answer that accepts."""


class Equals(Options):
    """A rule: what stands at `field` is one of `values`."""

    field: At
    """Where to look."""
    values: tuple[str, ...]
    """What may stand there."""


class Hl7OrderOptions(Options):
    """How the analyzer asks for orders and is told them (IHE LAW: LAB-27, LAB-28; the older dialects)."""

    answer: bool = True
    """Answer queries for orders; false: every query is answered NF."""
    download: bool = False
    """Orders that name this device are sent to it, also cancellations, as soon as nothing is under way."""
    tests: dict[str, str] = Field(default_factory=dict)
    """The laboratory system's code → the analyzer's; where any is given, other tests are left to other analyzers."""
    code_system: str = Field(default="99LAB", pattern="^[A-Za-z0-9]{1,20}$")
    """OBR-4.3 of the orders that we send."""
    namespace: str = Field(default="", pattern="^[A-Za-z0-9_]{0,20}$")
    """EI.2 of numbers and ids in orders, and MSH-21.2 where the analyzer asked so; empty: none."""
    echo: dict[At, At] = Field(default_factory=dict)
    """A place of the orders → the place of the query that it repeats (rack and position)."""
    test_details: bool = False
    """Send a TCD with each test."""
    nothing: Literal["DC", "NF"] = "DC"
    """How LAW's question for one specimen is told that there is nothing: DC, in a LAB-28 of its own; NF, in the answer alone."""
    reply_s: float = Field(default=_LINE.reply_s, gt=0)
    """Seconds for the ORL^O34."""


class OrderResult(Options):
    """An OBR that is itself a result: when (all of them hold), and where its parts stand."""

    when: tuple[Equals, ...]
    """Rules that all hold for it."""
    specimen: At
    """The specimen's id."""
    code: At
    """The code."""
    name: At
    """Its name."""
    value: At
    """The value."""
    unit: At
    """Its unit."""
    time: At
    """When it was measured."""


TEST_MODES = ("T", "D")
"""MSH-11: training, debugging. Their values are no patient's."""
_NO_PATIENTS = ("Q", "B", "C", "E", "F", "O", "V")
QUALITY_CONTROL = (
    Equals(field="MSH-11", values=("Q", *TEST_MODES)),
    Equals(field="SPM-11", values=_NO_PATIENTS),
    Equals(field="OBR-15.7", values=_NO_PATIENTS),
    Equals(field="OBR-4", values=("LQC",)),
    Equals(field="MSH-9.3", values=("PCUPL", "ICUPL", "ECUPL")),
)
"""How HL7 says that it is no patient's: the processing id (control as Mindray says it; training, debugging), the specimen's role
(SPM-11, before HL7 2.5 OBR-15.7; table 0369: control, blind, calibrator, electronic, proficiency of the laboratory or operator,
verifying calibrator), a service (HemoScreen), the kind of upload (cobas
8000: calibration of its photometers, electrodes, immunoassays)."""


class Hl7LabOptions(AnalyzerOptions):
    """One analyzer."""

    maker: str = ""
    """The maker: for the terms and the device's name."""

    line: LineOptions = LineOptions()
    """The switches of the line."""
    orders: Hl7OrderOptions = Hl7OrderOptions()
    """How it asks for orders and is told them."""

    model: tuple[At, ...] = ("OBX-18.1", "MSH-3.1")
    """Where the message says the analyzer's model."""
    serial: tuple[At, ...] = ("OBX-18[2].1",)
    """Where it says its serial number."""
    firmware: tuple[At, ...] = ()
    """Where it says its version."""
    specimen_id: tuple[At, ...] = ("SPM-2.1", "SPM-2.2", "SAC-3.1", "OBR-3.1", "OBR-2.1")
    """Where the specimen's id stands, in order of preference."""
    specimen_type: tuple[At, ...] = ("SPM-4.1", "OBR-15.1")
    """Where it says what was examined."""
    order_id: tuple[At, ...] = ("OBR-2.1",)
    """The order's number."""
    patient_id: tuple[At, ...] = ("PID-3.1", "PID-2.1")
    """The patient's id."""
    no_patient: tuple[str, ...] = ("unknown",)
    """Words, in lower case, that stand for nobody."""
    operator: tuple[At, ...] = ("OBX-16.1", "OBX-16.2")
    """Who measured."""
    result_time: tuple[At, ...] = ("OBX-19.1", "OBX-14.1", "OBR-22.1", "OBR-7.1")
    """When a result was measured."""
    order_notes: dict[str, At] = Field(default_factory=dict)
    """Word → place: what else of the order is told as a note."""
    control_notes: dict[str, At] = Field(default_factory=dict)
    """The same of controls alone."""

    code: tuple[At, ...] = ("OBX-3.1", "OBX-3.2", "OBX-4.1")
    """Where the code stands, in order of preference."""
    name: tuple[At, ...] = ("OBX-3.2", "OBX-3.1", "OBX-3.5")
    """Where its name stands, if it is another text."""
    sub_id: tuple[At, ...] = ("OBX-4.1",)
    """What tells apart what shares a code."""
    logarithms: tuple[str, ...] = ()
    """What tells apart what shares a code."""
    not_results: tuple[Pattern, ...] = ()
    """Regular expressions for codes (OBX-3.1) that say how the analyzer was set: notes, no results."""
    supplemental: Literal["note", "result"] = "note"
    """What LAW calls supplemental (OBX-3.4 S_OTHER, S_RAW): note, or result."""
    order_result: OrderResult | None = None
    """An OBR that is itself a result: when (rules, all of them), specimen, code, name, value, unit, time."""
    analytes: dict[str, AnalyteOptions] = Field(default_factory=dict)
    """A table a code: what the profile knows of it."""
    units: dict[str, Unit] = Field(default_factory=dict)
    """The device's unit → UCUM, before the terms are asked; "" says that it is no unit."""
    flags: dict[str, str] = Field(default_factory=dict)
    """The device's flag → HL7 table 0078; "" says that it is no flag."""
    statuses: dict[str, Letter] = Field(default_factory=dict)
    """The device's status → HL7 table 0085."""
    specimens: dict[str, str] = Field(default_factory=dict)
    """The device's word for a specimen → the terms' ("Blood", "Serum/Plasma", "Urine")."""
    specimen: str = ""
    """What was examined when the device does not say."""
    decimal_comma: bool = False
    """"1,234" is 1.234; what can only be a decimal is one anyway."""
    thousands_comma: bool = False
    """"161,152" is 161152."""
    value_pattern: Annotated[Pattern, AfterValidator(_with_value)] = ""
    """Regular expression for an OBX-5 of which only the group value is the value; the whole is a note."""
    glued: Pattern = ""
    """Regular expression that parts results which one OBX holds, in its name and in OBX-5 alike."""
    power_of_ten: Literal["keep", "multiply"] = "keep"
    """Units like 10*2.{copies}/mL: keep as sent, or multiply."""
    absent: tuple[Absent, ...] = STANDARD_ABSENT
    """Ways to write that there is no value: a regular expression, and why."""
    verdicts: Pattern = "POS|NEG"
    """Regular expression for codes in OBX-8 that are the result themselves where OBX-5 has none."""
    failed: Pattern = STANDARD_FAILED
    """A regular expression for words that stand for a result that could not be obtained: status X."""
    images: Literal["keep", "drop"] = "keep"
    """drop: leave out results that are pictures or their names."""
    qc: tuple[Equals, ...] = QUALITY_CONTROL
    """Rules of what is no patient's (controls, calibration, proficiency, training): field and values."""
    control_ids: Pattern | None = None
    """Regular expression of specimen ids that only controls have, where nothing else tells."""

    @cached_property
    def reading(self) -> Reading:
        """How values are read."""
        absent = tuple((re.compile(way.text), way.why) for way in self.absent)
        return Reading(absent, self.decimal_comma, scientific=False)

    @cached_property
    def settings(self) -> re.Pattern[str] | None:
        """The codes of OBX that say how the analyzer was set, and are no results."""
        return re.compile("|".join(f"(?:{pattern})" for pattern in self.not_results)) if self.not_results else None

    def server_profile(self) -> ServerProfile:
        """The line's settings in the protocol's own words."""
        line = self.line.model_dump()
        hold = (*WORK_ORDER_STEP, *GENEXPERT, ORDERS, DISPLAY) if self.orders.answer else ()
        return ServerProfile(fill=bytes(line.pop("heartbeat")), **line, hold=hold, reply_s=self.orders.reply_s)
