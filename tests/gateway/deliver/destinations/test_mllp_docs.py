"""The MLLP page says what the code does: its tables and its list of settings."""

import re
from pathlib import Path

from gateway.settings.mllp import ACK_POLICY, ERROR_POLICY, MllpSettings

PAGE = (Path(__file__).parents[4] / "docs" / "destinations" / "mllp.md").read_text(encoding="utf-8")


def test_the_page_has_the_default_of_every_acknowledgement_code() -> None:
    told = dict(re.findall(r"^\| `([AC][AER])` \| (\w+) \|$", PAGE, re.MULTILINE))
    assert told == {code.value: verdict.value for code, verdict in ACK_POLICY.items()}


def test_the_page_has_the_default_of_every_error_code() -> None:
    told = dict(re.findall(r"^\| `(\d{3})` \| [^|]+ \| (\w+) \|$", PAGE, re.MULTILINE))
    assert told == {code: verdict.value for code, verdict in ERROR_POLICY.items()}


def test_the_page_has_every_setting() -> None:
    settings = PAGE.split("## Settings")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", settings, re.MULTILINE)) == set(MllpSettings.model_fields)
