"""Code systems of FHIR R4 and what our states become in them; docs/messages/fhir.md shows the tables to people."""

from __future__ import annotations

from typing import Final

from gateway.model import Method, Validity

MDC: Final = "urn:iso:std:iso:11073:10101"
LOINC: Final = "http://loinc.org"
UCUM: Final = "http://unitsofmeasure.org"
SNOMED: Final = "http://snomed.info/sct"
EUI64: Final = "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680"
URI: Final = "urn:ietf:rfc:3986"
"""Identifier system of values that are URIs themselves."""
TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem/"
CATEGORY: Final = f"{TERMINOLOGY}observation-category"
METRIC_CATEGORY: Final = "http://hl7.org/fhir/metric-category"
ABSENT_REASON: Final = f"{TERMINOLOGY}data-absent-reason"
INTERPRETATION: Final = f"{TERMINOLOGY}v3-ObservationInterpretation"
MEASUREMENT_STATUS: Final = "http://hl7.org/fhir/uv/pocd/CodeSystem/measurement-status"
RANGE_TYPE: Final = "http://hl7.org/fhir/uv/pocd/CodeSystem/reference-range-type"
ACT_REASON: Final = f"{TERMINOLOGY}v3-ActReason"
IDENTIFIER_TYPE: Final = f"{TERMINOLOGY}v2-0203"
SECTION: Final = f"{TERMINOLOGY}v2-0074"
SPECIMEN_ROLE: Final = f"{TERMINOLOGY}v2-0369"
SUBSTANCE_TYPE: Final = f"{TERMINOLOGY}v2-0384"
SPECIMEN_TYPES: Final = {"HL70487": f"{TERMINOLOGY}v2-0487", "HL70070": f"{TERMINOLOGY}v2-0070", "SCT": SNOMED}
LOCAL: Final = "urn:x-wardlink:"
"""Prefix of what only this gateway or a device's maker names; x-: registered nowhere, so it meets nobody else's."""

PANEL: Final = "85354-9"
VITAL_SIGNS: Final[dict[str, frozenset[str]]] = {
    "8867-4": frozenset({"/min"}),
    "9279-1": frozenset({"/min"}),
    "2708-6": frozenset({"%"}),
    "59408-5": frozenset({"%"}),
    "8310-5": frozenset({"Cel", "[degF]"}),
    "8302-2": frozenset({"cm", "[in_i]"}),
    "9843-4": frozenset({"cm", "[in_i]"}),
    "29463-7": frozenset({"g", "kg", "[lb_av]"}),
    "39156-5": frozenset({"kg/m2"}),
    "8480-6": frozenset({"mm[Hg]"}),
    "8462-4": frozenset({"mm[Hg]"}),
    "8478-0": frozenset({"mm[Hg]"}),
    PANEL: frozenset(),
}
"""LOINC codes of the R4 vital signs table and the only units it allows for each; none: no value of its own."""

STATUS: Final = {
    "F": "final",
    "C": "corrected",
    "P": "preliminary",
    "S": "preliminary",
    "A": "amended",
    "B": "amended",
    "I": "registered",
    "O": "registered",
    "U": "final",
    "V": "final",
    "D": "entered-in-error",
    "W": "entered-in-error",
}
"""HL7 table 0085 to Observation.status (HL7 v2-to-FHIR; what that leaves open is ours). R and X depend on the report."""

REASON: Final = {
    Validity.INVALID: "error",
    Validity.NOT_AVAILABLE: "not-performed",
    Validity.ONGOING: "temp-unknown",
    Validity.NO_INFORMATION: "unknown",
    Validity.NOT_APPLICABLE: "not-applicable",
    Validity.OFF: "not-performed",
    Validity.MASKED: "masked",
    Validity.OTHER: "unknown",
    Validity.NOT_A_NUMBER: "not-a-number",
    Validity.OVER: "positive-infinity",
    Validity.UNDER: "negative-infinity",
}
"""Measurement status to dataAbsentReason: the first three by the PHD guide, the others by the null flavours' names."""

STATES: Final = {
    Validity.QUESTIONABLE: ("questionable", "Questionable"),
    Validity.CALIBRATING: ("calibration-ongoing", "Calibration ongoing"),
    Validity.VALIDATED: ("validated-data", "Validated data"),
    Validity.EARLY: ("early-indication", "Early indication"),
    Validity.ONGOING: ("msmt-ongoing", "Measurement ongoing"),
    Validity.IN_ALARM: ("in-alarm", "Measurement in alarm"),
    Validity.ALARM_INHIBITED: ("alarm-inhibited", "Measurement alarms inhibited"),
}
"""Measurement status to Observation.interpretation (PoCD's code system)."""

FLAGS: Final = frozenset(
    {"L", "H", "LL", "HH", "LU", "HU", "<", ">", "A", "AA", "N", "U", "D", "B", "W", "S", "I", "R", "MS", "VS"}
    | {"POS", "NEG", "IND", "IE", "EX", "HX", "LX"}
)
"""Codes of HL7 table 0078 that v3-ObservationInterpretation has too; any other flag travels as text."""

FHIR_COMPARATORS: Final = frozenset({"<", "<=", ">", ">="})

SETTINGS: Final = frozenset({Method.AUTO_SET, Method.MANUAL_SET})
METRICS: Final = {
    Method.AUTO_MEASURED: "measurement",
    Method.MANUAL_MEASURED: "measurement",
    Method.AUTO_SET: "setting",
    Method.MANUAL_SET: "setting",
    Method.AUTO_CALCULATED: "calculation",
    Method.MANUAL_CALCULATED: "calculation",
    Method.UNSPECIFIED: "unspecified",
}
"""OBX-17 to DeviceMetric.category."""

GENDERS: Final = {"M": "male", "F": "female", "O": "other", "A": "other", "N": "other", "U": "unknown"}
"""HL7 table 0001 to Patient.gender (HL7 v2-to-FHIR)."""
