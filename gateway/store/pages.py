"""Rows out of the pages of a damaged journal, without its trees: every leaf is read for itself.

Where an inner page or the first page is gone, SQLite finds nothing of what stands below; the leaves are still there. Which
table a row belongs to is told by its shape (gateway/store/shapes.py), whether a report is genuine by its checksum.

    leaf: type (13 table, 10 index or WITHOUT ROWID), first free block, cells, content start, fragments; then cell offsets
    cell: payload size, row id (table only), payload; what does not fit goes on in overflow pages
    record: header size, a type for each column, then the values
    (the file format document of SQLite, sections 1.6, 1.8, 2.1)
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from gateway.store.wal import Log

Value: TypeAlias = int | float | str | bytes | None
Wanted: TypeAlias = Callable[[int | None, list[int]], bool]
"""Whether a row of this row id and these types is worth reading whole."""
TABLE_LEAF, INDEX_LEAF, INDEX_INNER = 13, 10, 2
PAGE_SIZE = 4096
"""SQLite's own choice, which the journal keeps."""
PAYLOAD_MAX = 64 * 1024 * 1024
"""Bytes of one row: a transmission is far smaller; a damaged length must not fill the memory."""
COLUMNS_MAX = 64
NULL = 0
"""The type of a column without a value."""
FIRST_BLOB = 12
"""From here on even types are bytes, odd ones text."""
_FREE = 2
"""In the pointer map: a page that nothing uses."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A row as it stands on a page; `rowid` None in a WITHOUT ROWID table."""

    rowid: int | None
    values: tuple[Value, ...]


