"""hl7apy's judgement of a message's structure: cardinalities, data types, datatypes of components."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Final

from gateway.lint.finding import Judge

SIZE_MAX: Final = 256 * 1024
"""Bytes of a message that hl7apy is given: it needs a tenth of a second for six thousand."""

_UNKNOWN_PATIENT: Final = re.compile(r"Missing required child PID\.PID_3\b")


def check_structure(judge: Judge, text: str, *, unknown_patient: bool, structure: str = "ORU_R01") -> None:
    """Parse strictly, then validate. A PID without PID-3 is our own rules' business where the patient is not known."""
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.exceptions import HL7apyException
    from hl7apy.parser import parse_message

    if len(text) > SIZE_MAX:
        return
    for level in (VALIDATION_LEVEL.STRICT, VALIDATION_LEVEL.TOLERANT):
        try:
            message = parse_message(text, validation_level=level)
        except (HL7apyException, ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
            judge.add("structure", "message", str(error) or type(error).__name__, "a message that hl7apy parses")
        else:
            for problem in _problems(message):
                if not (unknown_patient and _UNKNOWN_PATIENT.search(problem)):
                    judge.add("structure", "message", problem, f"{structure} as HL7 defines it")
            return


def _problems(message: object) -> list[str]:
    """All errors of hl7apy's validation: it tells more than the first one only to a file."""
    from hl7apy.exceptions import HL7apyException
    from hl7apy.validation import Validator

    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report"
        try:
            Validator.validate(message, report_file=str(report))
        except HL7apyException as error:
            if not report.exists():
                return [str(error)]
        lines = report.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
