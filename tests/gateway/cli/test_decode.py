"""wardlink decode: real captures from files, standard input, traces and packet captures; counts on stderr; exit 0 or 3."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.readings import Reading

if TYPE_CHECKING:
    from tests.gateway.cli.conftest import Wardlink
else:
    Wardlink = object

CAPTURES = Path(__file__).parents[2] / "captures"
RAD5 = CAPTURES / "masimo" / "rad5-example" / "wire.bin"
AFINION = CAPTURES / "astm" / "generic" / "afinion-2" / "wire.bin"
SYSMEX = CAPTURES / "astm" / "sysmex-xn" / "xn-550" / "wire.bin"


def test_readings_are_one_object_a_line_with_every_key_in_its_order(wardlink: Wardlink) -> None:
    said = wardlink("decode", "--driver", "masimo", RAD5)
    assert said.code == 0
    assert all(list(reading) == list(Reading.__annotations__) for reading in said.lines)
    wanted = json.loads((RAD5.parent / "expected.json").read_text())
    assert [{key: seen[key] for key in want} for want, seen in zip(wanted, said.lines, strict=False)] == wanted


def test_standard_input_is_a_file_too(wardlink: Wardlink) -> None:
    assert (
        wardlink("decode", "--driver", "masimo", "-", stdin=RAD5.read_bytes()).out
        == wardlink("decode", "--driver", "masimo", RAD5).out
    )


def test_an_analyzer_without_a_profile_is_read_by_the_general_rules(wardlink: Wardlink) -> None:
    assert (
        wardlink("decode", "--driver", "astm", AFINION).out
        == wardlink("decode", "--driver", "astm", "--profile", "generic", AFINION).out
    )


def test_bytes_that_nobody_dated_get_no_date(wardlink: Wardlink) -> None:
    nonin = CAPTURES / "nonin" / "oem3-format2" / "wire.bin"
    assert {one["time"] for one in wardlink("decode", "--driver", "nonin", nonin).lines} == {None}
    dated = wardlink("decode", "--driver", "nonin", "--at", "2026-11-21T08:00:00+01:00", nonin).lines
    assert dated[0]["time"] == "2026-11-21T07:00:00+00:00"


def test_the_devices_clock_shows_the_zone_that_is_given(wardlink: Wardlink) -> None:
    (first, *_) = wardlink("decode", "--driver", "masimo", "--timezone", "Europe/Berlin", RAD5).lines
    assert first["time"] == "2010-09-15T15:10:29+02:00"


@pytest.mark.parametrize(
    ("form", "file", "driver"),
    [("pcd01", RAD5, "masimo"), ("lab", AFINION, "astm"), ("law", AFINION, "astm"), ("poct", AFINION, "astm")],
)
def test_hl7_is_what_a_receiver_would_get_and_claims_nothing_of_clocks(
    wardlink: Wardlink, form: str, file: Path, driver: str
) -> None:
    said = wardlink("decode", "--driver", driver, "--as", form, file)
    assert said.code == 0
    messages = said.out.rstrip("\n").split("\n")
    assert all(message.startswith("MSH|^~\\&|wardlink-decode^0200000000000000^EUI-64|") for message in messages)
    assert all(message.endswith("\r") for message in messages)
    assert "19700101" not in said.out
    assert "device clock" not in said.out


def test_a_message_says_which_transaction_it_is(wardlink: Wardlink) -> None:
    kinds = {
        form: wardlink("decode", "--driver", "astm", "--as", form, AFINION).out.split("|")[8].partition("^ORU")[0]
        for form in ("lab", "law", "poct")
    }
    assert kinds == {"lab": "ORU^R01", "law": "OUL^R22^OUL_R22", "poct": "ORU^R30"}


def test_what_a_format_has_no_place_for_is_told_and_not_sent(wardlink: Wardlink) -> None:
    control = CAPTURES / "hl7-lab" / "roche-cobas-pure" / "control" / "wire.bin"
    said = wardlink("decode", "--driver", "hl7-lab", "--profile", "roche-cobas-pure", "--as", "poct", control)
    assert (said.code, said.out) == (0, "")
    assert "not sent as poct: a report of category qc; LAB-32 carries patients' results alone (lab)" in said.err


def test_fhir_is_a_bundle_a_line(wardlink: Wardlink) -> None:
    said = wardlink("decode", "--driver", "masimo", "--as", "fhir", RAD5)
    assert {bundle["resourceType"] for bundle in said.lines} == {"Bundle"}


def test_noise_is_counted_with_its_place_and_what_follows_is_read(wardlink: Wardlink) -> None:
    clean = wardlink("decode", "--driver", "masimo", RAD5)
    noisy = wardlink("decode", "--driver", "masimo", "-", stdin=b"\xff\xfe garbage\r\n" + RAD5.read_bytes())
    assert (noisy.code, noisy.out) == (0, clean.out)
    assert "bad:" in noisy.err
    assert "at offset 0" in noisy.err


@pytest.mark.parametrize("data", [b"", b"\x00\xff" * 100, b"no device ever said this\r\n"], ids=["nothing", "noise", "text"])
def test_nothing_understood_is_exit_3_and_says_so(wardlink: Wardlink, data: bytes) -> None:
    said = wardlink("decode", "--driver", "masimo", "-", stdin=data)
    assert (said.code, said.out) == (3, "")
    assert said.err.splitlines()[-1] == "nothing was understood as masimo; is it the right driver?"


def test_frames_that_all_have_one_number_are_refused_and_how_to_read_them_is_said(wardlink: Wardlink) -> None:
    records = [b"1H|\\^&|||X\r\x03", b"1O|1|S1||^^^GLU\r\x03", b"1R|1|^^^GLU|5.1|mmol/L\r\x03", b"1L|1|N\r\x03"]
    session = b"\x05" + b"".join(b"\x02%b%02X\r\n" % (text, sum(text) % 256) for text in records) + b"\x04"
    said = wardlink("decode", "--driver", "astm", "-", stdin=session)
    assert (said.code, said.out) == (3, "")
    assert "--option link.frame_numbers=ignored reads them all the same" in said.err
    again = wardlink("decode", "--driver", "astm", "--option", "link.frame_numbers=ignored", "-", stdin=session)
    assert '"value": "5.1"' in again.out


def test_a_message_without_an_end_is_kept_out_and_how_to_read_it_is_said(wardlink: Wardlink) -> None:
    message = b"H|\\^&|||X\rO|1|S1||^^^GLU\rR|1|^^^GLU|5.1|mmol/L\r"
    said = wardlink("decode", "--driver", "astm", "-", stdin=message)
    assert (said.code, said.out) == (3, "")
    assert "--option link.close_ends=true reads them all the same" in said.err
    assert '"value": "5.1"' in wardlink("decode", "--driver", "astm", "--option", "link.close_ends=true", "-", stdin=message).out


def test_blocks_that_lost_their_ends_are_kept_out_and_how_to_read_them_is_said(wardlink: Wardlink) -> None:
    block = b"\x0bMSH|^~\\&|X||||20261121080000||ORU^R01|1|P|2.3.1\rOBR|1||S1\rOBX|1|NM|GLU||5.1|mmol/L|||||F\r"
    said = wardlink("decode", "--driver", "hl7-lab", "-", stdin=block + block)
    assert (said.code, said.out) == (3, "")
    assert "blocks without their FS: 2; if nothing else is missing, --option line.open_end=true reads them all" in said.err
    read = wardlink("decode", "--driver", "hl7-lab", "--option", "line.open_end=true", "-", stdin=block + block)
    assert read.out.count('"value": "5.1"') == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--driver", "masino", "x"], "driver 'masino': expected one of astm, "),
        (["--driver", "astm", "--profile", "sysmex", "x"], "profile 'sysmex': expected one of "),
        (["--driver", "nonin", "--option", "format=3", "x"], "options of driver nonin: format: got '3'"),
        (["--driver", "nonin", "--option", "format", "x"], "--option 'format': expected KEY=VALUE"),
        (["--driver", "astm", "--option", "link.checksums=none", "x"], "options of driver astm: link.checksums: no such option"),
        (["--driver", "astm", "--option", "link=x", "--option", "link.checksum=none", "x"], "--option 'link.checksum=none': link was given a value before"),
        (["--driver", "astm", "--option", "code=[4", "x"], "--option 'code=[4': "),
        (["--driver", "nonin", "--timezone", "Berlin", "x"], "--timezone 'Berlin': expected an IANA name, such as Europe/Berlin"),
        (["--driver", "nonin", "--at", "8:00", "x"], "'8:00': expected ISO 8601 with an offset"),
        (["--driver", "nonin", "/no/such/file"], "/no/such/file: cannot be read: No such file or directory"),
        (["--driver", "nonin", "/"], "/: cannot be read: Is a directory"),
    ],
)  # fmt: skip
def test_a_wrong_call_is_told_what_was_expected(wardlink: Wardlink, words: list[str], said: str) -> None:
    result = wardlink("decode", *words)
    assert result.code == 2
    assert result.err.startswith(f"wardlink: {said}")


EDITED = b"\x05\x021H|\\^&|||X\rO|1||SYN-1\rR|1|^^^K|4.1|mmol/L\rL|1|N\r\x0300\r\n\x04"
"""A session whose checksum is of another text: somebody made it anonymous."""


def test_an_edited_recording_is_refused_and_says_how_to_read_it_all_the_same(wardlink: Wardlink) -> None:
    refused = wardlink("decode", "--driver", "astm", "-", stdin=EDITED)
    assert refused.code == 3
    assert "checksums that do not fit: 1; if the text was changed since, --option link.checksum=none reads it" in refused.err
    read = wardlink("decode", "--driver", "astm", "--option", "link.checksum=none", "-", stdin=EDITED)
    assert [(one["vendor_code"], one["value"], one["specimen_id"]) for one in read.lines] == [("K", "4.1", "SYN-1")]


def test_an_option_that_is_a_list_is_written_as_toml_has_it(wardlink: Wardlink) -> None:
    option = ["--option", "link.checksum=none", "--option", 'specimen_id=["O.3.1"]']
    (read,) = wardlink("decode", "--driver", "astm", *option, "-", stdin=EDITED).lines
    assert read["specimen_id"] is None


def test_a_trace_gives_its_own_times_and_only_what_the_device_sent(wardlink: Wardlink, tmp_path: Path) -> None:
    file = tmp_path / "line.trace"
    data = SYSMEX.read_bytes()
    head = {
        "wardlink_trace": 1,
        "device": "X",
        "driver": "astm",
        "profile": "",
        "link": "tcp",
        "started": "2026-11-21T08:00:00+00:00",
    }
    records = [{"t": 1.5, "rx": data[:300].hex()}, {"t": 1.6, "tx": "06"}, {"t": 2.0, "rx": data[300:].hex()}]
    file.write_text("".join(json.dumps(one) + "\n" for one in (head, *records)))
    options = ["--driver", "astm", "--profile", "sysmex-xn"]
    assert wardlink("decode", *options, file).out == wardlink("decode", *options, SYSMEX).out
    rows = wardlink("trace", "show", file, "--json").json
    assert [(row["t"], row["sent"]) for row in rows["records"]] == [(1.5, False), (1.6, True), (2.0, False)]
    assert rows["started"] == "2026-11-21T08:00:00+00:00"
    shown = wardlink("trace", "show", file).out.splitlines()
    assert shown[0] == "2026-11-21T08:00:00+00:00 tcp astm"
    assert "    1.600000 → 06" in "\n".join(shown)


NO_OBJECT = "expected a JSON object, as `wardlink trace record` writes it"
NO_TRACES = {
    "text": (b"hello\n", NO_OBJECT),
    "brackets in thousands": (b'{"wardlink_trace": ' + b"[" * 100_000 + b"\n", NO_OBJECT),
    "another version": (b'{"wardlink_trace": 2}\n', "got wardlink_trace 2; expected 1"),
    "a start before all time": (
        b'{"wardlink_trace": 1, "started": "0001-01-01T00:00:00+14:00"}\n',
        "started: got '0001-01-01T00:00:00+14:00'; expected ISO 8601 with an offset",
    ),
}


@pytest.mark.parametrize(("data", "said"), NO_TRACES.values(), ids=NO_TRACES.keys())
def test_a_trace_that_is_none_is_named_with_its_line(wardlink: Wardlink, tmp_path: Path, data: bytes, said: str) -> None:
    file = tmp_path / "line.trace"
    file.write_bytes(data)
    shown = wardlink("trace", "show", file)
    assert (shown.code, shown.err) == (2, f"wardlink: {file}:1: {said}\n")


def ethernet(payload: bytes, *, tcp: bool, reply: bool = False, seq: int = 1) -> bytes:
    """An Ethernet II frame of IPv4 (RFC 791) and TCP (RFC 9293) or UDP (RFC 768) between 10.1.2.3:4001 and 10.1.2.9:5000; sums left 0."""
    ports = (5000, 4001) if reply else (4001, 5000)
    head = (
        struct.pack("!HHIIBBHHH", *ports, seq, 0, 5 << 4, 0x18, 8192, 0, 0)
        if tcp
        else struct.pack("!HHHH", *ports, 8 + len(payload), 0)
    )
    ends = (bytes([10, 1, 2, 9]), bytes([10, 1, 2, 3])) if reply else (bytes([10, 1, 2, 3]), bytes([10, 1, 2, 9]))
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(head) + len(payload), 0, 0, 64, 6 if tcp else 17, 0) + b"".join(ends)
    return bytes(12) + b"\x08\x00" + ip + head + payload


def pcap(*frames: tuple[float, bytes]) -> bytes:
    """The classic format of libpcap, little-endian, microseconds, LINKTYPE_ETHERNET (pcap-savefile(5))."""
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    return head + b"".join(struct.pack("<IIII", int(t), round(t % 1 * 1e6), len(data), len(data)) + data for t, data in frames)


def pcapng(*frames: tuple[float, bytes]) -> bytes:
    """Section header, interface description and enhanced packet blocks of pcapng, microseconds (IETF opsawg-pcapng)."""

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        return struct.pack("<II", kind, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))

    packets = b""
    for t, data in frames:
        stamp = round(t * 1e6)
        packets += block(6, struct.pack("<IIIII", 0, stamp >> 32, stamp & 0xFFFFFFFF, len(data), len(data)) + data)
    return block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)) + block(1, struct.pack("<HHI", 1, 0, 65535)) + packets


@pytest.mark.parametrize("wrap", [pcap, pcapng])
def test_tcp_segments_out_of_order_and_twice_are_one_stream(wardlink: Wardlink, tmp_path: Path, wrap: object) -> None:
    assert callable(wrap)
    data = SYSMEX.read_bytes()
    parts = [(at, data[at : at + 100]) for at in range(0, len(data), 100)]
    parts[2], parts[3] = parts[3], parts[2]
    frames = [(1_790_000_000.0 + n, ethernet(part, tcp=True, seq=1000 + at)) for n, (at, part) in enumerate([*parts, parts[1]])]
    frames.insert(1, (1_790_000_000.5, ethernet(b"\x06", tcp=True, reply=True)))
    file = tmp_path / "line.pcap"
    file.write_bytes(wrap(*frames))
    options = ["--driver", "astm", "--profile", "sysmex-xn"]
    said = wardlink("decode", *options, file)
    assert (said.code, said.out) == (0, wardlink("decode", *options, SYSMEX).out)
    assert "10.1.2.9:5000 > 10.1.2.3:4001 tcp: nothing understood in this direction" in said.err


def test_a_datagram_each(wardlink: Wardlink, tmp_path: Path) -> None:
    file = tmp_path / "line.pcap"
    file.write_bytes(
        pcap(*((1.0 + n, ethernet(line + b"\n", tcp=False)) for n, line in enumerate(RAD5.read_bytes().split(b"\n")) if line))
    )
    assert wardlink("decode", "--driver", "masimo", file).out == wardlink("decode", "--driver", "masimo", RAD5).out


def test_a_capture_that_is_cut_off_in_its_head_is_named(wardlink: Wardlink, tmp_path: Path) -> None:
    file = tmp_path / "line.pcap"
    file.write_bytes(pcap()[:10])
    said = wardlink("decode", "--driver", "masimo", file)
    assert said.code == 2
    assert said.err.startswith(f"wardlink: {file}: looks like a packet capture but cannot be read as one:")
