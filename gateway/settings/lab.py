"""What receivers of laboratory results (ORU^R01, HL7 2.5.1) want differently."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.settings.hl7 import Encoded, Hl7Settings


class LabSettings(Hl7Settings):
    """A laboratory destination's format keys."""

    version: Literal["2.5.1", "2.5", "2.4", "2.3.1", "2.6"] = "2.5.1"
    """MSH-12."""
    qc_processing_id: Literal["P", "D", "T"] = "P"
    """MSH-11 of control results, where the receiver tells them apart by it and not by SPM-11."""

    unknown_patient: Literal["omit", "pid"] = "omit"
    """A result without a patient travels on its specimen id: `omit` leaves PID out, `pid` sends one that says unknown."""
    orc: bool = True
    """Send ORC (RE, placer and filler number) before OBR."""
    placer: Literal["order", "specimen"] = "order"
    """OBR-2 and ORC-2: the order number that the device repeated, or the specimen id where the LIS finds orders by it."""
    filler: Literal["message", "specimen"] = "message"
    """OBR-3 and ORC-3: a number of the gateway's own, unique for ever, or the specimen id."""
    service: Annotated[Encoded, Field(min_length=1)] = "26436-6^Laboratory studies (set)^LN"
    """OBR-4 where neither one order nor one observation says what was examined."""
    collected_only: bool = False
    """OBR-7: only the time of collection. Off: where that is not known, the time of the result, as many engines demand one."""

    primary: Literal["loinc", "vendor"] = "loinc"
    """OBX-3.1 to .3: the LOINC code with the maker's as alternate, or the other way round where a LIS files by maker's code."""
    units: Literal["ucum+original", "ucum", "original"] = "ucum+original"
    """OBX-6: UCUM with the device's own text as alternate, or one of them."""
    comparators: Literal["SN", "ST"] = "SN"
    """`>1500` as SN `>^1500`, or as ST `>1500` for receivers that cannot read SN. It is never stripped."""
    clock_note_s: Annotated[float, Field(ge=0)] = 60.0
    """An NTE under OBR tells of a device clock that differs from the gateway's by more than this many seconds; times stay the
    device's own."""
    specimen: bool = True
    """Send SPM."""
    specimen_unknown: Annotated[Encoded, Field(min_length=1)] = "UNK^Unknown^NULLFL"
    """SPM-4 where the device does not say what it examined; the field is required."""