class Pages:
    """The pages of a journal file with its log laid over them, each in its newest image."""

    def __init__(self, path: Path, log: Log) -> None:
        self._file = path.open("rb")
        self._wal = path.with_name(f"{path.name}-wal").open("rb") if log.pages else None
        self._log = log
        self.count = max(path.stat().st_size // PAGE_SIZE, max(log.pages, default=0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        if self._wal is not None:
            self._wal.close()

    def read(self, number: int) -> bytes:
        """A page's newest image; short or empty where the file cannot be read."""
        offset = self._log.pages.get(number)
        file, at = (self._file, (number - 1) * PAGE_SIZE) if offset is None or self._wal is None else (self._wal, offset)
        try:
            file.seek(at)
            return file.read(PAGE_SIZE)
        except OSError:  # a sector that the disk does not give back
            return b""

    def cells(self, wanted: Wanted) -> Iterator[Cell]:
        """Every row that stands on a page in use, can be read whole, and is `wanted`."""
        for number in range(1, self.count + 1):
            page = self.read(number)
            start = 100 if number == 1 else 0
            if len(page) == PAGE_SIZE and page[start] in {TABLE_LEAF, INDEX_LEAF, INDEX_INNER} and not self._is_free(number):
                yield from self._cells(page, start, wanted)

    def _cells(self, page: bytes, start: int, wanted: Wanted) -> Iterator[Cell]:
        kind = page[start]
        (count,) = struct.unpack_from(">H", page, start + 3)
        first = start + (12 if kind == INDEX_INNER else 8)
        if first + 2 * count > PAGE_SIZE:
            return
        for (at,) in struct.iter_unpack(">H", page[first : first + 2 * count]):
            try:
                cell = self._cell(page, at + (4 if kind == INDEX_INNER else 0), kind, wanted)
            except (IndexError, ValueError, struct.error):  # this row is damaged; the next stands on its own
                continue
            if cell is not None:
                yield cell

    def _cell(self, page: bytes, at: int, kind: int, wanted: Wanted) -> Cell | None:
        size, at = _varint(page, at)
        rowid = None
        if kind == TABLE_LEAF:
            rowid, at = _varint(page, at)
        if not 0 < size <= PAYLOAD_MAX:
            raise ValueError("a payload of an impossible size")
        if not wanted(rowid, _kinds(page, at)[0]):
            return None
        return Cell(rowid, record(self._payload(page, at, size, kind)))

    def _payload(self, page: bytes, at: int, size: int, kind: int) -> bytes:
        local = _local(size, kind)
        if at + local > PAGE_SIZE:
            raise ValueError("a payload beyond its page")
        if local == size:
            return page[at : at + size]
        parts, left = [page[at : at + local]], size - local
        (following,) = struct.unpack_from(">I", page, at + local)
        while left > 0:
            if not 0 < following <= self.count:
                raise ValueError("a chain of overflow pages that ends too soon")
            image = self.read(following)
            (following,) = struct.unpack_from(">I", image)
            parts.append(image[4 : 4 + left])
            left -= len(parts[-1])
            if not parts[-1]:
                raise ValueError("an overflow page that cannot be read")
        return b"".join(parts)

    def _is_free(self, number: int) -> bool:
        """Whether the pointer map says that nothing uses the page: what stands on it was deleted."""
        per_map = PAGE_SIZE // 5
        if number < 2:
            return False
        map_page = (number - 2) // (per_map + 1) * (per_map + 1) + 2
        if number == map_page:
            return True
        image = self.read(map_page)
        return image[(number - map_page - 1) * 5 : (number - map_page - 1) * 5 + 1] == bytes([_FREE])


def record(payload: bytes) -> tuple[Value, ...]:
    """The values of a record. Raises ValueError, IndexError or struct.error for what is none."""
    kinds, at = _kinds(payload, 0)
    values: list[Value] = []
    for kind in kinds:
        value, at = _value(payload, at, kind)
        values.append(value)
    if at != len(payload):
        raise ValueError("a record that is longer than its columns")
    return tuple(values)


def _kinds(payload: bytes, start: int) -> tuple[list[int], int]:
    """The types of a record's columns, and where its values begin."""
    size, at = _varint(payload, start)
    end = start + size
    if not start < end <= len(payload):
        raise ValueError("a record header of an impossible size")
    kinds: list[int] = []
    while at < end:
        kind, at = _varint(payload, at)
        kinds.append(kind)
        if len(kinds) > COLUMNS_MAX:
            raise ValueError("more columns than any table has")
    return kinds, at


def is_blob(kind: int) -> bool:
    """Whether a column's type is bytes."""
    return kind >= FIRST_BLOB and kind % 2 == 0


_SIZES = (0, 1, 2, 3, 4, 6, 8)


def _value(payload: bytes, at: int, kind: int) -> tuple[Value, int]:
    if kind == 0:
        return None, at
    if kind <= 6:
        end = at + _SIZES[kind]
        return int.from_bytes(_part(payload, at, end), "big", signed=True), end
    if kind == 7:
        (number,) = struct.unpack_from(">d", payload, at)
        return float(number), at + 8
    if kind in {8, 9}:
        return kind - 8, at
    if kind < 12:
        raise ValueError("a type that is reserved")
    end = at + (kind - 12) // 2
    part = _part(payload, at, end)
    return (part.decode("utf-8") if kind % 2 else part), end


def _part(payload: bytes, at: int, end: int) -> bytes:
    if end > len(payload):
        raise ValueError("a value beyond its record")
    return payload[at:end]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where the next thing begins."""
    number = 0
    for index in range(8):
        byte = data[at + index]
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, at + index + 1
    number = number << 8 | data[at + 8]
    return (number - (1 << 64) if number >> 63 else number), at + 9


def _local(size: int, kind: int) -> int:
    """How much of a payload stands on the leaf itself."""
    usable = PAGE_SIZE
    most = usable - 35 if kind == TABLE_LEAF else (usable - 12) * 64 // 255 - 23
    if size <= most:
        return size
    least = (usable - 12) * 32 // 255 - 23
    fit = least + (size - least) % (usable - 4)
    return fit if fit <= most else least
