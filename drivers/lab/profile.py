"""What may be set of an ASTM analyzer: the schema of the files in analyzers/, every key explained in docs/drivers/astm.md."""

from __future__ import annotations

import codecs
import re
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from drivers.lab.hl7_profile import Hl7LabOptions
from drivers.lab.places import At, Sources, sources
from drivers.lab.rules import Policy, Rule
from drivers.lab.shared_options import STANDARD_ABSENT, STANDARD_FAILED, Absent, AnalyteOptions, Letter, Pattern, Unit, pattern
from drivers.lab.values import Reading
from gateway.driver import Options
from gateway.model import Method
from protocols.astm.profile import Checksum, FrameEnd, FrameNumbers, Frames, LinkProfile, Mode, SendProfile


def _code_pattern(text: str) -> str:
    if text and "code" not in re.compile(pattern(text)).groupindex:
        raise ValueError("needs a group named code: (?P<code>…)")
    return text


def _encoding(name: str) -> str:
    try:
        codecs.lookup(name)
    except LookupError:
        raise ValueError(f"{name!r} is no text encoding that Python knows") from None
    return name


_LINE = LinkProfile()

Components = Annotated[
    tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(lambda found: (found,) if isinstance(found, int) else found)
]
"""Components in order of preference; a bare number stands for one, 0 for none."""


class LinkOptions(Options):
    """The switches of the line: the fields of protocols.astm.profile.LinkProfile, which explains them."""

    mode: Mode = _LINE.mode
    checksum: Checksum = _LINE.checksum
    frame_end: FrameEnd = _LINE.frame_end
    frame_numbers: FrameNumbers = _LINE.frame_numbers
    frame_max: int = Field(default=_LINE.frame_max, ge=16, le=_LINE.message_max)
    message_max: int = Field(default=_LINE.message_max, ge=1024)
    heartbeat: tuple[Annotated[int, Field(ge=0, le=31)], ...] = tuple(_LINE.heartbeat)
    lf_separates: bool = _LINE.lf_separates
    close_ends: bool = _LINE.close_ends
    needs_terminator: bool = _LINE.needs_terminator
    ack_stx: bool = _LINE.ack_stx
    ack_eot: bool = _LINE.ack_eot
    ack_records: bool = _LINE.ack_records
    enq_restarts: bool = _LINE.enq_restarts
    silence_s: float = Field(default=_LINE.silence_s, gt=0)
    reply_s: float = Field(default=_LINE.reply_s, gt=0)
    quiet_s: float = Field(default=_LINE.quiet_s, gt=0)


_SENDING = SendProfile()


TestForm = Annotated[str, Field(pattern=r"^[^{}]*\{\}[^{}]*$")]
"""A text with {} where the test's code goes."""


class OrderOptions(Options):
    """How the analyzer asks for orders and is told them."""

    answer: bool = True
    download: bool = False
    specimen: tuple[Annotated[int, Field(ge=1, le=20)], ...] = (2, 3, 1)
    place: Annotated[str, Field(pattern="^O[.][34]$")] = "O.3"
    echo: dict[Annotated[str, Field(pattern="^O[.][34]$")], tuple[Annotated[int, Field(ge=1, le=20)], ...]] = Field(
        default_factory=dict
    )
    patient_id: Annotated[str, Field(pattern="^P[.][345]$")] = "P.3"
    code: int = Field(default=0, ge=0, le=20)
    tests: dict[str, str] = Field(default_factory=dict)
    one_test_a_record: bool = False
    action: Annotated[str, Field(pattern="^[A-Z]?$")] = "N"
    cancel: Annotated[str, Field(pattern="^[A-Z]?$")] = "C"
    report_type: Annotated[str, Field(pattern="^[A-Z]{0,3}$")] = ""
    behind_code: tuple[str, ...] = ()
    specimens: dict[str, str] = Field(default_factory=dict)
    meaning: tuple[str, ...] = ()
    processing: Annotated[str, Field(pattern="^[A-Z]{1,3}$")] = "P"
    test_form: tuple[TestForm, TestForm] | None = None
    end: Annotated[str, Field(pattern="^[FN]$")] = "F"
    none: Annotated[str, Field(pattern="^[XYZ]?$")] = ""
    frames: Frames = _SENDING.frames
    frame_text: int = Field(default=_SENDING.frame_text, ge=16, le=63_993)
    patience_s: float = Field(default=_SENDING.patience_s, gt=0)

    def send_profile(self) -> SendProfile:
        """The same in the protocol's own words, as far as it is about the line."""
        return SendProfile(frames=self.frames, frame_text=self.frame_text, patience_s=self.patience_s)


