"""The FHIR pages say what the code does: settings, statuses, reasons."""

import re
from pathlib import Path

from gateway.deliver.messages.fhir_codes import REASON, STATES, STATUS, VITAL_SIGNS
from gateway.settings.fhir import FhirMessageSettings, FhirServerSettings

DOCS = Path(__file__).parents[4] / "docs"
SERVER = (DOCS / "destinations" / "fhir.md").read_text(encoding="utf-8")
MESSAGE = (DOCS / "messages" / "fhir.md").read_text(encoding="utf-8")


def rows(page: str, title: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    part = page.split(f"## {title}\n")[1].split("\n## ", maxsplit=1)[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_pages_have_every_setting() -> None:
    assert {row[0] for row in rows(SERVER, "Settings")} == set(FhirServerSettings.model_fields)
    assert {row[0] for row in rows(MESSAGE, "Settings")} == set(FhirMessageSettings.model_fields)


def test_the_page_has_every_status() -> None:
    told = {letter: row[1] for row in rows(MESSAGE, "Status") for letter in re.findall(r"\b[A-Z]\b", row[0])}
    assert {letter: status for letter, status in told.items() if letter not in "RX"} == STATUS


def test_the_page_has_every_reason_and_state() -> None:
    told = {row[0]: row[1] for row in rows(MESSAGE, "No value, or a doubtful one")}
    assert {validity.value: reason for validity, reason in REASON.items()}.items() <= told.items()
    assert {v.value: s for v, (s, _) in STATES.items() if v not in REASON}.items() <= told.items()


def test_the_page_has_every_vital_sign() -> None:
    told = {row[0]: row[1] for row in rows(MESSAGE, "Vital signs")}
    assert told.keys() == VITAL_SIGNS.keys()
    assert all(set(told[code].replace("`", "").split(", ")) - {"none"} == set(units) for code, units in VITAL_SIGNS.items())
