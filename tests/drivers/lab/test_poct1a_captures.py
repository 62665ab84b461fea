"""What point-of-care devices said, decoded as `wardlink decode` does it, against what a person read in the bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from drivers.lab.poct1a import DRIVER
from drivers.lab.poct1a_profile import Poct1aOptions
from gateway.acquire import offline, recording, registry
from gateway.model import DeviceIdentity
from gateway.readings import readings
from protocols.poct1a.stream import Document, Splitter

ROOT = Path(__file__).parents[2] / "captures" / "poct1a"
CAPTURES = sorted(path.parent for path in ROOT.glob("*/*/wire.bin"))
RAW = [folder for folder in CAPTURES if (folder / "wire.bin").read_bytes()[:4] != b"\x0a\x0d\x0d\x0a"]
IDS = {folder: f"{folder.parent.name}/{folder.name}" for folder in CAPTURES}
HOST = (
    b'<?xml version="1.0"?>\n<ACK.R01><HDR><HDR.control_id V="4001"/></HDR><ACK><ACK.type_cd V="AA"/><ACK.ack_control_id V="1"/></ACK></ACK.R01>',
    b'<REQ.R01><HDR><HDR.control_id V="4002"/></HDR><REQ><REQ.request_cd V="ROBS"/></REQ></REQ.R01>',
    b'<DTV.R01><HDR><HDR.control_id V="4003"/></HDR><DTV><DTV.command_cd V="START_CONTINUOUS"/></DTV></DTV.R01>',
    b'<OPL.R01><HDR><HDR.control_id V="4004"/></HDR><OPR><OPR.operator_id V="SYN-9"/></OPR></OPL.R01>',
    b'<EOT.R01><HDR><HDR.control_id V="4005"/></HDR><EOT><EOT.topic_cd V="OPL"/></EOT></EOT.R01>',
)


def decoded(folder: Path, data: bytes) -> tuple[list[dict[str, Any]], list[offline.Faults]]:
    """Readings and faults, as the command has them."""
    seen: list[dict[str, Any]] = []
    faults: list[offline.Faults] = []
    for flow in recording.read(None, data):
        options = registry.options(DRIVER, folder.parent.name, {})
        assert isinstance(options, Poct1aOptions)
        context = DRIVER.context(DeviceIdentity(id="poct1a"), options, wall=lambda _: offline.EPOCH, timezone=UTC)
        for item in offline.decode(flow, context.codec(), context):
            if isinstance(item, offline.Faults):
                faults.append(item)
            else:
                seen += [dict(reading) for reading in readings(item, received_known=flow.started is not None)]
    return seen, faults


def judge(folder: Path, data: bytes) -> None:
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    seen, faults = decoded(folder, data)
    assert [{key: got[key] for key in want} for got, want in zip(seen, expected, strict=True)] == expected
    assert [list(one.bad) for one in faults if one.bad] == []
    assert [list(one.notes) for one in faults if one.notes] == []


@pytest.mark.parametrize("folder", CAPTURES, ids=IDS.get)
def test_a_capture_says_what_a_person_reads_in_it(folder: Path) -> None:
    judge(folder, (folder / "wire.bin").read_bytes())


def test_every_profile_is_proven_by_a_capture() -> None:
    assert DRIVER.profiles is not None
    assert {path.stem for path in DRIVER.profiles.glob("*.toml")} == {folder.parent.name for folder in CAPTURES}


# ---- the same bytes as other recorders and other devices have them


def documents(data: bytes) -> Iterator[bytes]:
    return (one.raw for one in Splitter().feed(data, 0.0) if isinstance(one, Document))


def bare(raw: bytes) -> bytes:
    """Without a prolog."""
    return re.sub(rb"\A<\?xml[^>]*\?>\s*", b"", raw)


def between(data: bytes) -> bytes:
    """With the host's documents between the device's, as a log of both sides has them."""
    return b"\n\n  ".join(part for raw in documents(data) for part in (raw, *HOST))


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "one line a document": lambda data: b"\r\n".join(documents(data)),
    "blank lines and tabs between": lambda data: b"\r\n\t\r\n\r\n".join(documents(data)),
    "nothing between": lambda data: b"".join(documents(data)),
    "pretty-printed": lambda data: re.sub(rb"><(?!/)", b">\n  <", data),
    "no prolog": lambda data: b"".join(map(bare, documents(data))),
    "a prolog each": lambda data: b"\n".join(
        b'<?xml version="1.0" encoding="utf-8" standalone="yes"?>\n' + bare(raw) for raw in documents(data)
    ),
    "a byte order mark each": lambda data: b"".join(b"\xef\xbb\xbf" + raw for raw in documents(data)),
    "MLLP frames": lambda data: b"".join(b"\x0b" + raw + b"\x1c\r" for raw in documents(data)),
    "UTF-16": lambda data: b"".join(map(bare, documents(data))).decode().encode("utf-16"),
    "a declared single byte": lambda data: b"".join(
        b'<?xml version="1.0" encoding="iso-8859-1"?>' + bare(raw).decode().encode("iso-8859-1") for raw in documents(data)
    ),
    "comments and single quotes": lambda data: b"<!-- > </OBS.R01> -->".join(documents(data)).replace(b'V="AA"', b"V='AA'"),
    "both sides in one file": between,
    "each result sent twice": lambda data: b"".join(raw * 2 if b"<OBS.R0" in raw else raw for raw in documents(data)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("folder", RAW, ids=IDS.get)
def test_whatever_stands_around_the_documents(folder: Path, form: str) -> None:
    data = FORMS[form]((folder / "wire.bin").read_bytes())
    if form == "each result sent twice":
        seen, faults = decoded(folder, data)
        assert len(seen) == len(json.loads((folder / "expected.json").read_text("utf-8")))
        assert {what for one in faults for what in one.notes} == {"retransmission"}
        return
    judge(folder, data)


def test_a_capture_of_the_hosts_side_alone_holds_nothing_and_nothing_wrong() -> None:
    seen, (faults,) = decoded(RAW[0], b"".join(HOST))
    assert (seen, dict(faults.bad), dict(faults.notes), faults.silent) == ([], {}, {}, len(HOST))


def test_a_recording_that_begins_in_the_middle_says_what_came_behind() -> None:
    folder = next(one for one in RAW if one.parent.name == "roche-accu-chek-inform-ii")
    data = (folder / "wire.bin").read_bytes()
    seen, (faults,) = decoded(folder, data[data.index(b"<OBS.R01>") + 40 :])
    assert [one["value"] for one in seen] == ["33.3", "2.6"], "the first result is cut in half"
    assert set(faults.bad) == {"garbage", "no message"}, "what is left of it"


def test_both_sides_of_a_pcap_are_flows_and_only_the_device_has_results() -> None:
    folder = next(one for one in CAPTURES if one.parent.name == "siemens-dca-vantage")
    flows = recording.read(None, (folder / "wire.bin").read_bytes())
    assert len(flows) == 3, "the device, the host, and the device calling again"
