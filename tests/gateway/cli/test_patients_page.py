"""docs/patients.md: its worked example is carried out, and gives what the page says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.gateway.cli.conftest import Wardlink
else:
    Wardlink = object

PAGE = Path(__file__).parents[3] / "docs" / "patients.md"


def test_the_worked_example_is_what_happens(wardlink: Wardlink, toml: Path) -> None:
    page = PAGE.read_text("utf-8")
    (block,) = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    steps = re.findall(r"^\$ wardlink (.*)\n((?:[^$].*\n)*)", block, re.MULTILINE)
    assert len(steps) == 4
    for command, told in steps:
        assert wardlink(*shlex.split(command), "-c", toml).out == told
    table = re.findall(r"^\| (SYN-\d+) \| (\S+) \| (\S*) ?\|$", page, re.MULTILINE)
    found = wardlink("associations", "--json", "-c", toml).json
    assert [(one["patient_id"], one["valid_from"], one["valid_to"] or "") for one in found] == table
