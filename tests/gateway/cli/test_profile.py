"""wardlink profile, by hand: a profile from a capture, held against it, explained; a site's own file goes wherever a name does."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Wardlink = Callable[..., Any]
CAPTURES = Path(__file__).parents[2] / "captures"
XP = CAPTURES / "astm" / "sysmex-xp" / "xp-100"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_profile_from_a_capture_reads_it_at_once(wardlink: Wardlink, here: Path) -> None:
    made = wardlink("profile", "new", "acme-xp", "--driver", "astm", "--capture", XP / "wire.bin")
    assert (made.code, "guessed: specimen_id = ['O.4.3']: O.4.3 holds what looks like ids" in made.out) == (0, True)
    said = tomllib.loads((here / "acme-xp.toml").read_text())
    assert (said["specimen_id"], said["serial"], said["maker"]) == (["O.4.3"], ["H.5.6"], "Sysmex")
    tested = wardlink("profile", "test", "acme-xp.toml", XP, "--driver", "astm")
    assert (tested.code, "As expected.json has it." in tested.out) == (0, True), tested.out
    again = wardlink("profile", "new", "acme-xp", "--driver", "astm")
    assert (again.code, "is there already" in again.err) == (2, True)


def test_a_recording_that_is_written_down_as_text_serves_too(wardlink: Wardlink, here: Path) -> None:
    Path("run.txt").write_bytes((XP / "wire.bin").read_bytes().replace(b"\x02", b"<STX>").replace(b"\x03", b"<ETX>"))
    raw = wardlink("profile", "new", "raw", "--driver", "astm", "--capture", "run.txt")
    assert "nothing in it was understood: it spells control characters, as <STX>: try --bytes names" in raw.out
    assert "try --bytes names" in wardlink("profile", "test", "sysmex-xp", "run.txt").out
    made = wardlink("profile", "new", "acme-xp", "--driver", "astm", "--capture", "run.txt", "--bytes", "names")
    assert "profile test acme-xp.toml run.txt --driver astm --bytes names" in made.out
    tested = wardlink("profile", "test", "acme-xp.toml", "run.txt", "--driver", "astm", "--bytes", "names")
    assert (tested.code, "readings 20" in tested.out) == (0, True), tested.out
    told = wardlink("profile", "explain", "acme-xp.toml", "run.txt", "--driver", "astm", "--bytes", "names").out
    assert "specimen_id   113" in told


def test_a_profile_taken_over_from_another_sets_what_that_sets_and_not_how_it_is_known(wardlink: Wardlink, here: Path) -> None:
    assert wardlink("profile", "new", "acme", "--driver", "astm", "--from", "sysmex-xp").code == 0
    said = tomllib.loads((here / "acme.toml").read_text())
    assert "maker" in said
    assert not {"evidence", "source"} & set(said)
    assert wardlink("decode", "--driver", "astm", "--profile", "./acme.toml", XP / "wire.bin").lines[0]["specimen_id"] == "113"


@pytest.mark.parametrize("driver", ["astm", "hl7-lab", "poct1a", "beckman-au", "vidas"])
def test_every_shipped_profile_is_as_its_captures_say(driver: str, wardlink: Wardlink) -> None:
    for folder in sorted(CAPTURES.joinpath(driver).iterdir())[:3]:
        done = wardlink("profile", "test", folder.name, folder, "--driver", driver)
        assert (done.code, "As expected.json has it." in done.out) == (0, True), (folder, done.out, done.err)


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A capture folder of our own."""
    shutil.copytree(XP, tmp_path / "xp")
    return tmp_path / "xp"


def test_a_difference_is_told_field_by_field_and_is_an_exit_code(wardlink: Wardlink, case: Path) -> None:
    expected = json.loads((case / "expected.json").read_text())
    code = expected[1]["vendor_code"]
    expected[1]["value"] = "9.99"
    expected.append({"vendor_code": "NOT THERE", "value": "1"})
    (case / "expected.json").write_text(json.dumps(expected))
    done = wardlink("profile", "test", "sysmex-xp", case)
    assert done.code == 1
    assert f"2. {code}: value: expected '9.99', got '2.87'" in done.out
    assert "NOT THERE: not read at all" in done.out
    told = wardlink("profile", "test", "sysmex-xp", case, "--json")
    assert (told.code, len(told.json[0]["differences"])) == (1, 2)


def test_what_nobody_read_is_told(wardlink: Wardlink, tmp_path: Path) -> None:
    record = b"H|\\^&|||ACME^X1\rP|1\rO|1|S1\rR|1|^^^QQQ|5|furlongs\rL|1|N\r"
    (tmp_path / "a.bin").write_bytes(record + b"\x02garbage\x03")
    done = wardlink("profile", "test", "generic", tmp_path / "a.bin", "--driver", "astm")
    assert "units that nobody knows (marked ?): 'furlongs' 1x" in done.out
    assert "codes without a term: QQQ" in done.out
    assert "H.5.2 'X1' (record 1)" in done.out
    assert "not read: " in done.out
    (one,) = wardlink("profile", "test", "generic", tmp_path / "a.bin", "--driver", "astm", "--json").json
    assert (one["unknown_units"], one["unmapped"], one["differences"]) == ({"furlongs": 1}, {"QQQ": 1}, None)


