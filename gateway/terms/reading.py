"""Reading the tables: package data first, then the rows a site added, each row with the place it came from."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gateway.errors import ConfigError

ROWS_MAX = 100_000
"""Rows of one file: a hundred times what we ship; a file with more was not written for this."""


_OWN = Path(__file__).parent
"""Where our tables are: wheels are installed unpacked, and importlib.resources costs more to import than all tables to load."""


class Row(NamedTuple):
    """One line of a table: file and line for whoever has to mend it, and the fields."""

    name: str
    line: int
    fields: tuple[str, ...]

    def wrong(self, what: str) -> ConfigError:
        """The error that refuses this row."""
        return ConfigError(f"terms: {self.name} line {self.line} ({self.fields[0]}): {what}")


class _Site:
    folder: Path | None = None


def site_folder(folder: Path | None) -> None:
    """Read files of the tables' names in `folder` after our own; None: only our own."""
    _Site.folder = folder


def rows(table: str, columns: tuple[str, ...]) -> Iterator[Row]:
    """Every row of `table`, ours first. Raises ConfigError when a header or a row has not these columns."""
    yield from parse(_text(_OWN / table), table, columns)
    if _Site.folder is not None and (added := _Site.folder / table).is_file():
        yield from parse(_text(added), str(added), columns)


def parse(text: str, name: str, columns: tuple[str, ...]) -> Iterator[Row]:
    """The rows of one CSV text; a header line must name `columns` in their order."""
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    try:
        if (header := tuple(next(reader, ()))) != columns:
            raise ConfigError(f"terms: {name} line 1: the columns are {','.join(header)!r}, expected {','.join(columns)!r}")
        for number, fields in enumerate(reader):
            row = Row(name, reader.line_num, tuple(fields) or ("",))
            if len(fields) != len(columns):
                raise row.wrong(f"has {len(fields)} fields, expected {len(columns)}: {','.join(columns)}")
            if number >= ROWS_MAX:
                raise row.wrong(f"more than {ROWS_MAX} rows")
            yield row
    except csv.Error as error:
        raise ConfigError(f"terms: {name} line {reader.line_num}: {error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"terms: {path}: cannot be read as UTF-8 text: {error}") from error
