"""What an MDC unit's reference id says it measures (MDC_DIM_MILLI_L_PER_MIN is mL/min), to be held against its UCUM text.

Source: the naming rule of IEEE 11073-10101 annex A.6: a decimal prefix as a word, unit words, PER for division.
"""

from __future__ import annotations

from gateway.terms.ucum import dimension

_PREFIXES = frozenset(
    {"X", "DECA", "HECTO", "KILO", "MEGA", "GIGA", "TERA", "PETA", "EXA", "ZETTA", "YOTTA"}
    | {"DECI", "CENTI", "MILLI", "MICRO", "NANO", "PICO", "FEMTO", "ATTO", "ZEPTO", "YOCTO"}
)
"""Decimal prefixes as words; X stands for none."""

_WORDS = {
    "AMPS": "A",
    "BAR": "bar",
    "BEAT": "1",
    "BREATHS": "1",
    "CL": "cL",
    "CM": "cm",
    "DAY": "d",
    "DECIBEL": "dB",
    "DEGC": "Cel",
    "DIMLESS": "1",
    "DL": "dL",
    "DROP": "[drp]",
    "DYNE": "dyn",
    "EQUIV": "eq",
    "FAHR": "[degF]",
    "G": "g",
    "HPA": "hPa",
    "HR": "h",
    "HZ": "Hz",
    "INCH": "[in_i]",
    "INR": "1",
    "JOULES": "J",
    "KELVIN": "K",
    "KG": "kg",
    "L": "L",
    "LB": "[lb_av]",
    "M": "m",
    "MBAR": "mbar",
    "MILLION": "1",
    "MIN": "min",
    "ML": "mL",
    "MMHG": "mm[Hg]",
    "MOLE": "mol",
    "NOS": "1",
    "OHM": "Ohm",
    "OZ": "[oz_av]",
    "PARTS": "1",
    "PASCAL": "Pa",
    "PERCENT": "%",
    "PH": "[pH]",
    "PULS": "1",
    "RESP": "1",
    "SEC": "s",
    "VOL": "1",
    "VOLT": "V",
    "WATT": "W",
}
_PHRASES = (
    ("CM_H2O_PER_L_PER_SEC", "cm[H2O].s/L"),  # a resistance: pressure per flow, though the name divides twice
    ("CM_H2O", "cm[H2O]"),
    ("CM_5", "cm5"),
    ("M_SQ", "m2"),
    ("SQ_X_M", "m2"),
    ("SQ_M", "m2"),
    ("G_FORCE", "gf"),
    ("INTL_UNIT", "[iU]"),
    ("ARB_UNIT", "[arb'U]"),
    ("ANG_DEG", "deg"),
)
"""Several words that are one unit, read before the words; "." binds their UCUM text to its neighbours."""


def measured(refid: str) -> str | None:
    """The dimension that the reference id's words say, or None when it holds a word this reader does not know."""
    name = f"_{refid.removeprefix('MDC_DIM_')}_"
    for phrase, ucum in _PHRASES:
        name = name.replace(f"_{phrase}_", f"_={ucum}_")
    text = ""
    for word in name.strip("_").split("_"):
        if word == "PER":
            text += "/"
        elif word in _PREFIXES:
            continue
        elif (unit := word[1:] if word.startswith("=") else _WORDS.get(word)) is None:
            return None
        else:
            text += unit if not text or text.endswith("/") else f".{unit}"
    return dimension(_divided(text))


def _divided(text: str) -> str:
    """The text with all that stands between two PER divided together: UCUM would multiply again after a "."."""
    first, *rest = text.split("/")
    return "/".join([first, *(f"({part})" if "." in part else part for part in rest)])
