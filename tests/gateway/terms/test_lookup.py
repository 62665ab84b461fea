"""Terms, their units and their LOINC codes, against NIST's code list, the FHIR R4 vital-signs table and the traps that are known."""

import pytest

from gateway import terms
from gateway.errors import ConfigError

# NIST mdccodes.csv, January 2025; context-free code = partition * 65536 + term code
CODES = {
    "MDC_ECG_HEART_RATE": 2 * 65536 + 16770,
    "MDC_PULS_OXIM_SAT_O2": 2 * 65536 + 19384,
    "MDC_PULS_OXIM_PULS_RATE": 149530,
    "MDC_PULS_RATE": 149514,  # a monitor sends 149522 under this name
    "MDC_BLD_PULS_RATE_INV": 149522,
    "MDC_PULS_OXIM_PLETH": 150452,  # vendors send 149504 or 131330
    "MDC_RESP_RATE": 151562,  # the list has 151554 under this name too
    "MDC_TEMP_AXILLA": 188452,  # a monitor sends 188496
    "MDC_CONC_GLU_VENOUS_PLASMA": 160196,  # 160197 is its maximum
    "MDC_ECG_TIME_PD_QT_CORR_GL": 147236,
    "MDC_PRESS_AWAY_END_EXP_POS": 151804,
    "MDC_VENT_PRESS_AWAY_END_EXP_POS": 151976,
    "MDC_VENT_PRESS_AWAY_END_EXP_POS_SETTING": 16929192,
    "MDC_CONC_GASDLV_O2_INSP_SETTING": 16930360,
    "MDC_VENT_VOL_TIDAL_SETTING": 16929196,
    "MDC_VENT_RESP_RATE_SETTING": 16928802,
    "MDC_DEV_ANALY_SAT_O2_MDS": 69641,
    "MDC_DEV_ANALY_SAT_O2_VMD": 69642,
    "MDC_DEV_ANALY_SAT_O2_CHAN": 69643,
    "MDC_DEV_SYS_PT_VENT_MDS": 70001,
    "MDC_ATTR_TIME_ABS": 67975,
    "MDC_TIME_CAP_STATE": 68219,
    "MDC_TIME_SYNC_PROTOCOL": 68220,
    "MDC_TIME_SYNC_ACCURACY": 68221,
    "MDC_TIME_SYNC_NONE": 532224,
    "MDC_TIME_SYNC_NTPV4": 532226,
    "MDC_ATTR_EVT_COND": 68487,
    "MDC_EVT_ALARM": 196616,  # events use the even code of their pair
    "MDC_EVT_APNEA": 199680,
    "MDC_EVT_BATT_LO": 196802,
}

# FHIR R4, Observation vital-signs profiles: the code that must be among the codings
FHIR_R4 = {
    "MDC_ECG_HEART_RATE": ("/min", "8867-4"),
    "MDC_PULS_OXIM_PULS_RATE": ("/min", "8867-4"),
    "MDC_RESP_RATE": ("/min", "9279-1"),
    "MDC_CO2_RESP_RATE": ("/min", "9279-1"),
    "MDC_TEMP": ("Cel", "8310-5"),
    "MDC_TEMP_CORE": ("Cel", "8310-5"),
    "MDC_TEMP_RECT": ("Cel", "8310-5"),
    "MDC_TEMP_ORAL": ("[degF]", "8310-5"),
    "MDC_TEMP_AXILLA": ("Cel", "8310-5"),
    "MDC_TEMP_TYMP": ("Cel", "8310-5"),
    "MDC_PRESS_BLD_NONINV_SYS": ("mm[Hg]", "8480-6"),
    "MDC_PRESS_BLD_NONINV_DIA": ("kPa", "8462-4"),
    "MDC_PRESS_BLD_NONINV_MEAN": ("mm[Hg]", "8478-0"),
    "MDC_PRESS_BLD_ART_SYS": ("mm[Hg]", "8480-6"),
    "MDC_MASS_BODY_ACTUAL": ("kg", "29463-7"),
    "MDC_LEN_BODY_ACTUAL": ("cm", "8302-2"),
}

