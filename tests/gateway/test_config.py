"""The configuration: what is wrong with a file is said with file, line, key, what was got and what was expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import config
from gateway.errors import ConfigError
from gateway.positions import Positions
from gateway.settings.destinations import MllpPcd01

DEVICE = '[[device]]\nid = "A"\ndriver = "nonin"\nlink = "serial:///dev/ttyS0"\n'
ENGINE = '[[destination]]\nid = "e"\nkind = "mllp"\nformat = "pcd01"\naddress = "localhost:2575"\n'
PAIRS = (
    'kind = "mllp" with format = "pcd01" or kind = "mllp" with format = "lab" or kind = "mllp" with format = "law"'
    ' or kind = "mllp" with format = "poct" or kind = "fhir" with format = "fhir"'
)


def errors(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config.parse(text, "f.toml")
    return str(caught.value).splitlines()


LIS = '[[destination]]\nid = "lis"\nkind = "mllp"\nformat = "{}"\naddress = "localhost:2575"\ntakes = [{}]\n'


@pytest.mark.parametrize(
    ("format_", "takes"),
    [("law", '"lab"'), ("law", '"qc"'), ("law", '"lab", "qc"'), ("lab", '"qc"'), ("poct", '"lab"'), ("pcd01", '"vitals", "lab"')],
)
def test_what_a_format_can_carry_may_be_taken(format_: str, takes: str) -> None:
    (found,) = config.parse(LIS.format(format_, takes)).destination
    assert found.format == format_


@pytest.mark.parametrize(
    ("format_", "takes", "said"),
    [
        ("poct", '"lab", "qc"', "qc cannot be taken: LAB-32 carries patients' results alone"),
        ("poct", '"vitals"', "vitals cannot be taken: LAB-32"),
        ("law", '"lab", "vitals", "events"', "events, vitals cannot be taken: LAB-29 carries results of specimens"),
        ("pcd01", '"vitals", "qc"', "qc cannot be taken: PCD-01 cannot say that a result is a control's"),
    ],
)
def test_what_a_format_has_no_place_for_is_refused(format_: str, takes: str, said: str) -> None:
    (error,) = errors(LIS.format(format_, takes))
    assert error.startswith("f.toml:6: destination.takes: ")
    assert said in error


def complaints(text: str) -> list[str]:
    """What is wrong, or nothing."""
    try:
        config.parse(text)
    except ConfigError as error:
        return str(error).split("\n")
    return []


CASES = {
    # a line of TOML that is none
    "no value": ("[gateway]\nname =\n", ["f.toml:2: column 7: not TOML: Invalid value"]),
    "a text left open at the end of a line": ('[gateway]\nname = "x\n', ["f.toml:2: column 10: not TOML: Illegal character '\\n'"]),
    "a text left open at the end of the file": ('a = """\n\n', ["f.toml:3: end of file: not TOML: Unterminated string"]),
    "a key twice": ('[gateway]\nname = "a"\nname = "b"\n', ["f.toml:3: column 11: not TOML: Cannot overwrite a value"]),
    # former ids
    "a former id that another destination has": (
        ENGINE + ENGINE.replace('"e"', '"f"') + 'formerly = "e"\n',
        ["f.toml:11: destination.formerly: got 'e', which is used in this file; expected an id that this destination had and nobody has now"],
    ),
    "a former id that is its own": (
        ENGINE + 'formerly = "e"\n',
        ["f.toml:6: destination.formerly: got 'e', which is used in this file; expected an id that this destination had and nobody has now"],
    ),
    "a former id of two destinations": (
        ENGINE + 'formerly = "o"\n' + ENGINE.replace('"e"', '"f"') + 'formerly = "o"\n',
        ["f.toml:12: destination.formerly: got 'o', which is used in this file; expected an id that this destination had and nobody has now"],
    ),
    # keys
    "an unknown key and the one that was meant": ('[gateway]\nnam = "x"\n', ["f.toml:2: gateway.nam: no such key; did you mean 'name'?"]),
    "an unknown key of a small table lists its keys": (
        DEVICE + "location = { floor = 4 }\n",
        ["f.toml:5: device.location.floor: no such key; expected one of point_of_care, room, bed, facility"],
    ),
    "an unknown key that resembles none": (ENGINE + "zzz = 1\n", ["f.toml:6: destination.zzz: no such key; `wardlink config schema` lists them"]),
    "only keys of the same table are suggested": (
        DEVICE + "adress = 1\n",
        [("f.toml:5: device.adress: no such key; expected one of id, driver, link, tls, profile, timezone, location, maker, "
         "model, serial, eui64, udi, interval_s, options")],
    ),
    "an unknown table": ('[[devices]]\nid = "A"\n', ["f.toml:1: devices: no such key; did you mean 'device'?"]),
    "a quoted key is shown as it is written": ('[gateway]\n"na me" = 1\n', ['f.toml:2: gateway."na me": no such key; did you mean \'name\'?']),
    "a key cannot write to the terminal": ('[gateway]\n"\\u001b[2J" = 1\n', [(r'f.toml:2: gateway."\u001b[2J": no such key; expected one of '
                                           "name, eui64, timezone, data, keep_days, disk, terms, metrics, orders, unknown")]),
    # where a key stands
    "a key inside an inline table inside an inline table": (
        ENGINE + "tls = { ca = '/ca.pem', key = { file = '/k' } }\n",
        ["f.toml:6: destination.tls.key: got a table; expected a string"],
    ),
    "a dotted key": (DEVICE + "location.beds = '1'\n", ["f.toml:5: device.location.beds: no such key; did you mean 'bed'?"]),
    "a dotted header": (DEVICE + "[device.location]\nbeds = '1'\n", ["f.toml:6: device.location.beds: no such key; did you mean 'bed'?"]),
    "quotes and spaces in a header": (
        DEVICE + "[ 'device' . \"location\" ] # [x]\nbeds = '1'\n",
        ["f.toml:6: device.location.beds: no such key; did you mean 'bed'?"],
    ),
    "the second of three tables": (
        DEVICE + DEVICE.replace("A", "B").replace("serial:///dev/ttyS0", "x") + "interval_s = -1\n" + DEVICE.replace("A", "C"),
        ["f.toml:9: device.interval_s: got -1; expected greater than or equal to 0"],
    ),
    "tables of an array written in one value": (
        "device = [\n  { id = 'A', driver = 'nonin', link = 'x' },\n  { id = 'B B', driver = 'nonin', link = 'x' },\n]\n",
        ["f.toml:3: device.id: got 'B B'; expected letters, digits and . _ : - only, 64 at most, a letter or digit first"],
    ),
    "text of many lines that looks like headers and keys": (
        '[gateway]\nname = """\n[[device]]\nid = "Z"\n[gateway]\nnam = 1"""\n[[device]]\nid = 5\ndriver = "nonin"\nlink = "x"\n',
        [(r"""f.toml:2: gateway.name: got '[[device]]\nid = "Z"\n[gateway]\nnam = 1'; expected letters, digits and . _ : - only, """
         "64 at most, a letter or digit first"),
         "f.toml:8: device.id: got 5; expected a string"],
    ),
    "literal text of many lines, and one that ends in quotes": (
        "[gateway]\ndata = '''\n[x]'''\nname = \"\"\"a\"\"\"\"\"\nnam = 1\n",
        ["f.toml:4: gateway.name: got 'a\"\"'; expected letters, digits and . _ : - only, 64 at most, a letter or digit first",
         "f.toml:5: gateway.nam: no such key; did you mean 'name'?"],
    ),
    "a # inside a text begins no comment": ('[gateway]\nname = "a#[b"\n', [("f.toml:2: gateway.name: got 'a#[b'; expected letters, digits and "
                                            ". _ : - only, 64 at most, a letter or digit first")]),
    "line feeds alone count lines": ("[gateway] # \u2028\u0085\r\nnam = 1\r\n", ["f.toml:2: gateway.nam: no such key; did you mean 'name'?"]),
    # what is missing or of the wrong kind
    "a key that must be given": ("[[device]]\nid = 'A'\ndriver = 'nonin'\n", ["f.toml:1: device.link: is missing and must be given"]),
    "every problem at once, in the order of the file": (
        "[gateway]\ntimezone = 'Europe/Berlim'\nkeep_days = 0\n[[device]]\nid = 'A'\n",
        ["f.toml:2: gateway.timezone: got 'Europe/Berlim'; expected a time zone of the IANA list, did you mean Europe/Berlin",
         "f.toml:3: gateway.keep_days: got 0; expected greater than or equal to 1",
         "f.toml:4: device.driver: is missing and must be given",
         "f.toml:4: device.link: is missing and must be given"],
    ),
    "one bracket too few": ("[device]\nid = 'A'\n", ["f.toml:1: device: got a table; expected [[device]], in double brackets, for each device"]),
    "a number for a table": ("association = 5\n", ["f.toml:1: association: got 5; expected [[association]], in double brackets, for each association"]),
    "a number among tables": ("destination = [\n5,\n]\n", ["f.toml:2: destination: got 5; expected a table [[destination]]"]),
    "a number for an inner table": (ENGINE + "tls = 5\n", ["f.toml:6: destination.tls: got 5; expected a table"]),
    "a text for an array": (ENGINE + "takes = 'vitals'\n", ["f.toml:6: destination.takes: got 'vitals'; expected an array"]),
    "a word that is none of the words": (
        ENGINE + "takes = ['vitals', 'lap']\n",
        ["f.toml:6: destination.takes: got 'lap'; expected 'vitals', 'lab', 'qc', 'events' or 'waveforms'"],
    ),
    "a EUI-64 in lower case": ("[gateway]\neui64 = '00a0c91234567890'\n", ["f.toml:2: gateway.eui64: got '00a0c91234567890'; expected 16 hex digits in upper case"]),
    "no number": (DEVICE + "interval_s = nan\n", ["f.toml:5: device.interval_s: got nan; expected a finite number"]),
    "for ever": (ENGINE + "retry_cap_s = inf\n", ["f.toml:6: destination.retry_cap_s: got inf; expected a finite number"]),
    # destinations
    "a format that the kind does not have": (ENGINE.replace('"pcd01"', '"fhir"'), [f"f.toml:4: destination.format: got 'fhir'; expected {PAIRS}"]),
    "a kind that does not exist": (ENGINE.replace('"mllp"', '"mlp"'), [f"f.toml:3: destination.kind: got 'mlp'; expected {PAIRS}"]),
    "a kind that is no text": (ENGINE.replace('"mllp"', "[1]"), [f"f.toml:3: destination.kind: got an array; expected {PAIRS}"]),
    "no format": (ENGINE.replace('format = "pcd01"\n', ""), [f"f.toml:1: destination.format: got none; expected {PAIRS}"]),
    "a key of another format": (
        ENGINE + 'comparators = "SN"\n',
        ["f.toml:6: destination.comparators: no such key; `wardlink config schema` lists them"],
    ),
    "unencrypted to another machine": (
        ENGINE.replace("localhost", "engine.hospital.example"),
        [("f.toml:1: destination: engine.hospital.example:2575 is another machine and no tls = { ca, cert, key } is given: messages "
         "would travel readable for anyone on the network; give tls, or write plain = true if that is meant")],
    ),
    "an address without a port": (ENGINE.replace(":2575", ""), [("f.toml:5: destination.address: got 'localhost'; expected host:port, for example "
                                  "engine.hospital.example:2575")]),
    "an acknowledgement that does not exist": (
        ENGINE + 'ack_policy = { AX = "retry" }\n',
        ["f.toml:6: destination.ack_policy.AX: got 'AX'; expected 'AA', 'AE', 'AR', 'CA', 'CE' or 'CR'"],
    ),
    "a secret written into the file is not repeated": (
        '[[destination]]\nid = "f"\nkind = "fhir"\nurl = "http://localhost/r4"\ntoken = "s3cret"\n',
        ["f.toml:5: destination.token: expected credential:NAME or the absolute path of a file that holds the token, never the token itself"],
    ),
    "a password in an address is not repeated": (
        '[[destination]]\nid = "f"\nkind = "fhir"\nurl = "http://me:s3cret@localhost/r4"\n',
        [("f.toml:4: destination.url: got 'http://…@localhost/r4'; a name or password in the address is shown everywhere: give "
         'token = "credential:NAME" instead')],
    ),
    "a value that fills the screen is cut": (
        ENGINE.replace("localhost:2575", "x" * 200),
        [f"f.toml:5: destination.address: got '{'x' * 80}…'; expected host:port, for example engine.hospital.example:2575"],
    ),
    # what one table alone does not show
    "two devices of one name": (DEVICE + DEVICE, ["f.toml:6: device.id: got 'A' a second time; expected an id of its own for each device"]),
    "two destinations of one name": (ENGINE + ENGINE, ["f.toml:7: destination.id: got 'e' a second time; expected an id of its own for each destination"]),
    "an association of a device that is not there": (
        DEVICE.replace('"A"', '"BED-1"') + '[[association]]\ndevice = "BED-2"\npatient = { patient_id = "SYN-1" }\n',
        ["f.toml:6: association.device: got 'BED-2'; expected the id of a [[device]], did you mean 'BED-1'?"],
    ),
    "patient data is not repeated": (
        DEVICE + '[[association]]\ndevice = "A"\npatient = { patient_id = "SYN-1", birth_date = "1.4.1950" }\n',
        ["f.toml:7: association.patient.birth_date: expected a date as YYYYMMDD"],
    ),
    "a time before all time": (
        DEVICE + '[[association]]\ndevice = "A"\nsince = 0001-01-01T00:00:00+14:00\npatient = { patient_id = "SYN-1" }\n',
        ["f.toml:7: association.since: got 0001-01-01 00:00:00+14:00; expected a time between the years 1 and 9999 in UTC"],
    ),
    "a time without an offset": (
        DEVICE + '[[association]]\ndevice = "A"\nsince = 2026-11-21T08:00:00\npatient = { patient_id = "SYN-1" }\n',
        ["f.toml:7: association.since: got 2026-11-21 08:00:00; expected an offset at the end, such as +01:00 or Z"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), CASES.values(), ids=CASES.keys())
