"""Profiles: what the schema refuses, and that ours say where they come from and are explained."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from drivers.lab.astm import DRIVER
from drivers.lab.meaning import is_loinc
from drivers.lab.profile import AstmOptions, LinkOptions, OrderOptions
from drivers.lab.shared_options import AnalyteOptions
from gateway import terms
from gateway.model import Kind
from protocols.astm.profile import LinkProfile

assert DRIVER.profiles is not None
PROFILES = sorted(DRIVER.profiles.glob("*.toml"))
PAGE = Path(__file__).parents[3] / "docs" / "drivers" / "astm.md"


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        pytest.param({"specimenid": ["O.3"]}, "Extra inputs", id="a misspelt key"),
        pytest.param({"specimen_id": ["O3"]}, "should match pattern", id="a place that is none"),
        pytest.param({"specimen_id": ["O.0"]}, "should match pattern", id="fields count from 1"),
        pytest.param({"units": {"x": "10^3/furlong"}}, "no UCUM unit", id="a unit the terms lack"),
        pytest.param({"code_pattern": r"(\d+)/"}, "a group named code", id="a pattern without its group"),
        pytest.param({"code_pattern": "("}, "no regular expression", id="a broken pattern"),
        pytest.param({"absent": [{"text": "-", "why": "QUES"}]}, "no reason for an absent value", id="a state that has a value"),
        pytest.param({"statuses": {"V": "Q"}}, "should match pattern", id="a letter table 0085 lacks"),
        pytest.param({"timezone": "Berlin"}, "no time zone of the IANA list", id="a zone nobody knows"),
        pytest.param({"link": {"delimiters": "||^&"}}, "four different signs", id="delimiters that are not told apart"),
        pytest.param({"encoding": "utf-9"}, "no text encoding", id="an encoding nobody knows"),
        pytest.param({"qc": [{"rule": "FIELD_EQUALS", "value": "Q"}]}, "needs a field", id="a field rule without field"),
        pytest.param({"qc": [{"rule": "FIELD_EQUALS", "field": "O.4"}]}, "needs a value", id="a rule without a value"),
        pytest.param({"qc": [{"rule": "FIELD_PRESENT"}]}, "needs a field", id="nothing to be present"),
        pytest.param({"qc": [{"rule": "SPECIMEN_ID_REGEX", "value": "["}]}, "no regular expression", id="a broken rule"),
        pytest.param({"ignore": [{"rule": "SPECIMEN_ID_PREFIX", "value": "X"}]}, "name", id="a policy without a name"),
        pytest.param({"link": {"checksum": "maybe"}}, "'required', 'if-present' or 'none'", id="a switch's value"),
        pytest.param({"manufacturer_records": "shred"}, "'keep' or 'drop'", id="a policy's value"),
    ],
)
def test_a_wrong_profile_is_refused_and_told_why(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        AstmOptions.model_validate(keys)


def test_the_line_is_the_standards_unless_a_profile_says_otherwise() -> None:
    assert AstmOptions().link_profile() == LinkProfile()
    line = AstmOptions.model_validate({"encoding": "gbk", "link": {"checksum": "none", "heartbeat": [2], "ack_eot": True}})
    assert line.link_profile() == LinkProfile(encoding="gbk", checksum="none", heartbeat=b"\x02", ack_eot=True)


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_a_profile_says_its_models_its_source_and_only_known_codes(path: Path) -> None:
    options = AstmOptions.model_validate(tomllib.loads(path.read_text("utf-8")))
    assert options.models
    assert options.source
    for code, analyte in options.analytes.items():
        if analyte.kind is Kind.TEXT:
            continue  # a code in digits is no quantity that the terms could know
        specimen = analyte.specimen or options.specimen
        assert (
            terms.analyte(options.maker, analyte.term or code, analyte.unit or None, specimen=specimen, inferred=True) is not None
        )


@pytest.mark.parametrize("schema", [AstmOptions, LinkOptions, AnalyteOptions, OrderOptions], ids=lambda schema: schema.__name__)
def test_every_key_of_a_profile_is_explained(schema: type[AstmOptions]) -> None:
    page = PAGE.read_text("utf-8")
    assert [key for key in schema.model_fields if f"`{key}`" not in page] == []


def test_every_profile_is_on_the_page() -> None:
    page = PAGE.read_text("utf-8")
    assert [path.stem for path in PROFILES if f"`{path.stem}`" not in page] == []


@pytest.mark.parametrize(
    ("code", "right"),
    [
        ("6690-2", True),
        ("789-8", True),
        ("4544-3", True),
        ("789-9", False),
        ("717-9", True),
        ("2100-5", False),
        ("804-5", True),
        ("X-MIC", False),
        ("", False),
    ],
)
def test_a_loinc_has_its_check_digit(code: str, right: bool) -> None:
    assert is_loinc(code) is right
