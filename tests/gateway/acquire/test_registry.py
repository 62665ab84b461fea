"""The registry: drivers by name, imported only when asked for; every mistake named with what was expected."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field

from gateway.acquire import registry
from gateway.driver import Driver, Options
from gateway.errors import ConfigError
from protocols.sansio import Quiet


class Tuning(BaseModel):
    rate: int = 1
    gain: int = 1


class SomeOptions(Options):
    maker: str
    interval_s: float = Field(default=1.0, gt=0)
    tuning: Tuning = Tuning()


class Nothing(Quiet):
    def receive(self, data: bytes, now: float) -> tuple[()]:
        return ()

    def end(self, now: float) -> tuple[()]:
        return ()


DRIVER = Driver(
    id="some", maker="Nobody", models=("One",), source="this file", options=SomeOptions,
    codec=lambda _: Nothing(), interpret=lambda _m, _c: (),
)  # fmt: skip
NO_DRIVER = "a text"


@pytest.fixture
def with_profiles(tmp_path: Path) -> Driver[Any, Any]:
    (tmp_path / "acme-one.toml").write_text('maker = "acme"\ninterval_s = 5\ntuning = { rate = 7, gain = 3 }\n')
    (tmp_path / "acme-two.toml").write_text('maker = "acme"\ninterval_s = -1\nspeed = 1\n')
    (tmp_path / "broken.toml").write_text("maker = \n")
    return replace(DRIVER, profiles=tmp_path)


def test_our_drivers_are_registered_by_their_short_ids() -> None:
    assert {"nonin", "masimo", "pb840", "astm"} <= set(registry.ids())
    assert registry.load("nonin").id == "nonin"


def test_only_the_driver_asked_for_is_imported() -> None:
    code = (
        "import sys; from gateway.acquire import registry; registry.load('nonin');"
        "sys.exit(any(name.startswith('drivers.') and 'nonin' not in name and name != 'drivers.bedside' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_driver_names_the_known_ones_and_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"driver 'nonim': expected one of .*masimo.*; did you mean 'nonin'\?"):
        registry.load("nonim")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("no.such.module:DRIVER", "cannot be imported: ModuleNotFoundError"),
        ("sys:path", "is a list; expected a gateway.driver.Driver"),
    ],
)
def test_a_broken_plug_in_is_named(monkeypatch: pytest.MonkeyPatch, value: str, said: str) -> None:
    monkeypatch.setattr(registry, "_points", lambda: {"third": EntryPoint("third", value, registry.GROUP)})
    with pytest.raises(ConfigError, match=f"driver 'third': {value} {said}"):
        registry.load("third")


def test_profiles_are_listed_by_name(with_profiles: Driver[Any, Any]) -> None:
    assert registry.profiles(with_profiles) == ["acme-one", "acme-two", "broken"]
    assert registry.profiles(DRIVER) == []


def test_options_are_defaults_then_profile_then_overrides_key_by_key(with_profiles: Driver[Any, Any]) -> None:
    found = registry.options(with_profiles, "acme-one", {"interval_s": "2.5", "tuning": {"gain": 9}})
    assert found == SomeOptions(maker="acme", interval_s=2.5, tuning=Tuning(rate=7, gain=9))


def test_a_site_may_give_its_own_profile_by_path(with_profiles: Driver[Any, Any], tmp_path: Path) -> None:
    own = tmp_path / "own" / "lab.toml"
    own.parent.mkdir()
    own.write_text('maker = "ours"\n')
    assert registry.options(with_profiles, str(own), {}) == SomeOptions(maker="ours")


def wrong(driver: Driver[Any, Any], profile: str, table: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        registry.options(driver, profile, table)
    return str(caught.value)


def test_wrong_profiles_and_options_are_named_with_what_was_expected(with_profiles: Driver[Any, Any], tmp_path: Path) -> None:
    assert "profile 'acme-on': expected one of acme-one, acme-two, broken; did you mean 'acme-one'?" in wrong(
        with_profiles, "acme-on", {}
    )
    assert "driver some needs a profile: expected one of acme-one" in wrong(with_profiles, "", {})
    assert f"profile './own.toml': a file is given by its absolute path, such as {Path.cwd()}/own.toml" in wrong(
        with_profiles, "./own.toml", {}
    )
    assert "profile 'x': the driver some has no profiles" in wrong(DRIVER, "x", {})
    assert f"{tmp_path}/broken.toml: not TOML" in wrong(with_profiles, "broken", {})
    assert "/no/such.toml: cannot be read: No such file" in wrong(with_profiles, "/no/such.toml", {})
    file = f"{tmp_path}/acme-two.toml"
    assert wrong(with_profiles, "acme-two", {}).splitlines() == [
        f"{file}:2: interval_s: got -1; Input should be greater than 0",
        f"{file}:3: speed: no such option; expected one of maker, interval_s, tuning",
    ]
    assert wrong(DRIVER, "", {"makr": "x"}).splitlines() == [
        "options of driver some: maker: is missing and must be given",
        "options of driver some: makr: no such option; expected one of maker, interval_s, tuning; did you mean 'maker'?",
    ]
    assert wrong(DRIVER, "", {"maker": "x", "tuning": {"rate": "fast"}}).startswith(
        "options of driver some: tuning.rate: got 'fast'; "
    )