def test_what_is_wrong_is_said_with_line_and_key(text: str, said: list[str]) -> None:
    assert errors(text) == said


def test_a_file_that_is_wrong_throughout_is_cut_short() -> None:
    said = errors("".join(f"k{n} = 1\n" for n in range(150)))
    assert len(said) == config.PROBLEMS_MAX + 1
    assert said[-1] == "f.toml: … and 50 more"


def test_what_nests_too_deeply_is_refused() -> None:
    assert errors("a = " + "[" * 5000 + "]" * 5000) == ["f.toml:1: file: nests too deeply; a configuration needs four levels"]


def test_a_number_that_python_does_not_read_is_refused() -> None:
    (said,) = errors("a = " + "9" * 5000)
    assert said.startswith("f.toml:1: file: not TOML: Exceeds the limit")


def test_a_whole_file_is_read() -> None:
    found = config.parse(
        DEVICE + "location = { room = '402' }\n" + ENGINE
        + '[[association]]\ndevice = "A"\nsince = 2026-11-21T08:00:00+01:00\npatient = { patient_id = "SYN-1" }\n'
    )  # fmt: skip
    assert found.device[0].identity().id == "A"
    place = found.device[0].place()
    assert place is not None
    assert place.room == "402"
    assert isinstance(found.destination[0], MllpPcd01)
    assert found.association[0].patient.subject().patient_id == "SYN-1"
    assert str(found.zone(found.device[0])) == "UTC"


