"""Rows that are wrong are refused, and the message names file, line, row and what disagreed."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway import terms
from gateway.errors import ConfigError

Add = Callable[[str, str], None]

ANALYTE = "HEM,Test count,Blood,{loinc},x,{prop},{ucum},{units},Acme:TST,,{confidence},test,"

WRONG = {
    "kPa beside a rate": (
        "vitals_loinc.csv",
        "MDC_PRESS_BLD_ART,8867-4,x,NRat,kPa,paired,test,",
        "LOINC 8867-4 has property NRat (time^-1), the UCUM unit kPa measures length^-1 mass^1 time^-2",
    ),
    "a UCUM unit that is no MDC unit of the term": (
        "vitals_loinc.csv",
        "MDC_ECG_HEART_RATE,8889-8,x,NRat,Hz,paired,test,",
        "the UCUM unit Hz is none of the MDC units of MDC_ECG_HEART_RATE",
    ),
    "an MDC unit beside a UCUM unit of another kind": (
        "mdc_units.csv",
        "MDC_DIM_KILO_PASCAL_PER_SEC,279999,mL/s,test",
        "the MDC unit measures length^-1 mass^1 time^-3, its UCUM unit mL/s measures length^3 time^-1",
    ),
    "UCUM texts of one unit that differ in kind": (
        "mdc_units.csv",
        "MDC_DIM_NEW,279999,mL|mg,test",
        "the UCUM texts mL|mg measure different things",
    ),
    "a unit outside the dimension partition": ("mdc_units.csv", "MDC_DIM_NEW,150456,mL,test", "not in partition 4"),
    "a unit twice": ("mdc_units.csv", "MDC_DIM_MMHG,266016,mm[Hg],test", "stands there twice"),
    "a unit that is no UCUM": ("mdc_units.csv", "MDC_DIM_NEW,279999,mmHg,test", "'mmHg' is no UCUM unit"),
    "a term twice": ("mdc_terms.csv", "MDC_ECG_HEART_RATE,147842,x,MDC_DIM_BEAT_PER_MIN,,test", "stands there twice"),
    "a term with an unknown unit": ("mdc_terms.csv", "MDC_NEW,150999,x,MDC_DIM_FURLONG,,test", "names the unit MDC_DIM_FURLONG"),
    "a term whose code is too big": ("mdc_terms.csv", "MDC_NEW,4294967296,x,,,test", "no 32-bit context-free code"),
    "a term whose code is no number": ("mdc_terms.csv", "MDC_NEW,0x24,x,,,test", "no 32-bit context-free code"),
    "a LOINC for a term that is not there": (
        "vitals_loinc.csv",
        "MDC_NOT_THERE,8867-4,x,NRat,/min,paired,test,",
        "(MDC_NOT_THERE): no such term in mdc_terms.csv",
    ),
    "a LOINC twice for one term": (
        "vitals_loinc.csv",
        "MDC_ECG_HEART_RATE,8867-4,x,NRat,/min,paired,test,",
        "names one LOINC code twice",
    ),
    "a bad check digit": (
        "vitals_loinc.csv",
        "MDC_ECG_HEART_RATE,8867-5,x,NRat,/min,paired,test,",
        "LOINC 8867-5 has a bad check digit: 5, expected 4",
    ),
    "no LOINC at all": ("vitals_loinc.csv", "MDC_ECG_HEART_RATE,HR,x,NRat,/min,paired,test,", "'HR' is no LOINC code"),
    "an unknown property": (
        "vitals_loinc.csv",
        "MDC_ECG_HEART_RATE,8889-8,x,Nrate,/min,paired,test,",
        "property 'Nrate', which has no dimensions",
    ),
    "a quantity without a unit": ("vitals_loinc.csv", "MDC_ECG_HEART_RATE,8889-8,x,NRat,,paired,test,", "needs a unit"),
    "an unknown confidence": (
        "vitals_loinc.csv",
        "MDC_ECG_HEART_RATE,8889-8,x,NRat,/min,sure,test,",
        "confidence is 'sure', expected one of explicit, paired, inferred",
    ),
    "an analyte count in %": (
        "lab_analytes.csv",
        ANALYTE.format(loinc="751-8", prop="NCnc", ucum="%", units="%", confidence="paired"),
        "LOINC 751-8 has property NCnc (length^-3), the UCUM unit % measures 1",
    ),
    "an analyte whose maker writes a unit of another kind": (
        "lab_analytes.csv",
        ANALYTE.format(loinc="751-8", prop="NCnc", ucum="10*3/uL", units="10*3/uL;g/L", confidence="paired"),
        "its makers' unit 'g/L' (g/L) does not measure what its LOINC property does",
    ),
    "an analyte whose maker's unit nobody knows": (
        "lab_analytes.csv",
        ANALYTE.format(loinc="751-8", prop="NCnc", ucum="10*3/uL", units="heaps", confidence="paired"),
        "its makers' unit 'heaps' is not in unit_spellings.csv",
    ),
    "an analyte with a bad check digit": (
        "lab_analytes.csv",
        ANALYTE.format(loinc="789-9", prop="NCnc", ucum="10*6/uL", units="", confidence="paired"),
        "LOINC 789-9 has a bad check digit: 9, expected 8",
    ),
    "a spelling twice": ("unit_spellings.csv", "mmHg,mm[Hg],,,test", "stands there twice"),
    "a spelling of no UCUM unit": ("unit_spellings.csv", "furlong,furlong,,,test", "'furlong' is no UCUM unit"),
    "a conversion without a factor": (
        "conversions.csv",
        "Test,2345-7,g/L,14749-6,mmol/L,,,test,",
        "factor is '', expected a decimal above zero",
    ),
    "a conversion by nought": ("conversions.csv", "Test,2345-7,g/L,14749-6,mmol/L,0,,test,", "factor is '0'"),
    "a conversion by infinity": ("conversions.csv", "Test,2345-7,g/L,14749-6,mmol/L,Infinity,,test,", "factor is 'Infinity'"),
    "a conversion that keeps the code and changes the kind": (
        "conversions.csv",
        "Test,2345-7,mg/dL,2345-7,mmol/L,0.0555,,test,",
        "LOINC 2345-7 has property MCnc (length^-3 mass^1), the UCUM unit mmol/L measures length^-3 substance^1",
    ),
    "a conversion to a LOINC of no table": ("conversions.csv", "Test,2345-7,g/L,1-8,mmol/L,1,,test,", "LOINC 1-8 is in no table"),
    "a conversion twice": (
        "conversions.csv",
        "Test,2345-7,mg/dL,14749-6,mmol/L,0.0555,,test,",
        "2345-7 from mg/dL to mmol/L stands there twice",
    ),
    "a row too short": ("unit_spellings.csv", "furlong,m", "has 2 fields, expected 5"),
    "an empty line": ("unit_spellings.csv", "", "has 0 fields, expected 5"),
    "a quote that never ends": ("unit_spellings.csv", '"furlong,m,,,test', "unexpected end of data"),
}


@pytest.mark.parametrize(("table", "line", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_row_is_refused(add: Add, tmp_path: Path, table: str, line: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        add(table, line)
    assert f"{tmp_path / table} line 2" in str(caught.value)


def test_a_table_with_other_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "unit_spellings.csv").write_text("text,ucum\n", "utf-8")
    with pytest.raises(ConfigError, match=r"unit_spellings\.csv line 1: the columns are 'text,ucum', expected 'spelling,"):
        terms.add_site_rows(tmp_path)


def test_a_table_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "unit_spellings.csv").write_bytes(b"spelling,ucum,danger,note,source\n\xb5g,ug,,,test\n")
    with pytest.raises(ConfigError, match="cannot be read as UTF-8"):
        terms.add_site_rows(tmp_path)


def test_refused_rows_leave_our_own_in_place(add: Add) -> None:
    with pytest.raises(ConfigError):
        add("unit_spellings.csv", "furlong,furlong,,,test")
    assert terms.spelling("furlong") is None
    assert terms.find("MDC_ECG_HEART_RATE") is not None


def test_refused_rows_leave_the_sites_former_rows_in_place_though_the_file_holds_them_no_more(add: Add) -> None:
    add("unit_spellings.csv", "Mio/µl,10*6/uL,,,site")
    with pytest.raises(ConfigError):
        add("unit_spellings.csv", "furlong,furlong,,,test")
    assert terms.spelling("Mio/µl") == ("10*6/uL", "")


def test_what_a_load_added_can_be_taken_back(add: Add, tmp_path: Path) -> None:
    add("unit_spellings.csv", "Mio/µl,10*6/uL,,,site")
    undo = terms.add_site_rows(None)
    assert terms.spelling("Mio/µl") is None
    (tmp_path / "unit_spellings.csv").unlink()
    undo()
    assert terms.spelling("Mio/µl") == ("10*6/uL", "")


def test_a_site_adds_a_spelling(add: Add) -> None:
    add("unit_spellings.csv", "Mio/µl,10*6/uL,,,site")
    assert terms.spelling("Mio/µl") == ("10*6/uL", "")


def test_a_site_adds_an_analyte(add: Add) -> None:
    add(
        "lab_analytes.csv",
        ANALYTE.format(loinc="751-8", prop="NCnc", ucum="10*3/uL", units="10*9/L", confidence="paired"),
    )
    found = terms.analyte("Acme", "TST", "10*9/L")
    assert found is not None
    assert found.loinc.code == "751-8"


def test_a_site_adds_a_term_with_its_own_unit(add: Add) -> None:
    add("mdc_terms.csv", "MDC_SITE_TEST,151999,test,MDC_DIM_MMHG,,site")
    assert terms.mdc_unit("MDC_SITE_TEST", "mm[Hg]") == ("MDC_DIM_MMHG", 266016, "mm[Hg]")
