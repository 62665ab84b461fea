"""Rules of a profile: what they look at, what a named policy leaves out, which results only go with a test's own."""

from __future__ import annotations

from typing import Any

import pytest

from drivers.lab.rules import Rule
from gateway.model import Category

H = "H|\\^&|||Analyzer|||||||P|1|20261121080000"
O1 = "O|1|SYN-1||^^^TSH|R"
DOSE = "R|1|^^^TSH^^^1^DOSE|2.26|uIU/mL||||F||||20261121075900"
CUT_OFF = "R|2|^^^TSH^^^1^COFF|1.00|uIU/mL||||F||||20261121075900"
NAME = "R|3|^^^TSH^^^1^G|0c1f|||||F||||20261121075900"
COMPANIONS = [{"rule": "FIELD_REGEX", "field": "R.3.8", "value": "^(?:COFF|RLU)$"}]


def policy(name: str, field: str, value: str) -> dict[str, str]:
    return {"name": name, "rule": "FIELD_EQUALS", "field": field, "value": value}


def test_a_cut_off_in_the_results_unit_is_not_the_tests_result(analyzer: Any) -> None:
    (report,) = analyzer(maker="Abbott", specimen="Serum/Plasma", companions=COMPANIONS).read(H, O1, DOSE, CUT_OFF)
    assert [(seen.sub_id, seen.value, seen.unit, seen.loinc) for seen in report.observations] == [
        ("1^DOSE", "2.26", "u[IU]/mL", "3016-3"),
        ("1^COFF", "1.00", "u[IU]/mL", None),
    ]


def test_a_policy_about_results_leaves_out_those_alone_and_counts_them(analyzer: Any) -> None:
    device = analyzer(ignore=[policy("result-name", "R.3.8", "G")])
    (report,) = device.read(H, O1, DOSE, NAME, NAME, CUT_OFF)
    assert report.category is Category.LAB
    assert [seen.value for seen in report.observations] == ["2.26", "1.00"]
    assert "results left out by the policy result-name: 2" in report.notes


def test_a_policy_may_look_at_a_results_comment(analyzer: Any) -> None:
    device = analyzer(ignore=[policy("trial", "C.4", "trial")])
    (report,) = device.read(H, O1, DOSE, "C|1|I|trial|G", CUT_OFF)
    assert [seen.value for seen in report.observations] == ["1.00"]


def test_a_policy_about_the_specimen_leaves_out_all_of_it(analyzer: Any) -> None:
    device = analyzer(ignore=[policy("blank", "O.3", "BLANK")])
    (left, kept) = device.read(H, O1.replace("SYN-1", "BLANK"), DOSE, O1, DOSE)
    assert (left.category, [seen.value for seen in left.observations]) == (
        Category.EVENTS,
        ["results left out by the policy blank"],
    )
    assert (kept.category, [seen.value for seen in kept.observations]) == (Category.LAB, ["2.26"])


@pytest.mark.parametrize(("pattern", "held"), [("^_?QC", True), ("QC$", False), ("C1", True)])
def test_a_pattern_is_looked_for_in_the_field(pattern: str, held: bool, analyzer: Any) -> None:
    device = analyzer(qc=[{"rule": "FIELD_REGEX", "field": "O.3", "value": pattern}])
    (report,) = device.read(H, O1.replace("SYN-1", "_QC1"), DOSE)
    assert (report.category is Category.QC) is held


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no regular expression"):
        Rule.model_validate({"rule": "FIELD_REGEX", "field": "O.3", "value": "("})


def test_a_specimen_that_only_the_test_tells_counts_where_the_device_says_none(analyzer: Any) -> None:
    device = analyzer(maker="Siemens", analytes={"Alb": {"specimen": "Urine"}})
    results = ("R|1|^^^Alb|63.7|mg/L||||F", "R|2|^^^Crt|230.8|mg/dL||||F")
    (silent,) = device.read(H, "O|1|SYN-1", *results)
    (said,) = device.read(H, "O|1|SYN-1|||||||||||||CSF", *results)
    assert [seen.loinc for seen in silent.observations] == ["14957-5", None]
    assert [seen.loinc for seen in said.observations] == [None, None]
