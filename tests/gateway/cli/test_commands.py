"""wardlink config, drivers, lint, export, and what all commands share: help, errors, exit codes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from importlib.metadata import EntryPoint, version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway import config, terms
from gateway.acquire import registry

if TYPE_CHECKING:
    from tests.gateway.cli.conftest import Wardlink
else:
    Wardlink = object

EXAMPLE = Path(config.__file__).parent / "example.toml"


def test_help_lists_every_command_with_a_line(wardlink: Wardlink) -> None:
    said = wardlink("--help")
    assert said.code == 0
    for name, line in {
        "run": "Run the gateway",
        "decode": "Device bytes",
        "simulate": "A simulated device",
        "receive": "A receiver",
    }.items():
        assert any(name in row and line in row for row in said.out.splitlines())


def test_the_version_is_the_packages(wardlink: Wardlink) -> None:
    said = wardlink("--version")
    assert (said.code, said.out) == (0, f"wardlink {version('wardlink')}\n")


def test_an_unknown_command_is_exit_2(wardlink: Wardlink) -> None:
    said = wardlink("decod")
    assert said.code == 2
    assert "decod" in said.err


def test_the_example_can_be_used(wardlink: Wardlink, tmp_path: Path) -> None:
    printed = wardlink("config", "example")
    assert printed.out == EXAMPLE.read_text("utf-8")
    file = tmp_path / "w.toml"
    file.write_text(printed.out)
    said = wardlink("config", "check", "-c", file)
    assert (said.code, said.err) == (0, "")
    assert said.out.endswith(f"{file}: can be used\n")
    for word in ("4E-044", "serial:///dev/serial/by-id/usb-FTDI_FT232R_A10K-if00-port0", "sysmex-xn", "engine", "events, vitals"):
        assert word in said.out


def test_check_for_scripts_is_the_file_with_its_defaults(wardlink: Wardlink, toml: Path) -> None:
    found = wardlink("config", "check", "--json", "-c", toml).json
    assert (found["gateway"]["name"], found["device"][0]["interval_s"], found["destination"][0]["accept_ack"]) == (
        "4-east-1",
        0,
        "AL",
    )


def test_check_names_driver_option_profile_and_link_each_in_its_line(wardlink: Wardlink, tmp_path: Path) -> None:
    file = tmp_path / "w.toml"
    file.write_text(
        "[[device]]\nid = 'A'\ndriver = 'nonim'\nlink = 'tcp://box:1'\n"
        "[[device]]\nid = 'B'\ndriver = 'nonin'\nlink = 'tcp://box'\n[device.options]\nformt = '2'\n"
        "[[device]]\nid = 'C'\ndriver = 'astm'\nprofile = 'sysmex-xm'\nlink = '/dev/ttyS0'\n"
    )
    said = wardlink("config", "check", "-c", file)
    assert said.code == 2
    told = said.err.removeprefix("wardlink: ").splitlines()
    for line, start in zip(
        told,
        [
            f"{file}:3: device.driver: driver 'nonim': expected one of ",
            f"{file}:10: device.options.formt: no such option; ",
            f"{file}:8: device.link: link 'tcp://box': expected tcp://HOST:PORT",
            f"{file}:14: device.profile: profile 'sysmex-xm': expected one of ",
            f"{file}:15: device.link: link '/dev/ttyS0': expected one of serial://",
        ],
        strict=True,
    ):
        assert line.startswith(start)
    assert told[0].endswith("did you mean 'nonin'?")
    assert told[4].endswith("did you mean serial:///dev/ttyS0?")


def test_what_can_be_used_but_should_be_known_is_said(wardlink: Wardlink, toml: Path) -> None:
    text = toml.read_text().replace('"localhost:2575"', '"engine.hospital.example:2575"\nplain = true')
    toml.write_text(text)
    said = wardlink("config", "check", "-c", toml)
    assert said.code == 0
    assert said.err == "destination engine: plain = true: messages travel unencrypted over the network\n"


@pytest.fixture
def site_terms(toml: Path) -> Iterator[Path]:
    folder = toml.parent / "terms"
    folder.mkdir()
    toml.write_text(toml.read_text().replace("[gateway]", f'[gateway]\nterms = "{folder}"'))
    yield folder
    terms.add_site_rows(None)


def test_the_sites_own_terms_are_checked_too(wardlink: Wardlink, toml: Path, site_terms: Path) -> None:
    ours = (Path(terms.__file__).parent / "unit_spellings.csv").read_text("utf-8").splitlines()[0]
    file = site_terms / "unit_spellings.csv"
    file.write_text(f"{ours}\n")
    assert wardlink("config", "check", "-c", toml).code == 0
    file.write_text(f"{ours}\nfurlong,[fur_us]\n")
    said = wardlink("config", "check", "-c", toml)
    assert said.code == 2
    assert said.err.startswith(f"wardlink: terms: {file} line 2 (furlong): has 2 fields, expected 5")


def test_the_configuration_may_be_named_in_the_environment(
    wardlink: Wardlink, toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WARDLINK_CONFIG", str(toml))
    assert wardlink("config", "check").out.endswith(f"{toml}: can be used\n")


def test_the_schema_is_one_that_editors_read(wardlink: Wardlink) -> None:
    found = wardlink("config", "schema").json
    assert set(found["properties"]) == {"gateway", "device", "destination", "association"}
    assert found["$defs"]["DeviceConfig"]["properties"]["id"]["description"].startswith("The asset tag")


def test_run_refuses_what_check_refuses(wardlink: Wardlink, tmp_path: Path) -> None:
    said = wardlink("run", "-c", tmp_path / "none.toml")
    assert said.code == 2
    assert (
        said.err
        == f"wardlink: {tmp_path}/none.toml: cannot be read: No such file or directory. Give another file with --config.\n"
    )
    assert wardlink("run", "--log-level", "loud", "-c", tmp_path / "none.toml").code == 2


def test_drivers_are_listed_with_their_source(wardlink: Wardlink) -> None:
    assert {"astm", "masimo", "nonin", "pb840"} <= {one["id"] for one in wardlink("drivers", "--json").json}
    assert "wardlink profile list" in wardlink("drivers").out


def test_a_plug_in_that_cannot_be_imported_hides_no_other(wardlink: Wardlink, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = registry._points()["nonin"]
    points = {"nonin": ours, "third": EntryPoint("third", "no.such.module:DRIVER", registry.GROUP)}
    monkeypatch.setattr(registry, "_points", lambda: points)
    said = wardlink("drivers", "--json")
    assert (said.code, [one["id"] for one in said.json]) == (0, ["nonin"])
    assert said.err.startswith("driver 'third': no.such.module:DRIVER cannot be imported: ModuleNotFoundError")


def test_a_driver_is_explained_with_line_options_and_codes(wardlink: Wardlink) -> None:
    said = wardlink("drivers", "nonin")
    for words in ("9600 8N1 flow none", "waveform", "MDC_PULS_OXIM_SAT_O2", "plethysmogram"):
        assert words in said.out
    (told,) = wardlink("drivers", "nonin", "--json").json
    assert set(told["options"]) == {"format", "waveform"}
    assert {"code": "HR", "refid": "MDC_PULS_OXIM_PULS_RATE", "unit": "/min", "method": "AMEAS"} in told["codes"]
    assert wardlink("drivers", "nonim").err.endswith("did you mean 'nonin'?\n")


GOOD = Path(__file__).parents[1] / "lint" / "samples" / "good.hl7"


def test_a_good_message_has_no_fault(wardlink: Wardlink) -> None:
    said = wardlink("lint", GOOD)
    assert said.code == 0
    assert said.err.startswith(f"{GOOD}: 0 faults")


def test_a_fault_is_told_with_field_got_expected_and_source_and_exits_1(wardlink: Wardlink) -> None:
    bad = GOOD.read_bytes().replace(b"|2.6|", b"|2.9|", 1)
    said = wardlink("lint", "--json", "-", stdin=bad)
    assert said.code == 1
    (fault,) = [one for one in said.json if one["rule"] == "msh-12"]
    assert (fault["rule"], fault["field"], fault["got"]) == ("msh-12", "MSH[1]-12", "2.9")
    assert fault["source"] == "IHE PCD TF-2 B.1, MSH-12"
    assert "error   MSH[1]-12: msh-12: got '2.9', expected" in wardlink("lint", "-", stdin=bad).out


def test_a_message_that_does_not_claim_pcd01_is_judged_so_all_the_same_and_that_is_said(wardlink: Wardlink) -> None:
    other = GOOD.read_bytes().replace(b"1.3.6.1.4.1.19376.1.6.1.1.1", b"1.2.3", 1)
    said = wardlink("lint", "-", stdin=other)
    assert said.code == 1
    assert "judged as PCD-01, which MSH-21 does not claim" in said.err
    assert "does not claim" not in wardlink("lint", "-", stdin=GOOD.read_bytes()).err


@pytest.mark.parametrize("name", ["law", "law-control", "poct"])
def test_laboratory_transactions_are_judged_by_their_own_rules(wardlink: Wardlink, name: str) -> None:
    text = GOOD.with_name(f"{name}.hl7").read_bytes().replace(b"\n", b"\r")
    said = wardlink("lint", "-", stdin=text.replace(b"LAB-29^IHE", b"LAB-29^IH"))
    assert said.code == 0
    assert "0 faults" in said.err
    assert "does not claim" not in said.err


def test_what_is_no_message_is_a_fault(wardlink: Wardlink) -> None:
    assert wardlink("lint", "-", stdin=b"hello").code == 1
    assert wardlink("lint", "-", stdin=b"{}").code == 1
    assert wardlink("lint", "/no/such").err == "wardlink: /no/such: cannot be read: No such file or directory\n"


SINCE = "2026-11-21T08:00:00Z"


def test_export_as_json_is_a_reading_a_line(wardlink: Wardlink, ran: Path) -> None:
    rows = wardlink("export", "--since", SINCE, "-c", ran).lines
    assert [(row["report"], row["device"], row["value"], row["time"]) for row in rows] == [
        (1, "4E-044", "97", "2026-11-21T08:00:00+00:00"), (2, "4E-044", "98", "2026-11-21T08:01:00+00:00"),
        (3, "4E-044", "99", "2026-11-21T08:02:00+00:00"), (4, "4E-045", "90", "2026-11-21T08:03:00+00:00"),
    ]  # fmt: skip


def test_export_as_csv_is_what_a_spreadsheet_reads(wardlink: Wardlink, ran: Path) -> None:
    said = wardlink("export", "--since", SINCE, "--format", "csv", "-c", ran)
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert [row["value"] for row in rows] == ["97", "98", "99", "90"]
    assert (rows[0]["flags"], rows[0]["notes"], rows[0]["refid"], rows[0]["mdc"]) == (
        "L A",
        "a, b",
        "MDC_PULS_OXIM_SAT_O2",
        "150456",
    )


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["--since", "2026-11-21T09:01:00+01:00"], ["98", "99", "90"]),
        (["--since", SINCE, "--until", "2026-11-21T08:02:00Z"], ["97", "98"]),
        (["--since", SINCE, "--device", "4E-045"], ["90"]),
        (["--since", "2026-11-22T00:00:00Z"], []),
    ],
)
def test_export_takes_a_span_and_a_device(wardlink: Wardlink, ran: Path, words: list[str], values: list[str]) -> None:
    assert [row["value"] for row in wardlink("export", *words, "-c", ran).lines] == values


def test_export_wants_an_offset(wardlink: Wardlink, ran: Path) -> None:
    said = wardlink("export", "--since", "2026-11-21", "-c", ran)
    assert (said.code, said.out) == (2, "")
    assert "'2026-11-21': expected an offset at the end" in said.err


def test_a_simulator_that_is_not_there_is_named(wardlink: Wardlink) -> None:
    said = wardlink("simulate", "nonim")
    assert said.code == 2
    assert "nonim" in said.err


def test_a_recording_never_overwrites_another(wardlink: Wardlink, tmp_path: Path) -> None:
    file = tmp_path / "old.trace"
    file.write_text("old")
    said = wardlink("trace", "record", file, "--link", "tcp://localhost:1")
    assert said.code == 2
    assert "exists already; a recording never overwrites another" in said.err
    assert file.read_text() == "old"
