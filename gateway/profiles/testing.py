"""A profile held against recordings: what was read, what was not, and whether it is what a person wrote down as right."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.acquire import registry
from gateway.acquire.written import Written
from gateway.errors import ConfigError
from gateway.model import Category
from gateway.profiles import runs
from gateway.profiles.finding import Chosen
from gateway.profiles.runs import EXPECTED, OPTIONS, WIRE, Run
from gateway.readings import Reading

_NOT_THERE = object()


@dataclass(frozen=True, slots=True)
class Case:
    """A recording, and the folder that says what is right, where it is one of a capture folder."""

    recording: Path
    folder: Path | None = None
    how: Written = Written.RAW

    @property
    def name(self) -> str:
        """For people."""
        return str(self.folder or self.recording)


@dataclass(slots=True)
class Tested:
    """What came of one. `differences` from what was expected, a line each; None: nothing is written down."""

    case: Case
    run: Run
    differences: list[str] | None = None
    unread: list[str] = field(default_factory=list)
    """Places of the messages that nothing was read from, with what they hold."""

    @property
    def good(self) -> bool:
        """Whether it is as it should be: as expected, or, where nobody said what that is, a result was read."""
        if self.differences is not None:
            return not self.differences
        return any(one.category is not Category.EVENTS and one.observations for one in self.run.reports)


def cases(paths: Sequence[Path], how: Written = Written.RAW) -> list[Case]:
    """The recordings that are meant: files, written as `how` says, and all capture folders in folders. Raises ConfigError."""
    found: list[Case] = []
    for path in paths:
        if path.is_dir():
            inside = [Case(wire, wire.parent) for wire in sorted(path.rglob(WIRE))]
            if not inside:
                raise ConfigError(f"{path}: no {WIRE} in it; expected a recording, or a folder with {WIRE} and {EXPECTED}")
            found += inside
        else:
            found.append(Case(path, path.parent if path.name == WIRE else None, how))
    return found


def held(chosen: Chosen, case: Case) -> Tested:
    """Run one through codec and driver as the gateway does. Raises ConfigError."""
    options = chosen.options
    own = case.folder / OPTIONS if case.folder else None
    if own is not None and own.exists():
        options = registry.options(chosen.driver, chosen.name, _json(own))
    run = runs.run(chosen.driver, options, runs.flows(case.recording, case.how), chosen.name)
    wanted = expected(case)
    return Tested(case, run, None if wanted is None else differences(wanted, run.readings))


def expected(case: Case) -> list[dict[str, Any]] | None:
    """What a person wrote down of a capture folder."""
    file = case.folder / EXPECTED if case.folder else None
    found: list[dict[str, Any]] | None = _json(file) if file is not None and file.exists() else None
    return found


def differences(wanted: Sequence[dict[str, Any]], got: Sequence[Reading]) -> list[str]:
    """What is expected and not there, field by field: each expected reading is a part of one that came, in their order."""
    told, at = [], 0
    for n, want in enumerate(wanted, 1):
        hit = next((i for i in range(at, len(got)) if not _unlike(want, got[i])), None)
        if hit is not None:
            at = hit + 1
            continue
        told += list(_missing(n, want, got, at))
        if at < len(got) and want.get("vendor_code") == got[at]["vendor_code"]:
            at += 1
    return told


def accept(tested: Tested) -> Path:
    """Write down what came, for a person to check: what the program reads is no proof that it is right."""
    if tested.case.folder is None:
        raise ConfigError(f"{tested.case.recording}: --accept needs a capture folder: put the recording in one, as {WIRE}")
    file = tested.case.folder / EXPECTED
    rows = ",\n".join(json.dumps(_said(one), ensure_ascii=False) for one in tested.run.readings)
    file.write_text(f"[\n{rows}\n]\n", encoding="utf-8")
    return file


def _said(one: Reading) -> dict[str, Any]:
    """A reading without what it does not say."""
    return {key: value for key, value in one.items() if value not in (None, "", []) or key == "value"}


def _missing(n: int, want: dict[str, Any], got: Sequence[Reading], at: int) -> Iterator[str]:
    """The likeliest reading to be meant, and in what it is another."""
    code = want.get("vendor_code")
    near = [one for one in got[at:] if one["vendor_code"] == code] or list(got[at : at + 1])
    if not near:
        yield f"{n}. {code}: not read at all"
        return
    best = min(near, key=lambda one: len(_unlike(want, one)))
    for key in _unlike(want, best):
        yield f"{n}. {code}: {key}: expected {want[key]!r}, got {dict(best).get(key)!r}"


def _unlike(want: dict[str, Any], one: Reading) -> list[str]:
    """The keys in which they differ; a device's asset tag is the configuration's, not the profile's."""
    return [key for key, value in want.items() if _plain(key, dict(one).get(key, _NOT_THERE)) != _plain(key, value)]


def _plain(key: str, value: Any) -> Any:
    return value.partition(" ")[2] if key == "device" and isinstance(value, str) else value


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from None
