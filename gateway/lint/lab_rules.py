"""The rules that findings in laboratory messages name (LAB-29, LAB-32): each with its severity and its source."""

from __future__ import annotations

from typing import Final

from gateway.lint.finding import Severity

_E, _W = Severity.ERROR, Severity.WARNING
_LAW: Final = "IHE PaLM TF-2b LAB-29"
_POCT: Final = "IHE PaLM TF-2a LAB-32"

LAB_RULES: Final[dict[str, tuple[Severity, str]]] = {
    "message": (_E, "HL7 v2.5.1 2.5"),
    "segment-end": (_W, "HL7 v2.5.1 2.5: CR"),
    "segment-unknown": (_E, "HL7 v2.5.1 chapter 7: the message's structure"),
    "segment-local": (_W, "HL7 v2.5.1 2.11: Z segments are local"),
    "segment-order": (_E, "HL7 v2.5.1 chapter 7; IHE PaLM TF-2: the message's structure"),
    "segment-missing": (_E, "HL7 v2.5.1 chapter 7: the message's structure"),
    "segment-later": (_W, "a segment that the structure has only in later versions"),
    "structure": (_E, "HL7 v2.5.1 (hl7apy)"),
    "charset": (_E, "HL7 table 0211; MSH-18"),
    "control-character": (_E, "HL7 v2.5.1 2.5.3, 2.7"),
    "escape": (_W, "HL7 v2.5.1 2.7"),
    "null": (_W, "HL7 v2.5.1 2.5.3: two quotation marks delete what the receiver holds"),
    "dtm-form": (_E, "HL7 v2.5.1 2.A.77 TS"),
    "time-offset": (_W, "a time without its offset is another one to a receiver elsewhere"),
    "msh-9": (_E, f"{_LAW}; {_POCT}: MSH-9"),
    "msh-10": (_E, "HL7 v2.5.1 2.15.9.10"),
    "msh-10-unique": (_E, "HL7 v2.5.1 2.15.9.10"),
    "msh-11": (_E, "HL7 table 0103"),
    "msh-12": (_W, f"{_LAW}: 2.5.1; {_POCT}: 2.5"),
    "msh-15": (_W, f"{_LAW}: MSH-15 NE"),
    "msh-16": (_W, f"{_LAW}: MSH-16 AL"),
    "law-msh-21": (_W, f"{_LAW}: MSH-21"),
    "pid-3": (_E, "HL7 v2.5.1 3.4.2.3: PID-3 is required; IHE: PID-5 type U where nobody is known"),
    "control-patient": (_E, f"{_LAW}: a control has no patient"),
    "control-material": (_W, f"{_LAW}: the control's INV behind its container"),
    "spm-id": (_E, f"{_LAW}: SPM-2, or SAC-3"),
    "spm-4": (_E, "HL7 v2.5.1 7.4.3.4: SPM-4 is required"),
    "spm-11": (_E, f"{_LAW}: SPM-11; HL7 table 0369"),
    "inv-1": (_E, "HL7 v2.5.1 13.4.4.1, 13.4.4.2: INV-1 and INV-2 are required"),
    "inv-lot": (_W, f"{_LAW}: INV-16, the lot"),
    "obr-2": (_E, f'{_LAW}: OBR-2, "" where no order is known'),
    "obr-4": (_E, "HL7 v2.5.1 7.4.1.4: OBR-4 is required"),
    "orc": (_E, f"{_LAW}: ORC behind each OBR"),
    "orc-1": (_E, f"{_LAW}: ORC-1 OK or SC; {_POCT}: NW or RE"),
    "orc-5": (_W, f"{_LAW}: ORC-5; HL7 table 0038"),
    "order-number": (_W, f"{_POCT}: R32 is for an order that exists"),
    "one-order": (_E, f"{_POCT}: one order a message"),
    "tq1-9": (_W, "HL7 table 0485"),
    "obx-1": (_W, "HL7 v2.5.1 7.4.2.1"),
    "obx-2": (_E, "HL7 v2.5.1 7.4.2.2: a type beside a value"),
    "obx-3": (_E, "HL7 v2.5.1 7.4.2.3: a code and its system"),
    "obx-4-run": (_W, f"{_LAW}: OBX-4, the run"),
    "obx-4-unique": (_E, "HL7 v2.5.1 7.4.2.4: OBX-4 tells apart what shares OBX-3"),
    "obx-5": (_E, "HL7 v2.5.1 7.4.2.5: a value, or OBX-11 X"),
    "obx-5-number": (_E, "HL7 v2.5.1 2.A.47 NM"),
    "obx-5-structured": (_E, "HL7 v2.5.1 2.A.70 SN"),
    "obx-6": (_W, "HL7 v2.5.1 7.4.2.6: a number's unit"),
    "obx-6-ucum": (_W, "UCUM"),
    "obx-11": (_E, "HL7 table 0085; HL7 v2.5.1 7.4.2.11 is required"),
    "obx-11-value": (_W, "HL7 table 0085: X means that there is no value"),
    "obx-14": (_W, "a result's time: OBX-14 or OBX-19"),
    "obx-18": (_W, f"{_LAW}: OBX-18, which device"),
    "obx-21-unique": (_E, f"{_LAW}: OBX-21 names one result"),
    "obx-29": (_E, "HL7 table 0936"),
}
"""What makes a receiver file wrongly or refuse is an error; what real analyzers do without harm, a warning."""
