"""A PKI with good and bad certificates, made once for these tests."""

from pathlib import Path

import pytest

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
def key_copy(pki: Pki, tmp_path: Path) -> Path:
    """The client's key where its mode may be changed."""
    copy = tmp_path / "gw.key"
    copy.write_bytes(pki.client.key.read_bytes())
    copy.chmod(0o600)
    return copy
