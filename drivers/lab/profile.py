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
from drivers.lab.shared_options import (
    STANDARD_ABSENT,
    STANDARD_FAILED,
    Absent,
    AnalyteOptions,
    AnalyzerOptions,
    Letter,
    Pattern,
    Unit,
    pattern,
)
from drivers.lab.values import Reading
from gateway.driver import Options
from gateway.model import Method
from protocols.astm.profile import Checksum, FrameEnd, FrameNumbers, Frames, LinkProfile, Mode, SendProfile
from protocols.astm.records import Delimiters


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


def _delimiters(text: str) -> str:
    if len(set(text)) != 4 or len(text) != 4 or any(mark.isalnum() or mark.isspace() for mark in text):
        raise ValueError(f"{text!r}: expected four different signs: of fields, repeats, components, and of escapes")
    return text


_LINE = LinkProfile()

Components = Annotated[
    tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(lambda found: (found,) if isinstance(found, int) else found)
]
"""Components in order of preference; a bare number stands for one, 0 for none."""


class LinkOptions(Options):
    """The switches of the line: the fields of protocols.astm.profile.LinkProfile, which explains them."""

    mode: Mode = _LINE.mode
    """framed: ENQ, frames, EOT only; records: bare records; auto tells by the bytes."""
    checksum: Checksum = _LINE.checksum
    """required; if-present: a frame without one is heard, a wrong one is not; none: never looked at."""
    frame_end: FrameEnd = _LINE.frame_end
    """What follows the checksum: CRLF, CR, LF, none."""
    frame_numbers: FrameNumbers = _LINE.frame_numbers
    """standard: on and on in a session; restart-per-message; if-present: so, or none at all; ignored; absent."""
    frame_max: int = Field(default=_LINE.frame_max, ge=16, le=_LINE.message_max)
    """Bytes of a frame."""
    message_max: int = Field(default=_LINE.message_max, ge=1024)
    """Bytes of a message."""
    heartbeat: tuple[Annotated[int, Field(ge=0, le=31)], ...] = tuple(_LINE.heartbeat)
    """Byte values between transmissions that mean nothing."""
    delimiters: Annotated[str, AfterValidator(_delimiters)] = "|\\^&"
    """Field, repeat, component, escape of records that no H record stands before; H says its own."""
    lf_separates: bool = _LINE.lf_separates
    """LF ends a record like CR."""
    close_ends: bool = _LINE.close_ends
    """There is no EOT: silence or a closed link ends a message."""
    needs_terminator: bool = _LINE.needs_terminator
    """A message without L record is incomplete."""
    ack_stx: bool = _LINE.ack_stx
    """The analyzer sends STX alone and waits for an ACK of it (Snibe Maglumi)."""
    ack_eot: bool = _LINE.ack_eot
    """The analyzer wants its EOT acknowledged."""
    ack_records: bool = _LINE.ack_records
    """The analyzer wants bare messages acknowledged."""
    enq_restarts: bool = _LINE.enq_restarts
    """ENQ within a transfer is a new start."""
    silence_s: float = Field(default=_LINE.silence_s, gt=0)
    """Seconds of silence after which what is unfinished is incomplete."""
    reply_s: float = Field(default=_LINE.reply_s, gt=0)
    """Seconds the analyzer waits for our reply."""
    quiet_s: float = Field(default=_LINE.quiet_s, gt=0)
    """Seconds of silence that settle what the next byte would have told."""


_SENDING = SendProfile()


TestForm = Annotated[str, Field(pattern=r"^[^{}]*\{\}[^{}]*$")]
"""A text with {} where the test's code goes."""


