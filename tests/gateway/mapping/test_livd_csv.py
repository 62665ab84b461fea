"""LIVD as a table, in the shapes that makers and public health publish; the rows are synthetic, the LOINC codes and properties LOINC's."""

from __future__ import annotations

import pytest

from gateway.errors import ActError
from gateway.mapping import livd_file
from gateway.mapping.livd import Suggestion, Table

# the head of the public health table: quoted cells of several lines, codes of SNOMED CT in brackets
PUBLIC = (
    "Manufacturer,Model,Vendor Analyte Name,Vendor Specimen Description,Vendor Result Description,Test Performed LOINC Code,"
    "Test Performed LOINC Long Name,Test Ordered LOINC Code,Vendor Comment,Vendor Analyte Code,Component,Property,System,"
    "Publication Version ID,LOINC Version ID\n"
)
QUANTITY = (
    'Acme Diagnostics,Big 1*,Virus IgG,"Serum (119364003^Serum specimen^SCT)\nPlasma (119361006^Plasma specimen^SCT)",AU/mL,94505-5,'
    "SARS-CoV-2 IgG Ab [Units/volume],94505-5,,743,SARS Ab,ACnc,Ser/Plas,20260301,2.69\n"
)
FINDING = (
    'Acme Diagnostics,Big 1*,Virus IgG,"serum\nplasma","Negative (260385009^Negative^SCT)\nPositive, > 25,000.0 AU/mL (10828004^Positive^SCT)",'
    "94563-4,SARS-CoV-2 IgG Ab [Presence],94505-5,,743,SARS Ab,PrThr,Ser/Plas,20260301,2.69\n"
)


def table(text: str | bytes) -> Table:
    return livd_file.read(text if isinstance(text, bytes) else text.encode())


def only(text: str | bytes) -> Suggestion:
    (one,) = table(text).rows
    return one


def test_one_code_is_a_number_and_a_finding_and_the_unit_tells_them_apart() -> None:
    found = table(PUBLIC + QUANTITY + FINDING)
    number, finding = found.rows
    assert (number.maker, number.model, number.code, number.analyte) == ("Acme Diagnostics", "Big 1", "743", "Virus IgG")
    assert (number.specimens, number.units, number.loinc, number.prop) == (
        ("Serum", "Plasma"),
        ("[arb'U]/mL",),
        "94505-5",
        "ACnc",
    )
    assert (finding.units, finding.kind.value, finding.loinc) == ((), "words", "94563-4")
    assert [one.doubts for one in found.rows] == [(), ()]
    assert (found.version, found.refused) == ("20260301", ())


HEADS = {
    "the IICC format's": ("Vendor Analyte Code", "LOINC Code", "Vendor Result Description", "Vendor Specimen Description"),
    "in another case, with other signs": (
        "VENDOR_ANALYTE_CODE",
        "loinc-code",
        "vendor result description",
        "VendorSpecimenDescription",
    ),
    "shorter": ("Analyte Code", "LOINC", "Units", "Specimen"),
}


@pytest.mark.parametrize("heads", HEADS.values(), ids=HEADS.keys())
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_columns_are_found_however_they_are_spelled(heads: tuple[str, ...], delimiter: str, encoding: str) -> None:
    rows = [("Manufacturer", "Model", *heads), ("Acme", "X1", "GLU", "2345-7", "mg/dL", "Serum")]
    one = only("\r\n".join(delimiter.join(row) for row in rows).encode(encoding))
    assert (one.maker, one.model, one.code, one.loinc, one.units, one.specimens) == (
        "Acme", "X1", "GLU", "2345-7", ("mg/dL",), ("Serum",),
    )  # fmt: skip


def test_a_title_may_stand_before_the_head_and_an_old_windows_may_have_saved_it() -> None:
    text = "LIVD of Acme,,\nmade in Z\u00fcrich,,\nVendor Analyte Code,LOINC Code,Vendor Analyte Name\nGLU,2345-7,Glucos\u00e9\n"
    one = only(text.encode("cp1252"))
    assert (one.code, one.analyte, one.place) == ("GLU", "Glucos\u00e9", "row 4")


