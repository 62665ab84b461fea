"""What a changed configuration restarts: a table, each key with exactly what it takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import config, loaded
from gateway.config import DeviceConfig
from gateway.loaded import Loaded
from gateway.reload import Plan, diff

EUI64 = "02A0C90000000001"
BASE = """
[gateway]
name = "box"
timezone = "UTC"
data = "/data"

[[device]]
id = "OXI"
driver = "nonin"
link = "tcp://192.0.2.1:4001"

[[device]]
id = "XN"
driver = "astm"
profile = "sysmex-xn"
link = "tcp-listen://127.0.0.1:12001"
timezone = "Europe/Berlin"

[[association]]
device = "OXI"
patient = { patient_id = "SYN-1" }

[[destination]]
id = "engine"
kind = "mllp"
format = "pcd01"
address = "localhost:2575"

[[destination]]
id = "fhir"
kind = "fhir"
url = "http://localhost:8080/r4"
"""
ENGINE, FHIR = 'address = "localhost:2575"', 'url = "http://localhost:8080/r4"'
OXI, XN = 'link = "tcp://192.0.2.1:4001"', 'link = "tcp-listen://127.0.0.1:12001"'
NEW_DEVICE = '[[device]]\nid = "NEW"\ndriver = "nonin"\nlink = "tcp://192.0.2.1:4002"\n'
NEW_DESTINATION = '[[destination]]\nid = "lis"\nkind = "mllp"\nformat = "lab"\naddress = "localhost:2576"\n'


def read(text: str) -> Loaded:
    return loaded.parse(text.encode(), Path("/etc/w.toml"), "w.toml")


def plan(old: str, new: str, live: frozenset[str] = frozenset({"gateway.keep_days"})) -> Plan:
    return diff(read(old), read(new), eui64=EUI64, live=live)


def with_key(after: str, line: str) -> str:
    return BASE.replace(after, f"{after}\n{line}")


CASES = {
    "nothing": (BASE, []),
    "a comment": (BASE + "# why\n", []),
    # a device, each key
    "driver": (with_key(OXI, "").replace('driver = "nonin"', 'driver = "masimo"'), ["restart device OXI (driver)"]),
    "link": (BASE.replace("192.0.2.1:4001", "192.0.2.9:4001"), ["restart device OXI (link)"]),
    "tls": (
        with_key(XN, 'tls = { ca = "/x/ca.pem", cert = "/x/gw.pem", key = "/x/gw.key" }'),
        ["restart device XN (tls)"],
    ),
    "profile": (BASE.replace('"sysmex-xn"', '"generic"'), ["restart device XN (profile)"]),
    "the zone of one device": (BASE.replace("Europe/Berlin", "Europe/Paris"), ["restart device XN (timezone)"]),
    "a zone that says what held anyway": (with_key(OXI, 'timezone = "UTC"'), []),
    "location": (with_key(OXI, 'location = { bed = "1" }'), ["restart device OXI (location)"]),
    "maker": (with_key(OXI, 'maker = "M"'), ["restart device OXI (maker)"]),
    "model": (with_key(OXI, 'model = "M"'), ["restart device OXI (model)"]),
    "serial": (with_key(OXI, 'serial = "1"'), ["restart device OXI (serial)"]),
    "a device's eui64": (with_key(OXI, 'eui64 = "02A0C90000000009"'), ["restart device OXI (eui64)"]),
    "udi": (with_key(OXI, 'udi = "1"'), ["restart device OXI (udi)"]),
    "interval_s": (with_key(OXI, "interval_s = 5"), ["restart device OXI (interval_s)"]),
    "options": (with_key(OXI, "options = { serial_format = 7 }"), ["restart device OXI (options)"]),
    "two keys of one device": (with_key(OXI, 'model = "M"\nmaker = "M"'), ["restart device OXI (maker, model)"]),
    "a new device": (BASE + NEW_DEVICE, ["start device NEW"]),
    "a device that left": (
        BASE.replace('"OXI"', '"OXI-2"'),
        ["stop device OXI", "start device OXI-2", "associate device OXI-2"],
    ),
    # a destination
    "address": (BASE.replace("2575", "2576"), ["restart destination engine (address)"]),
    "takes": (with_key(ENGINE, 'takes = ["vitals", "events"]'), ["restart destination engine (takes)"]),
    "order": (with_key(ENGINE, 'order = "strict"'), ["restart destination engine (order)"]),
    "a key of the message": (with_key(ENGINE, 'receiving_facility = "H"'), ["restart destination engine (receiving_facility)"]),
    "url": (BASE.replace("8080", "8081"), ["restart destination fhir (url)"]),
    "where a new one begins, of one that is not new": (with_key(ENGINE, 'begin = "now"'), []),
    "a former id, of one that is there": (with_key(ENGINE, 'formerly = "gone"'), []),
    "a new destination": (BASE + NEW_DESTINATION, ["start destination lis"]),
    "another format under the same id": (
        BASE.replace('"pcd01"', '"lab"'),
        ["restart destination engine (alternate, analysis_time, "],
    ),
    "a destination under another id": (
        BASE.replace('id = "engine"', 'id = "cloverleaf"\nformerly = "engine"'),
        ["stop destination engine", "start destination cloverleaf (formerly engine)"],
    ),
    # [gateway]
    "the gateway's name is in every message": (
        BASE.replace('"box"', '"box-2"'),
        ["restart destination engine (gateway.name)", "restart destination fhir (gateway.name)", "use gateway.name"],
    ),
    "the gateway's zone, for devices that name none": (
        BASE.replace('"UTC"', '"Asia/Tokyo"'),
        ["restart device OXI (gateway.timezone)", "use gateway.timezone"],
    ),
    "how long reports are kept": (BASE.replace('data = "/data"', 'data = "/data"\nkeep_days = 7'), ["use gateway.keep_days"]),
    "the eui64 that it has": (BASE.replace('data = "/data"', f'data = "/data"\neui64 = "{EUI64}"'), []),
    # who wears what
    "a new association": (
        BASE + '[[association]]\ndevice = "XN"\npatient = { patient_id = "SYN-2" }\n',
        ["associate device XN"],
    ),
    "another patient": (BASE.replace("SYN-1", "SYN-2"), ["associate device OXI"]),
    "an association that left ends nothing": (
        BASE.replace('[[association]]\ndevice = "OXI"\npatient = { patient_id = "SYN-1" }\n', ""),
        [],
    ),
}


@pytest.mark.parametrize(("text", "told"), CASES.values(), ids=CASES)
def test_exactly_what_changed_is_restarted(text: str, told: list[str]) -> None:
    found = plan(BASE, text)
    assert found.refusals == ()
    if told and told[0].endswith(", "):  # the keys that two formats do not share are many
        assert [line[: len(start)] for line, start in zip(found.lines(), told, strict=True)] == told
    else:
        assert found.lines() == told


def test_every_key_of_a_device_restarts_it() -> None:
    """The table above has a row for each, so that a new key is thought of."""
    told = " ".join(line for _, lines in CASES.values() for line in lines)
    assert [key for key in DeviceConfig.model_fields if key != "id" and key not in told] == []


REFUSED = {
    "data": (
        BASE.replace('"/data"', '"/other"'),
        (
            "w.toml:5: gateway.data: got '/other'; the running gateway has its journal in '/data': a reload cannot move it, "
            "restart the gateway"
        ),
    ),
    "eui64": (
        BASE.replace('data = "/data"', 'data = "/data"\neui64 = "02A0C90000000009"'),
        (
            f"w.toml:6: gateway.eui64: got '02A0C90000000009'; the running gateway is '{EUI64}' to its receivers: "
            "a reload cannot change that, restart the gateway"
        ),
    ),
}


@pytest.mark.parametrize(("text", "told"), REFUSED.values(), ids=REFUSED)
def test_what_a_running_gateway_cannot_change_is_refused_with_its_line(text: str, told: str) -> None:
    assert plan(BASE, text).refusals == (told,)


def test_a_key_that_nobody_reads_again_is_refused_rather_than_ignored() -> None:
    text = BASE.replace('data = "/data"', 'data = "/data"\nkeep_days = 7')
    (told,) = plan(BASE, text, live=frozenset()).refusals
    assert told == "w.toml:6: gateway.keep_days: changed; it is only read at the start, restart the gateway"


# ---- files


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("ca.pem", "gw.pem", "gw.key", "site.toml"):
        (tmp_path / name).write_text(name)
    (tmp_path / "terms").mkdir()
    return tmp_path


def filed(folder: Path) -> str:
    tls = f"tls = {{ ca = '{folder}/ca.pem', cert = '{folder}/gw.pem', key = '{folder}/gw.key' }}"
    text = BASE.replace(ENGINE, f'address = "engine.example:2575"\n{tls}').replace('"sysmex-xn"', f'"{folder}/site.toml"')
    return text.replace('data = "/data"', f'data = "/data"\nterms = "{folder}/terms"')


FILES = {
    "ca.pem": ["restart destination engine ({}/ca.pem)"],
    "gw.pem": ["restart destination engine ({}/gw.pem)"],
    "gw.key": ["restart destination engine ({}/gw.key)"],
    "site.toml": ["restart device XN ({}/site.toml)"],
    "terms/unit_spellings.csv": [
        "restart destination engine (gateway.terms)",
        "restart destination fhir (gateway.terms)",
        "use gateway.terms",
    ],
}


@pytest.mark.parametrize(("name", "told"), FILES.items(), ids=FILES)
def test_a_file_with_another_content_restarts_who_uses_it(files: Path, name: str, told: list[str]) -> None:
    before = read(filed(files))
    (files / name).write_text("renewed")
    assert diff(before, read(filed(files)), eui64=EUI64, live=()).lines() == [line.format(files) for line in told]


def test_a_renewed_certificate_of_a_device_restarts_it(files: Path) -> None:
    tls = f"tls = {{ ca = '{files}/ca.pem', cert = '{files}/gw.pem', key = '{files}/gw.key' }}"
    before = read(with_key(XN, tls))
    (files / "gw.pem").write_text("renewed")
    assert diff(before, read(with_key(XN, tls)), eui64=EUI64, live=()).lines() == [f"restart device XN ({files}/gw.pem)"]


@pytest.mark.parametrize("door", ["metrics", "orders"])
def test_a_renewed_certificate_of_what_the_gateway_listens_on_is_used(files: Path, door: str) -> None:
    tls = f"{{ ca = '{files}/ca.pem', cert = '{files}/gw.pem', key = '{files}/gw.key' }}"
    text = BASE.replace("[[device]]", f'[gateway.{door}]\nlisten = "192.0.2.9:9100"\ntls = {tls}\n\n[[device]]', 1)
    before = read(text)
    (files / "gw.pem").write_text("renewed")
    live = frozenset({f"gateway.{door}"})
    assert diff(before, read(text), eui64=EUI64, live=live).lines() == [f"use gateway.{door}"]


def test_a_file_that_is_only_touched_restarts_nobody(files: Path) -> None:
    before = read(filed(files))
    (files / "gw.pem").write_text("gw.pem")
    assert diff(before, read(filed(files)), eui64=EUI64, live=()) == Plan()


def test_a_file_that_this_process_cannot_read_is_taken_for_unchanged(files: Path) -> None:
    before = read(filed(files))
    (files / "gw.key").unlink()
    assert diff(before, read(filed(files)), eui64=EUI64, live=()) == Plan()


def test_no_line_of_a_plan_names_a_patient() -> None:
    text = BASE.replace("SYN-1", "SYN-777")
    assert "SYN-777" not in " ".join(plan(BASE, text).lines())
    assert config.parse(text).association[0].patient.patient_id == "SYN-777"
