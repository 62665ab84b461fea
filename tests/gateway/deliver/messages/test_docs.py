"""The pages on message formats: their examples are rendered again, their settings are the real ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.deliver.messages import lab, law, pcd01, poct
from gateway.model import Entry, Gateway, Subject
from gateway.settings.hl7 import Hl7Settings
from gateway.settings.lab import LabSettings, LawSettings, PoctSettings
from gateway.settings.pcd01 import Pcd01Settings

PAGES = Path(__file__).parents[4] / "docs" / "messages"
MakeEntry = Callable[..., Entry]


def example(name: str) -> str:
    found = re.search(r"```\n(.*?)```", (PAGES / f"{name}.md").read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1].replace("\n", "\r")


def test_the_pcd01_example_is_what_is_rendered(oximeter: MakeEntry, subject: Subject, gateway: Gateway) -> None:
    assert pcd01.renderer(Pcd01Settings(), gateway)(oximeter(), subject).body.decode() == example("pcd01")


def test_the_lab_example_is_what_is_rendered(analyzer: MakeEntry, subject: Subject, gateway: Gateway) -> None:
    assert lab.renderer(LabSettings(), gateway)(analyzer(), subject).body.decode() == example("lab")


def test_the_law_example_is_what_is_rendered(analyzer: MakeEntry, subject: Subject, gateway: Gateway) -> None:
    assert law.renderer(LawSettings(), gateway)(analyzer(), subject).body.decode() == example("law")


def test_the_poct_example_is_what_is_rendered(analyzer: MakeEntry, subject: Subject, gateway: Gateway) -> None:
    assert poct.renderer(PoctSettings(), gateway)(analyzer(), subject).body.decode() == example("poct")


@pytest.mark.parametrize(
    ("name", "model"), [("pcd01", Pcd01Settings), ("lab", LabSettings), ("law", LawSettings), ("poct", PoctSettings)]
)
def test_every_setting_is_listed_with_its_default(name: str, model: type[Hl7Settings]) -> None:
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `(\w+)` \| `([^|]*)` \|", text, re.MULTILINE))
    assert listed == {key: toml(field.default) for key, field in model.model_fields.items()}


def toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