def test_several_models_and_codes_in_a_cell_are_rows_of_their_own() -> None:
    found = table('Model,Vendor Analyte Code,LOINC Code\n"X1\nX2","GLU\nGLU2",2345-7\n')
    assert [(one.model, one.code) for one in found.rows] == [("X1", "GLU"), ("X1", "GLU2"), ("X2", "GLU"), ("X2", "GLU2")]


REFUSED = {
    "a wrong check digit": ("GLU,2345-8,,", "LOINC 2345-8 has a wrong check digit: got 8, expected 7"),
    "no LOINC": ("GLU,pending,,", "'pending' is no LOINC code: expected digits, a hyphen and a check digit, such as 2345-7"),
    "no code": (",2345-7,,", "no code by which the device is sent"),
    "a unit of another kind than the property's": (
        "GLU,2345-7,mmol/L,",
        "LOINC 2345-7 has the property MCnc (length^-3 mass^1); mmol/L measures length^-3 substance^1",
    ),
    "a unit beside a finding": ("X,94563-4,mg/dL,PrThr", "LOINC 94563-4 has the property PrThr, a finding in words; mg/dL measures length^-3 mass^1"),
}  # fmt: skip


@pytest.mark.parametrize(("row", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_a_row_cannot_be_used_for(row: str, why: str) -> None:
    found = table(f"Vendor Analyte Code,LOINC Code,Units,Property\n{row}\nGLU,2345-7,mg/dL,MCnc\n")
    assert [(one.place, one.why) for one in found.refused] == [("row 2", why)]
    assert [one.code for one in found.rows] == ["GLU"], "the row behind it still counts"


DOUBTS = {
    "a deprecated code": ("RDW,21000-5,fL,EntVol", "LOINC has deprecated it"),
    "a property that is none of the terms'": ("GLU,2345-7,mg/dL,SCnc", "the file says property SCnc, the terms MCnc"),
    "no property at all": ("X,94563-4,,", "a LOINC without a property: no unit can be checked against it"),
    "a unit that nobody knows": ("GLU,2345-7,mg per spoon,MCnc", "its result 'mg per spoon' names no unit that is known"),
}


@pytest.mark.parametrize(("row", "doubt"), DOUBTS.values(), ids=DOUBTS.keys())
def test_a_row_is_doubtful_for(row: str, doubt: str) -> None:
    (found,) = only(f"Vendor Analyte Code,LOINC Code,Units,Property\n{row}\n").doubts
    assert doubt in found


def test_several_loincs_for_the_same_are_ambiguous() -> None:
    found = table("Vendor Analyte Code,LOINC Code,Units\n890,4548-4,%\n890,17856-6,%\n891,4548-4,%\n")
    ambiguous = "ambiguous: the file gives several LOINC codes for the same code, unit and specimen"
    assert [ambiguous in one.doubts for one in found.rows] == [True, True, False]


def test_what_contradicts_the_terms_is_told_with_what_they_say() -> None:
    # the terms: Sysmex HGB in g/dL is 718-7
    found = only("Manufacturer,Vendor Analyte Code,LOINC Code,Units\nSysmex,HGB,20509-6,g/dL\n")
    assert "contradicts the terms: they say 718-7 in g/dL" in found.doubts


NO_TABLES = {
    "a spreadsheet": (b"PK\x03\x04....", "it is a spreadsheet"),
    "an old spreadsheet": (b"\xd0\xcf\x11\xe0....", "it is a spreadsheet"),
    "a table of something else": (b"specimen,tests\nSYN-1,GLU\n", "no head in the first 30 rows"),
    "nothing": (b"", "no head in the first 30 rows"),
    "bytes": (bytes(range(256)) * 8, "no head in the first 30 rows"),
}


@pytest.mark.parametrize(("data", "why"), NO_TABLES.values(), ids=NO_TABLES.keys())
def test_what_is_no_livd_table_is_said_to_be_none(data: bytes, why: str) -> None:
    with pytest.raises(ActError, match=why):
        livd_file.read(data)
