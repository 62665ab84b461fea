"""LOINC's property of a code, and the dimensions a unit may have beside it.

Source: LOINC Users' Guide, appendix on properties. Where LOINC's own example units disagree with its property the rows carry
a note. `CCnc` also takes [IU]: for enzymes the international unit of 1964 is U. `ACnc` also takes U, as analyzers write
mU/L for m[IU]/L and U/mL for [arb'U]/mL.
"""

from __future__ import annotations

from gateway.terms.ucum import dimension

_FRACTION = frozenset({"1"})
_PRESSURE = frozenset({"length^-1 mass^1 time^-2"})
_TIME = frozenset({"time^1"})
_VOLUME = frozenset({"length^3"})
_MASS = frozenset({"mass^1"})
_TEMPERATURE = frozenset({"temperature^1"})
_CATALYTIC = frozenset({"length^-3 substance^1 time^-1"})
_INTERNATIONAL = frozenset({"[IU]^1 length^-3"})

NO_UNIT = frozenset({"PrThr", "Type", "Aper", "Prid", "Imp", "Find", "Morph", "Color"})
"""Properties of a finding in words: no unit stands beside it."""

OPEN = frozenset({"-"})
"""LOINC gives no property that fixes a dimension: the row's own unit does."""

_ALLOWED: dict[str, frozenset[str]] = {
    "ACnt": frozenset({"[arb'U]^1 mass^-1"}),
    "ACnc": _INTERNATIONAL | _CATALYTIC | {"[arb'U]^1 length^-3"},
    "Area": frozenset({"length^2"}),
    "ArVol": frozenset({"length^1"}),
    "ArVRat": frozenset({"length^1 time^-1"}),
    "CCnc": _CATALYTIC | _INTERNATIONAL,
    "CCnt": frozenset({"mass^-1 substance^1 time^-1"}),
    "CRat": frozenset({"substance^1 time^-2"}),
    "Elpot": frozenset({"current^-1 length^2 mass^1 time^-3"}),
    "EntMass": _MASS,
    "EntVol": _VOLUME,
    "Len": frozenset({"length^1"}),
    "LogNCnc": frozenset({"length^-3 logarithm^1"}),
    "LsCnc": frozenset({"pH^1"}),
    "Mass": _MASS,
    "MCnc": frozenset({"length^-3 mass^1"}),
    "MCnt": _FRACTION,
    "MFr": _FRACTION,
    "MRat": frozenset({"mass^1 time^-1"}),
    "MRto": _FRACTION,
    "NCnc": frozenset({"length^-3"}),
    "NCnt": frozenset({"mass^-1"}),
    "NFr": _FRACTION,
    "NRat": frozenset({"time^-1"}),
    "NRto": _FRACTION,
    "Num": _FRACTION,
    "Osmol": frozenset({"mass^-1 substance^1"}),
    "PPres": _PRESSURE,
    "Pres": _PRESSURE,
    "Ratio": _FRACTION | {"length^-2 mass^1"},
    "Rden": _FRACTION,
    "RelACnc": _FRACTION,
    "RelTime": _FRACTION,
    "SCnc": frozenset({"length^-3 substance^1"}),
    "SCnt": frozenset({"mass^-1 substance^1"}),
    "Score": _FRACTION,
    "SFr": frozenset({"amount fraction^1"}),
    "SRat": frozenset({"substance^1 time^-1"}),
    "SRto": frozenset({"amount fraction^1", "1"}),
    "Temp": _TEMPERATURE,
    "TempDiff": _TEMPERATURE,
    "ThreshNum": _FRACTION,
    "Titr": _FRACTION,
    "Time": _TIME,
    "TRto": _FRACTION,
    "Vel": frozenset({"length^1 time^-1"}),
    "VelRto": _FRACTION,
    "VFr": _FRACTION,
    "VFr/PPres": _FRACTION | _PRESSURE,
    "Vol": _VOLUME,
    "VRat": frozenset({"length^3 time^-1"}),
}

_OWN = frozenset({"FEU^1 length^-3 mass^1", "DDU^1 length^-3 mass^1"})
"""Mass concentrations on a scale of their own: beside such a row's LOINC no other mass concentration may stand."""

_NONE: frozenset[str] = frozenset()


def known(prop: str) -> bool:
    """Whether the tables may use this property."""
    return prop in _ALLOWED or prop in NO_UNIT or prop in OPEN


def allowed(prop: str, own_ucum: str) -> frozenset[str]:
    """The dimensions a unit beside this property may have; `own_ucum` is the row's unit, which decides where LOINC does not."""
    own = dimension(own_ucum) if own_ucum else None
    if prop in OPEN or (prop == "MCnc" and own in _OWN):
        return frozenset({own}) if own is not None else _NONE
    return _ALLOWED.get(prop, _NONE)
