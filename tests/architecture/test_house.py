"""The house rules that a reader would otherwise have to check by hand: nothing is missing, nothing is there that must not be."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

import gateway
from gateway.acquire import registry
from gateway.readings import Reading

ROOT = Path(__file__).parents[2]
CAPTURES = ROOT / "tests" / "captures"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
OURS = sorted(PROJECT["entry-points"]["wardlink.drivers"])


def profiles(driver: str) -> list[str]:
    return registry.profiles(registry.load(driver))


def capture_folders(driver: str) -> list[Path]:
    """Where the captures of a driver must stand: a folder a profile where it has profiles."""
    return [CAPTURES / driver / profile for profile in profiles(driver)] or [CAPTURES / driver]


def test_the_drivers_that_the_project_names_are_installed() -> None:
    assert set(OURS) <= set(registry.ids())


@pytest.mark.parametrize("driver", OURS)
def test_every_driver_and_profile_has_a_capture(driver: str) -> None:
    missing = [folder for folder in capture_folders(driver) if not list(folder.glob("*/wire.bin"))]
    assert missing == []


@pytest.mark.parametrize("driver", OURS)
def test_every_driver_has_a_simulator_of_its_name(driver: str) -> None:
    (point,) = entry_points(group="wardlink.simulators", name=driver)
    assert point.load().id == driver


@pytest.mark.parametrize("driver", OURS)
def test_every_driver_has_a_page_that_names_its_id_options_and_profiles(driver: str) -> None:
    page = (ROOT / "docs" / "drivers" / f"{driver}.md").read_text("utf-8")
    words = [driver, *registry.load(driver).options.model_fields, *profiles(driver)]
    assert [word for word in words if not re.search(rf"\b{re.escape(word)}\b", page)] == []


CAPTURE_FOLDERS = sorted(path.parent for path in CAPTURES.rglob("wire.bin"))


@pytest.mark.parametrize("folder", CAPTURE_FOLDERS, ids=lambda folder: str(folder.relative_to(CAPTURES)))
def test_a_capture_says_where_it_comes_from_and_what_is_expected(folder: Path) -> None:
    notes = (folder / "notes.md").read_text("utf-8")
    assert notes.startswith("# ")
    assert len(notes) > 120, "notes.md says whence the bytes are, what was changed, and how expected was found"
    expected: list[dict[str, Any]] = json.loads((folder / "expected.json").read_text("utf-8"))
    assert expected, "a capture without expectations proves nothing"
    assert {key for one in expected for key in one} <= set(Reading.__annotations__)
    assert (folder / "wire.bin").stat().st_size > 0


def test_every_folder_of_captures_is_whole() -> None:
    leaves = {path.parent for path in CAPTURES.rglob("*") if path.is_file()}
    assert leaves == set(CAPTURE_FOLDERS)


LONG = 400
TABLES: dict[str, str] = {}
"""Modules that may be longer, with the reason."""


def shipped(files: list[Path]) -> list[Path]:
    rooms = {"gateway", "drivers", "protocols", "simulators"}
    return [path for path in files if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in rooms]


def test_no_module_is_longer_than_400_lines_without_a_reason(files: list[Path]) -> None:
    long = {str(path.relative_to(ROOT)) for path in shipped(files) if path.read_text("utf-8").count("\n") > LONG}
    assert long == set(TABLES)


def test_every_module_begins_with_a_line_that_says_what_it_is_for(files: list[Path]) -> None:
    missing = []
    for path in files:
        if path.suffix == ".py" and (text := path.read_text("utf-8")):
            told = ast.get_docstring(ast.parse(text))
            if not told or not told.split("\n")[0].rstrip().endswith((".", ":", ",", ";")):
                missing.append(str(path.relative_to(ROOT)))
    assert missing == []


def test_no_function_is_left_for_later(files: list[Path]) -> None:
    later = re.compile("|".join(("NotImplemented" + "Error", r"#\s*TO" + "DO", r"#\s*FIX" + "ME", r"#\s*X" + "XX")))
    assert [str(path.relative_to(ROOT)) for path in shipped(files) if later.search(path.read_text("utf-8"))] == []


# ---- what must not be in the repository

PLACES = ["/wo" + "rk", "/ro" + "ot", "/ho" + "me/", ".lib" + "rary", "shar" + "ed/", "sub" + "agent"]
WORDS = ["help" + "er", "help" + "ers", "fa" + "rm"]
_PLACE = re.compile("|".join(re.escape(place) + (r"\b" if place[-1].isalpha() else "") for place in PLACES), re.IGNORECASE)
_WORD = re.compile(rf"\b({'|'.join(WORDS)})\b", re.IGNORECASE)


def workplace(text: str) -> list[str]:
    """Words and paths of the place where this was written."""
    return [match.group() for pattern in (_PLACE, _WORD) for match in pattern.finditer(text)]


_URL = re.compile(r"\b(?:https?|ftp|wss?)://(?:[^\s/@\"']*@)?+(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]*[A-Za-z0-9])")
_NAME = re.compile(r"(?<![\w@.-])((?:[A-Za-z0-9-]+\.)+(?:com|org|net|gov|edu|eu))\b(?![.\w-])")
_HERE = re.compile(
    r"(?:.*\.)?(?:example|test|invalid|localhost)(?:\.(?:com|org|net))?|127\.[\d.]+|\[::1\]|10\.[\d.]+|192\.0\.2\.\d+"
)
NAMESPACES = {
    "hl7.org": "FHIR's own namespace: systems, profiles and extensions are named by it",
    "terminology.hl7.org": "FHIR code systems",
    "loinc.org": "FHIR's name for LOINC, and the address its licence asks for",
    "unitsofmeasure.org": "FHIR's name for UCUM, and the address its licence asks for",
    "snomed.info": "FHIR's name for SNOMED CT",
    "dicom.nema.org": "FHIR's name for DICOM codes",
}
ELSEWHERE = {
    ("LICENSE", "www.apache" + ".org"): "the licence's own words",
    ("gateway/terms/vitals_loinc.csv", "findacode" + ".com"): "the source of a row",
    ("gateway/terms/vitals_loinc.csv", "simplifier" + ".net"): "the source of a row",
}


def hosts(text: str) -> set[str]:
    """Names of other people's machines: neither reserved for examples (RFC 2606, 5737) nor a namespace that standards prescribe."""
    found = {match[1].lower() for pattern in (_URL, _NAME) for match in pattern.finditer(text)}
    return {host for host in found if not _HERE.fullmatch(host) and host not in NAMESPACES}


