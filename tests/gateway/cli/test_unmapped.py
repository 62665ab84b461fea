"""wardlink unmapped: the list of open codes, deciding about them, where a code comes from, a whole laboratory's table."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.model import Category, Kind, Observation

Wardlink = Callable[..., Any]

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


# ---- the list


def test_the_list_says_what_nobody_knows_and_what_it_may_be(wardlink: Wardlink, receivers: Any, lab: Path) -> None:
    mass, substance = sorted(
        wardlink("unmapped", "list", "--since", START.isoformat(), "--json", "-c", lab).json, key=lambda one: one["report"]
    )
    assert {key: mass[key] for key in ("device", "maker", "model", "code", "unit", "ucum", "specimen", "result", "n", "report", "example")} == {
        "device": "LAB-1", "maker": "Acme", "model": "X1", "code": "QQQ", "unit": "mg/dL", "ucum": "mg/dL", "specimen": "Serum",
        "result": "number", "n": 1, "report": 1, "example": "98",
    }  # fmt: skip
    assert (substance["unit"], substance["loinc"]) == ("mmol/L", None)
    shown = wardlink("unmapped", "list", "--since", START.isoformat(), "-c", lab).out
    assert "QQQ" in shown
    assert "718-7" not in shown
    everything = wardlink("unmapped", "list", "--all", "--since", START.isoformat(), "--json", "-c", lab).json
    assert {one["code"]: one["loinc"] for one in everything} == {"QQQ": None, "HGB": "718-7"}


def test_other_reports_are_listed_where_they_are_asked_for(wardlink: Wardlink, laboratory: Any, lab: Path) -> None:
    laboratory.keep(
        msgspec.structs.replace(laboratory.sample(1, laboratory.result("XYZ")), category=Category.VITALS),
        laboratory.sample(2, laboratory.result("QQQ")),
    )

    def codes(*words: str) -> list[str]:
        rows = wardlink("unmapped", "list", "--since", START.isoformat(), *words, "--json", "-c", lab).json
        return [one["code"] for one in rows]

    assert (codes(), codes("--category", "vitals"), codes("--device", "LAB-9")) == (["QQQ"], ["XYZ"], [])


def test_nothing_open_is_said_in_words(wardlink: Wardlink, laboratory: Any, lab: Path) -> None:
    laboratory.keep(laboratory.sample(1, laboratory.result("HGB", "13.5", "g/dL", loinc="718-7")))
    assert (
        wardlink("unmapped", "list", "--since", START.isoformat(), "-c", lab).out
        == "every code has a LOINC, or was decided about\n"
    )


# ---- resolving


def test_resolving_says_what_is_meant_what_is_left_and_what_was_delivered_otherwise(
    wardlink: Wardlink, receivers: Any, lab: Path
) -> None:
    told = wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--reason", "glucose, says the method sheet", "-c", lab)
    assert told.out.splitlines() == [
        "decision 1: QQQ Acme X1: 2345-7 (Glucose serum/plasma); 1 results in the journal are meant",
        "left as it is: QQQ LAB-1 Acme X1 in mmol/L in Serum as number, 1 results",
        "lis: 1 delivered messages bear another code: `wardlink queue replay --remap` sends corrections",
        "chart: 1 delivered messages bear another code: `wardlink queue replay --remap` sends corrections",
    ]
    (row,) = wardlink("unmapped", "decided", "--json", "-c", lab).json
    assert (row["number"], row["code"], row["maker"], row["model"], row["device"], row["loinc"], row["property"], row["source"]) == (
        1, "QQQ", "Acme", "X1", "", "2345-7", "MCnc", "by hand",
    )  # fmt: skip
    assert wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "-c", lab).out.startswith("it was decided so already")


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "a wrong check digit": (("QQQ", "--loinc", "2345-8"), "LOINC 2345-8 has a wrong check digit: got 8, expected 7"),
    "a LOINC that the terms do not hold": (("QQQ", "--loinc", "94563-4"), "give its property (--property MCnc) and its name (--name)"),
    "one without its name": (("QQQ", "--loinc", "94505-5", "--property", "MCnc"), "give its name (--name), as LOINC asks for one"),
    "a unit of another kind": (("QQQ", "--loinc", "2345-7", "--unit", "mmol/L"), "LOINC 2345-7 has the property MCnc"),
    "no result of the kind in the journal": (("QQQ", "--loinc", "6690-2"), "LOINC 6690-2 has the property NCnc"),
    "a finding beside a number": (
        ("QQQ", "--loinc", "94563-4", "--property", "PrThr", "--name", "x"),
        "a finding in words; the device sends a number",
    ),
    "a code that nobody sent": (("ZZZ", "--loinc", "2345-7"), "the journal holds no result 'ZZZ': say whose it is with --device"),
    "what the terms know": (("HGB", "--loinc", "2345-7"), "'HGB' is LOINC 718-7 already, by the terms or its driver: --override says otherwise"),
    "a unit that is known": (("QQQ", "--loinc", "2345-7", "--ucum", "mg/dL"), "the terms know the unit 'mg/dL'"),
    "neither": (("QQQ",), "say either --loinc CODE or --ignore"),
    "both": (("QQQ", "--loinc", "2345-7", "--ignore"), "say either --loinc CODE or --ignore"),
    "ignoring without a word": (("QQQ", "--ignore"), "--ignore needs --reason"),
}  # fmt: skip


@pytest.mark.parametrize(("words", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_it_is_refused(wardlink: Wardlink, receivers: Any, lab: Path, words: tuple[str, ...], why: str) -> None:
    refused = wardlink("unmapped", "resolve", *words, "-c", lab)
    assert refused.code == 2
    assert why in refused.err
    assert wardlink("unmapped", "decided", "-c", lab).out == "nothing was decided\n"


def test_several_models_must_be_told_apart(wardlink: Wardlink, receivers: Any, lab: Path) -> None:
    receivers.keep(receivers.sample(3, receivers.result("QQQ"), device="LAB-2", model="X2"))
    refused = wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "-c", lab)
    assert "'QQQ' is sent by Acme X1; Acme X2: say which with --device, or --maker and --model" in refused.err
    assert wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--device", "LAB-2", "-c", lab).code == 0
    assert wardlink("unmapped", "decided", "--json", "-c", lab).json[0]["device"] == "LAB-2"


def test_a_unit_that_nobody_knows_is_said_in_ucum(wardlink: Wardlink, receivers: Any, lab: Path) -> None:
    receivers.keep(
        receivers.sample(3, Observation(kind=Kind.NUMERIC, vendor_code="GLX", value="98", vendor_unit="MGDL", status="F"))
    )
    refused = wardlink("unmapped", "resolve", "GLX", "--loinc", "2345-7", "-c", lab)
    assert "the terms do not know the unit 'MGDL': say what it means with --ucum" in refused.err
    assert wardlink("unmapped", "resolve", "GLX", "--loinc", "2345-7", "--ucum", "mg/dL", "-c", lab).code == 0
    receivers.deliver()
    (obx,) = receivers.lis[-1].every("OBX")
    assert (obx.raw(3).split("^")[0], obx.raw(5), obx.raw(6)) == ("2345-7", "98", "mg/dL^mg/dL^UCUM^MGDL^^99ACME")


def test_a_loinc_that_the_terms_do_not_hold_goes_out_with_the_name_that_was_given(
    wardlink: Wardlink, receivers: Any, lab: Path
) -> None:
    words = ("--loinc", "94505-5", "--property", "MCnc", "--name", "IgG Ab [Mass/volume]", "--unit", "mg/dL")
    assert wardlink("unmapped", "resolve", "QQQ", *words, "-c", lab).code == 0
    receivers.keep(receivers.sample(3, receivers.result("QQQ")))
    receivers.deliver()
    (obx,) = receivers.lis[-1].every("OBX")
    assert obx.raw(3) == "94505-5^IgG Ab [Mass/volume]^LN^QQQ^^99ACME"
    (found,) = (one["resource"] for one in receivers.chart[-1]["entry"] if one["resource"]["resourceType"] == "Observation")
    assert found["code"]["coding"][0] == {"system": "http://loinc.org", "code": "94505-5"}
    assert found["code"]["text"] == "IgG Ab [Mass/volume]"


# ---- where a code comes from


def test_why_names_the_decision_that_gave_a_code(wardlink: Wardlink, receivers: Any, lab: Path) -> None:
    wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--reason", "method sheet", "--replay", "-c", lab)
    told = wardlink("why", "1", "--code", "QQQ", "--json", "-c", lab).json
    (value,) = told["values"]
    assert value["mapping"]["loinc"][0]["code"] == "2345-7"
    assert (value["decision"]["number"], value["decision"]["source"], value["decision"]["reason"]) == (
        1,
        "by hand",
        "method sheet",
    )
    assert [
        one["code"] for one in wardlink("why", "1", "--code", "718-7", "--json", "-c", lab).json["values"][0]["mapping"]["loinc"]
    ] == ["718-7"]
    shown = wardlink("why", "1", "--code", "2345-7", "-c", lab).out
    assert "decision 1 (QQQ Acme X1: 2345-7): by hand, by " in shown
    assert "corrected by " in shown
    assert wardlink("why", "1", "--code", "718-7", "--json", "-c", lab).json["values"][0]["decision"] is None


def test_why_still_proves_what_was_delivered_before_the_decision(wardlink: Wardlink, receivers: Any, lab: Path) -> None:
    wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "-c", lab)
    assert wardlink("why", "1", "-c", lab).out.count("rendered now: the very bytes that were delivered (SHA-256)") == 2


def test_an_export_has_the_code_that_is_decided(wardlink: Wardlink, receivers: Any, lab: Path) -> None:
    wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "-c", lab)
    rows = wardlink("export", "--since", START.isoformat(), "-c", lab).lines
    assert [(row["vendor_code"], row["loinc"], row["value"], row["unit"]) for row in rows] == [
        ("QQQ", "2345-7", "98", "mg/dL"),
        ("HGB", "718-7", "13.5", "g/dL"),
        ("QQQ", None, "5.4", "mmol/L"),
    ]


ASTM = b"H|\\^&|||Acme^X1\rP|1\rO|1|SYN-1||^^^QQQ\rR|1|^^^QQQ|98|mg/dL||N||F\rL|1|N\r"


def test_a_capture_is_read_with_what_a_laboratory_decided(wardlink: Wardlink, lab: Path) -> None:
    (lab.parent / "data").mkdir()
    assert wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--device", "astm", "-c", lab).code == 0
    plain = wardlink("decode", "--driver", "astm", "-", stdin=ASTM).lines
    decided = wardlink("decode", "--driver", "astm", "--data", lab.parent / "data", "-", stdin=ASTM).lines
    assert [(row["vendor_code"], row["loinc"], row["value"]) for row in plain + decided] == [
        ("QQQ", None, "98"),
        ("QQQ", "2345-7", "98"),
    ]


# ---- a whole laboratory


def test_a_table_goes_out_is_filled_in_and_comes_back(wardlink: Wardlink, receivers: Any, lab: Path, tmp_path: Path) -> None:
    file = tmp_path / "codes.csv"
    assert "2 open codes; fill in loinc" in wardlink("unmapped", "export", file, "-c", lab).out
    rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8-sig"))))
    assert [(row["code"], row["device"], row["maker"], row["unit"], row["seen"], row["loinc"]) for row in rows] == [
        ("QQQ", "", "Acme", "mg/dL", "1", ""),
        ("QQQ", "", "Acme", "mmol/L", "1", ""),
    ]
    for row, loinc in zip(rows, ("2345-7", "14749-6"), strict=True):
        row["loinc"] = loinc
    filled = _csv(rows)
    assert (
        "2 decisions (dry run: nothing is done)" in wardlink("unmapped", "import", "-", "--dry-run", "-c", lab, stdin=filled).out
    )
    assert wardlink("unmapped", "decided", "-c", lab).out == "nothing was decided\n"
    assert wardlink("unmapped", "import", "-", "-c", lab, stdin=filled).code == 0
    assert [one["loinc"] for one in wardlink("unmapped", "decided", "--json", "-c", lab).json] == ["2345-7", "14749-6"]
    again = wardlink("unmapped", "export", "-", "-c", lab).out
    assert [row["loinc"] for row in csv.DictReader(io.StringIO(again))] == ["2345-7", "14749-6"], "what was decided goes out too"
    assert wardlink("unmapped", "import", "-", "-c", lab, stdin=again.encode()).out.count("it was decided so already") == 2


def test_no_spreadsheet_takes_a_code_for_a_formula_and_it_comes_back_as_it_was(
    wardlink: Wardlink, receivers: Any, lab: Path
) -> None:
    receivers.keep(receivers.sample(3, receivers.result("=1+1"), receivers.result("-GLU")))
    rows = {row["code"]: row for row in csv.DictReader(io.StringIO(wardlink("unmapped", "export", "-", "-c", lab).out))}
    assert {"'=1+1", "'-GLU"} < set(rows)
    filled = [{**rows[code], "loinc": "2345-7"} for code in ("'=1+1", "'-GLU")]
    assert wardlink("unmapped", "import", "-", "-c", lab, stdin=_csv(filled)).code == 0
    assert [one["code"] for one in wardlink("unmapped", "decided", "--json", "-c", lab).json] == ["=1+1", "-GLU"]


def _csv(rows: list[dict[str, str]]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode("utf-8-sig")


BAD_TABLES = {
    "a mistake in its second row": (b"code,maker,loinc,unit\nQQQ,Acme,2345-7,mg/dL\nQQQ,Acme,2345-7,mmol/L\n", "row 3 (QQQ): LOINC 2345-7 has the property MCnc"),
    "both at once": (b"code,loinc,ignore\nQQQ,2345-7,yes\n", "row 2: got a LOINC and ignore = yes; expected one of them"),
    "a word that is none": (b"code,loinc,ignore\nQQQ,,perhaps\n", "row 2: got ignore 'perhaps'; expected yes or nothing"),
    "a strange sort of result": (b"code,loinc,result\nQQQ,2345-7,blue\n", "row 2: got the result 'blue'; expected number, words or nothing"),
    "a strange column": (b"code,loinc,colour\nQQQ,2345-7,blue\n", "row 1: got the column 'colour'"),
    "another table": (b"specimen,tests\nSYN-1,GLU\n", "row 1: no column code, loinc"),
    "no text": (b"code,loinc\nQ\xff,2345-7\n", "byte 12: got 0xff; expected CSV in UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize(("table", "why"), BAD_TABLES.values(), ids=BAD_TABLES.keys())
def test_of_a_table_with_a_mistake_nothing_is_taken(
    wardlink: Wardlink, receivers: Any, lab: Path, table: bytes, why: str
) -> None:
    refused = wardlink("unmapped", "import", "-", "-c", lab, stdin=table)
    assert (refused.code, why in refused.err) == (2, True), refused.err
    assert wardlink("unmapped", "decided", "-c", lab).out == "nothing was decided\n"


def test_a_file_is_never_overwritten(wardlink: Wardlink, receivers: Any, lab: Path, tmp_path: Path) -> None:
    (tmp_path / "codes.csv").write_text("mine")
    refused = wardlink("unmapped", "export", tmp_path / "codes.csv", "-c", lab)
    assert (refused.code, "File exists; it must be a new file" in refused.err) == (2, True)