class OrderOptions(Options):
    """How the analyzer asks for orders and is told them."""

    answer: bool = True
    """Answer queries for orders; false: they are acknowledged and nothing is sent."""
    download: bool = False
    """The analyzer takes worklists that it did not ask for."""
    specimen: tuple[Annotated[int, Field(ge=1, le=20)], ...] = (2, 3, 1)
    """Components of Q.3 and Q.4 that hold the specimen's id, the first that is not empty."""
    place: Annotated[str, Field(pattern="^O[.][34]$")] = "O.3"
    """Where the answer has the specimen's id: O.3 or O.4."""
    echo: dict[Annotated[str, Field(pattern="^O[.][34]$")], tuple[Annotated[int, Field(ge=1, le=20)], ...]] = Field(
        default_factory=dict
    )
    """A field of the answer → components of Q.3 that it repeats as they came: { "O.4" = [4, 5, 6] } for rack and position."""
    patient_id: Annotated[str, Field(pattern="^P[.][345]$")] = "P.3"
    """Where the answer has the patient's id: P.3, P.4 or P.5."""
    code: int = Field(default=0, ge=0, le=20)
    """The component of O.5 with the test's code; 0: the first of code."""
    tests: dict[str, str] = Field(default_factory=dict)
    """The laboratory system's code → the analyzer's; where any is given, other tests are left to other analyzers."""
    one_test_a_record: bool = False
    """An O record a test, instead of repeats in O.5."""
    action: Annotated[str, Field(pattern="^[A-Z]?$")] = "N"
    """O.12 of an order in a worklist."""
    cancel: Annotated[str, Field(pattern="^[A-Z]?$")] = "C"
    """O.12 of a cancellation in a worklist."""
    report_type: Annotated[str, Field(pattern="^[A-Z]{0,3}$")] = ""
    """O.26, a letter a repeat; none: Q in an answer, O in a worklist."""
    behind_code: tuple[str, ...] = ()
    """Components of O.5 behind the code: ["0"] a dilution, [""] an empty one."""
    specimens: dict[str, str] = Field(default_factory=dict)
    """The laboratory system's specimen type → O.16; "": where it says none."""
    meaning: tuple[str, ...] = ()
    """The components of H.11 (Roche: ["TSDWN", "REPLY"])."""
    processing: Annotated[str, Field(pattern="^[A-Z]{1,3}$")] = "P"
    """H.12 of what we send (Mindray BS: SA)."""
    test_form: tuple[TestForm, TestForm] | None = None
    """How the first test of an O.5 is written and how the others: ["1.0+{}+1", "{}+1"] (VITROS: ^^^1.0+075+1\\035+1)."""
    end: Annotated[str, Field(pattern="^[FN]$")] = "F"
    """L.3 of an answer with orders: F, or N (GeneXpert)."""
    none: Annotated[str, Field(pattern="^[XYZ]?$")] = ""
    """Y or Z: an answer without orders has a P and an O record with this O.26; X."""
    frames: Frames = _SENDING.frames
    """How messages are cut: size; record: ETB behind all but the last; record-etx: ETX behind each."""
    frame_text: int = Field(default=_SENDING.frame_text, ge=16, le=63_993)
    """Characters of text in a frame."""
    patience_s: float = Field(default=_SENDING.patience_s, gt=0)
    """Seconds after which an answer is given up."""

    def send_profile(self) -> SendProfile:
        """The same in the protocol's own words, as far as it is about the line."""
        return SendProfile(frames=self.frames, frame_text=self.frame_text, patience_s=self.patience_s)


ResultField = Annotated[str, Field(pattern=r"^R[.]([3-9]|[1-3][0-9])$")]


class MaterialOptions(Options):
    """Where the lot of what a result was made with or checked against stands: the fields of gateway.model.Material."""

    lot: At
    """Where its lot stands."""
    kind: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "SR"
    """HL7 table 0384: SR single test reagent, MR multiple test reagent, RC calibrator, CO control."""
    name: At | None = None
    """Where its name stands."""
    expires: At | None = None
    """Where its expiry stands."""
    level: At | None = None
    """Where the level of a control stands."""


