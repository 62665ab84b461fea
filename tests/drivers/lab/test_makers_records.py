"""Single records as analyzers, their makers' examples and other people's programs write them, and what they say: read by eye."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.model import Category
from gateway.readings import readings

XN = "H|\\^&|||    XN-550^00-24^22723^^^^BD634545||||||||E1394-97"
XN_O = "O|1||2^1^            SYN-1^B|^^^^WBC|||||||N||||||||||||||F"
XP = "H|\\^&|||XP-100^00-11^^^^A4941^BS649542||||||||E1394-97"
XP_O = "O|1||^^           0001^A|^^^^WBC|||||||N||||||||||||||F"
E411 = "H|\\^&|||cobas-e411^1|||||host|RSUPL^BATCH|P|1"
E411_O = "O|1|SYN-12|129^0001^1^^S1^SC|^^^125^1|R||20150910105229||||N||||1|||||||20150910111605|||F"
ARCH = "H|\\^&|||ARCHITECT^7.01^F5260044206^H1P1O1R1C1Q1L1|||||||P|1|20120217152219"
ARCH_O = "O|1|38704|38704^S473^1|^^^651^_B-hCG^1:15^P|R||||||||||||||||||||F"
ACC = "H|\\^&|||ACCESS^600138|||||LIS||P|1|20130507152052"
CENT = "H|\\^&|||ADVCNT_LIS|||||LIS_ID||P|1"
DCA = "H|\\^&|||DCA VANTAGE^04.04.00.00^S067337|||||||P||20240820151746"
DCA = "H|\\^&|||DCA VANTAGE^04.04.00.00^S067337|||||||P||20240820151746"
ALIN = "H|\\^&|||Alinity ci-series^3.6^SCM24912|||||||P|LIS2-A2|20250617123159+0300"
DXH = "H|\\!~|||DxH 500!01|||||||P|LIS2-A2|20000101120000"
UWAM = "H|\\^&|||U-WAM^00-22_Build003^A1494^^^^AU501736||||||||LIS2-A2|20260917161725"
GX = "H|@^\\|URM-9h6IUTYA-05||GeneXpert PC^GeneXpert^1.0|||||GX||P|1394-97|20221202104017"
GX_O = "O|1|SYN-1||^^^HIV-1|R|20221115035816|||||||||ORH||||||||||F"
RUBY = "H|\\^&|||40009603A^CDRuby^R5-4H^1.0|||||||P|LIS2-A"

CASES: dict[str, tuple[str, str, str, str, dict[str, Any]]] = {
    "XN: a value with blanks before it": ("sysmex-xn", XN, XN_O, "R|1|^^^^WBC^1|  6.16|10*3/uL||N||F||||20160315161511",
        {"value": "6.16", "status": "F", "flags": ["N"], "sub_id": "1", "specimen_id": "SYN-1", "device": "astm XN-550 22723"}),
    "XN: a rerun is to come": ("sysmex-xn-l", XN, XN_O, "R|1|^^^^WBC^1|6.16|10*3/uL||N||P||||20160315161511",
        {"value": "6.16", "status": "P"}),
    "XN: few white cells, counted otherwise": ("sysmex-xn-l", XN, XN_O, "R|1|^^^^WBC^1^^^^W|0.42|10*3/uL||L||F||||20160315161511",
        {"vendor_code": "WBC", "sub_id": "1^W", "value": "0.42", "loinc": "6690-2"}),
    "XN: no value": ("sysmex-xn", XN, XN_O, "R|1|^^^^PLT^1|----|10*3/uL||A||F||||20160315161511",
        {"value": None, "status": "X", "flags": ["A", "NAV"], "unit": "10*3/uL"}),
    "XN: more than can be shown": ("sysmex-xn", XN, XN_O, "R|1|^^^^PLT^1|++++|10*3/uL||A||F||||20160315161511",
        {"value": None, "status": "X", "flags": ["A", "PINF"]}),
    "XN: SI units": ("sysmex-xn", XN, XN_O, "R|1|^^^^HGB^1|142|g/L||N||F||||20160315161511",
        {"value": "142", "unit": "g/L", "loinc": "718-7"}),
    "XN: a suspicion's grade": ("sysmex-xn", XN, XN_O, "R|30|^^^^Blasts/Abn_Lympho?|110|||A||F||||20160315161511",
        {"vendor_code": "Blasts/Abn_Lympho?", "value": "110", "unit": None, "loinc": None, "flags": ["A"]}),
    "XP: a decimal comma": ("sysmex-xp", XP, XP_O, "R|1|^^^^WBC^1|  0,2|10*9/L||N||||               ||20240330150404",
        {"value": "0.2", "unit": "10*9/L", "status": "F", "operator": "", "specimen_id": "0001"}),
    "XP: stars with a comma are no value": ("sysmex-xp", XP, XP_O, "R|3|^^^^HGB^1|***,*|g/dL||A||||               ||20240330150404",
        {"value": None, "status": "X", "flags": ["A", "INV"]}),
    "CS: below what it measures": ("sysmex-cs", "H|\\^&|||CS-2500^01-70^21768^^^Ward^BV981798||||||||E1394-97", "O|1||000000^02^     6550049260^B^||R||||||N",
        "R|4|^^^044^DFbg INN~g_L^100.00^A^^^|   5.0|g/L||>||||||20240919152929",
        {"vendor_text": "DFbg INN~g_L", "value": "5.0", "flags": [">"], "sub_id": "100.00", "specimen_id": "6550049260"}),
    "e411: a number without a time": ("roche-cobas-e411", E411, E411_O, "R|1|^^^125/1/not|15.18|pmol/l||N||F||bmserv|||E1",
        {"vendor_code": "125", "sub_id": "1/not", "value": "15.18", "unit": "pmol/L", "time": "2015-09-10T11:16:05+00:00", "operator": "bmserv"}),
    "e411: below the range": ("roche-cobas-e411", E411, E411_O, "R|1|^^^117/1/not|<2.00|IU/l||LL||F||ADMIN|||E1",
        {"value": "2.00", "comparator": "<", "flags": ["LL"]}),
    "e411: reactive": ("roche-cobas-e411", E411, E411_O, "R|2|^^^400/1/not|1^12.30|COI||A||F||ADMIN|||E1",
        {"value": "12.30", "unit": "{COI}", "notes": ["1"]}),
    "e411: two bounds as components": ("roche-cobas-e411", E411, E411_O, "R|1|^^^10^^0|0.310|uIU/ml|0.270^4.20|N||F||||20050619101521",
        {"vendor_code": "10", "value": "0.310", "unit": "u[IU]/mL", "range": "0.270-4.20", "time": "2005-06-19T10:15:21+00:00"}),
    "ARCHITECT: diluted, and sent again": ("abbott-architect", ARCH, ARCH_O, "R|1|^^^651^_B-hCG^1:15^P^02928JN00^07816^^F|137645.77|mIU/mL||||R||FSE||20111219105437|i1SR02762",
        {"vendor_code": "651", "sub_id": "1:15^F", "value": "137645.77", "unit": "m[IU]/mL", "status": "R", "operator": "FSE"}),
    "ARCHITECT: the specimen's carrier": ("abbott-architect", ARCH, ARCH_O, "R|3|^^^651^_B-hCG^1:15^P^02928JN00^07816^^P|1447618|RLU||||R||FSE||20111219105437|i1SR02762",
        {"value": "1447618", "unit": None, "vendor_unit": "RLU", "specimen_id": "38704"}),
    "DxI: above the range": ("beckman-access-2", ACC, "O|1|101|^2^1|^^^HCG5^1|||||||||||Serum||||||||||F", "R|1|^^^HCG5^1|342.22|mIU/mL||N||F||||20240330104341|503884",
        {"vendor_code": "HCG5", "value": "342.22", "unit": "m[IU]/mL", "sub_id": "1", "device": "astm ACCESS 600138"}),
    "Centaur: a dose without repeats in R.9": ("siemens-advia-centaur", CENT, "O|1|9901700221^0007^A||^^^FT4|R||||||||||||||||||||F", "R|1|^^^FT4^^^1^DOSE|2.21|ng/dL||||F||||20111018094902",
        {"vendor_code": "FT4", "value": "2.21", "unit": "ng/dL", "status": "F", "specimen_id": "9901700221"}),
    "Centaur: above the range, sent before": ("siemens-advia-centaur", CENT, "O|1|1120022301^0022^A||^^^CEA|R||||||||||||||||||||F", "R|1|^^^CEA^^^1^DOSE|> 100.0|ng/mL||>||F\\R||||20111017093313",
        {"value": "100.0", "comparator": ">", "status": "F", "flags": [">"]}),
    "DCA: NGSP's HbA1c, and who it is of": ("siemens-dca-vantage", DCA, "O|1||661^0091||||||||||||||||||||||F", "R|1|^^^HbA1c|5.6|%||||F|||20240820151030",
        {"value": "5.6", "unit": "%", "loinc": "4548-4", "status": "F", "specimen_id": "661", "time": "2024-08-20T15:10:30+00:00", "device": "astm DCA VANTAGE S067337"}),
    "DCA: IFCC's HbA1c": ("siemens-dca-vantage", DCA, "O|1||661^0091||||||||||||||||||||||F", "R|1|^^^HbA1c|38|mmol/mol||||F|||20240820151030",
        {"value": "38", "unit": "mmol/mol", "loinc": "59261-8"}),
    "DCA: HbA1c by NGSP": ("siemens-dca-vantage", DCA, "O|1||661^0091||||||||||||||||||||||F", "R|1|^^^HbA1c|5.6|%||||F|||20240820151030",
        {"value": "5.6", "unit": "%", "loinc": "4548-4", "status": "F", "specimen_id": "661", "time": "2024-08-20T15:10:30+00:00", "device": "astm DCA VANTAGE S067337"}),
    "DCA: HbA1c by IFCC": ("siemens-dca-vantage", DCA, "O|1||661^0091||||||||||||||||||||||F", "R|1|^^^HbA1c|38|mmol/mol||||F|||20240820151030",
        {"value": "38", "unit": "mmol/mol", "loinc": "59261-8"}),
    "XN: rack, position and id in O.3, as in an order": ("sysmex-xn-l", XN, "O|1|2^1^            SYN-2^B||^^^^WBC||20010807101000|||||N||||||||||||||F", "R|1|^^^^WBC^1|7.80|10*3/uL||N||||||20011116101000",
        {"specimen_id": "SYN-2", "value": "7.80", "status": "F"}),
    "XN: neither rack nor position, nor how the id was entered": ("generic", XN, "O|1||^^     12345^|^^^^WBC|||||||N||||||||||||||F", "R|1|^^^^WBC^1|  8.5|10*3/uL||N",
        {"specimen_id": "12345", "value": "8.5"}),
    "a coagulation analyzer: an empty component before the id": ("generic", "H|\\^&||||||||||P|1|20240923162541", "O|1|^240923005917||^^^PT\\^^^PT\\^^^FIB", "R|2|^^^PT     |1.03|INR||||||||20240923150322",
        {"specimen_id": "240923005917", "vendor_code": "PT", "unit": "{INR}", "value": "1.03"}),
    "c 111: two bounds in two repeats": ("roche-cobas-c111", "H|\\^&|||c111^Roche^c111^0.5.4.0509^1^1005|||||host|RSUPL^BATCH|P|1|20051021152259", "O|1||Sample1^^Pos1|^^^111|R||||||N|||||||||||20051021152259|||F",
        "R|1|^^^687|49.2|U/L|20.0\\30.0|H||F||admin",
        {"specimen_id": "Sample1", "value": "49.2", "range": "20.0-30.0", "flags": ["H"], "operator": "admin", "device": "astm c111 1005"}),
    "AMPLILINK: above its range": ("generic", "H|\\^&|||ALSYN^Roche^AMPLILINK^3.3.5.1002^Roche ASTM+^SYN||||||||1|20111007152336", "O|1|1120011171|111006-0002|^^^ALL|R|20111007113659|||0^ml||A",
        "R|1|^^^HB2CAP96|> 1.70E+8|IU/mL|20^170000000^TiterRanges|>||V||LIS|20111007124923|20111007150506|CTM1",
        {"vendor_code": "HB2CAP96", "value": "170000000", "comparator": ">", "unit": "[IU]/mL", "range": "20-170000000", "status": "F", "specimen_id": "1120011171"}),
    "ARCHITECT: two flags, one of them a word": ("abbott-architect", ARCH, "O|1|SYN-7|SYN-7^A035^3|^^^1103^Cl-C^STANDARD^P|R||||||||||||||||||||F",
        "R|2|^^^1103^Cl-C^STANDARD^P^18604UN24^05562^^F|109|mmol/L|98 TO 107|EXP^HIGH||R||ADMIN^ADMIN||20250808132646|c402830",
        {"vendor_code": "1103", "value": "109", "range": "98-107", "flags": ["EXP", "H"]}),
    "Alinity: low, in words, and the offset of its clock": ("abbott-alinity", ALIN, "O|1|12637|12637^P3137^1^1^9|^^^1840^Direct LDL^STANDARD|R||||||||||||||||||||F",
        "R|1|^^^1840^Direct LDL^STANDARD^F|2.32|mmol/L|2.59 - 4.11|LOW||R||Admin^Admin||20250617122734|AC06022",
        {"value": "2.32", "range": "2.59-4.11", "flags": ["L"], "status": "R", "time": "2025-06-17T12:27:34+03:00", "device": "astm Alinity ci-series SCM24912"}),
    "DxH 500: to be reviewed, and low": ("beckman-dxh-500", DXH, "O|1|TEST-SAMPLE!|TEST-RUN!OV|!!!CD|||||||||||WB|!!!!||||||||||||||", "R|3|!!!HGB|11.57  ! Rl |g/dL||12 to 16.5|A||||DXH500||20000101115900|01",
        {"value": "11.57", "flags": ["A", "R", "L", "QUES"], "range": "12-16.5", "operator": "DXH500", "specimen_id": "TEST-SAMPLE", "device": "astm DxH 500"}),
    "DxH 500: it corrects its white cells for nothing": ("beckman-dxh-500", DXH, "O|1|TEST-SAMPLE!|TEST-RUN!OV|!!!CD|||||||||||WB|!!!!||||||||||||||", "R|1|!!!WBC|8.52  ! R |x10e3/uL||3.71 to 10.67|A||||DXH500||20000101115900|01",
        {"value": "8.52", "loinc": "6690-2", "unit": "10*3/uL", "flags": ["A", "R", "QUES"]}),
    "U-WAM: an error's code is no number": ("sysmex-u-wam", UWAM, "O|1|ZC2609170035||^^^C-Error Code|R||20260917110245||||N|||20260917110245|*||||||||||F",
        "R|27|^^^C-Error Code^A^1^S^  0009^01|0000^RAW|||N||||^^device||20260917105802|UC-3500",
        {"kind": "text", "value": "0000", "notes": ["RAW"]}),
    "Dimension Vista: cancelled, with a dash for a range": ("generic", "H|\\^&|||serial HOST|||||||P|DB 100102|20111013101146|", "O|1|9905700111||^^^1802^2202^RF|R||||||N|||20111012091129|S^|^^^^||1|2|||20111013101146|||F||||||",
        "R|2|^^^1802^2202^RF|||-|||F||Siemens|20111013101146|20111013101145|VistaDim1|",
        {"vendor_code": "1802", "value": None, "status": "X", "flags": ["NAV"], "range": "", "operator": "Siemens", "specimen_id": "9905700111"}),
    "Ruby: a doubted value without a digit before its point": ("abbott-cell-dyn-ruby", RUBY, "O|1|26804103|8958|^^^CBC^1^1|||||||||||Patient^||||||||||F", "R|5|^^^CBC^^^EOS|.4841|||||W||Guest|20231005081747||  71114BG",
        {"vendor_code": "EOS", "value": "0.4841", "status": "R", "flags": ["QUES"], "operator": "Guest"}),
    "a failure in the analyzer's language": ("generic", GX, GX_O, "R|1|^^^HIV-1^Xpert HIV-1 Viral Load XC^3^^|NO VÁLIDO^|copies/mL|40.00 to 10000000.00|A||F",
        {"value": "NO VÁLIDO", "status": "X", "flags": ["A", "QUES"]}),
    "a logarithm is none of copies": ("generic", GX, GX_O, "R|2|^^^HIV-1^Xpert HIV-1 Viral Load XC^3^^LOG|^3.00|copies/mL|1.60 to 7.00|N||F||<None>|20221115035816|20221115052812",
        {"value": "3.00", "unit": "{Log_copies}/mL", "vendor_unit": "copies/mL", "operator": ""}),
    "VITROS ECi: the name that was set on it; a flag of its own": ("ortho-vitros", "H|\\^&|||VECI|||||||||20260927103909", "O|1|SYN-11^01^0||^^^1.000000+002+1\\038+1|R||||||N||||4||||||||||F",
        "R|4|^^^1.000000+038+1|5.5|U/mL||^5^OR||V|||20260927094101|20260927101758|", {"vendor_code": "038", "value": "5.5", "unit": "U/mL", "status": "F", "flags": ["5", "OR"], "time": "2026-09-27T10:17:58+00:00", "device": "astm VECI"}),
    "VITROS: no result": ("ortho-vitros", "H|\\^&|||34001637|||||||||20260927103909", "O|1|SYN-11^01^0||^^^1.0+075+1|R||||||N||||4||||||||||F",
        "R|1|^^^1.000000+075+1|No Result|ng/mL||^0^||V|||20260927094101|20260927101758|", {"value": "No Result", "status": "X", "flags": ["QUES"], "device": "astm 34001637"}),
    "Mindray BS: a word behind an empty number": ("mindray-bs", "H|\\^&|||^^||||||ASCII|PR|1394-97|20180120110408", "O|1|1^1^1|SYN-1|TP^TP1I|R", "R|1|TP^TP1I|^+|||||F||||20171019114059|",
        {"kind": "text", "vendor_code": "TP", "value": "+", "specimen_id": "SYN-1"}),
    "Yumizen H500 of 2015: the number of a unit system is no unit": ("horiba-yumizen", "H|\\^&|||ABX|||||||P|E1394-97|20150603131350", "O|1|SYN-1^01^01||^^^|||||||||||||||||||||F", "R|1|^^^WBC^804-5^1|7.3|1||||F||ABX ABX",
        {"value": "7.3", "unit": None, "vendor_unit": "1", "status": "F"}),
    "ACL TOP: final, and approved by somebody": ("sysmex-cs", "H|@^\\|<1>||acltop|||||LIS||P|1394-97|20130418180544", "O|1|SYN-10|<2>|^^^1551|R|||||||||||||||||||||O@F", "R|2|^^^1551|1.09|Ratio||N||F@V||ACLTOP^ACLTOP||20070412153249|ACLTOP^12^10",
        {"value": "1.09", "unit": "{ratio}", "status": "F"}),
    "c311: its running number is no specimen's id": ("generic", "H|\\^&|||c311^1|||||host|RSUPL^REAL|P|1", "O|1|11625^SYN-PL24-0370         ^1^^004|R1|^^^685/|R||||||N||^^||SC|||labo|||||20240203132011|||F", "R|1|^^^685/|25|U/L||N||F",
        {"vendor_code": "685", "value": "25", "specimen_id": "SYN-PL24-0370"}),
    "c311: an id without a running number": ("generic", "H|\\^&|||c311^1|||||host|RSUPL^REAL|P|1", "O|1|       SYN-0370|0^50005^005^^S1^SC|^^^685/|R", "R|1|^^^685/|25|U/L||N||F", {"specimen_id": "SYN-0370"}),
}  # fmt: skip


@pytest.mark.parametrize(("profile", "head", "order", "result", "expected"), CASES.values(), ids=CASES.keys())
def test_a_record_says_what_a_person_reads_in_it(
    profile: str, head: str, order: str, result: str, expected: dict[str, Any], analyzer: Any
) -> None:
    (report,) = analyzer(profile).read(head, "P|1", order, result)
    (seen,) = readings(report)
    assert {key: dict(seen)[key] for key in expected} == expected
    assert report.category is Category.LAB


CONTROLS = {
    "XN: a control's number": ("sysmex-xn", XN, XN_O.replace("SYN-1", "QC-12345678"), "R|1|^^^^WBC^1|6.16|10*3/uL||N||F"),
    "XN: a moving average of patients": ("sysmex-xn-l", XN, XN_O.replace("SYN-1", "XbarM1"), "R|1|^^^^WBC^1|6.16|10*3/uL||N||F"),
    "XN: said in the order": ("sysmex-xn", XN, XN_O.replace("|N|", "|Q|"), "R|1|^^^^WBC^1|6.16|10*3/uL||N||F"),
    "e411: said in the order": ("roche-cobas-e411", E411, E411_O.replace("|N|", "|Q|"), "R|1|^^^125/1/not|15.18|pmol/l||N||F"),
    "e411: said in the container's type": ("roche-cobas-e411", E411, E411_O.replace("S1^SC", "QC^SC"), "R|1|^^^125/1/not|15.18|pmol/l||N||F"),
    "Elecsys: said in the sample's sort": ("roche-elecsys-2010", "H|\\^&||||||||||P||05", "O|1|1120864711|807^00042^3^^CONTROL^NORMAL|ALL|R|20111205092128", "R|1|^^^10^^0|1.23|uIU/ml|0.27^4.2|N||F"),
    "any analyzer: an id that was typed in for it": ("generic", "H|\\^&|||X", "O|1||QC-L1", "R|1|^^^CARBA|0"),
    "any analyzer: a control with a number": ("generic", "H|\\^&|||ACCESS^1", "O|2|QC1        ^10^1^14191^LYPHOCHEK ASSAYED CH|||R|20120215150316", "R|1|^^^CARBA|0"),
    "any analyzer: the sort of sample behind rack and position": ("generic", "H|\\^&||||||||||P||05", "O|1|1120864711|807^00042^3^^CONTROL^NORMAL|ALL|R", "R|1|^^^10^^0|1.23|uIU/ml"),
    "m2000: said by a name": ("abbott-m2000", "H|\\^&|||m2000^8.1.9.0^1", "O|1|HIV_LOPOS|HIV_LOPOS^RUN^A2|^^^HIV0.6ml", "R|1|^^^HIV0.6ml^HIV0.6ml^1^2^^F|1523|Copies / mL||||F"),
    "CS: a control's number": ("sysmex-cs", "H|\\^&|||CS-2500^01-70^21768", "O|1||000000^02^     QC00000001^B^||R||||||N", "R|1|^^^041^PT~sec^100.00^A|10.6|sec||N"),
}  # fmt: skip


@pytest.mark.parametrize(("profile", "head", "order", "result"), CONTROLS.values(), ids=CONTROLS.keys())
def test_a_control_is_no_patient(profile: str, head: str, order: str, result: str, analyzer: Any) -> None:
    (report,) = analyzer(profile).read(head, "P|1", order, result)
    assert report.category is Category.QC


@pytest.mark.parametrize(
    ("patient", "category"),
    [("Abg qc 1", Category.QC), ("ABG-QC2", Category.QC), ("Marqcus", Category.LAB), ("10002", Category.LAB)],
)
def test_a_blood_gas_control_that_was_run_as_a_patient_is_none(patient: str, category: Category, analyzer: Any) -> None:
    head, order = "H|\\^&|||ABL9^402843|||||NC2L||1|20260627193917", "O|1||Sample #^28258|||||||ANONYMOUS|||||Arterial^|||||||||F"
    (report,) = analyzer("radiometer-abl90").read(head, f"P|1||{patient}", order, "R|1|^^^pH^M|7.53||N||F")
    assert report.category is category
