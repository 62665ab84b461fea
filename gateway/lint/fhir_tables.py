"""Code systems and the vital signs table of FHIR R4: the judge's own, so that no slip of the sender's table is hidden."""

from __future__ import annotations

from typing import Final

LOINC: Final = "http://loinc.org"
UCUM: Final = "http://unitsofmeasure.org"
MDC: Final = "urn:iso:std:iso:11073:10101"
CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
SPECIMEN_ROLE: Final = "http://terminology.hl7.org/CodeSystem/v2-0369"
COMPARATORS: Final = ("<", "<=", ">=", ">")

PANEL: Final = "85354-9"
VITAL_SIGNS: Final[dict[str, tuple[str, ...]]] = {
    "9279-1": ("/min",),
    "8867-4": ("/min",),
    "2708-6": ("%",),
    "59408-5": ("%",),
    "8310-5": ("Cel", "[degF]"),
    "8302-2": ("cm", "[in_i]"),
    "9843-4": ("cm", "[in_i]"),
    "29463-7": ("g", "kg", "[lb_av]"),
    "39156-5": ("kg/m2",),
    PANEL: (),
    "8480-6": ("mm[Hg]",),
    "8462-4": ("mm[Hg]",),
    "8478-0": ("mm[Hg]",),
}
"""LOINC code to the UCUM units it may have (FHIR R4, observation-vitalsigns); none: it has no value of its own."""
