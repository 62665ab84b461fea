"""Who may import what: docs and contracts say it, this reads every import and call and holds it against the same table."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOPS = ("gateway", "drivers", "protocols", "simulators", "tests")
IO = frozenset(
    [
        "asyncio",
        "socket",
        "ssl",
        "selectors",
        "select",
        "sqlite3",
        "threading",
        "multiprocessing",
        "concurrent",
        "subprocess",
        "os",
        "io",
        "pathlib",
        "shutil",
        "tempfile",
        "glob",
        "signal",
        "mmap",
        "fcntl",
        "termios",
        "pty",
        "http",
        "urllib",
        "ftplib",
        "smtplib",
        "logging",
    ]
)
CLOCKS = frozenset(["time", "random", "secrets", "sched"])
CALLS = frozenset(["open", "input", "print", "__import__", "import_module", "eval", "exec", "compile"])
OF_A_CLOCK = frozenset(["now", "utcnow", "today", "uuid1", "uuid4", "getnode", "urandom"])
OF_A_FILE = frozenset(["read_text", "read_bytes", "write_text", "write_bytes", "unlink", "mkdir", "iterdir"])


@dataclass(frozen=True)
class Room:
    """Modules that stand under one rule: what of ours and of others they may import, what of the standard library they may not."""

    files: tuple[str, ...]
    ours: frozenset[str]
    others: frozenset[str] = frozenset()
    never: frozenset[str] = IO | CLOCKS
    calls: frozenset[str] = CALLS
    methods: frozenset[str] = OF_A_CLOCK | OF_A_FILE


GROUND = frozenset(
    [
        "gateway.model",
        "gateway.terms",
        "gateway.driver",
        "gateway.errors",
        "gateway.settings",
        "gateway.explain",
        "gateway.histogram",
        "gateway.mapping",
        "gateway.options",
        "gateway.positions",
        "gateway.rolls",
        "gateway.thinning",
    ]
)
UPSTAIRS = GROUND | {"gateway.config", "gateway.tables", "gateway.readings", "gateway.security", "gateway.__version__"}
FREE = {"never": frozenset(), "calls": frozenset(["eval", "exec"]), "methods": frozenset()}
ANYTHING = frozenset(["*"])

ROOMS = {
    "protocols": Room(("protocols",), frozenset(["protocols"])),
    "the ground floor": Room(
        ("gateway/model.py", "gateway/driver.py", "gateway/errors.py", "gateway/settings", "gateway/explain.py", "gateway/positions.py", "gateway/histogram.py",
         "gateway/readings.py", "gateway/rolls.py", "gateway/thinning.py", "gateway/mapping", "gateway/options.py"),
        GROUND | {"protocols"}, frozenset(["pydantic", "msgspec"]), (IO | CLOCKS) - {"pathlib", "urllib"},
    ),
    "terms": Room(  # package data: the tables, read once
        ("gateway/terms",), frozenset(["gateway.terms", "gateway.errors"]), frozenset(), (IO | CLOCKS) - {"pathlib"}, CALLS - {"open"}, OF_A_CLOCK,
    ),
    "drivers": Room(
        ("drivers",), frozenset(["gateway.driver", "gateway.model", "gateway.terms", "protocols", "drivers"]), frozenset(["pydantic", "msgspec"]),
        (IO | CLOCKS) - {"pathlib", "logging"},
    ),
    "messages": Room(
        ("gateway/deliver/messages",),
        GROUND - {"gateway.driver"} | {"gateway.deliver.messages", "gateway.deliver.destination", "protocols.hl7v2"},
        frozenset(["msgspec"]), (IO | CLOCKS) - {"urllib"},
    ),
    "acquire": Room(("gateway/acquire",), UPSTAIRS | {"gateway.acquire", "protocols"}, ANYTHING, **FREE),
    "store": Room(("gateway/store",), UPSTAIRS | {"gateway.store"}, ANYTHING, **FREE),
    "patients": Room(("gateway/patients",), UPSTAIRS | {"gateway.patients", "gateway.store"}, ANYTHING, **FREE),
    "deliver": Room(
        ("gateway/deliver",), UPSTAIRS | {"gateway.deliver", "gateway.store", "gateway.patients", "protocols"}, ANYTHING, **FREE
    ),
    "orders and lists": Room(
        ("gateway/orders", "gateway/lists"), UPSTAIRS | {"gateway.orders", "gateway.lists", "gateway.store", "protocols"}, ANYTHING, **FREE
    ),
    "codes": Room(("gateway/codes",), UPSTAIRS | {"gateway.codes", "gateway.store", "gateway.deliver"}, ANYTHING, **FREE),
    "profiles": Room(("gateway/profiles",), UPSTAIRS | {"gateway.profiles", "gateway.acquire", "protocols"}, ANYTHING, **FREE),
    "unknown": Room(
        ("gateway/unknown",),
        UPSTAIRS | {"gateway.unknown", "gateway.store", "gateway.acquire", "gateway.profiles", "gateway.verify", "gateway.callers", "gateway.control"}, ANYTHING, **FREE,
    ),
    "metrics": Room(("gateway/metrics",), UPSTAIRS | {"gateway.metrics", "gateway.store", "gateway.acquire"}, ANYTHING, **FREE),
    "security": Room(("gateway/security",), GROUND | {"gateway.security"}, ANYTHING, **FREE),
    "the gateway": Room(("gateway",), frozenset(["gateway", "protocols"]), ANYTHING, **FREE),
    "simulators": Room(
        ("simulators",), frozenset(["simulators", "protocols", "drivers", "gateway.acquire.links", "gateway.acquire.clock", "gateway.errors"]),
        ANYTHING, **FREE,
    ),
}  # fmt: skip

EXCEPTIONS = {
    "simulators/demo.py: imports gateway.control": "the demo asks the running gateway for what its live view shows",
}


def offences(source: str, room: Room, own: str = "") -> list[str]:
    """What `source` does that its room forbids; `own` is its dotted name."""
    tree = ast.parse(source)
    found = [f"{line}: imports {name}" for line, name in _imports(tree) if not _may_import(name, room, own)]
    return found + [
        f"{line}: calls {name}" for line, name in _calls(tree) if name in room.calls | room.methods and not _is_own(name, tree)
    ]


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, "relative imports hide where a name comes from"
            deep = node.module.split(".")[0] in TOPS
            yield from ((node.lineno, f"{node.module}.{alias.name}" if deep else node.module) for alias in node.names)


def _may_import(name: str, room: Room, own: str) -> bool:
    top = name.split(".", maxsplit=1)[0]
    if top in TOPS:
        return any(name == one or name.startswith(f"{one}.") for one in room.ours) and not _another_driver(name, own)
    if top in sys.stdlib_module_names:
        return top not in room.never
    return "*" in room.others or top in room.others


def _another_driver(name: str, own: str) -> bool:
    """A driver does not import another: only the modules that one driver is made of import each other."""
    if not (own.startswith("drivers.") and name.startswith("drivers.")):
        return False
    return own.startswith("drivers.bedside.") or not name.startswith(".".join(own.split(".")[:2]))


def _calls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.lineno, node.func.id
            elif isinstance(node.func, ast.Attribute) and node.func.attr not in {"open", "compile"}:  # re.compile
                yield node.lineno, node.func.attr


def _is_own(name: str, tree: ast.Module) -> bool:
    """A function of the module's own that has the name of a builtin."""
    return any(isinstance(node, ast.FunctionDef) and node.name == name for node in ast.walk(tree))