def test_a_destination_takes_what_its_format_is_for() -> None:
    lab, fhir = (
        config.parse(f'[[destination]]\nid = "x"\n{keys}\n').destination[0]
        for keys in ('kind = "mllp"\nformat = "lab"\naddress = "localhost:1"', 'kind = "fhir"\nurl = "http://localhost"')
    )
    assert {one.value for one in lab.takes} == {"lab"}
    assert {one.value for one in fhir.takes} == {"vitals", "lab"}


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    file = tmp_path / "w.toml"
    file.write_bytes(b"\xef\xbb\xbf[gateway]\r\nname = 'box'\r\n")
    assert config.load(file).gateway.name == "box"


FILES: dict[str, tuple[bytes, str]] = {
    "not UTF-8": (b"[gateway]\nname = 'B\xe4r'\n", "{file}:2: file: got the byte 0xe4; expected text in UTF-8"),
    "not UTF-8 behind a byte order mark": (b"\xef\xbb\xbf#\n\xff", "{file}:2: file: got the byte 0xff; expected text in UTF-8"),
    "too large": (b"#" * (config.SIZE_MAX + 1), "{file}: more than 4194304 bytes; expected a configuration"),
}


@pytest.mark.parametrize(("data", "said"), FILES.values(), ids=FILES.keys())
def test_a_file_that_cannot_be_text_is_named(tmp_path: Path, data: bytes, said: str) -> None:
    file = tmp_path / "w.toml"
    file.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    assert str(caught.value) == said.format(file=file)


