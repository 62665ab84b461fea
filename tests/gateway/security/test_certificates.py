"""What a certificate says of itself, against openssl's own reading and the dates it was made with."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.security import certificates
from simulators.pki import BadPki, Pki, make

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def test_a_certificate_tells_its_names_its_signer_and_its_life(tmp_path: Path) -> None:
    pki = make(tmp_path / "pki", hosts=("engine.example", "192.0.2.7"), now=NOW)
    cert = certificates.own(pki.server.cert)
    assert cert.subject == "engine.example"
    assert cert.issuer == "Wardlink demo authority"
    assert cert.names == ("engine.example", "192.0.2.7")
    assert (cert.not_before, cert.not_after) == (NOW - timedelta(days=1), NOW + timedelta(days=30))


def test_many_names_are_listed_shortly() -> None:
    names = tuple(f"h{n}.example" for n in range(7))
    cert = certificates.Certificate("a", "b", names, NOW, NOW)
    assert cert.list_names() == "h0.example, h1.example, h2.example, h3.example, h4.example and 2 more"


def test_a_certificate_without_names_says_so(pki: Pki) -> None:
    assert certificates.own(pki.client.cert).list_names() == "no host name at all"


def test_a_file_of_several_authorities_is_read_whole(pki: Pki, bad: BadPki, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(pki.ca.read_bytes() + bad.other_ca.read_bytes())
    assert [one.subject for one in certificates.load(both)] == ["Wardlink test authority", "Another authority"]


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\x00" * 2_000_000]
)
def test_a_file_that_is_no_certificate_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"ca\.pem: holds no PEM certificate"):
        certificates.load(path)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ca\.pem: cannot be read: No such file or directory"):
        certificates.load(tmp_path / "ca.pem")
