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