class MaterialOptions(Options):
    """Where the lot of what a result was made with or checked against stands: the fields of gateway.model.Material."""

    lot: At
    kind: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "SR"
    """HL7 table 0384: SR single test reagent, MR multiple test reagent, RC calibrator, CO control."""
    name: At | None = None
    expires: At | None = None
    level: At | None = None


class AstmOptions(Options):
    """One analyzer."""

    maker: str = ""
    makers: dict[str, str] = Field(default_factory=dict)
    models: tuple[str, ...] = ()
    evidence: Literal["capture", "document", "general"] = "general"
    source: str = ""

    link: LinkOptions = LinkOptions()
    hl7: Hl7LabOptions = Hl7LabOptions()
    orders: OrderOptions = OrderOptions()
    encoding: Annotated[str, AfterValidator(_encoding)] | None = None

    model: Sources = sources("H.5.1", "H.9.1")
    serial: Sources = ()
    firmware: Sources = ()

    specimen_id: Sources = sources("O.3.1", "O.4.1")
    instrument_specimen_id: Sources = sources("O.4.1")
    position: Sources = ()
    specimen_type: Sources = sources("O.16.1")
    specimen_source: Sources = sources("O.16.2")
    specimens: dict[str, str] = Field(default_factory=dict)
    specimen: str = ""

    patient_id: Sources = sources("P.3", "P.4", "P.5")
    family_name: Sources = sources("P.6.1")
    given_name: Sources = sources("P.6.2")
    nobody: tuple[str, ...] = ()

    code: tuple[int, ...] = (4, 5, 1, 2)
    not_codes: tuple[str, ...] = ()
    code_pattern: Annotated[str, AfterValidator(_code_pattern)] = ""
    name: Components = (2,)
    loinc: int = Field(default=0, ge=0)
    sub_id: tuple[int, ...] = ()
    method: At | None = None
    methods: dict[str, Method] = Field(default_factory=dict)
    analytes: dict[str, AnalyteOptions] = Field(default_factory=dict)

    value: tuple[int, ...] = ()
    not_values: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    exponent: int = Field(default=0, ge=0)
    scientific: bool = False
    decimal_comma: bool = False
    absent: tuple[Absent, ...] = STANDARD_ABSENT
    failed: Pattern = STANDARD_FAILED
    units: dict[str, Unit] = Field(default_factory=dict)
    logarithms: tuple[str, ...] = ()
    flags: dict[str, str] = Field(default_factory=dict)
    statuses: dict[str, Letter] = Field(default_factory=dict)
    questionable: tuple[str, ...] = ("W",)
    doubtful_flags: tuple[str, ...] = ()
    flag_component: int = Field(default=0, ge=0)
    blank_before_range: Literal["never", "seen", "always"] = "never"
    status_in_8: bool = False
    result_time: Sources = sources("R.13", "R.12", "O.23")
    carry: bool = False
    order_value: At | None = None

    manufacturer_records: Literal["keep", "drop"] = "keep"
    images: Literal["keep", "drop"] = "keep"
    image_codes: Pattern = r"(?:SCAT|DIST)_.*|.*(?:HISTOGRAM|SCATTERGRAM|BITMAP|BMP|PNG).*"
    silent_comments: tuple[str, ...] = ()
    notes: dict[str, At] = Field(default_factory=dict)
    materials: tuple[MaterialOptions, ...] = ()

    qc: tuple[Rule, ...] = ()
    companions: tuple[Rule, ...] = ()
    ignore: tuple[Policy, ...] = ()
    duplicate_key: tuple[At, ...] = ()

    @cached_property
    def reading(self) -> Reading:
        """How values are read."""
        absent = tuple((re.compile(way.text), way.why) for way in self.absent)
        return Reading(absent, self.decimal_comma, self.scientific)

    def link_profile(self) -> LinkProfile:
        """The line's settings in the protocol's own words."""
        line = self.link.model_dump()
        line["heartbeat"] = bytes(line["heartbeat"])
        return LinkProfile(**line, encoding=self.encoding)
