"""The receiver's page names every act and every option."""

import inspect
import re
from pathlib import Path

from simulators.receiver import command
from simulators.receiving.behaviour import Act

PAGE = (Path(__file__).parents[3] / "docs" / "receiver.md").read_text(encoding="utf-8")


def test_the_page_has_every_act() -> None:
    table = PAGE.split("| act |")[1].split("\n\n")[0]
    told = {name.partition(":")[0] for row in table.splitlines() for name in re.findall(r"`([^`]+)`", row.split(" | ")[0])}
    assert told == {act.value for act in Act}


def test_the_page_has_every_option() -> None:
    table = PAGE.split("| option |")[1].split("\n\n")[0]
    told = set(re.findall(r"`--(\w+)", table))
    named = {"say": "tell", "for_s": "for", "as_json": "json"}
    assert told - {"control"} == {named.get(name, name) for name in inspect.signature(command).parameters} - {"control"}
    assert "control" in told