@pytest.mark.parametrize(("name", "why"), [("none.toml", "No such file or directory"), (".", "Is a directory")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name}: cannot be read: {why}. Give another file with --config."


WORDS = st.sampled_from(
    [
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        "=",
        ",",
        ".",
        "\n",
        "\r\n",
        "#",
        '"',
        "'",
        '"""',
        "'''",
        "device",
        "destination",
        "association",
        "gateway",
        "id",
        "kind",
        "format",
        "mllp",
        "pcd01",
        "lab",
        "fhir",
        "driver",
        "link",
        "patient",
        "takes",
        "tls",
        "1",
        "-1",
        "1.5",
        "nan",
        "true",
        "1979-05-27",
        "1979-05-27T07:32:00Z",
        "\\",
        "\\u0000",
        "\x00",
        "\x1b",
        "ä",
        "😀",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=40).map(" ".join), st.lists(WORDS, max_size=40).map("".join)))
def test_no_text_raises_anything_but_what_was_meant(text: str) -> None:
    assert all(line.startswith("wardlink.toml:") for line in complaints(text))


scalars = st.one_of(st.integers(-5, 5), st.booleans(), st.text(max_size=5), st.floats(), st.datetimes())
names = st.sampled_from([*config.DeviceConfig.model_fields, *MllpPcd01.model_fields, "zz"])
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)), max_leaves=6
)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(names, values, max_size=6),
    st.sampled_from(["device", "destination", "association"]),
    st.sampled_from(["pcd01", "lab"]),
)
def test_no_value_raises_anything_but_what_was_meant(table: dict[str, Any], kind: str, form: str) -> None:
    chosen = {"kind": "mllp", "format": form} if kind == "destination" else {}
    text = f"[[{kind}]]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in {**table, **chosen}.items())
    assert all(line.startswith("wardlink.toml:") for line in complaints(text))


