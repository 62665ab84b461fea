"""wardlink lint: judge messages, clause by clause."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.show import JsonOption, new_app, print_json, read_bytes, say
from gateway.lint import Finding, Severity, lint_hl7

app = new_app()

SIZE_MAX = 64 * 1024 * 1024
"""Bytes: thousands of messages, and a Bundle of a busy day."""
FAULT = 1


@app.command()
def lint(
    file: Annotated[Path, typer.Argument(help="HL7 v2 messages or FHIR JSON; - for standard input")],
    as_json: JsonOption = False,
) -> None:
    """Each finding with its field, what was got, what was expected, and the rule's source; exit 1 on a fault."""
    data = read_bytes(file, SIZE_MAX)
    findings = _judge(data)
    if as_json:
        print_json([_row(finding) for finding in findings])
    else:
        for finding in findings:
            print(_line(finding))
    faults = sum(finding.severity is Severity.ERROR for finding in findings)
    say(f"{file}: {faults} faults, {len(findings) - faults} remarks")
    if any(finding.rule == "msh-21" for finding in findings):
        say(f"{file}: judged as PCD-01, which MSH-21 does not claim; laboratory and other HL7 has rules of its own")
    if faults:
        raise typer.Exit(FAULT)


def _judge(data: bytes) -> list[Finding]:
    if data.lstrip()[:1] in {b"{", b"["}:
        from gateway.lint.fhir import lint_fhir

        return lint_fhir(data)
    return lint_hl7(data)


def _row(finding: Finding) -> dict[str, str]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "field": finding.field,
        "got": finding.got,
        "expected": finding.expected,
        "source": finding.source,
    }


def _line(finding: Finding) -> str:
    judged = f"{finding.severity.value:8}{finding.field}: {finding.rule}"
    return f"{judged}: got {finding.got!r}, expected {finding.expected} ({finding.source})"