# term, unit, what is sent, what is sent where the site enables inferred rows
BY_UNIT = {
    "both oximetry codes, the oximeter's own first": ("MDC_PULS_OXIM_SAT_O2", "%", ["59408-5", "2708-6"], ["59408-5", "2708-6"]),
    "arterial saturation of a blood gas is no pulse oximetry": ("MDC_SAT_O2_ART", "%", ["2708-6"], ["2708-6"]),
    "end-tidal CO2 in mm[Hg] is a partial pressure": ("MDC_CONC_AWAY_CO2_ET", "mm[Hg]", ["19891-1"], ["19891-1"]),
    "end-tidal CO2 in kPa too": ("MDC_CONC_AWAY_CO2_ET", "kPa", ["19891-1"], ["19891-1"]),
    "end-tidal CO2 in % is a fraction, and inferred": ("MDC_CONC_AWAY_CO2_ET", "%", [], ["19889-5"]),
    "expired O2 in mm[Hg]": ("MDC_CONC_AWAY_O2_EXP", "mm[Hg]", ["3147-6"], ["3147-6", "60867-9"]),
    "expired O2 in % is no partial pressure": ("MDC_CONC_AWAY_O2_EXP", "%", [], ["60867-9"]),
    "glucose in mg/dL": ("MDC_CONC_GLU_VENOUS_PLASMA", "mg/dL", ["2345-7"], ["2345-7"]),
    "glucose in mmol/L has another code": ("MDC_CONC_GLU_VENOUS_PLASMA", "mmol/L", ["14749-6"], ["14749-6"]),
    "oxygenation ratio in mm[Hg]": ("MDC_O2_OXYGENATION_RATIO", "mm[Hg]", ["50984-4"], ["50984-4"]),
    "oxygenation ratio in % has no code": ("MDC_O2_OXYGENATION_RATIO", "%", [], []),
    "delivered nitric oxide is no FiO2": ("MDC_VOL_DELIV_NO_TOTAL", "mL", [], ["76123-9"]),
    "mean airway pressure on a ventilator first": (
        "MDC_VENT_PRESS_AWAY_MEAN",
        "cm[H2O]",
        ["76530-5", "60952-9"],
        ["76530-5", "60952-9"],
    ),
    "pulse from an arterial line": ("MDC_BLD_PULS_RATE_INV", "/min", ["8867-4", "60978-4"], ["8867-4", "60978-4"]),
    "left ventricular stroke work is no volume": ("MDC_WK_LV_STROKE", "gf.m", ["8861-7"], ["8861-7"]),
    "beat to beat only where enabled": ("MDC_ECG_HEART_RATE", "/min", ["8867-4"], ["8867-4", "76282-3"]),
    "a rate in mm[Hg] has none": ("MDC_ECG_HEART_RATE", "mm[Hg]", [], []),
    "a unit nobody knows has none": ("MDC_ECG_HEART_RATE", "bpm", [], []),
    "a panel has no unit": ("MDC_PRESS_BLD_NONINV", None, ["85354-9"], ["85354-9"]),
    "no unit, one unit class": ("MDC_RESP_RATE", None, ["9279-1"], ["9279-1"]),
    "no unit, several unit classes": ("MDC_CONC_GLU_VENOUS_PLASMA", None, [], []),
    "an unknown term has none": ("MDC_NOT_THERE", "/min", [], []),
}

UNITS = {
    ("MDC_ECG_HEART_RATE", "/min"): ("MDC_DIM_BEAT_PER_MIN", 264864),
    ("MDC_PULS_OXIM_PULS_RATE", "/min"): ("MDC_DIM_PER_MIN", 264672),
    ("MDC_PULS_OXIM_PULS_RATE", "{beats}/min"): ("MDC_DIM_BEAT_PER_MIN", 264864),
    ("MDC_RESP_RATE", "/min"): ("MDC_DIM_RESP_PER_MIN", 264928),
    ("MDC_PULS_OXIM_SAT_O2", "%"): ("MDC_DIM_PERCENT", 262688),
    ("MDC_PRESS_BLD_NONINV_SYS", "mm[Hg]"): ("MDC_DIM_MMHG", 266016),
    ("MDC_PRESS_BLD_NONINV_SYS", "kPa"): ("MDC_DIM_KILO_PASCAL", 265987),
    ("MDC_TEMP", "Cel"): ("MDC_DIM_DEGC", 268192),
    ("MDC_TEMP", "[degF]"): ("MDC_DIM_FAHR", 266560),
    ("MDC_PRESS_AWAY_END_EXP_POS", "cm[H2O]"): ("MDC_DIM_CM_H2O", 266048),
    ("MDC_VENT_VOL_MINUTE_INSP", "L/min"): (
        "MDC_DIM_L_PER_MIN",
        265216,
    ),  # NIST lists mL/min and L/s only; ventilators send L/min
    ("MDC_PULS_OXIM_PERF_REL", "%"): ("MDC_DIM_PERCENT", 262688),
    ("MDC_EEG_BISPECTRAL_INDEX", "{score}"): ("MDC_DIM_DIMLESS", 262656),
    ("MDC_ECG_V_P_C_CNT", "{beat}"): ("MDC_DIM_BEAT", 263232),
    ("MDC_RES_VASC_SYS_INDEX", "dyn.s.m2/cm5"): ("MDC_DIM_DYNE_SEC_M_SQ_PER_CM_5", 270464),
}