def modules(room: Room) -> list[Path]:
    found = [ROOT / name for name in room.files]
    return [file for one in found for file in (sorted(one.rglob("*.py")) if one.is_dir() else [one])]


@pytest.mark.parametrize("room", ROOMS.values(), ids=ROOMS.keys())
def test_a_room_imports_and_calls_only_what_it_may(room: Room) -> None:
    files = modules(room)
    assert files, "a room without modules proves nothing"
    found = []
    for file in files:
        path = file.relative_to(ROOT)
        told = offences(file.read_text("utf-8"), room, ".".join(path.with_suffix("").parts))
        found += [f"{path}:{one}" for one in told if f"{path}: {one.partition(': ')[2]}" not in EXCEPTIONS]
    assert found == []


OFFENCES = {
    "a socket in a protocol": ("protocols", "import socket", "1: imports socket"),
    "a submodule of a forbidden one": ("protocols", "import urllib.request", "1: imports urllib.request"),
    "asyncio inside a function": ("protocols", "def f():\n    from asyncio import sleep", "2: imports asyncio"),
    "a clock in a protocol": ("protocols", "from time import monotonic", "1: imports time"),
    "the wall clock in a protocol": ("protocols", "from datetime import datetime\ndatetime.now()", "2: calls now"),
    "logging in a protocol": ("protocols", "import logging", "1: imports logging"),
    "a file in a protocol": ("protocols", "open('x')", "1: calls open"),
    "the gateway in a protocol": ("protocols", "from gateway.model import Report", "1: imports gateway.model.Report"),
    "a library in a protocol": ("protocols", "import serial", "1: imports serial"),
    "an import by name": ("protocols", "import_module('socket')", "1: calls import_module"),
    "a database on the ground floor": ("the ground floor", "import sqlite3", "1: imports sqlite3"),
    "the journal on the ground floor": ("the ground floor", "from gateway import store", "1: imports gateway.store"),
    "a file on the ground floor": ("the ground floor", "from pathlib import Path\nPath('x').read_text()", "2: calls read_text"),
    "a thread in the terms": ("terms", "import threading", "1: imports threading"),
    "asyncio in a driver": ("drivers", "import asyncio", "1: imports asyncio"),
    "a serial port in a driver": ("drivers", "import serial", "1: imports serial"),
    "a file in a driver": ("drivers", "def f(path):\n    return path.read_bytes()", "2: calls read_bytes"),
    "a link in a driver": (
        "drivers",
        "from gateway.acquire.links import parse_link",
        "1: imports gateway.acquire.links.parse_link",
    ),
    "the configuration in a driver": ("drivers", "from gateway import config", "1: imports gateway.config"),
    "another driver in a driver": ("drivers", "from drivers.bedside import nonin", "1: imports drivers.bedside.nonin"),
    "a clock in a message": ("messages", "from datetime import UTC, datetime\nx = datetime.now(UTC)", "2: calls now"),
    "chance in a message": ("messages", "import random", "1: imports random"),
    "a random id in a message": ("messages", "import uuid\nuuid.uuid4()", "2: calls uuid4"),
    "the journal in a message": ("messages", "from gateway.store import journal", "1: imports gateway.store.journal"),
    "a socket in a message": ("messages", "import socket", "1: imports socket"),
    "a device in a destination": ("deliver", "from gateway.acquire import pump", "1: imports gateway.acquire.pump"),
    "the journal in a link": ("acquire", "from gateway.store.journal import Journal", "1: imports gateway.store.journal.Journal"),
    "a driver in the gateway": ("acquire", "from drivers.bedside import nonin", "1: imports drivers.bedside.nonin"),
    "a destination in the store": ("store", "from gateway.deliver import dispatch", "1: imports gateway.deliver.dispatch"),
    "a simulator in what is shipped": ("the gateway", "import simulators.host", "1: imports simulators.host"),
    "a test in what is shipped": ("the gateway", "from tests import anything", "1: imports tests.anything"),
    "a test in a simulator": ("simulators", "from tests import anything", "1: imports tests.anything"),
    "the journal in a simulator": (
        "simulators",
        "from gateway.store.journal import Journal",
        "1: imports gateway.store.journal.Journal",
    ),
}


