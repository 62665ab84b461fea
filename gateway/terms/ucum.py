"""The dimension of a UCUM unit: a small reader of UCUM's case-sensitive grammar (The Unified Code for Units of Measure, 2.1).

It answers one question, which kind of quantity a unit measures, so it holds no factors. Three departures from UCUM are
on purpose, because medicine keeps apart what physics does not: the mole is a dimension of its own (mg/dL, mmol/L and 10*9/L
are three unit classes), an arbitrary unit such as [IU] is its own dimension, and so are pH, bel and drops; a mole per mole is an
amount fraction (HbA1c in mmol/mol and in % are two results). An annotation means 1, except those that change what is
measured: {1.73_m2} is an area, {Log_…} makes a logarithm, {FEU} and {DDU} are two scales of D-dimer, a factor of two apart.
"""

from __future__ import annotations

import re
from functools import lru_cache

UNIT_MAX = 64
"""Characters of a unit: the longest of the tables has 24; a peer's text is not worth parsing beyond."""

Dims = dict[str, int]

_PREFIXES = ("da", *"YZEPTGMkhdcmunpfazy")

_METRIC: dict[str, Dims] = {
    "m": {"length": 1},
    "g": {"mass": 1},
    "s": {"time": 1},
    "K": {"temperature": 1},
    "Cel": {"temperature": 1},
    "A": {"current": 1},
    "rad": {},
    "mol": {"substance": 1},
    "eq": {"substance": 1},
    "osm": {"substance": 1},
    "kat": {"substance": 1, "time": -1},
    "U": {"substance": 1, "time": -1},
    "[IU]": {"[IU]": 1},
    "[iU]": {"[IU]": 1},
    "L": {"length": 3},
    "l": {"length": 3},
    "Hz": {"time": -1},
    "N": {"length": 1, "mass": 1, "time": -2},
    "dyn": {"length": 1, "mass": 1, "time": -2},
    "gf": {"length": 1, "mass": 1, "time": -2},
    "Pa": {"length": -1, "mass": 1, "time": -2},
    "bar": {"length": -1, "mass": 1, "time": -2},
    "m[Hg]": {"length": -1, "mass": 1, "time": -2},
    "m[H2O]": {"length": -1, "mass": 1, "time": -2},
    "J": {"length": 2, "mass": 1, "time": -2},
    "cal": {"length": 2, "mass": 1, "time": -2},
    "W": {"length": 2, "mass": 1, "time": -3},
    "V": {"current": -1, "length": 2, "mass": 1, "time": -3},
    "Ohm": {"current": -2, "length": 2, "mass": 1, "time": -3},
    "B": {"bel": 1},
    "B[10.nV]": {"bel": 1},
}
_PLAIN: dict[str, Dims] = {
    "%": {},
    "deg": {},
    "[ppth]": {},
    "[ppm]": {},
    "[pH]": {"pH": 1},
    "[drp]": {"[drp]": 1},
    "[HPF]": {"[HPF]": 1},
    "[LPF]": {"[LPF]": 1},
    "[arb'U]": {"[arb'U]": 1},
    "[degF]": {"temperature": 1},
    "[lb_av]": {"mass": 1},
    "[oz_av]": {"mass": 1},
    "[in_i]": {"length": 1},
    "[ft_i]": {"length": 1},
    "min": {"time": 1},
    "h": {"time": 1},
    "d": {"time": 1},
    "wk": {"time": 1},
    "mo": {"time": 1},
    "a": {"time": 1},
    "[PRU]": {"length": -4, "mass": 1, "time": -1},
    "[wood'U]": {"length": -4, "mass": 1, "time": -1},
}
_ATOMS = _PLAIN | _METRIC | {p + atom: dims for atom, dims in _METRIC.items() for p in _PREFIXES if p + atom not in _PLAIN}

_ANNOTATIONS: dict[str, Dims] = {"{1.73_m2}": {"length": 2}, "{FEU}": {"FEU": 1}, "{DDU}": {"DDU": 1}}
_LOGARITHM: Dims = {"logarithm": 1}
_MARKS = frozenset({"FEU", "DDU", "logarithm"})
"""What an annotation says of the whole unit, on whichever side of the "/" it stands: ng{FEU}/mL is ng/mL{FEU}."""

_COMPONENT = re.compile(
    r"""(?: (?P<power>10[*^][+-]?\d*)
          | (?P<number>\d+)
          | (?P<atom>(?:[A-Za-z%]|\[[^\]\s]*\])+)(?P<exponent>[+-]?\d+)?
        )?
        (?P<annotation>\{[!-z|~]*\})?""",
    re.VERBOSE,
)


@lru_cache(maxsize=4096)
def dimension(ucum: str) -> str | None:
    """The dimension of a UCUM unit, quantities in alphabetical order ("length^-3 mass^1", "1" for none); None: no UCUM unit."""
    if not 0 < len(ucum) <= UNIT_MAX or not ucum.isascii():
        return None
    try:
        dims, end = _term(ucum, 0)
    except _NotUcumError:
        return None
    if end != len(ucum):
        return None
    return " ".join(f"{name}^{power}" for name, power in sorted(dims.items()) if power) or "1"


class _NotUcumError(ValueError):
    """The text leaves UCUM's grammar or names an atom this reader does not hold."""


def _term(text: str, at: int, depth: int = 0) -> tuple[Dims, int]:
    """One term from `at`: components joined by "." and "/", left to right (a/b/c is (a/b)/c)."""
    total: Dims = {}
    sign = 1
    if text.startswith("/", at):
        sign, at = -1, at + 1
    while True:
        dims, at = _component(text, at, depth)
        _multiply(total, dims, sign)
        if at >= len(text) or text[at] not in "./":
            return total, at
        sign, at = (-1 if text[at] == "/" else 1), at + 1


def _multiply(total: Dims, dims: Dims, sign: int) -> None:
    for name, power in dims.items():
        total[name] = 1 if name in _MARKS else total.get(name, 0) + sign * power
    if dims.get("substance") and not total["substance"]:
        total["amount fraction"] = total.get("amount fraction", 0) + 1


def _component(text: str, at: int, depth: int) -> tuple[Dims, int]:
    if text.startswith("(", at):
        if depth:
            raise _NotUcumError  # the tables nest once; deeper is a hostile text, not a unit
        dims, at = _term(text, at + 1, depth + 1)
        if not text.startswith(")", at):
            raise _NotUcumError
        return dims, at + 1
    match = _COMPONENT.match(text, at)
    if match is None or match.end() == at:
        raise _NotUcumError
    return _dims(match), match.end()


def _dims(match: re.Match[str]) -> Dims:
    atom, exponent, annotation = match.group("atom", "exponent", "annotation")
    dims: Dims = {}
    if atom is not None:
        if atom not in _ATOMS:
            raise _NotUcumError
        dims = {name: power * int(exponent or 1) for name, power in _ATOMS[atom].items()}
    return dims | _ANNOTATIONS.get(annotation or "", _LOGARITHM if (annotation or "").startswith("{Log") else {})
