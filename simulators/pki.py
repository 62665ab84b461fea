"""A throw-away PKI for the demo and the tests: an authority, a receiver's and a gateway's certificate, and bad ones.

Keys are made when asked for and never leave the folder given; nothing here is fit for a hospital.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE = timedelta(days=30)
"""Long enough for a demo that is left running, short enough that nobody grows fond of it."""
HOSTS = ("localhost", "127.0.0.1", "::1")

Period: TypeAlias = tuple[datetime, datetime]
"""Not before, not after."""


class Pair(NamedTuple):
    """A certificate and its key: PEM files, readable by their owner only."""

    cert: Path
    key: Path


class Pki(NamedTuple):
    """What two honest parties need: `ca` has signed `server` (localhost) and `client`."""

    ca: Path
    server: Pair
    client: Pair


class BadPki(NamedTuple):
    """Server certificates that must not be believed, a client's that must not be let in, and the other authority."""

    expired: Pair
    not_yet: Pair
    other_host: Pair
    unknown_authority: Pair
    unknown_client: Pair
    expired_client: Pair
    other_ca: Path


class Authority:
    """A certificate authority with a P-256 key; `now` is its clock."""

    def __init__(self, name: str, now: datetime) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._now = now
        self._name = _name(name)
        life = (now - timedelta(days=365), now + timedelta(days=3650))
        self._cert = self._sign(self._name, self._key.public_key(), life, [])

    def save(self, path: Path) -> Path:
        """Write the authority's own certificate."""
        return _write(path, self._cert.public_bytes(serialization.Encoding.PEM))

    def server(self, path: Path, hosts: Sequence[str] = HOSTS, valid: Period | None = None) -> Pair:
        """Issue a server's certificate for names and addresses; `path` without suffix."""
        names = x509.SubjectAlternativeName([_general(host) for host in hosts])
        return self._issue(path, hosts[0], valid, [x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), names])

    def client(self, path: Path, name: str, valid: Period | None = None) -> Pair:
        """Issue a client's certificate; `path` without suffix."""
        return self._issue(path, name, valid, [x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])])

    def _issue(self, path: Path, name: str, valid: Period | None, purpose: list[x509.ExtensionType]) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        # a day of grace: a simulated device on another machine may have a clock that is late
        period = valid or (self._now - timedelta(days=1), self._now + LIFE)
        cert = self._sign(_name(name), key.public_key(), period, purpose)
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        # not with_suffix: a name may hold dots
        return Pair(
            _write(path.with_name(path.name + ".pem"), cert.public_bytes(serialization.Encoding.PEM)),
            _write(path.with_name(path.name + ".key"), pem),
        )

    def _sign(
        self, name: x509.Name, public: ec.EllipticCurvePublicKey, period: Period, purpose: list[x509.ExtensionType]
    ) -> x509.Certificate:
        authority = not purpose
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(period[0])
            .not_valid_after(period[1])
            .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
            .add_extension(_key_usage(authority=authority), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        for extension in purpose:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def make(folder: Path, *, hosts: Sequence[str] = HOSTS, now: datetime | None = None) -> Pki:
    """Make ca.pem, server.pem/.key and client.pem/.key in `folder` (0700), each 0600; what was there is replaced."""
    authority = Authority("Wardlink demo authority", now or datetime.now(UTC))
    _folder(folder)
    return Pki(
        authority.save(folder / "ca.pem"),
        authority.server(folder / "server", hosts),
        authority.client(folder / "client", "wardlink demo gateway"),
    )


def make_with_bad(folder: Path, *, now: datetime | None = None) -> tuple[Pki, BadPki]:
    """A PKI as `make` makes it, and beside it everything that must be refused, from the same authority and from another."""
    now = now or datetime.now(UTC)
    good, other = Authority("Wardlink test authority", now), Authority("Another authority", now)
    past, future = (now - timedelta(days=90), now - timedelta(days=1)), (now + timedelta(days=1), now + LIFE)
    _folder(folder)
    pki = Pki(
        good.save(folder / "ca.pem"), good.server(folder / "server"), good.client(folder / "client", "wardlink test gateway")
    )
    return pki, BadPki(
        expired=good.server(folder / "expired", valid=past),
        not_yet=good.server(folder / "not-yet", valid=future),
        other_host=good.server(folder / "other-host", ("lab.example", "www.lab.example", "192.0.2.7")),
        unknown_authority=other.server(folder / "unknown-authority"),
        unknown_client=other.client(folder / "unknown-client", "stranger"),
        expired_client=good.client(folder / "expired-client", "old gateway", past),
        other_ca=other.save(folder / "other-ca.pem"),
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def _write(path: Path, data: bytes) -> Path:
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    return fresh.replace(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """`python -m simulators.pki FOLDER [HOST …]`: make a PKI there."""
    parser = argparse.ArgumentParser(prog="simulators.pki", description="Make a throw-away PKI.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("host", nargs="*", default=list(HOSTS), help="names and addresses of the server (localhost)")
    given = parser.parse_args(arguments)
    make(given.folder, hosts=given.host)


if __name__ == "__main__":
    main()
