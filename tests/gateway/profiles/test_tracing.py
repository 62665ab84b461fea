"""From where a property came and what decided it: found out by trying, held against what the profile and the bytes say."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.profiles import finding, runs, tracing
from gateway.profiles.tracing import Trace, Traced

MESSAGE = (
    b"H|\\^&|||ACME 7^2.1^SN4711\rP|1||PAT-1\r"
    b"O|1|SAMPLE-9||^^^HGB|R\r"
    b"R|1|^^^HGB|5,19|g/dL|3.5 to 5.5|H||F||OP1||20261121101112\r"
    b"R|2|^^^XY|---|weird|||||||\rL|1|N\r"
)
PROFILE = """
serial = ["H.5.3"]
maker = "Sysmex"
specimen = "Blood"
units = { weird = "mg/dL" }
statuses = { F = "P" }
analytes = { XY = { unit = "mg/dL" } }
absent = [{ text = '-{2,}', why = "INV" }, { text = '[*]+', why = "NAV" }]
"""


@pytest.fixture
def traced(tmp_path: Path) -> Trace:
    (tmp_path / "own.toml").write_text(PROFILE)
    (tmp_path / "wire.bin").write_bytes(MESSAGE)
    return tracing.trace(finding.choose(str(tmp_path / "own.toml"), "astm"), runs.flows(tmp_path / "wire.bin"))


def at(one: Traced, name: str) -> list[str]:
    return [token.place for token in one.places(name)]


def test_each_property_is_traced_to_the_place_that_it_was_read_from(traced: Trace) -> None:
    first, _ = traced.messages[0].readings
    assert first.reading["value"] == "5.19"
    assert {name: at(first, name) for name in ("vendor_code", "value", "unit", "flags", "range", "time", "operator")} == {
        "vendor_code": ["R.3.4"],
        "value": ["R.4.1"],
        "unit": ["R.5.1"],
        "flags": ["R.7.1"],
        "range": ["R.6.1"],
        "time": ["R.13.1"],
        "operator": ["R.11.1"],
    }
    assert (at(first, "specimen_id"), at(first, "patient_id")) == (["O.3.1"], ["P.4.1"])
    assert at(first, "device") == ["H.5.1", "H.5.3"]
    assert (first.reading["loinc"], set(at(first, "loinc"))) == ("718-7", {"R.3.4", "R.5.1"})


def test_each_rule_is_named_that_changed_a_property_with_what_it_would_be_without(traced: Trace) -> None:
    first, second = traced.messages[0].readings
    assert [(rule.key, rule.otherwise) for rule in first.rules["status"]] == [("statuses.F", "F")]
    assert [(rule.key, rule.otherwise) for rule in first.rules["device"]] == [("serial", "astm ACME 7")]
    assert ("maker", None) in [(rule.key, rule.otherwise) for rule in first.rules["loinc"]]
    assert [(rule.key, rule.otherwise) for rule in second.rules["unit"]] == [("units.weird", None)]
    assert [rule.key for rule in second.rules["value"]] == ["absent[1]"]
    assert "value" not in first.rules, "a comma that can only be a decimal one needs no rule"


def test_a_rule_that_decided_nothing_is_not_named(traced: Trace) -> None:
    named = {rule.key for one in traced.messages[0].readings for rules in one.rules.values() for rule in rules}
    assert "absent[2]" not in named


def test_what_nobody_reads_is_listed(traced: Trace) -> None:
    unread = {token.place for token in traced.messages[0].unread}
    assert {"H.5.2", "O.6.1", "L.3.1"} - unread == {"O.6.1"}, "the priority is in the report, H.5.2 and L.3 N are nowhere"
    assert "R.4.1" not in unread


def test_a_place_that_is_read_in_one_record_is_no_unread_place_in_another(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(PROFILE)
    (tmp_path / "wire.bin").write_bytes(MESSAGE)
    chosen = finding.choose(str(tmp_path / "own.toml"), "astm")
    messages = runs.run(chosen.driver, chosen.options, runs.flows(tmp_path / "wire.bin"), chosen.name).messages
    found = [token.place for token in tracing.unread([*messages, *messages], chosen)]
    assert found == ["H.5.2", "P.2.1", "O.2.1", "R.2.1", "L.2.1", "L.3.1"]


def test_rules_are_taken_out_one_by_one() -> None:
    table = {
        "maker": "A",
        "models": ["x"],
        "link": {"mode": "auto", "ack_eot": True},
        "qc": [{"rule": "a"}, {"rule": "b"}],
        "code": [4],
    }
    found = list(tracing.without(table))
    assert [(key, told) for key, told, _ in found] == [
        ("maker", "'A'"),
        ("link.mode", "'auto'"),
        ("link.ack_eot", "True"),
        ("qc[1]", "rule = 'a'"),
        ("qc[2]", "rule = 'b'"),
        ("code", "[4]"),
    ]
    assert found[1][2]["link"] == {"ack_eot": True}
    assert found[3][2]["qc"] == [{"rule": "b"}]
    assert "code" not in found[5][2]


def test_a_rule_that_decides_which_results_there_are_is_told(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('[[ignore]]\nname = "blank"\nrule = "SPECIMEN_ID_PREFIX"\nvalue = "SAMPLE"\n')
    (tmp_path / "wire.bin").write_bytes(MESSAGE)
    found = tracing.trace(finding.choose(str(tmp_path / "own.toml"), "astm"), runs.flows(tmp_path / "wire.bin"))
    assert [(rule.key, rule.otherwise) for rule in found.deciding] == [("ignore[1]", "2 readings")]
