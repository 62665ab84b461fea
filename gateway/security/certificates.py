"""What a certificate says of itself: whose it is, for which names, until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from gateway.errors import ConfigError

FILE_MAX = 1024 * 1024
"""Bytes of a certificate file: a whole national list of authorities fits; a disk image given by mistake does not."""
NAMES_MAX = 5
"""Names of a certificate that a sentence lists: shared certificates hold hundreds."""
NAME_MAX = 100
"""Characters of a name in a sentence; a host name has at most 253, a hostile certificate has any number."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate. `names` are the host names and addresses it is for; times are UTC."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime

    def list_names(self) -> str:
        """The names as a sentence lists them."""
        shown = ", ".join(self.names[:NAMES_MAX]) or "no host name at all"
        return shown if len(self.names) <= NAMES_MAX else f"{shown} and {len(self.names) - NAMES_MAX} more"


def from_der(der: bytes) -> Certificate:
    """Read a certificate as TLS shows it. Raises ValueError when it is none."""
    return _certificate(x509.load_der_x509_certificate(der))


def own(path: Path) -> Certificate:
    """The first certificate of a PEM file: our own. Raises ConfigError that says what is wrong with the file."""
    return load(path)[0]


def load(path: Path) -> tuple[Certificate, ...]:
    """All certificates of a PEM file. Raises ConfigError that says what is wrong with it."""
    try:
        data = path.read_bytes() if path.stat().st_size <= FILE_MAX else b""
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; expected a PEM file of certificates") from None
    try:
        return tuple(_certificate(one) for one in x509.load_pem_x509_certificates(data))
    except ValueError:
        raise ConfigError(f"{path}: holds no PEM certificate; expected a file with -----BEGIN CERTIFICATE-----") from None


def _certificate(cert: x509.Certificate) -> Certificate:
    return Certificate(_call(cert.subject), _call(cert.issuer), _names(cert), cert.not_valid_before_utc, cert.not_valid_after_utc)


def _call(name: x509.Name) -> str:
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return _safe(str(common[0].value) if common else name.rfc4514_string()) or "nobody"


def _names(cert: x509.Certificate) -> tuple[str, ...]:
    try:
        alternative = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    addresses = alternative.get_values_for_type(x509.IPAddress)
    return tuple(_safe(str(name)) for name in (*alternative.get_values_for_type(x509.DNSName), *addresses))


def _safe(text: str) -> str:
    """Peer text fit for a log line: printable and short."""
    return "".join(c if c.isprintable() else "?" for c in text[:NAME_MAX])