def test_a_recording_of_which_nothing_is_read_is_no_success(wardlink: Wardlink, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"nothing of the sort")
    done = wardlink("profile", "test", "generic", tmp_path / "a.bin", "--driver", "astm")
    assert (done.code, "nothing in it was understood: is it the right driver" in done.out) == (1, True)
    assert "Everything in it was read" not in done.out
    (tmp_path / "b.bin").write_bytes(b"H|\\^&\rC|1||no result at all\rL|1|N\r")
    assert wardlink("profile", "test", "generic", tmp_path / "b.bin", "--driver", "astm").code == 1, "an event is no result"


def test_accepting_writes_what_was_read_and_says_that_it_proves_nothing(wardlink: Wardlink, case: Path) -> None:
    (case / "expected.json").unlink()
    done = wardlink("profile", "test", "sysmex-xp", case, "--accept")
    assert (done.code, "it proves nothing until it is checked by eye" in done.err) == (0, True)
    assert [one["value"] for one in json.loads((case / "expected.json").read_text())][:2] == ["5.5", "2.87"]
    assert "As expected.json has it." in wardlink("profile", "test", "sysmex-xp", case).out
    loose = wardlink("profile", "test", "sysmex-xp", case.parent, "--accept")
    assert loose.code == 0


def test_a_key_is_explained_with_its_value_and_what_it_says(wardlink: Wardlink) -> None:
    shown = wardlink("profile", "explain", "sysmex-xp").out
    assert "evidence: capture; " in shown
    assert "specimen_id" in shown
    assert "further keys have their defaults" in shown
    rows = {one["key"]: one for one in wardlink("profile", "explain", "sysmex-xp", "--json").json}
    assert (rows["link.checksum"]["set"], rows["link.checksum"]["value"]) == (False, "required")
    assert rows["specimen_id"]["set"] is True
    assert rows["specimen_id"]["about"] == "The specimen's id; blanks around it go."


def test_a_reading_is_explained_by_place_offset_and_rule(wardlink: Wardlink, here: Path) -> None:
    raw = b"H|\\^&|||ACME\rP|1\rO|1||7^2^S-9\rR|1|^^^GLU|  5.5|mmol/L\rL|1|N\r"
    (here / "run.bin").write_bytes(raw)
    (here / "own.toml").write_text('specimen_id = ["O.4.3"]\n')
    shown = wardlink("profile", "explain", "own.toml", "run.bin", "--driver", "astm").out
    assert f"R.4.1 '  5.5' (record 4) at byte {raw.index(b'  5.5')}" in shown
    assert "decided by specimen_id = ['O.4.3']; without it: '7'" in shown
    (first,) = wardlink("profile", "explain", "own.toml", "run.bin", "--driver", "astm", "--json").json
    assert first["value"]["from"] == [{"place": "R.4.1", "record": 4, "text": "  5.5", "offset": raw.index(b"  5.5")}]
    assert first["specimen_id"]["rules"] == [{"key": "specimen_id", "value": "['O.4.3']", "without": "7"}]


def test_profiles_are_listed_with_how_they_are_known(wardlink: Wardlink) -> None:
    rows = {(one["driver"], one["profile"]): one for one in wardlink("profile", "list", "--json").json}
    assert rows["astm", "sysmex-xp"]["evidence"] == "capture"
    assert {driver for driver, _ in rows} >= {"astm", "hl7-lab", "poct1a", "beckman-au", "vidas"}
    assert "sysmex-xp" in wardlink("profile", "list", "astm").out


@pytest.mark.parametrize("said", ["XN-1000", "xn1000", "xn 1000"])
def test_a_profile_is_found_by_the_name_on_the_analyzer(said: str, wardlink: Wardlink) -> None:
    assert [one["profile"] for one in wardlink("profile", "list", "--for", said, "--json").json] == ["sysmex-xn"]
    shown = wardlink("drivers", "astm").out
    assert "capture" in shown.split("Options")[0]
    assert "link.checksum" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("explain", "generic"), "profile 'generic' is a profile of several drivers: give --driver, one of astm, beckman-au"),
        (("explain", "nobody"), "profile 'nobody' is a profile of no driver: give --driver"),
        (("explain", "sysmex-xpp", "--driver", "astm"), "did you mean 'sysmex-xp'?"),
        (("explain", "x", "--driver", "masimo"), "the driver masimo has no profiles"),
        (("test", "sysmex-xp", "/nowhere.bin"), "/nowhere.bin: cannot be read"),
        (("new", "x", "--driver", "masimo"), "the driver masimo has no profiles"),
    ],
)
def test_what_cannot_be_is_said_with_what_to_do(words: tuple[str, ...], said: str, wardlink: Wardlink, here: Path) -> None:
    done = wardlink("profile", *words)
    assert (done.code, said in done.err) == (2, True), done.err


def test_a_wrong_key_is_named_with_file_and_line(wardlink: Wardlink, here: Path) -> None:
    (here / "own.toml").write_text('maker = "x"\n\n[link]\nchecksum = "never"\n')
    done = wardlink("profile", "explain", "own.toml", "--driver", "astm")
    assert done.code == 2
    assert f"{here}/own.toml:4: link.checksum: got 'never'; " in done.err
    assert "'required', 'if-present' or 'none'" in done.err


def test_a_file_s_driver_is_found_where_only_one_fits(wardlink: Wardlink, here: Path) -> None:
    (here / "own.toml").write_text('specimen_id = ["SPM-2.1"]\n')
    assert "a profile of the driver hl7-lab" in wardlink("profile", "explain", "./own.toml").out
