"""What one device said, and about whom: frozen values without IO, the same in journal, messages and screens.

msgspec structs instead of dataclasses: creating and encoding them is on the path of every reading
(docs/decisions/0003). `encode`/`decode` are the journal's form: JSON, defaults omitted, so that any SQLite
tool can read a row, a field may be added anywhere, and an old row still decodes.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What sort of thing an observation is."""

    NUMERIC = "numeric"
    CODED = "coded"
    TEXT = "text"
    WAVEFORM = "waveform"
    EVENT = "event"


class Category(StrEnum):
    """What a destination chooses by (`takes`): one category a report."""

    VITALS = "vitals"
    LAB = "lab"
    QC = "qc"
    EVENTS = "events"
    WAVEFORMS = "waveforms"


class Validity(StrEnum):
    """The state of a value, in the words of OBX-8 (IHE PCD TF-2 B.8; HL7 table 0078 as IHE extends it).

    The first group travels with or without a value; the second group, `absent`, says why there is none.
    """

    OK = ""
    QUESTIONABLE = "QUES"
    CALIBRATING = "CAL"
    TEST = "TEST"
    DEMO = "DEMO"
    VALIDATED = "VALIDATED"
    EARLY = "EARLY"
    IN_ALARM = "ALACT"
    ALARM_INHIBITED = "ALINH"

    INVALID = "INV"
    NOT_AVAILABLE = "NAV"
    ONGOING = "BUSY"
    NO_INFORMATION = "NI"
    NOT_APPLICABLE = "NA"
    OFF = "OFF"
    MASKED = "MSK"
    OTHER = "OTH"
    NOT_A_NUMBER = "NAN"
    OVER = "PINF"
    UNDER = "NINF"


ABSENT = frozenset(
    {
        Validity.INVALID,
        Validity.NOT_AVAILABLE,
        Validity.ONGOING,
        Validity.NO_INFORMATION,
        Validity.NOT_APPLICABLE,
        Validity.OFF,
        Validity.MASKED,
        Validity.OTHER,
        Validity.NOT_A_NUMBER,
        Validity.OVER,
        Validity.UNDER,
    }
)


class Method(StrEnum):
    """How a value came about (OBX-17, IHE PCD TF-2 B.8.17)."""

    AUTO_MEASURED = "AMEAS"
    MANUAL_MEASURED = "MMEAS"
    AUTO_SET = "ASET"
    MANUAL_SET = "MSET"
    AUTO_CALCULATED = "ACALC"
    MANUAL_CALCULATED = "MCALC"
    UNSPECIFIED = "UNSPEC"


Place = tuple[int, int, int, int]
"""Where in the device a thing sits: (MDS, VMD, channel, metric), OBX-4. Trailing zeros: a device row; 0 inside: anonymous."""


