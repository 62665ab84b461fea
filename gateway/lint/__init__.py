"""Judging messages clause by clause: ours and anyone's."""

from gateway.lint.finding import Finding, Severity
from gateway.lint.hl7 import lint_hl7

__all__ = ["Finding", "Severity", "lint_hl7"]
