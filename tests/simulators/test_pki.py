"""The throw-away PKI: what openssl says of it, and who may read it."""

import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from simulators.pki import main, make, make_with_bad


def verify(ca: Path, cert: Path, purpose: str) -> str:
    command = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", str(ca), str(cert)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def test_openssl_accepts_both_certificates_for_their_purpose_only(tmp_path: Path) -> None:
    pki = make(tmp_path / "pki")
    assert verify(pki.ca, pki.server.cert, "sslserver").endswith("OK\n")
    assert verify(pki.ca, pki.client.cert, "sslclient").endswith("OK\n")
    assert "OK" not in verify(pki.ca, pki.server.cert, "sslclient")
    assert "OK" not in verify(pki.ca, pki.client.cert, "sslserver")


@pytest.mark.parametrize("which", ["expired", "not_yet", "unknown_authority"])
def test_openssl_refuses_the_bad_ones(tmp_path: Path, which: str) -> None:
    pki, bad = make_with_bad(tmp_path / "pki")
    assert "OK" not in verify(pki.ca, getattr(bad, which).cert, "sslserver")


@pytest.mark.parametrize("which", ["unknown_client", "expired_client"])
def test_openssl_refuses_the_bad_clients(tmp_path: Path, which: str) -> None:
    pki, bad = make_with_bad(tmp_path / "pki")
    assert "OK" not in verify(pki.ca, getattr(bad, which).cert, "sslclient")


def test_only_the_owner_reads_the_folder_and_every_file(tmp_path: Path) -> None:
    make_with_bad(tmp_path / "pki")
    folder = tmp_path / "pki"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_making_it_again_replaces_it_whole(tmp_path: Path) -> None:
    first = make(tmp_path / "pki").server.cert.read_bytes()
    pki = make(tmp_path / "pki")
    assert pki.server.cert.read_bytes() != first
    assert verify(pki.ca, pki.server.cert, "sslserver").endswith("OK\n")
    assert sorted(path.name for path in (tmp_path / "pki").iterdir()) == [
        "ca.pem",
        "client.key",
        "client.pem",
        "server.key",
        "server.pem",
    ]


def test_the_command_names_the_hosts_it_is_given(tmp_path: Path) -> None:
    main([str(tmp_path / "pki"), "engine.example", "192.0.2.7"])
    text = subprocess.run(
        ["openssl", "x509", "-in", tmp_path / "pki" / "server.pem", "-noout", "-ext", "subjectAltName"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "DNS:engine.example, IP Address:192.0.2.7" in text


def test_it_ends_by_itself(tmp_path: Path) -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    pki = make(tmp_path / "pki", now=now)
    end = subprocess.run(
        ["openssl", "x509", "-in", pki.client.cert, "-noout", "-enddate", "-dateopt", "iso_8601"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert end.stdout.strip() == f"notAfter={now + timedelta(days=30):%Y-%m-%d %H:%M:%S}Z"
