"""What receivers of laboratory results want differently, in each of the HL7 formats that carry them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.settings.hl7 import AckType, Encoded, Hl7Settings


class ResultSettings(Hl7Settings):
    """The keys that every HL7 format of laboratory results has."""

    placer: Literal["order", "specimen"] = "order"
    """OBR-2 and ORC-2: the order number that the device repeated, or the specimen id where the LIS finds orders by it."""
    service: Annotated[Encoded, Field(min_length=1)] = "26436-6^Laboratory studies (set)^LN"
    """OBR-4 where neither one order nor one observation says what was examined."""
    primary: Literal["loinc", "vendor"] = "loinc"
    """OBX-3.1 to .3: the LOINC code with the maker's as alternate, or the other way round where a LIS files by maker's code."""
    units: Literal["ucum+original", "ucum", "original"] = "ucum+original"
    """OBX-6: UCUM with the device's own text as alternate, or one of them."""
    comparators: Literal["SN", "ST"] = "SN"
    """`>1500` as SN `>^1500`, or as ST `>1500` for receivers that cannot read SN. It is never stripped."""
    clock_note_s: Annotated[float, Field(ge=0)] = 60.0
    """An NTE under OBR tells of a device clock that differs from the gateway's by more than this many seconds; times stay the
    device's own."""


class OrderSettings(ResultSettings):
    """The keys of formats whose OBR is a full report's: numbers and times."""

    filler: Literal["message", "specimen"] = "message"
    """OBR-3 and ORC-3: a number of the gateway's own, unique for ever, or the specimen id."""
    collected_only: bool = False
    """OBR-7: only the time of collection. Off: where that is not known, the time of the result, as many engines demand one."""


class SpecimenSettings(ResultSettings):
    """The keys of formats with SPM, which tell controls from patients."""

    qc_processing_id: Literal["P", "D", "T"] = "P"
    """MSH-11 of control results, where the receiver tells them apart by it and not by SPM-11. Training is always T."""
    unknown_patient: Literal["omit", "pid"] = "omit"
    """A result without a patient travels on its specimen id: `omit` leaves PID out, `pid` sends one that says unknown."""
    specimen_unknown: Annotated[Encoded, Field(min_length=1)] = "UNK^Unknown^NULLFL"
    """SPM-4 where the device does not say what it examined; the field is required."""


class LabSettings(OrderSettings, SpecimenSettings):
    """The keys of ORU^R01."""

    version: Literal["2.5.1", "2.5", "2.4", "2.3.1", "2.6"] = "2.5.1"
    """MSH-12."""
    orc: bool = True
    """Send ORC (RE, placer and filler number) before OBR."""
    specimen: bool = True
    """Send SPM."""
    instance: bool = False
    """OBX-21: the result's own identifier, the same in its correction. HL7 has the field since 2.6; an older receiver may refuse
    it."""


class LawSettings(SpecimenSettings):
    """The keys of OUL^R22, LAB-29 of IHE LAW."""

    version: Literal["2.5.1", "2.5", "2.6"] = "2.5.1"
    """MSH-12. LAW is 2.5.1 and takes some fields from later versions."""
    accept_ack: AckType = "NE"
    """MSH-15: LAW asks for no accept acknowledgement."""
    application_ack: AckType = "AL"
    """MSH-16: LAW asks for the application acknowledgement, ACK^R22."""
    profile: Encoded = "LAB-29^IHE"
    """MSH-21. Receivers recognise the transaction by it."""
    specimen_system: Encoded = ""
    """SPM-2.1.2: who numbers the specimens, where the receiver expects a namespace beside the id (`S1&LAB`)."""
    obr: Literal["law", "full"] = "law"
    """OBR: number and service as LAW has it; `full` adds filler number, times and status, for systems that want them."""
    orders: Literal["report", "test"] = "report"
    """One OBR for the whole report, or one for each test, for systems that file a work order step (AWOS) each."""
    materials: bool = True
    """Send INV: reagents behind the result, a control behind its container. Off, lots are told in NTE alone."""
    instance: bool = True
    """OBX-21: the result's own identifier, the same in its correction (taken from HL7 2.6, as LAW does)."""
    observation_type: bool = True
    """OBX-29: RSLT (taken from HL7 2.8, as LAW does)."""


class PoctSettings(OrderSettings):
    """The keys of ORU^R30, R31 and R32, LAB-32 of IHE."""

    version: Literal["2.5", "2.5.1", "2.6"] = "2.5"
    """MSH-12."""
    accept_ack: AckType = ""
    """MSH-15. With `application_ack` empty too it is original mode: the receiver answers ACK^R33 when it has filed the result."""
    application_ack: AckType = ""
    """MSH-16."""
    event: Literal["by order", "R30", "R31", "R32"] = "by order"
    """R30 has the receiver place an order for the result, R31 look for one first, R32 says that it is ordered. `by order`: R32
    where the order's number is known, else R30."""
    specimen: Literal["obr", "spm"] = "obr"
    """The specimen: its type in OBR-15 and its id in an NTE, or an SPM behind the results, as only later versions have it."""
    unknown_patient: Literal["pid", "park"] = "pid"
    """A result without a patient: `pid` sends a PID that says unknown, for ORU_R30 always has one; `park` keeps it back."""
    unknown_id: Encoded = ""
    """PID-3 where the patient is not known, agreed with the receiver, e.g. `UNKNOWN^^^HOSP^PI`."""
    unknown_name: Encoded = "^^^^^^U"
    """PID-5 for that. Name type U: the name is not known."""