class AstmOptions(AnalyzerOptions):
    """One analyzer."""

    maker: str = ""
    """The maker, for the terms and the device's name."""
    makers: dict[str, str] = Field(default_factory=dict)
    """A product's name as H.5 has it, in any case → its maker, for the terms, where maker is not said."""

    link: LinkOptions = LinkOptions()
    """The line's switches, below."""
    hl7: Hl7LabOptions = Hl7LabOptions()
    """The keys of an HL7 profile, for HL7 messages that come in ASTM frames."""
    orders: OrderOptions = OrderOptions()
    """How it asks for orders and is told them, below."""
    encoding: Annotated[str, AfterValidator(_encoding)] | None = None
    """The text's encoding."""

    model: Sources = sources("H.5.1", "H.9.1")
    """Where the device says its model."""
    serial: Sources = ()
    """Where it says its serial number."""
    firmware: Sources = ()
    """Where it says its version."""

    specimen_id: Sources = sources("O.3.1", "O.4.1")
    """The specimen's id; blanks around it go."""
    instrument_specimen_id: Sources = sources("O.4.1")
    """The analyzer's own number for it."""
    position: Sources = ()
    """Rack and place: all of these places, joined by ^."""
    specimen_type: Sources = sources("O.16.1")
    """Where it says what was examined."""
    specimen_source: Sources = sources("O.16.2")
    """Where it says from what it was taken."""
    specimens: dict[str, str] = Field(default_factory=dict)
    """The device's word for it → the terms' ("Blood", "Serum/Plasma", "Urine"); a word not listed goes as it is."""
    specimen: str = ""
    """What it is when the device does not say."""

    patient_id: Sources = sources("P.3", "P.4", "P.5")
    """The patient's id."""
    family_name: Sources = sources("P.6.1")
    """Where the patient's family name stands."""
    given_name: Sources = sources("P.6.2")
    """Where the patient's given name stands."""
    nobody: tuple[str, ...] = ()
    """Texts that stand for no person where a patient or an operator is named (GeneXpert: <None>)."""

    code: tuple[int, ...] = (4, 5, 1, 2)
    """Components of the test id (R.3, O.5), in order of preference, that hold the code."""
    not_codes: tuple[str, ...] = ()
    """Texts there that are no code while another component has one."""
    code_pattern: Annotated[str, AfterValidator(_code_pattern)] = ""
    """A regular expression with a group code: the rest (dilution) goes to sub_id."""
    name: Components = (2,)
    """The component with the test's name, or several in order of preference; 0: none."""
    loinc: int = Field(default=0, ge=0)
    """The component with a LOINC that may be trusted; 0: none."""
    sub_id: tuple[int, ...] = ()
    """The components that tell results of one code apart (dilution, replicate, aspect)."""
    sub_id_places: tuple[At, ...] = ()
    """Places elsewhere that do so too, and go first: ["O.3.2"] for the number of an isolate (BD)."""
    method: At | None = None
    """Where a result says how it came about ("R.3.5")."""
    methods: dict[str, Method] = Field(default_factory=dict)
    """What its words mean: { M = "AMEAS", C = "ACALC", I = "MSET" } (OBX-17)."""
    analytes: dict[str, AnalyteOptions] = Field(default_factory=dict)
    """A table a code, see below."""

    value: tuple[int, ...] = ()
    """Components of R.4, in order; the others become notes."""
    not_values: tuple[str, ...] = ()
    """Components of R.4 that say how a value is written and are none themselves ("RAW"); they become notes."""
    values: dict[str, Components] = Field(default_factory=dict)
    """The same for results whose R.3 has the text in component 4: { GND = 1 } (BD: the verdict, not its growth units)."""
    whole: tuple[str, ...] = ()
    """Codes whose R.4 is one text with all its components: ["Result"] (Bio-Rad IH: the blood group "0^POS" is no number)."""
    susceptibility: tuple[int, ...] = ()
    """Components of R.4 with S, I or R, in order of preference: a flag, and the value where there is no other (BD: 3, 5, 4)."""
    verdicts: tuple[str, ...] = ()
    """First components of R.4 that are the verdict on the number in the second, where both are alone (Elecsys: -1^0.303)."""
    withheld: tuple[str, ...] = ()
    """Flags (R.7) that say that there is no value: what R.4 holds behind an empty first component is the reason's code (DxC."""
    exponent: int = Field(default=0, ge=0)
    """The component of R.4 with a power of ten to multiply by; 0: none."""
    scientific: bool = False
    """"1.5E3" and "2E5" are numbers; "1.50E+03", which can be nothing else, is one anyway."""
    decimal_comma: bool = False
    """"1,234" is 1.234, in R.4 and R.6; "16,92" and "0,123" are decimals anyway, for they can be nothing else."""
    absent: tuple[Absent, ...] = STANDARD_ABSENT
    """{ text = "regular expression", why = "NAV" }: not available NAV, INV invalid, PINF over, NINF under, …"""
    failed: Pattern = STANDARD_FAILED
    """A regular expression for words that stand for a result that could not be obtained: status X, whatever R.9 says."""
    units: dict[str, Unit] = Field(default_factory=dict)
    """The device's unit → UCUM, before the terms are asked; "" says it is no unit."""
    logarithms: tuple[str, ...] = ()
    """Last parts of sub_id that say that a number is the logarithm of one in the unit of R.5 (GeneXpert: LOG)."""
    flags: dict[str, str] = Field(default_factory=dict)
    """The device's flag → HL7 table 0078; "" says it is no flag."""
    statuses: dict[str, Letter] = Field(default_factory=dict)
    """R.9 → HL7 table 0085, before the rules above."""
    questionable: tuple[str, ...] = ("W",)
    """R.9 letters that make a value questionable."""
    doubtful_flags: tuple[str, ...] = ()
    """Flags (R.7) that do so; they stay beside QUES (Sysmex W: low reliability)."""
    flag_component: int = Field(default=0, ge=0)
    """The component of R.4 with further flags, each a letter or one doubled (DxH: 146!  H ; Rl is R and l); 0: none."""
    blank_before_range: Literal["never", "seen", "always"] = "never"
    """R.6 is an empty field too many: never; always; seen: in messages where a range stands in R.7."""
    status_in_8: bool = False
    """A result with F, C, P or X in R.8 and nothing in R.9 lacks an empty field before its flag (Radiometer ABL9)."""
    result_fields: dict[ResultField, ResultField] = Field(default_factory=dict)
    """Fields of R that stand elsewhere: { "R.4" = "R.8", "R.5" = "R.9" } (HumaStar)."""
    result_time: Sources = sources("R.13", "R.12", "O.23")
    """When a result was measured."""
    carry: bool = False
    """A result without a time or an operator of its own has those of the one before it: the analyzer says them once."""
    order_value: At | None = None
    """Where an order without R records has its result (Mindray's controls: "O.12.8"); the code is O.5's."""

    manufacturer_records: Literal["keep", "drop"] = "keep"
    """keep M records as notes; drop: leave them out, and say how many."""
    images: Literal["keep", "drop"] = "keep"
    """drop: leave out results that are pictures or their names; they are text, never numbers."""
    image_codes: Pattern = r"(?:SCAT|DIST)_.*|.*(?:HISTOGRAM|SCATTERGRAM|BITMAP|BMP|PNG).*"
    """A regular expression for their codes; long base64 is known anyway."""
    silent_comments: tuple[str, ...] = ()
    """Comments that say nothing ("0")."""
    notes: dict[str, At] = Field(default_factory=dict)
    """What stands at a place becomes a note of the result, under a name: { "reagent lot" = "R.14.5" }."""
    materials: tuple[MaterialOptions, ...] = ()
    """lots: [[materials]] with lot, and where the device says them name, expires, level (places), kind (HL7 table 0384."""

    qc: tuple[Rule, ...] = ()
    """Rules for quality control, below."""
    companions: tuple[Rule, ...] = ()
    """Rules for results that only go with a test's own (its signal, its cut-off, a suspect flag) and share its code."""
    ignore: tuple[Policy, ...] = ()
    """Rules with a name: where the rule looks at R, C or M that result is left out, and a note says so."""
    duplicate_key: tuple[At, ...] = ()
    """Places whose texts alone tell a repeat from a rerun, with the device and H.12: ["O.3", "R.3.4", "R.4", "R.13"]."""

    @cached_property
    def reading(self) -> Reading:
        """How values are read."""
        absent = tuple((re.compile(way.text), way.why) for way in self.absent)
        return Reading(absent, self.decimal_comma, self.scientific)

    def link_profile(self) -> LinkProfile:
        """The line's settings in the protocol's own words."""
        line = self.link.model_dump()
        line["heartbeat"] = bytes(line["heartbeat"])
        line["delimiters"] = Delimiters(*line["delimiters"])
        return LinkProfile(**line, encoding=self.encoding)
