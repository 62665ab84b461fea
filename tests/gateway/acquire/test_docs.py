"""docs/links.md says what the code does: every link, every parameter, every error."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.acquire import links
from gateway.acquire.links import parse_link
from gateway.errors import ConfigError

PAGE = (Path(__file__).parents[3] / "docs" / "links.md").read_text()


def test_every_dial_string_of_the_page_is_one() -> None:
    found = re.findall(r"`((?:serial|tcp|tcp-listen|rfc2217|udp|trace)://[^`\s]*[^`\s/])`", PAGE)
    assert {text.partition(":")[0] for text in found} == set(links._SCHEMES)
    for text in found:
        parse_link(text)


@pytest.mark.parametrize("scheme", sorted(links._SCHEMES))
def test_every_parameter_is_explained_in_its_section(scheme: str) -> None:
    address = "/p" if scheme in ("serial", "trace") else "h:1"
    with pytest.raises(ConfigError) as caught:
        parse_link(f"{scheme}://{address}?nothing=1")
    told = re.search(r"expected ([^?]*?)(?:, did you mean|$)", str(caught.value))
    assert told is not None
    section = PAGE.split(f"\n## {scheme}\n")[1].split("\n## ")[0]
    for parameter in told.group(1).split(", "):
        assert f"`{parameter}`" in section


def test_every_error_of_the_page_is_said_somewhere() -> None:
    rows = PAGE.split("## What the errors mean")[1].split("\n\n")[2].splitlines()[2:]
    source = "".join(path.read_text() for path in Path(links.__file__).parents[1].rglob("*.py"))
    assert len(rows) >= 15
    for row in rows:
        for phrase in re.split(r"; | … |: …| …|\(|\d+ s", row.split("|")[1].strip()):
            words = phrase.strip(" )")
            assert not words or words in source or words in ("silent", "holding"), words
