"""Medplum's R4 validator and server, installed from the lock file beside this into a cache when node is there."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

HERE = Path(__file__).parent
FILES = ("package.json", "package-lock.json", "medplum.mjs")
NODE_MIN = 20

Ask: TypeAlias = Callable[..., list[str]]
"""Of a resource and a profile, R4 alone when none is given."""


def _give_up(why: str) -> None:
    """fhirkit judges in any case; that these two did not must be seen."""
    pytest.skip(f"NOT JUDGED by Medplum's FHIR validator and server: {why}")


def _node() -> bool:
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major = said.strip().removeprefix("v").partition(".")[0]
    return major.isdigit() and int(major) >= NODE_MIN


def _run(*command: str, cwd: Path | None = None) -> str:
    """Run it; what it said when it failed, else nothing."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else f"{' '.join(command)}: {done.stderr[-500:]}"


@pytest.fixture(scope="session")
def medplum() -> Path:
    """The folder with medplum.mjs and what it needs."""
    if not _node() and os.environ.get("CI") and os.geteuid() == 0:
        _run("apt-get", "update")
        _run("apt-get", "install", "-y", "--no-install-recommends", "nodejs", "npm")
    if not _node():
        _give_up(f"node {NODE_MIN} or later with npm is not installed")
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in FILES)).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wardlink-tests"
    folder = cache / f"medplum-{digest}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=cache))
        for name in FILES:
            shutil.copy(HERE / name, fresh / name)
        if said := _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=fresh):
            shutil.rmtree(fresh)
            _give_up(said)
        try:
            fresh.rename(folder)
        except OSError:  # another test process was quicker
            shutil.rmtree(fresh)
    return folder


@pytest.fixture(scope="session")
def judge(medplum: Path) -> Iterator[Ask]:
    """What Medplum's validator finds wrong with a resource: errors as text."""
    command = ["node", str(medplum / "medplum.mjs"), "judge"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        given, said = process.stdin, process.stdout

        def ask(resource: Any, profile: str = "") -> list[str]:
            given.write(json.dumps({"resource": resource, "profile": profile}) + "\n")
            given.flush()
            found = json.loads(said.readline())
            return [f"{issue['text']} {issue['where']}" for issue in found if issue["severity"] in ("error", "fatal")]

        yield ask
