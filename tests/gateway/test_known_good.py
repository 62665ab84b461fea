"""Configurations that ran: kept whole, readable by nobody else, never mistaken for another file's, never used when damaged."""

from __future__ import annotations

import hashlib
import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway import known_good, loaded
from gateway.config import GatewayConfig
from gateway.loaded import Loaded

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_state_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def text(data: Path, name: str = "box") -> str:
    return f'[gateway]\nname = "{name}"  # Zoë\ndata = "{data}"\r\n'


def read(data: Path, name: str = "box", file: str = "w.toml") -> Loaded:
    path = data.parent / file
    path.write_bytes(text(data, name).encode())
    return loaded.load(path)


def keep(data: Path, *names: str) -> None:
    for number, name in enumerate(names):
        known_good.keep(data, read(data, name), NOW + timedelta(hours=number))


def names(data: Path) -> list[str]:
    return [loaded.parse(one.text, one.path).settings.gateway.name for one in known_good.history(data)]


def test_what_was_kept_is_the_file_byte_for_byte_for_its_owner_alone(data: Path) -> None:
    keep(data, "box")
    (one,) = known_good.history(data)
    assert one.text == text(data).encode()
    assert one.sha256 == hashlib.sha256(text(data).encode()).hexdigest()
    assert (one.path, one.since) == (data.parent / "w.toml", NOW)
    assert stat.S_IMODE(one.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(one.file.parent.stat().st_mode) == 0o700
    assert [file.suffix for file in one.file.parent.iterdir()] == [".toml"], "no half-written file is left"


def test_a_kept_file_is_a_configuration_that_can_be_copied_back(data: Path) -> None:
    keep(data, "box")
    (one,) = known_good.history(data)
    assert loaded.load(one.file).settings.model_dump() == read(data).settings.model_dump()


def test_the_same_again_keeps_when_it_first_ran(data: Path) -> None:
    keep(data, "box", "box")
    assert [one.since for one in known_good.history(data)] == [NOW]


def test_the_latest_ten_stay_in_the_order_in_which_they_ran_whatever_the_clock_did(data: Path) -> None:
    for number in range(12):
        known_good.keep(data, read(data, f"b{number}"), NOW - timedelta(days=number))
    assert names(data) == [f"b{number}" for number in range(11, 1, -1)]


DAMAGE = {
    "a changed byte": lambda raw: raw.replace(b'"b2"', b'"b7"'),
    "half of it": lambda raw: raw[: len(raw) // 2],
    "nothing": lambda raw: b"",
    "zeroes": lambda raw: bytes(len(raw)),
    "a head that is no JSON": lambda raw: raw.replace(b'{"path"', b"{path"),
    "a head without its time": lambda raw: raw.replace(b'"since"', b'"sense"'),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_one_is_passed_over_for_the_one_before(data: Path, damage: object, caplog: pytest.LogCaptureFixture) -> None:
    keep(data, "b1", "b2")
    latest = known_good.history(data)[0].file
    assert callable(damage)
    latest.write_bytes(damage(latest.read_bytes()))
    assert names(data) == ["b1"]
    assert str(latest) in caplog.text
    keep(data, "b3")
    assert names(data) == ["b3", "b1"]


def test_another_files_configuration_is_never_used(data: Path) -> None:
    keep(data, "box")
    known_good.keep(data, read(data, "other", "other.toml"), NOW + timedelta(days=1))
    found = known_good.latest(data.parent / "w.toml")
    assert found is not None
    assert loaded.parse(found.text, found.path).settings.gateway.name == "box"
    assert known_good.latest(data.parent / "third.toml") is None


SPOILT = {
    "a key that nobody knows": '[gateway]\nnam = "x"\ndata = "{data}"\n',
    "no TOML behind the line": '[gateway]\ndata = "{data}"\n[[device\n',
    "no TOML before the line": '[gateway\n  data="{data}" # here\n',
    "single quotes": "[gateway]\ndata = '{data}'\n]]]\n",
    "bytes that are no text": '[gateway]\ndata = "{data}"\n\udcff\n',
}


@pytest.mark.parametrize("spoilt", SPOILT.values(), ids=SPOILT)
def test_the_data_folder_is_found_though_the_file_is_spoilt(data: Path, spoilt: str) -> None:
    keep(data, "box")
    path = data.parent / "w.toml"
    path.write_bytes(spoilt.format(data=data).encode("utf-8", "surrogateescape"))
    found = known_good.latest(path)
    assert found is not None
    assert found.text == text(data).encode()


def test_a_file_that_is_gone_is_looked_for_where_systemd_says_then_in_the_default(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(data, "box")
    path = data.parent / "w.toml"
    path.unlink()
    assert known_good.data_folders(path) == [GatewayConfig().data]
    monkeypatch.setenv("STATE_DIRECTORY", f"{data}:/elsewhere")
    assert known_good.data_folders(path) == [data, GatewayConfig().data]
    assert known_good.latest(path) is not None


def test_the_head_says_where_it_came_from_since_when_and_by_which_wardlink(data: Path) -> None:
    keep(data, "box")
    head = known_good.history(data)[0].file.read_bytes().split(b"\n")[0]
    said = json.loads(head.removeprefix(b"# wardlink ran with this: "))
    assert {key: said[key] for key in ("path", "since")} == {"path": str(data.parent / "w.toml"), "since": NOW.isoformat()}
    assert said["version"]


def test_a_folder_that_cannot_be_written_is_the_callers_to_tell(data: Path) -> None:
    (data / known_good.FOLDER).write_text("in the way")
    with pytest.raises(FileExistsError):
        keep(data, "box")