def toml(value: Any) -> str:
    """`value` as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(char):08x}" for char in value if not 0xD800 <= ord(char) <= 0xDFFF) + '"'
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(toml(inner) for inner in value) + "]"
    if isinstance(value, float):
        return repr(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


PLACES = """
top = 1
"a.b" = 2
[x."y.z"]
q.r.s = [
  1, # [no]
  { in = { deep = 'v' }, next = 2 },
]
[[n]]
[[n.m]]
k = 1
[[n.m]]
k = 2
[n.m.t]
k = 3
[[n]]
[[n.m]]
k = 4
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2), (("a.b",), 3), (("x",), 4), (("x", "y.z"), 4), (("x", "y.z", "q", "r"), 5), (("x", "y.z", "q", "r", "s"), 5),
        (("x", "y.z", "q", "r", "s", 0), 6), (("x", "y.z", "q", "r", "s", 1), 7), (("x", "y.z", "q", "r", "s", 1, "in", "deep"), 7),
        (("n", 0), 9), (("n", 0, "m", 0), 10), (("n", 0, "m", 0, "k"), 11), (("n", 0, "m", 1, "k"), 13), (("n", 0, "m", 1, "t", "k"), 15),
        (("n", 1), 16), (("n", 1, "m", 0, "k"), 18), (("n", 1, "m", 7, "nothing"), 17), (("nothing",), 1), ((), 1),
    ],
)  # fmt: skip
def test_a_place_has_its_line_or_that_of_the_nearest_thing_around_it(path: tuple[str | int, ...], line: int) -> None:
    assert Positions(PLACES).line(path) == line