@pytest.mark.parametrize(("room", "source", "found"), OFFENCES.values(), ids=OFFENCES.keys())
def test_an_offence_is_found(room: str, source: str, found: str) -> None:
    assert offences(source, ROOMS[room], "drivers.bedside.masimo") == [found]


def test_what_is_allowed_is_no_offence() -> None:
    kit = "import re\nfrom datetime import datetime\nfrom gateway.driver import Driver\nfrom gateway import terms\nre.compile('x')\n"
    assert offences(kit, ROOMS["drivers"], "drivers.bedside.masimo") == []
    assert offences("from drivers.lab.places import read", ROOMS["drivers"], "drivers.lab.astm") == []


# the rows of the table "who may import what": sources, and what a contract must keep from them
CONTRACTS = {
    "protocols": (["protocols"], ["gateway", "drivers", "simulators", "serial"]),
    "the ground floor": (
        ["gateway.model", "gateway.terms", "gateway.driver"],
        [
            "gateway.acquire",
            "gateway.store",
            "gateway.patients",
            "gateway.deliver",
            "gateway.cli",
            "gateway.service",
            "drivers",
            "serial",
        ],
    ),
    "drivers": (
        ["drivers"],
        ["gateway.acquire", "gateway.store", "gateway.patients", "gateway.deliver", "gateway.config", "gateway.service"],
    ),
    "messages": (["gateway.deliver.messages"], ["gateway.acquire", "gateway.store", "gateway.deliver.destinations", "drivers"]),
    "acquire": (["gateway.acquire"], ["gateway.store", "gateway.patients", "gateway.deliver", "drivers"]),
    "store and patients": (["gateway.store", "gateway.patients"], ["gateway.acquire", "gateway.deliver", "drivers"]),
    "deliver": (["gateway.deliver"], ["gateway.acquire", "drivers"]),
    "simulators": (["simulators"], ["gateway.store", "gateway.patients", "gateway.deliver", "gateway.service"]),
    "anything shipped": (["gateway", "drivers", "protocols"], ["simulators"]),
}


@pytest.mark.parametrize(("sources", "forbidden"), CONTRACTS.values(), ids=CONTRACTS.keys())
def test_each_row_has_an_import_contract(sources: list[str], forbidden: list[str]) -> None:
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    for source in sources:
        kept = {
            one
            for contract in linter["contracts"]
            if source in contract["source_modules"]
            for one in contract["forbidden_modules"]
        }
        assert set(forbidden) <= kept, f"{source} may reach {sorted(set(forbidden) - kept)}"
        assert not any(contract.get("ignore_imports") for contract in linter["contracts"]), "an exception is a hole in a wall"


def test_an_exception_that_nobody_needs_is_taken_back() -> None:
    told = {
        f"{file.relative_to(ROOT)}: {one.partition(': ')[2]}"
        for room in ROOMS.values()
        for file in modules(room)
        for one in offences(file.read_text("utf-8"), room)
    }
    assert set(EXCEPTIONS) <= told