_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]+-----\s+(?:[A-Za-z0-9+/=]{20,}\s+)+")
_KEY_FILES = {".pem", ".key", ".p12", ".pfx", ".crt", ".cer", ".der", ".jks"}


def keys(text: str) -> list[str]:
    """Private keys and certificates."""
    return [match.group() for match in _PEM.finditer(text)]


def findings(files: list[Path], judge: Callable[[str], list[str] | set[str]]) -> set[tuple[str, str]]:
    return {(str(path.relative_to(ROOT)), one) for path in files for one in judge(path.read_bytes().decode("utf-8", "replace"))}


def test_no_file_names_the_place_where_it_was_written(files: list[Path]) -> None:
    assert findings(files, workplace) == set()


def test_no_file_names_a_foreign_host(files: list[Path]) -> None:
    assert findings(files, hosts) == set(ELSEWHERE)


def test_no_key_and_no_certificate_is_kept(files: list[Path]) -> None:
    assert findings(files, keys) == set()
    assert [path for path in files if path.suffix in _KEY_FILES] == []


FOREIGN = "files.vendor" + ".com"
SEEDED = {
    "a path": (workplace, f"see {PLACES[0]}/x", [PLACES[0]]),
    "a home": (workplace, f"{PLACES[1]}/.ssh", [PLACES[1]]),
    "a word": (workplace, f"the {WORDS[1]} did it", [WORDS[1]]),
    "no word inside another": (workplace, "phar" + "maco, " + PLACES[0] + "flow", []),
    "an address": (hosts, f"https://{FOREIGN}/x", {FOREIGN}),
    "an address with a name before it": (hosts, f"http://me:it@{FOREIGN.upper()}/x", {FOREIGN}),
    "a bare name": (hosts, f"ask {FOREIGN} for it", {FOREIGN}),
    "examples and this machine": (
        hosts,
        "https://fhir.hospital.example/r4 http://localhost:1 http://127.0.0.1 example.org",
        set(),
    ),
    "a namespace of a standard": (hosts, "http://hl7.org/fhir/StructureDefinition/vitalsigns", set()),
    "a key": (keys, "-----BEGIN PRIVATE " + "KEY-----\n" + "MIGHAgEAMBMGByqG\n" * 1 + "A" * 64 + "\n", []),
    "a whole key": (
        keys,
        "-----BEGIN EC PRIVATE KEY-----\n" + "A" * 64 + "\n",
        ["-----BEGIN EC PRIVATE KEY-----\n" + "A" * 64 + "\n"],
    ),
}


@pytest.mark.parametrize(("judge", "text", "found"), SEEDED.values(), ids=SEEDED.keys())
def test_what_must_not_be_there_would_be_found(judge: Callable[[str], Any], text: str, found: Any) -> None:
    assert judge(text) == found


# ---- packages

_PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+)(?: ; [^\\]+)? \\$")
_HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")


def locked(name: str) -> dict[str, int]:
    """Package to count of hashes; an assertion fails on any other line."""
    found: dict[str, int] = {}
    last = ""
    for line in (ROOT / "locks" / name).read_text("utf-8").splitlines():
        if pinned := _PINNED.match(line):
            last = normal(pinned[1])
            found[last] = 0
        else:
            assert _HASH.match(line), f"{name}: neither a pinned package nor a hash: {line}"
            found[last] += 1
    return found


def normal(requirement: str) -> str:
    """The package that a requirement names, as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement)[0]).lower()


WANTED = {
    "run.txt": PROJECT["dependencies"],
    "dev.txt": [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]],
}


@pytest.mark.parametrize(("name", "wanted"), WANTED.items(), ids=WANTED.keys())
def test_every_package_is_pinned_with_hashes_and_from_no_host(name: str, wanted: list[str]) -> None:
    found = locked(name)
    assert [package for package, hashes in found.items() if hashes == 0] == []
    assert {normal(one) for one in wanted} - set(found) == set()


def test_both_locks_pin_the_same_versions() -> None:
    run, dev = (set(re.findall(r"^\S+==\S+", (ROOT / "locks" / name).read_text("utf-8"), re.MULTILINE)) for name in WANTED)
    assert run <= dev


@pytest.mark.parametrize("name", sorted({normal(one) for one in WANTED["dev.txt"]}))
def test_every_dependency_has_its_reason(name: str) -> None:
    page = (ROOT / "docs" / "decisions" / "0002-dependencies.md").read_text("utf-8").lower().replace("\n", " ")
    kin = {"pytest": "pytest and its plug-ins", "types": "mypy"}  # a tool and what belongs to it
    told = kin.get(name.split("-", maxsplit=1)[0], name)
    assert told in page or name.replace("-", ".") in page


def test_the_version_is_said_once() -> None:
    assert PROJECT["version"] == gateway.__version__
    assert f"## {gateway.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")