class Material(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a result was made with or checked against: a reagent, a control, a calibrator, as the device names it."""

    name: str = ""
    kind: str = ""
    """HL7 table 0384: SR single test reagent, MR multiple test reagent, RC calibrator, CO control ...; or the device's word."""
    lot: str = ""
    expires: str = ""
    """Digits of a date or time, YYYYMMDD[HHMMSS], or empty."""
    level: str = ""
    """A control's level."""


class Observation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One thing a device said.

    `value` is the device's text: for a numeric plain decimal digits with the device's precision ("36.60" stays
    "36.60"), see `decimal_text`; None when there is none, and `validity` says why. A waveform's value is its samples as
    integers separated by spaces. `unit` is UCUM, None when the device's unit is unknown to the terms; `vendor_unit` is
    what the device wrote. `refid` (MDC) and `loinc` are keys into gateway.terms; both None: unmapped, kept as it is.
    """

    kind: Kind
    vendor_code: str
    value: str | None
    vendor_text: str = ""
    refid: str | None = None
    loinc: str | None = None
    unit: str | None = None
    vendor_unit: str = ""
    comparator: str = ""
    """"<", "<=", ">", ">=" or nothing."""
    validity: Validity = Validity.OK
    status: str = "R"
    """Result status, HL7 table 0085 (OBX-11): R raw, P preliminary, F final, C corrected, X no result, ..."""
    flags: tuple[str, ...] = ()
    """Abnormal flags, HL7 table 0078, as mapped: L H LL HH < > A N U D W ...; alarm states are events, not flags."""
    range: str = ""
    """Reference range (lab) or alarm limits (bedside), as OBX-7 writes it: "3.5-5.1", "<200", ">40"."""
    critical: str = ""
    """Limits beyond which a lab result is critical, written like `range`; a note says the same in words."""
    method: Method = Method.AUTO_MEASURED
    time: datetime | None = None
    """When this one was measured, where it differs from the report's time; aware, in the device's offset."""
    place: Place | None = None
    coding: tuple[str, str, str] | None = None
    """For kind coded: (code, text, coding system) of the value."""
    notes: tuple[str, ...] = ()
    operator: str = ""
    sub_id: str = ""
    """Tells apart what shares a code: replicate, run, result aspect ("F", "I", "P")."""
    period_ms: str = ""
    """Waveform only: milliseconds between samples, decimal text."""
    materials: tuple[Material, ...] = ()
    """Lots that this result alone was made with; notes say the same in words."""
    instance: str = ""
    """The device's own name of this result, by which it corrects it (OBX-21)."""
    loinc_text: str = ""
    """LOINC's name for `loinc`, where a person gave a code that the terms do not hold; the terms have it otherwise."""

    @property
    def mapped(self) -> bool:
        """Whether a term is known for it."""
        return self.refid is not None or self.loinc is not None

    @property
    def absent(self) -> bool:
        """Whether there is no value to be had (OBX-11 X, dataAbsentReason)."""
        return self.value is None


class DeviceIdentity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who a device is: the label people read, and what the device says of itself."""

    id: str
    """The asset tag from the configuration: on the label and on every screen."""
    maker: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""
    eui64: str = ""
    """16 upper-case hex digits; empty when the device has none and the gateway has not assigned one."""
    udi: str = ""


class Location(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A PL: where the device stands (PV1-3 order)."""

    point_of_care: str = ""
    room: str = ""
    bed: str = ""
    facility: str = ""


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A device row: an MDS, VMD or channel of the containment tree, with its stable place and its MDC reference id."""

    place: Place
    refid: str


class Given(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Identifiers and demographics that the device itself gave; evidence, never taken for the association."""

    patient_id: str = ""
    family_name: str = ""
    given_name: str = ""
    birth_date: str = ""
    """YYYYMMDD or empty."""
    sex: str = ""
    """M, F, U, O, A, N or empty."""
    operator: str = ""
    location: str = ""


class Specimen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was examined."""

    id: str = ""
    instrument_id: str = ""
    """The analyzer's own number for it (ASTM O.4)."""
    type: str = ""
    type_system: str = ""
    """HL70487, HL70070 or SCT (SNOMED CT), where the device says that `type` is of it; else it is the device's own word."""
    source: str = ""
    position: str = ""
    """Rack^position as the analyzer writes it."""
    role: str = ""
    """HL7 table 0369, as the device says it: P patient, Q control, C calibrator, O proficiency, E electronic control."""
    collected: datetime | None = None
    received: datetime | None = None


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The request a lab report answers, as far as the device repeats it."""

    placer_id: str = ""
    services: tuple[str, ...] = ()
    """Vendor codes of the tests asked for (ASTM O.5)."""
    priority: str = ""
    action: str = ""
    report_type: str = ""
    """ASTM O.26: F final, P preliminary, X cannot be done, C corrected, Q in response to a query."""
    provider: tuple[str, ...] = ()
    """Who ordered it, as the device repeats it: number, family name, given name."""


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one device said at one instant: one row of the journal, the unit that is delivered.

    `received_at` is UTC, the moment the first byte arrived. `device_time` is what the device displayed, with the offset
    of its configured zone; None when the device has no clock or gave none. `clock_offset_s` is device minus gateway.
    `identity` is equal for a repeat of the same content (the journal then stores it once) and empty where the
    protocol never repeats itself.
    """

    device: DeviceIdentity
    driver: str
    category: Category
    received_at: datetime
    observations: tuple[Observation, ...]
    driver_version: str = "1"
    profile: str = ""
    device_time: datetime | None = None
    clock_offset_s: float | None = None
    episodic: bool = False
    """The report's values were measured at their own times (spot check, lab), not at the reporting instant."""
    parts: tuple[Part, ...] = ()
    location: Location | None = None
    given: Given = Given()
    specimen: Specimen | None = None
    order: Order | None = None
    notes: tuple[str, ...] = ()
    materials: tuple[Material, ...] = ()
    """Lots behind all of its results: reagents, and a control's own."""
    identity: str = ""
    message_id: str = ""
    """The device's own id for the message, where it has one (ASTM H.3)."""
    raw: bytes = b""

    @property
    def time(self) -> datetime:
        """The instant by which the report finds its patient: the gateway's own clock at the first byte."""
        return self.received_at


class Subject(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The patient a report is about, at the report's time."""

    patient_id: str
    assigner: str = ""
    """Assigning authority: namespace, or namespace&oid&ISO."""
    id_type: str = "MR"
    family_name: str = ""
    given_name: str = ""
    birth_date: str = ""
    sex: str = ""
    visit_id: str = ""
    patient_class: str = ""
    """PV1-2: E I O P R B U; empty: the destination's default."""
    location: Location | None = None


class WorkOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a laboratory system wants done with one specimen, in its own codes: a row of the order cache."""

    placer: str
    """The orderer's own number: the same number again is the same order."""
    specimen: str
    tests: tuple[str, ...]
    priority: str = "R"
    """ASTM O.6: S stat, A as soon as possible, R routine, C call back, P preoperative."""
    specimen_type: str = ""
    patient: Subject | None = None
    device: str = ""
    """Only for this analyzer; empty: for whichever asks."""
    ordered_at: datetime | None = None
    collected_at: datetime | None = None
    cancelled: bool = False


class Inquiry(msgspec.Struct, frozen=True, kw_only=True):
    """What an analyzer asks the order cache for: specimens by id, a stretch of ids as text, or everything new for it."""

    specimens: tuple[str, ...] = ()
    first: str = ""
    last: str = ""
    everything: bool = False
    withdrawn: bool = False
    """It wants no answer any more to what it asked before."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """A device that nobody configured: who it is, where it called, in which protocol, and what it says of itself."""

    address: str
    """An IP address, or the line."""
    door: str
    """A dial string."""
    protocol: str
    """The driver whose generic codec it is spoken to with; "raw": none knows it."""
    says: str = ""
    """Name, model, serial number as it writes them; empty: nothing yet."""


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """The box itself, as receivers know it."""

    name: str
    eui64: str
    """16 upper-case hex digits."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A journal row: a report, its number, and everything a message may derive its ids and times from."""

    id: int
    epoch: str
    """8 hex digits, made by the run of the gateway that kept it: no two runs, and no two journals, give out one id."""
    stored_at: datetime
    report: Report
    late: bool = False
    """It is sent so late that the message must say so."""
    number: str = ""
    """The message's own id, where it corrects one that was delivered: a new one about the same results."""
    corrected: tuple[int, ...] = ()
    """Which observations (from 0) it corrects."""

    @property
    def message_id(self) -> str:
        """MSH-10, Bundle.identifier."""
        return self.number or self.key

    @property
    def key(self) -> str:
        """20 characters, unique for this gateway for ever, the same at every resend; the results' identifiers are made of it."""
        return f"{self.epoch}{self.id:012d}"


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Report)


def encode(report: Report) -> bytes:
    """The journal's form of a report, without its raw bytes: those have a column of their own."""
    return _encoder.encode(msgspec.structs.replace(report, raw=b"") if report.raw else report)


def decode(payload: bytes, raw: bytes = b"") -> Report:
    """The report again. Raises msgspec.ValidationError on a payload that is none."""
    report = _decoder.decode(payload)
    return msgspec.structs.replace(report, raw=raw) if raw else report
