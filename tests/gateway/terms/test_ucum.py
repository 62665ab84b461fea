"""The dimension of UCUM units, worked out by hand from the definitions in UCUM 2.1."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.terms import dimension
from gateway.terms.ucum import UNIT_MAX

DIMENSIONS = {
    # UCUM table 3 and 4: base and derived units
    "m": "length^1",
    "cm": "length^1",
    "um3": "length^3",
    "L": "length^3",
    "mL": "length^3",
    "fL": "length^3",
    "kg": "mass^1",
    "[lb_av]": "mass^1",
    "s": "time^1",
    "ms": "time^1",
    "min": "time^1",
    "Cel": "temperature^1",
    "[degF]": "temperature^1",
    "K": "temperature^1",
    "Pa": "length^-1 mass^1 time^-2",  # kg/m/s2
    "kPa": "length^-1 mass^1 time^-2",
    "mm[Hg]": "length^-1 mass^1 time^-2",
    "cm[H2O]": "length^-1 mass^1 time^-2",
    "mbar": "length^-1 mass^1 time^-2",
    "mV": "current^-1 length^2 mass^1 time^-3",  # kg.m2/(A.s3)
    "Ohm": "current^-2 length^2 mass^1 time^-3",
    "Hz": "time^-1",
    "J": "length^2 mass^1 time^-2",
    "gf.m": "length^2 mass^1 time^-2",
    # algebra: division is left to right (§7), parentheses bind
    "/min": "time^-1",
    "1/min": "time^-1",
    "L/min/m2": "length^1 time^-1",
    "cm[H2O]/L/s": "length^-4 mass^1 time^-3",
    "cm[H2O]/(L/s)": "length^-4 mass^1 time^-1",
    "cm[H2O].s/L": "length^-4 mass^1 time^-1",
    "dyn.s/cm5": "length^-4 mass^1 time^-1",
    "dyn.s.cm-5.m2": "length^-2 mass^1 time^-1",
    "dyn.s.m2/cm5": "length^-2 mass^1 time^-1",
    "mL/cm[H2O]": "length^4 mass^-1 time^2",
    # counts, fractions and annotations
    "%": "1",
    "1": "1",
    "10*3/uL": "length^-3",
    "10^9/L": "length^-3",
    "{beats}/min": "time^-1",
    "{unitless}": "1",
    "%{vol}": "1",
    "/100{WBCs}": "1",
    "mg/g{creat}": "1",
    "mg/mmol{creat}": "mass^1 substance^-1",
    # medicine's own classes
    "mmol/L": "length^-3 substance^1",
    "meq/L": "length^-3 substance^1",
    "mosm/kg": "mass^-1 substance^1",
    "U/L": "length^-3 substance^1 time^-1",
    "ukat/L": "length^-3 substance^1 time^-1",
    "mg/L{FEU}": "FEU^1 length^-3 mass^1",
    "mg{FEU}/L": "FEU^1 length^-3 mass^1",
    "ng/mL{DDU}": "DDU^1 length^-3 mass^1",
    "mmol/mol": "amount fraction^1",
    "mmol/mol{Hb}": "amount fraction^1",
    "[IU]/mL": "[IU]^1 length^-3",
    "m[iU]/L": "[IU]^1 length^-3",
    "[arb'U]/mL": "[arb'U]^1 length^-3",
    "[pH]": "pH^1",
    "/[HPF]": "[HPF]^-1",
    "{Log_copies}/mL": "length^-3 logarithm^1",
    "mL/min/{1.73_m2}": "length^1 time^-1",
    "dB[10.nV]": "bel^1",
}

NO_UNIT = [
    "",
    " ",
    "mmHg",
    "cmH2O",
    "bpm",
    "°C",
    "µg/L",  # UCUM writes u
    "gm/dL",
    "mmol/l ",
    "mg//dL",
    "/",
    "mg/",
    ".mg",
    "(mg",
    "mg)",
    "((mg))",
    "{open",
    "kmin",  # the minute takes no prefix
    "k[arb'U]/L",  # nor does an arbitrary unit that is not metric
    "m²",
    "L/min\n",
    "m" * (UNIT_MAX + 1),
]


@pytest.mark.parametrize(("ucum", "expected"), DIMENSIONS.items(), ids=DIMENSIONS.keys())
def test_a_unit_has_its_dimension(ucum: str, expected: str) -> None:
    assert dimension(ucum) == expected


@pytest.mark.parametrize("text", NO_UNIT)
def test_what_is_no_ucum_has_none(text: str) -> None:
    assert dimension(text) is None


def test_mass_substance_and_number_concentrations_are_three_classes() -> None:
    assert len({dimension("mg/dL"), dimension("mmol/L"), dimension("10*9/L"), dimension("U/L"), dimension("[IU]/L")}) == 5


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="mgLsUCelIHOPa0123456789./()[]{}%*^-+' kµ", max_size=20) | st.text(max_size=80))
def test_no_text_raises(text: str) -> None:
    assert dimension(text) is None or isinstance(dimension(text), str)


UNCANCELLED = {"substance", "fraction", "FEU", "DDU", "logarithm"}
"""A mole per mole is a fraction of its own; a mark stays whatever is divided."""


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(DIMENSIONS)))
def test_a_unit_divided_by_itself_is_dimensionless(ucum: str) -> None:
    if "(" not in ucum and not set(DIMENSIONS[ucum].replace("^-1", "").replace("^1", "").split()) & UNCANCELLED:
        assert dimension(f"({ucum})/({ucum})") == "1"


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["g", "m", "L", "mol", "U", "s", "Pa", "[IU]", "m[Hg]"]), st.sampled_from("munpfkdchMG"))
def test_a_prefix_does_not_change_the_dimension(atom: str, prefix: str) -> None:
    assert dimension(prefix + atom) == dimension(atom)
