"""SQLite's write-ahead log, read without SQLite: which pages it holds, and whether commits stand behind a damaged place.

SQLite replays the log up to the first frame whose checksum fails and takes that for the end. After a power cut it is: of what
was not yet synced, one transaction at most, anything may be missing. But a frame that went bad in the middle hides commits that
were acknowledged. They show: each frame's checksum goes on from the one before it, so a frame behind the bad one proves itself.

    header 32 bytes: magic, version, page size, sequence, salt 1, salt 2, checksum 1, checksum 2 (big-endian 32-bit words)
    frame: page number, pages in the file after a commit (0: no commit), salts, checksums; then the page
    (the file format document of SQLite, section 4.1, 4.2)
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_HEADER, _FRAME = 32, 24
_MAGIC_LITTLE, _MAGIC_BIG = 0x377F0682, 0x377F0683
_WORD = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Log:
    """`pages`: page number to where its newest committed image stands in the file. `broken`: commits stand behind damage."""

    pages: dict[int, int] = field(default_factory=dict)
    broken: bool = False


@dataclass(frozen=True, slots=True)
class _Frame:
    page: int
    commit: bool
    offset: int
    """Of the page's image."""
    sound: bool
    """Its checksum goes on from the frame before it."""


def examine(path: Path, page_size: int) -> Log:
    """The log beside a journal; empty where there is none."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Log()
    if len(data) < _HEADER + _FRAME + page_size:
        return Log()
    frames = list(_frames(data, page_size))
    intact = next((index for index, frame in enumerate(frames) if not frame.sound), len(frames))
    behind = frames[intact:]
    commits = [index for index, frame in enumerate(behind) if frame.sound and frame.commit]
    broken = bool(commits) and (not _header_is_sound(data) or any(frame.sound for frame in behind[commits[0] + 1 :]))
    last = intact + commits[-1] if broken else max((i for i, frame in enumerate(frames[:intact]) if frame.commit), default=-1)
    return Log({frame.page: frame.offset for frame in frames[: last + 1] if frame.sound}, broken)


def _frames(data: bytes, page_size: int) -> Iterator[_Frame]:
    """Every place of a frame. What an earlier round of the log left behind has other salts, and is not sound."""
    step = _FRAME + page_size
    starts = range(_HEADER, len(data) - step + 1, step)
    salts = data[16:24] if _header_is_sound(data) else _salts(data, starts)
    order = _order(data, step)
    before = struct.unpack(">II", data[24:32])
    for at in starts:
        page, size = struct.unpack(">II", data[at : at + 8])
        stored = struct.unpack(">II", data[at + 16 : at + 24])
        sound = page > 0 and data[at + 8 : at + 16] == salts
        sound = sound and _sum(data[at : at + 8] + data[at + _FRAME : at + step], before, order) == stored
        before = stored
        yield _Frame(page, size > 0, at + _FRAME, sound)


def _salts(data: bytes, starts: range) -> bytes:
    """The salts of the present round where the header does not say: the round begins with the first frame."""
    found = Counter(data[at + 8 : at + 16] for at in starts)
    first = data[starts[0] + 8 : starts[0] + 16]
    return first if found[first] > 1 else found.most_common(1)[0][0]


def _order(data: bytes, step: int) -> str:
    """Which way round the checksums read their words: the header's last bit says it, or else the frame that proves it."""
    if _header_is_sound(data) or len(data) < _HEADER + 2 * step:
        return ">" if data[3] & 1 else "<"
    one, two = _HEADER, _HEADER + step
    before = struct.unpack(">II", data[one + 16 : one + 24])
    stored = struct.unpack(">II", data[two + 16 : two + 24])
    return ">" if _sum(data[two : two + 8] + data[two + _FRAME : two + step], before, ">") == stored else "<"


def _header_is_sound(data: bytes) -> bool:
    (magic,) = struct.unpack(">I", data[:4])
    if magic not in {_MAGIC_LITTLE, _MAGIC_BIG}:
        return False
    return _sum(data[:24], (0, 0), ">" if magic == _MAGIC_BIG else "<") == struct.unpack(">II", data[24:32])


def _sum(data: bytes, start: tuple[int, int], order: str) -> tuple[int, int]:
    """The log's checksum over `data`, going on from `start`."""
    one, two = start
    words = iter(struct.unpack(f"{order}{len(data) // 4}I", data))
    for first, second in zip(words, words, strict=True):
        one = (one + first + two) & _WORD
        two = (two + second + one) & _WORD
    return one, two