@pytest.mark.parametrize(("refid", "code"), CODES.items())
def test_a_term_has_its_code(refid: str, code: int) -> None:
    term = terms.find(refid)
    assert term is not None
    assert term.code == code
    assert term.display


@pytest.mark.parametrize("refid", ["MDC_PULS_RATE_INV", "HR", "", "mdc_ecg_heart_rate"])
def test_what_is_no_term_is_not_found(refid: str) -> None:
    assert terms.find(refid) is None
    with pytest.raises(ConfigError, match=f"the terms hold no {refid}:"):
        terms.require(refid)


@pytest.mark.parametrize(("refid", "unit_and_code"), FHIR_R4.items())
def test_the_fhir_vital_sign_code_comes_first(refid: str, unit_and_code: tuple[str, str]) -> None:
    unit, code = unit_and_code
    assert terms.loincs(refid, unit)[0].code == code


@pytest.mark.parametrize(("refid", "unit", "sent", "enabled"), BY_UNIT.values(), ids=BY_UNIT.keys())
def test_the_loinc_follows_the_unit(refid: str, unit: str | None, sent: list[str], enabled: list[str]) -> None:
    assert [loinc.code for loinc in terms.loincs(refid, unit)] == sent
    assert [loinc.code for loinc in terms.loincs(refid, unit, inferred=True)] == enabled


def test_a_term_carries_its_inferred_codes_last() -> None:
    term = terms.require("MDC_ECG_HEART_RATE")
    assert [(loinc.code, loinc.confidence) for loinc in term.loincs] == [("8867-4", "explicit"), ("76282-3", "inferred")]


def test_no_inferred_code_is_sent_unasked() -> None:
    for entry in CODES | FHIR_R4:
        for unit in terms.require(entry).units:
            assert all(loinc.confidence != "inferred" for loinc in terms.loincs(entry, unit.ucum))


@pytest.mark.parametrize(("asked", "expected"), UNITS.items())
def test_the_mdc_unit_has_the_same_ucum(asked: tuple[str, str], expected: tuple[str, int]) -> None:
    unit = terms.mdc_unit(*asked)
    assert unit is not None
    assert (unit.refid, unit.code) == expected


@pytest.mark.parametrize(
    ("refid", "ucum"), [("MDC_ECG_HEART_RATE", "mm[Hg]"), ("MDC_NOT_THERE", "%"), ("MDC_ATTR_TIME_ABS", "s")]
)
def test_no_mdc_unit_of_another_kind_is_made_up(refid: str, ucum: str) -> None:
    assert terms.mdc_unit(refid, ucum) is None


def test_a_unit_the_term_does_not_allow_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"MDC_PULS_OXIM_SAT_O2 has no unit 'mm\[Hg\]'; its units are %"):
        terms.require("MDC_PULS_OXIM_SAT_O2", "mm[Hg]")


def test_a_unit_the_term_allows_is_accepted() -> None:
    assert terms.require("MDC_VENT_VOL_MINUTE_EXP", "L/min").code == 152000


def test_a_loinc_is_found_with_its_surest_row() -> None:
    found = terms.loinc("8867-4")
    assert found is not None
    assert (found.property, found.confidence) == ("NRat", "explicit")


def test_a_loinc_of_an_analyte_is_found() -> None:
    found = terms.loinc("6690-2")
    assert found is not None
    assert (found.display, found.property) == ("White blood cells, Blood", "NCnc")


def test_an_unknown_loinc_is_not_found() -> None:
    assert terms.loinc("1-8") is None
