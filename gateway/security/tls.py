"""TLS contexts for mutual authentication: 1.2 or later, AEAD suites, only the authorities of the file that was given.

IETF BCP 195 (RFC 9325): no version before 1.2, no compression, no renegotiation, forward secrecy. There is no switch that
turns verification off.
"""

from __future__ import annotations

import os
import re
import ssl
import stat
from pathlib import Path

from gateway.errors import ConfigError
from gateway.security import certificates
from gateway.settings import TlsSettings

SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"
"""For TLS 1.2; 1.3 has nothing but AEAD."""

_CREDENTIAL = "credential:"
_CREDENTIAL_NAME = re.compile(r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}$")


def client_context(settings: TlsSettings) -> ssl.SSLContext:
    """For connecting: the peer must show a certificate for the name wanted, signed by one of `settings.ca`.

    Raises ConfigError naming the file and what to do about it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.hostname_checks_common_name = False
    _harden(context)
    _trust(context, settings.ca)
    if settings.cert is not None or settings.key is not None:
        _identify(context, settings)
    return context


def server_context(settings: TlsSettings) -> ssl.SSLContext:
    """For listening: the peer must show a certificate signed by one of `settings.ca`. Raises ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    _harden(context)
    _trust(context, settings.ca)
    _identify(context, settings)
    return context


def stamp(settings: TlsSettings | None) -> tuple[tuple[int, int, int] | None, ...]:
    """What changes when one of the files is written anew or replaced; None stands for one that is not there."""
    if settings is None:
        return ()
    return tuple(_stamp(str(file)) for file in (settings.ca, settings.cert, settings.key) if file is not None)


def key_path(key: str) -> Path:
    """Where the key is: a path, or credential:NAME in the folder that systemd gives the service. Raises ConfigError."""
    if not key.startswith(_CREDENTIAL):
        return Path(key)
    name = key.removeprefix(_CREDENTIAL)
    if not _CREDENTIAL_NAME.match(name):
        raise ConfigError(f"tls.key: {key!r}: expected credential:NAME with letters, digits and . _ - only")
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise ConfigError(
            f"tls.key: {key}: this process has no credentials; start it as a systemd service with "
            f"LoadCredentialEncrypted={name}:FILE, or give the path of a key file"
        )
    return Path(folder) / name


def check_key(path: Path, *, credential: bool = False) -> None:
    """Refuse a key that others can read: 0600 of its user, or 0640 of root's (the rule PostgreSQL made known).

    A systemd credential may show a group: its access list is what the mode bits stand for there.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise ConfigError(f"{path}: the key cannot be read: {error.strerror}; expected a PEM file") from None
    allowed = 0o740 if credential or status.st_uid == 0 else 0o700
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o777 & ~allowed:
        raise ConfigError(
            f"{path}: others can read this key (mode {mode:04o}); do: chmod {'640' if allowed & 0o040 else '600'} {path}"
        )


def _stamp(file: str) -> tuple[int, int, int] | None:
    try:
        status = key_path(file).stat()
    except (OSError, ConfigError):
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(SUITES)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION


def _trust(context: ssl.SSLContext, ca: Path) -> None:
    certificates.load(ca)
    context.load_verify_locations(ca)
    # a hospital may give its issuing authority alone: what stands in the file is trusted, whatever signed it
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN


def _identify(context: ssl.SSLContext, settings: TlsSettings) -> None:
    if settings.cert is None or settings.key is None:
        raise ConfigError("tls: cert and key belong together: give both")
    path = key_path(settings.key)
    check_key(path, credential=settings.key.startswith(_CREDENTIAL))
    certificates.load(settings.cert)
    try:
        context.load_cert_chain(settings.cert, path, password=_no_password)
    except ssl.SSLError as error:
        raise ConfigError(_bad_pair(error, settings.cert, path)) from None
    except OSError as error:
        raise ConfigError(f"{path}: the key cannot be read: {error.strerror}") from None


def _no_password() -> str:
    # without this, OpenSSL would ask on the terminal and wait
    raise ConfigError(
        "tls.key: the key is protected by a passphrase, and a service has nobody to ask; "
        "keep it as a systemd credential instead (systemd-creds encrypt) or remove the passphrase"
    )


def _bad_pair(error: ssl.SSLError, cert: Path, key: Path) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"{key}: is not the key of the certificate in {cert}; expected the key that its request was made with"
    return f"{key}: holds no private key in PEM form; expected a file with -----BEGIN PRIVATE KEY-----"
