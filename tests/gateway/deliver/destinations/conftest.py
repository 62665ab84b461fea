"""A PKI, and receivers that were not written here."""

from pathlib import Path

import pytest

from gateway.settings import TlsSettings
from simulators.pki import BadPki, Pki, make_with_bad


@pytest.fixture(scope="session")
def pkis(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pki, BadPki]:
    return make_with_bad(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def pki(pkis: tuple[Pki, BadPki]) -> Pki:
    return pkis[0]


@pytest.fixture
def bad(pkis: tuple[Pki, BadPki]) -> BadPki:
    return pkis[1]


@pytest.fixture
def tls(pki: Pki) -> TlsSettings:
    return TlsSettings(ca=pki.ca, cert=pki.client.cert, key=str(pki.client.key))


@pytest.fixture
def keep(tmp_path: Path) -> Path:
    return tmp_path / "kept"
