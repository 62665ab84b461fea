"""The first command that anybody types: the demo ends by itself, and what it prints adds up."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINE = re.compile(r"^(\S+) +(engine|lis|fhir)((?: +\d+){5}) +(\d+)", re.MULTILINE)
"""A line of the statement: device, destination, received, delivered, waiting, held, parked, dropped."""
SAYS = re.compile(r"^(\w+) says: (\d+) messages accepted; the gateway says: (\d+) delivered$", re.MULTILINE)


@pytest.mark.slow
def test_the_demo_ends_by_itself_with_a_statement_that_balances() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "simulators.demo", "--for", "8"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    lines = {(found[1], found[2]): [int(n) for n in (*found[3].split(), found[4])] for found in LINE.finditer(done.stdout)}
    assert {device for device, _ in lines} == {"BED1-OXI", "BED2-OXI", "BED1-VENT", "LAB-XN", "LAB-C111"}, done.stdout
    for received, delivered, waiting, *elsewhere in lines.values():
        assert received == delivered + waiting + sum(elsewhere)
        assert waiting == 0
    assert "Everything received is accounted for." in done.stdout
    told = {found[1]: (int(found[2]), int(found[3])) for found in SAYS.finditer(done.stdout)}
    assert told.keys() == {"engine", "lis", "fhir"}
    for name, (accepted, delivered) in told.items():
        assert accepted == delivered == sum(line[1] for (_, destination), line in lines.items() if destination == name) > 0
