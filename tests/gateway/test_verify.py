"""What a configuration names must exist; when it does not, the site's terms stay as they were."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import config, terms
from gateway.errors import ConfigError
from gateway.verify import verify, warnings

DEVICE = '[[device]]\nid = "A"\ndriver = "{driver}"\nlink = "tcp://192.0.2.1:1"\n'
SPELLINGS = "spelling,ucum,danger,note,source\nMio/µl,10*6/uL,,,site\n"


@pytest.fixture(autouse=True)
def _our_own_terms_afterwards() -> Iterator[None]:
    yield
    terms.add_site_rows(None)


def test_a_folder_of_terms_that_is_not_there_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        verify(config.parse(f'[gateway]\nname = "x"\nterms = "{tmp_path}/no"\n', "f.toml"))
    assert str(caught.value) == f"f.toml:3: gateway.terms: got '{tmp_path}/no'; expected a folder that can be read"


def test_terms_of_a_configuration_that_is_refused_are_not_kept(tmp_path: Path) -> None:
    (tmp_path / "unit_spellings.csv").write_text(SPELLINGS, "utf-8")
    text = f'[gateway]\nterms = "{tmp_path}"\n'
    with pytest.raises(ConfigError, match="'nonnin'"):
        verify(config.parse(text + DEVICE.format(driver="nonnin")))
    assert terms.spelling("Mio/µl") is None
    verify(config.parse(text + DEVICE.format(driver="nonin")))
    assert terms.spelling("Mio/µl") == ("10*6/uL", "")
    verify(config.parse(DEVICE.format(driver="nonin")))
    assert terms.spelling("Mio/µl") is None, "a configuration without the folder takes the rows away"


LAB = '[[device]]\nid = "A"\ndriver = "nonin"\nlink = "{link}"\ntls = {{ {tls} }}\n'
FILES = 'ca = "/nowhere/ca.pem", cert = "/nowhere/gw.pem", key = "/nowhere/gw.key"'


@pytest.mark.parametrize(
    ("link", "tls", "problem"),
    [
        ("tcp://192.0.2.1:1", FILES, "TLS is for devices that connect to us; expected a link tcp-listen://, or no tls"),
        (
            "tcp-listen://0.0.0.0:1",
            'ca = "/nowhere/ca.pem"',
            "needs cert and key as well as ca: a server shows a certificate of its own",
        ),
    ],
)
def test_a_device_that_cannot_have_tls_is_named_with_its_line(link: str, tls: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        verify(config.parse(LAB.format(link=link, tls=tls), "f.toml"))
    assert str(caught.value) == f"f.toml:5: device.tls: {problem}"


def test_tls_files_that_cannot_be_used_are_a_warning_for_only_their_device_waits() -> None:
    found = verify(config.parse(LAB.format(link="tcp-listen://0.0.0.0:1", tls=FILES), "f.toml"))
    said = [one for one in warnings(found) if "tls" in one]
    assert len(said) == 1
    assert said[0].startswith("f.toml:5: device.tls: /nowhere/ca.pem: ")
    assert said[0].endswith("; nobody can connect until then")


UNKNOWN = "[gateway.unknown]\nlisten = [{doors}]\n"


@pytest.mark.parametrize(
    ("doors", "problem"),
    [
        ('"tcp-lisen://0.0.0.0:1"', "did you mean tcp-listen://?"),
        (
            '"tcp-listen://0.0.0.0:1", "tcp://192.0.2.1:1"',
            "got 'tcp://192.0.2.1:1', which is the line of A; expected one without a device",
        ),
    ],
)
def test_what_cannot_be_a_door_of_unknown_devices_is_named_with_its_line(doors: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        verify(config.parse(UNKNOWN.format(doors=doors) + DEVICE.format(driver="nonin"), "f.toml"))
    assert str(caught.value).startswith("f.toml:2: gateway.unknown.listen: ")
    assert problem in str(caught.value)


TWO = '[[device]]\nid = "{id}"\ndriver = "nonin"\nlink = "tcp-listen://0.0.0.0:{port}{allow}"\n'


@pytest.mark.parametrize(
    ("door", "first", "second", "said"),
    [
        ("", "?allow=10.1.2.3", "?allow=10.1.2.4", []),
        ("", "?allow=10.1.2.0/24", "?allow=10.1.2.4", []),
        ("", "", "?allow=10.1.2.4", []),
        ("", "?allow=10.1.2.4", "?allow=10.1.2.9,10.1.2.4", ["devices A and B take the same callers at port 1"]),
        ("", "", "", ["devices A and B take the same callers at port 1"]),
        ("0.0.0.0:1?allow=10.1.0.0/16", "?allow=10.1.2.3", "?allow=10.1.2.4", []),
        ("127.0.0.1:1", "", "?allow=10.1.2.4", []),
        (
            "0.0.0.0:1?allow=10.1.0.0/16",
            "",
            "?allow=10.1.2.4",
            ["gateway.unknown: nobody unknown is heard at port 1: A takes everybody"],
        ),
        (
            "0.0.0.0:2",
            "?allow=10.1.2.3",
            "?allow=10.1.2.4",
            ["gateway.unknown: anybody who reaches port 2 is taken in, unencrypted"],
        ),
    ],
)
def test_who_would_get_nothing_and_who_could_send_anything_is_warned_of(
    door: str, first: str, second: str, said: list[str]
) -> None:
    head = UNKNOWN.format(doors=f'"tcp-listen://{door}"') if door else ""
    text = head + TWO.format(id="A", port=1, allow=first) + TWO.format(id="B", port=1, allow=second)
    found = [one for one in warnings(verify(config.parse(text, "f.toml"))) if not one.startswith("no destination")]
    assert [one[: len(want)] for one, want in zip(found, said, strict=True)] == said


@pytest.mark.parametrize(("takes", "told"), [('["vitals"]', 1), ('["lab"]', 0), ('["vitals", "qc"]', 0)])
def test_holding_for_codes_what_is_never_taken_is_told(takes: str, told: int) -> None:
    text = f"""
[gateway]
name = "g"

[[destination]]
id = "engine"
kind = "mllp"
format = "lab"
takes = {takes}
address = "localhost:2575"
unmapped = "hold"
"""
    about = [one for one in warnings(config.parse(text)) if 'unmapped = "hold"' in one]
    assert len(about) == told
