"""Every capture again, as bad lines, slow links and people's files change it: what is read stays the same."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.readings import readings

ROOT = Path(__file__).parents[2] / "captures" / "astm"
CAPTURES = sorted(path.parent for path in ROOT.glob("*/*/wire.bin"))
FRAME = re.compile(rb"\x02([^\x02\x03\x17]*[\x03\x17])([0-9A-Fa-f]{2})(\r\n|\r|\n|)", re.DOTALL)
SPLITS = 12
"""Random splits of each capture: enough for cuts in every kind of place, over some ninety captures, in a second."""


def _said(analyzer: Any, folder: Path, wire: bytes | list[bytes]) -> list[dict[str, Any]]:
    device = analyzer(folder.parent.name)
    return [dict(reading) for report in device.hear(wire) for reading in readings(report)]


def _names(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


@pytest.mark.parametrize("folder", CAPTURES, ids=_names)
def test_any_split_says_the_same(folder: Path, analyzer: Any) -> None:
    wire = (folder / "wire.bin").read_bytes()
    whole = _said(analyzer, folder, wire)
    chance = random.Random(folder.name)
    for _ in range(SPLITS):
        cuts = sorted(chance.sample(range(len(wire)), min(len(wire) - 1, chance.randrange(1, 40))))
        pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
        assert _said(analyzer, folder, pieces) == whole


def _frames(change: Callable[[re.Match[bytes]], bytes]) -> Callable[[bytes], bytes]:
    return lambda wire: FRAME.sub(change, wire)


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "checksums in lower case": _frames(lambda m: b"\x02" + m[1] + m[2].lower() + m[3]),
    "frames that end with CR alone": _frames(lambda m: b"\x02" + m[1] + m[2] + b"\r"),
    "frames that end with LF alone": _frames(lambda m: b"\x02" + m[1] + m[2] + b"\n"),
    "each frame sent twice, its ACK having been lost": _frames(lambda m: m[0] + m[0]),
    "each frame first with a damaged checksum": _frames(
        lambda m: b"\x02" + m[1] + (b"00" if m[2] != b"00" else b"11") + m[3] + m[0]
    ),
    "NUL and 0x02 before each session": lambda wire: re.sub(rb"\x05(?=\x02)", b"\x00\x02\x02\x00\x05", wire),
    "each session asked for twice": lambda wire: re.sub(rb"\x05(?=\x02)", b"\x05\x05", wire),
    "the receiver's ACKs in the recording": _frames(lambda m: m[0] + b"\x06"),
    "no EOT behind an L record but the next ENQ": lambda wire: re.sub(
        rb"(L[^\x02\x03]{0,9}\x03[^\x02\x03]{0,4})\x04(?=\x05)", rb"\1", wire
    ),
}
WITHOUT_CHECKSUMS = _frames(lambda m: b"\x02" + m[1] + m[3])


def _changed_by(change: Callable[[bytes], bytes]) -> list[Path]:
    """The captures in which there is something to change: some are bare records, most are one session."""
    return [folder for folder in CAPTURES if change(wire := (folder / "wire.bin").read_bytes()) != wire]


@pytest.mark.parametrize(
    ("folder", "change"),
    [
        pytest.param(folder, change, id=f"{_names(folder)}, {name}")
        for name, change in CHANGES.items()
        for folder in _changed_by(change)
    ],
)
def test_what_lines_and_files_do_to_bytes_changes_nothing(folder: Path, change: Callable[[bytes], bytes], analyzer: Any) -> None:
    wire = (folder / "wire.bin").read_bytes()
    assert _said(analyzer, folder, change(wire)) == _said(analyzer, folder, wire)


@pytest.mark.parametrize("folder", _changed_by(WITHOUT_CHECKSUMS), ids=_names)
def test_frames_without_checksums_are_read_where_the_profile_says_so_and_nowhere_else(folder: Path, analyzer: Any) -> None:
    wire = (folder / "wire.bin").read_bytes()
    bare = WITHOUT_CHECKSUMS(wire)
    allowed = analyzer(folder.parent.name).options.link.checksum != "required"
    assert (_said(analyzer, folder, bare) == _said(analyzer, folder, wire)) is allowed


@pytest.mark.parametrize("folder", CAPTURES, ids=_names)
def test_no_damage_makes_it_raise(folder: Path, analyzer: Any) -> None:
    wire = (folder / "wire.bin").read_bytes()[:20_000]
    chance = random.Random(folder.name)
    for _ in range(8):
        damaged = bytearray(wire)
        for _ in range(chance.randrange(1, 30)):
            damaged[chance.randrange(len(damaged))] = chance.choice(
                (0, 2, 3, 4, 5, 10, 13, 23, 94, 124, 255, chance.randrange(256))
            )
        start = chance.randrange(len(damaged))
        for reading in _said(analyzer, folder, bytes(damaged[start:] + damaged[:start])):
            assert isinstance(reading["vendor_code"], str)


def test_a_session_of_ninety_frames_cut_in_the_middle_of_fields_is_read_like_one_frame(analyzer: Any) -> None:
    """A blood count with its curves: 21 kB in 240-character frames, ETB behind all but the last, numbers around eleven times."""
    records = ["H|\\^&|||XX^1^2", "P|1||SYN-1", "O|1|SYN-S||^^^CBC"]
    records += [f"R|{n}|^^^T{n}|{n}.{n % 10}|mmol/L|1.0 to 9.9|N||F||OP|20260101120000" for n in range(1, 120)]
    records += [f"M|{n}|CURVE|{'QUJD' * 220}" for n in range(1, 18)] + ["L|1|N"]
    text = "".join(f"{record}\r" for record in records).encode()
    pieces = [text[at : at + 240] for at in range(0, len(text), 240)]
    assert len(pieces) >= 90
    bodies = [b"%d" % (n % 8) + piece + (b"\x03" if n == len(pieces) else b"\x17") for n, piece in enumerate(pieces, 1)]
    wire = b"\x05" + b"".join(b"\x02" + body + b"%02X\r\n" % (sum(body) % 256) for body in bodies) + b"\x04"
    device = analyzer("generic")
    (whole,) = device.hear(text)
    (framed,) = device.hear(wire)
    assert [seen.value for seen in framed.observations] == [f"{n}.{n % 10}" for n in range(1, 120)]
    assert framed.observations == whole.observations
    chance = random.Random(90)
    for _ in range(4):
        cuts = sorted(chance.sample(range(1, len(wire)), 200))
        (split,) = device.hear([wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)])
        assert (split.observations, split.identity) == (framed.observations, framed.identity)
    (byte_by_byte,) = device.hear(wire, 1)
    assert (byte_by_byte.observations, byte_by_byte.identity) == (framed.observations, framed.identity)
