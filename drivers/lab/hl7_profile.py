"""What may be set of an analyzer that sends HL7: the schema of hl7_analyzers/, explained in docs/drivers/hl7-lab.md."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from drivers.lab.hl7_places import At
from drivers.lab.shared_options import STANDARD_ABSENT, STANDARD_FAILED, Absent, AnalyteOptions, Letter, Pattern, Unit
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
    block_max: int = Field(default=_LINE.block_max, ge=1024)
    open_end: bool = _LINE.open_end
    broken: bool = _LINE.broken
    echo: tuple[Annotated[int, Field(ge=15, le=20)], ...] = _LINE.echo
    says: Annotated[tuple[str, ...], Field(max_length=4)] = _LINE.says


class Equals(Options):
    """A rule: what stands at `field` is one of `values`."""

    field: At
    values: tuple[str, ...]


class Hl7OrderOptions(Options):
    """How the analyzer asks for orders and is told them (IHE LAW: LAB-27, LAB-28; the older dialects)."""

    answer: bool = True
    download: bool = False
    tests: dict[str, str] = Field(default_factory=dict)
    code_system: str = Field(default="99LAB", pattern="^[A-Za-z0-9]{1,20}$")
    namespace: str = Field(default="", pattern="^[A-Za-z0-9_]{0,20}$")
    echo: dict[At, At] = Field(default_factory=dict)
    test_details: bool = False
    modes: dict[str, str] = Field(default_factory=dict)
    reply_s: float = Field(default=_LINE.reply_s, gt=0)


class OrderResult(Options):
    """An OBR that is itself a result: when (all of them hold), and where its parts stand."""

    when: tuple[Equals, ...]
    code: At
    name: At
    value: At
    unit: At
    time: At


TEST_MODES = ("T", "D")
"""MSH-11: training, debugging. Their values are no patient's."""
QUALITY_CONTROL = (
    Equals(field="MSH-11", values=("Q", *TEST_MODES)),
    Equals(field="SPM-11", values=("Q", "B", "C", "E", "F", "O", "V")),
    Equals(field="OBR-4", values=("LQC",)),
)
"""How HL7 says that it is no patient's: the processing id (control as Mindray says it; training, debugging), the specimen's role
(LAW; table 0369: control, blind, calibrator, electronic, proficiency of the laboratory or the operator, verifying calibrator), a
service (HemoScreen)."""


class Hl7LabOptions(Options):
    """One analyzer."""

    maker: str = ""
    models: tuple[str, ...] = ()
    evidence: Literal["capture", "document", "general"] = "general"
    source: str = ""

    line: LineOptions = LineOptions()
    orders: Hl7OrderOptions = Hl7OrderOptions()

    model: tuple[At, ...] = ("OBX-18.1", "MSH-3.1")
    serial: tuple[At, ...] = ("OBX-18[2].1",)
    firmware: tuple[At, ...] = ()
    specimen_id: tuple[At, ...] = ("SPM-2.1", "SPM-2.2", "SAC-3.1", "OBR-3.1", "OBR-2.1")
    specimen_type: tuple[At, ...] = ("SPM-4.1", "OBR-15.1")
    order_id: tuple[At, ...] = ("OBR-2.1",)
    patient_id: tuple[At, ...] = ("PID-3.1", "PID-2.1")
    no_patient: tuple[str, ...] = ("unknown",)
    operator: tuple[At, ...] = ("OBX-16.1", "OBX-16.2")
    result_time: tuple[At, ...] = ("OBX-19.1", "OBX-14.1", "OBR-22.1", "OBR-7.1")
    order_notes: dict[str, At] = Field(default_factory=dict)

    code: tuple[At, ...] = ("OBX-3.1", "OBX-3.2", "OBX-4.1")
    name: tuple[At, ...] = ("OBX-3.2", "OBX-3.1", "OBX-3.5")
    sub_id: tuple[At, ...] = ("OBX-4.1",)
    not_results: tuple[Pattern, ...] = ()
    supplemental: Literal["note", "result"] = "note"
    order_result: OrderResult | None = None
    analytes: dict[str, AnalyteOptions] = Field(default_factory=dict)
    units: dict[str, Unit] = Field(default_factory=dict)
    flags: dict[str, str] = Field(default_factory=dict)
    statuses: dict[str, Letter] = Field(default_factory=dict)
    specimens: dict[str, str] = Field(default_factory=dict)
    specimen: str = ""
    decimal_comma: bool = False
    thousands_comma: bool = False
    value_pattern: Annotated[Pattern, AfterValidator(_with_value)] = ""
    glued: Pattern = ""
    power_of_ten: Literal["keep", "multiply"] = "keep"
    absent: tuple[Absent, ...] = STANDARD_ABSENT
    failed: Pattern = STANDARD_FAILED
    images: Literal["keep", "drop"] = "keep"
    qc: tuple[Equals, ...] = QUALITY_CONTROL
    control_ids: Pattern | None = None

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
