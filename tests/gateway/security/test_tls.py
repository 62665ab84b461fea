"""Contexts: what they demand, and which files they refuse."""

import os
import ssl
import subprocess
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.security.tls import check_key, client_context, key_path, server_context
from gateway.settings import TlsSettings
from simulators.pki import BadPki, Pki


def settings(pki: Pki, **more: object) -> TlsSettings:
    return TlsSettings.model_validate({"ca": pki.ca, "cert": pki.client.cert, "key": str(pki.client.key), **more})


def test_a_client_demands_a_certificate_for_the_name(pki: Pki) -> None:
    context = client_context(settings(pki))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert not context.hostname_checks_common_name


def test_a_server_demands_a_certificate(pki: Pki) -> None:
    assert server_context(settings(pki)).verify_mode is ssl.CERT_REQUIRED


def test_only_the_given_authorities_are_trusted(pki: Pki) -> None:
    trusted = client_context(settings(pki)).get_ca_certs()
    assert [dict(pair for rdn in ca["subject"] for pair in rdn) for ca in trusted] == [{"commonName": "Wardlink test authority"}]  # type: ignore[misc]


@pytest.mark.parametrize("make", [client_context, server_context])
def test_nothing_older_than_1_2_and_nothing_but_aead_with_forward_secrecy(pki: Pki, make: object) -> None:
    context = make(settings(pki))  # type: ignore[operator]
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    suites = context.get_ciphers()
    assert suites
    assert all(suite["aead"] for suite in suites)
    assert all(suite["name"].startswith(("ECDHE-", "TLS_")) for suite in suites)


@pytest.mark.parametrize("option", [ssl.OP_NO_COMPRESSION, ssl.OP_NO_RENEGOTIATION])
def test_neither_compression_nor_renegotiation(pki: Pki, option: ssl.Options) -> None:
    assert client_context(settings(pki)).options & option
    assert server_context(settings(pki)).options & option


def test_without_our_own_certificate_only_the_receiver_is_verified(pki: Pki) -> None:
    assert client_context(TlsSettings(ca=pki.ca)).verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("given", [{"cert": None}, {"key": None}])
def test_certificate_and_key_belong_together(pki: Pki, given: dict[str, None]) -> None:
    with pytest.raises(ConfigError, match="give both"):
        client_context(settings(pki, **given))


def test_a_listening_side_needs_a_certificate(pki: Pki) -> None:
    with pytest.raises(ConfigError, match="give both"):
        server_context(TlsSettings(ca=pki.ca))


def test_another_certificates_key_is_named(pki: Pki) -> None:
    with pytest.raises(ConfigError, match=r"server\.key: is not the key of the certificate in .*client\.pem"):
        client_context(settings(pki, key=str(pki.server.key)))


def test_a_key_file_without_a_key_is_named(pki: Pki, key_copy: Path) -> None:
    key_copy.write_text("no key\n")
    with pytest.raises(ConfigError, match=r"gw\.key: holds no private key"):
        client_context(settings(pki, key=str(key_copy)))


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked(pki: Pki, key_copy: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked.key"
    subprocess.run(["openssl", "pkcs8", "-topk8", "-in", key_copy, "-out", locked, "-passout", "pass:secret"], check=True)
    locked.chmod(0o600)
    with pytest.raises(ConfigError, match="passphrase"):
        client_context(settings(pki, key=str(locked)))


def test_an_absent_key_is_named(pki: Pki, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.key: the key cannot be read: No such file"):
        client_context(settings(pki, key=str(tmp_path / "none.key")))


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o602, 0o646])
def test_a_key_that_others_can_read_is_refused_with_what_to_do(pki: Pki, key_copy: Path, mode: int) -> None:
    key_copy.chmod(mode)
    with pytest.raises(ConfigError, match=rf"others can read this key \(mode {mode:04o}\); do: chmod 6[04]0 .*gw\.key"):
        client_context(settings(pki, key=str(key_copy)))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize(("owner", "allowed"), [(0, True), (65534, False)])
def test_a_group_may_read_roots_key_only(key_copy: Path, owner: int, *, allowed: bool) -> None:
    os.chown(key_copy, owner, -1)
    key_copy.chmod(0o640)
    if allowed:
        check_key(key_copy)
    else:
        with pytest.raises(ConfigError, match="chmod 600"):
            check_key(key_copy)


def test_a_credential_is_found_in_the_services_folder(pki: Pki, key_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(key_copy.parent))
    key_copy.chmod(0o440)  # as systemd shows it where an access list is in force
    assert client_context(settings(pki, key="credential:gw.key")).verify_mode is ssl.CERT_REQUIRED


def test_a_credential_outside_a_service_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(ConfigError, match="LoadCredentialEncrypted=gw"):
        key_path("credential:gw.key")


@pytest.mark.parametrize("name", ["", "../etc/shadow", "a/b", ".hidden", "a b", "a" * 256])
def test_a_credential_is_a_name_and_no_path(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials")
    with pytest.raises(ConfigError, match="expected credential:NAME"):
        key_path(f"credential:{name}")


def test_an_authority_file_that_is_none_is_named(bad: BadPki, tmp_path: Path) -> None:
    empty = tmp_path / "ca.pem"
    empty.touch()
    with pytest.raises(ConfigError, match=r"ca\.pem: holds no PEM certificate"):
        client_context(TlsSettings(ca=empty))
