"""What simulated analyzers report: the records of real ones, with synthetic patients and values that move."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from protocols.astm.records import Field, encode
from simulators.lab.astm_sender import Result, by_record, by_size


@dataclass(frozen=True, slots=True)
class Analyte:
    """An analyte: middle and spread of its values, digits after the point, reference range."""

    code: str
    unit: str
    middle: float
    spread: float
    digits: int
    low: float
    high: float

    def measure(self, dice: random.Random) -> tuple[str, str]:
        """(value, abnormal flag)."""
        value = max(0.0, dice.gauss(self.middle, self.spread))
        flag = "L" if value < self.low else "H" if value > self.high else "N"
        return f"{value:.{self.digits}f}", flag


@dataclass(frozen=True, slots=True)
class Shape:
    """One analyzer: its records for a specimen, and how it cuts them into frames."""

    records: Callable[[str, datetime, random.Random], list[list[Field]]]
    split: Callable[[bytes], Iterator[tuple[bytes, bool]]]


def result(shape: Shape, n: int, seed: int, at: datetime) -> Result:
    """The `n`th result (from 1) of the analyzer with this seed, finished at `at` (its own local time)."""
    specimen = f"SYN-{seed % 1000:03d}{n:05d}"
    dice = random.Random(f"{seed}/{n}")  # noqa: S311 - a script, not a secret
    return Result(specimen, encode(shape.records(specimen, at, dice)))


_BLOOD_COUNT = (
    Analyte("WBC", "10*3/uL", 7.2, 2.4, 2, 4.0, 10.0),
    Analyte("RBC", "10*6/uL", 4.6, 0.5, 2, 4.0, 5.6),
    Analyte("HGB", "g/dL", 13.6, 1.6, 1, 12.0, 17.0),
    Analyte("HCT", "%", 41.0, 4.0, 1, 36.0, 50.0),
    Analyte("MCV", "fL", 89.0, 5.0, 1, 80.0, 100.0),
    Analyte("PLT", "10*3/uL", 245.0, 70.0, 0, 150.0, 400.0),
)
_LOINC = {"WBC": "6690-2", "RBC": "789-8", "HGB": "718-7", "HCT": "4544-3", "MCV": "787-2", "PLT": "777-3"}
_HORIBA_UNITS = {"10*3/uL": "10E3/mm3", "10*6/uL": "10E6/mm3"}
_LIVER = (
    Analyte("685", "U/l", 26.0, 12.0, 1, 0.0, 50.0),
    Analyte("687", "U/l", 24.0, 9.0, 1, 0.0, 40.0),
    Analyte("712", "umol/l", 9.0, 4.0, 1, 0.0, 21.0),
    Analyte("717", "mmol/l", 5.5, 1.2, 2, 3.9, 6.1),
    Analyte("690", "umol/l", 78.0, 20.0, 0, 44.0, 106.0),
)


def _sysmex_xn(specimen: str, at: datetime, dice: random.Random) -> list[list[Field]]:
    time = f"{at:%Y%m%d%H%M%S}"
    ordered: list[tuple[str, ...]] = [("", "", "", "", analyte.code) for analyte in _BLOOD_COUNT]
    results: list[list[Field]] = []
    for n, analyte in enumerate(_BLOOD_COUNT, 1):
        value, flag = analyte.measure(dice)
        results.append(
            ["R", str(n), ("", "", "", "", analyte.code, "1"), value, analyte.unit, "", flag, "", "F", "", "", "", time]
        )
    return [
        ["H", "", "", "", ("    XN-550", "00-24", "22723", "", "", "", "SYN00001"), *[""] * 7, "E1394-97"],
        ["P", "1", "", "", "SYN-P1", ("", "Patient", "Test"), "", "19700101", "U"],
        ["C", "1"],
        ["O", "1", "", ("", "", specimen.rjust(22), "B"), ordered, *[""] * 6, "N", *[""] * 13, "F"],
        ["C", "1"],
        *results,
        ["L", "1", "N"],
    ]


def _cobas_c111(specimen: str, at: datetime, dice: random.Random) -> list[list[Field]]:
    time = f"{at:%Y%m%d%H%M%S}"
    results: list[list[Field]] = []
    for n, analyte in enumerate(_LIVER, 1):
        value, flag = analyte.measure(dice)
        curve: list[tuple[str, ...]] = [(str(dice.randrange(20, 30)),) for _ in range(12)]
        results += [
            ["R", str(n), ("", "", "", analyte.code), value, analyte.unit, "", flag, "", "F", "", "$SYS$", "", time],
            ["C", "1", "I", "", "I"],
            ["M", str(n), ("RR", "BM", "c111", "1"), "23", curve],
        ]
    return [
        [
            "H",
            "",
            "",
            "",
            ("c111", "Roche", "c111", "4.2.2.1730", "1", "13147"),
            *[""] * 4,
            "host",
            ("RSUPL", "REAL"),
            "P",
            "1",
            time,
        ],
        ["P", "1"],
        ["O", "1", "", (specimen, "", "6"), "", "S", *[""] * 5, "N", *[""] * 10, time, "", "", "F"],
        *results,
        ["L", "1", "N"],
    ]


def _cobas_c311(specimen: str, at: datetime, dice: random.Random) -> list[list[Field]]:
    ordered: list[tuple[str, ...]] = [("", "", "", analyte.code + "/") for analyte in _LIVER]
    results: list[list[Field]] = []
    for n, analyte in enumerate(_LIVER, 1):
        value, flag = analyte.measure(dice)
        results += [
            ["R", str(n), ("", "", "", analyte.code + "/"), value, analyte.unit, "", flag, "", "F", *[""] * 4, "P1"],
            ["C", "1", "I", "0", "I"],
        ]
    request: list[Field] = ["O", "1", (specimen[-5:], specimen.ljust(22), "1", "", "009"), "R1", ordered, "R"]
    blanks = (" ", " " * 25, " " * 20)
    return [
        ["H", "", "", "", ("c311", "1"), *[""] * 4, "host", ("RSUPL", "REAL"), "P", "1"],
        ["P", "1"],
        [*request, *[""] * 5, "N", "", ("", "", ""), "", "SC", "", "", "labo", blanks, "", "", f"{at:%Y%m%d%H%M%S}", "", "", "F"],
        *results,
        ["L", "1", "N"],
    ]


def _yumizen(specimen: str, at: datetime, dice: random.Random) -> list[list[Field]]:
    time = f"{at:%Y%m%d%H%M%S}"
    results: list[list[Field]] = []
    for n, analyte in enumerate(_BLOOD_COUNT, 1):
        value, flag = analyte.measure(dice)
        code = ("", "", "", analyte.code, _LOINC[analyte.code])
        limits = f"{analyte.low:g} - {analyte.high:g}"
        unit = _HORIBA_UNITS.get(analyte.unit, analyte.unit)
        results.append(["R", str(n), code, value, unit, (limits, "REFERENCE_RANGE"), flag, "", "F", "", "", "", time])
    return [
        ["H", "", "", "", ("H500", "SYN00002", "2.2.2.2b"), *[""] * 6, "P", "LIS2-A2", time],
        ["P", "1", "", "SYN-P2", "", ("Patient", "Test"), "", "19700101", "U"],
        ["O", "1", specimen, "", ("", "", "", "DIF"), "R", time, *[""] * 8, ("BLOOD",), *[""] * 9, "F"],
        *results,
        ["L", "1", "N"],
    ]


def _generic(specimen: str, at: datetime, dice: random.Random) -> list[list[Field]]:
    time = f"{at:%Y%m%d%H%M%S}"
    results: list[list[Field]] = []
    for n, analyte in enumerate(_BLOOD_COUNT, 1):
        value, flag = analyte.measure(dice)
        limits = f"{analyte.low:g} to {analyte.high:g}"
        results.append(["R", str(n), ("", "", "", analyte.code), value, analyte.unit, limits, flag, "", "F", "", "", "", time])
    return [
        ["H", "", specimen, "", ("wardlink simulator", "1"), *[""] * 6, "P", "LIS2-A2", time],
        ["P", "1", "SYN-P3", "", "", ("Patient", "Test"), "", "19700101", "U"],
        ["O", "1", specimen, "", ("", "", "", "CBC"), "R", "", time, *[""] * 3, "N", *[""] * 13, "F"],
        *results,
        ["L", "1", "N"],
    ]


def _by_record_etb(text: bytes) -> Iterator[tuple[bytes, bool]]:
    return by_record(text, etb=True)


SHAPES = {
    "generic": Shape(_generic, by_size),
    "sysmex-xn": Shape(_sysmex_xn, by_record),
    "horiba-yumizen": Shape(_yumizen, by_size),
    "roche-cobas-c111": Shape(_cobas_c111, _by_record_etb),
    "roche-cobas-c311": Shape(_cobas_c311, by_size),
}
