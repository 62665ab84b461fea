"""Reading the tables: package data first, then the rows a site added, each row with the place it came from."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
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


class Text(NamedTuple):
    """One file as it was read."""

    name: str
    text: str


Site = Mapping[str, Text]
"""A site's tables by file name."""


class _Added:
    site: Site = MappingProxyType({})


def site(folder: Path | None) -> Site:
    """What stands in a site's folder (None: nothing). Raises ConfigError when a file cannot be read."""
    return {} if folder is None else {path.name: Text(str(path), _text(path)) for path in sorted(folder.glob("*.csv"))}


def add(added: Site) -> Site:
    """Read these behind our own tables from now on; what was read so far."""
    former, _Added.site = _Added.site, added
    return former


def rows(table: str, columns: tuple[str, ...]) -> Iterator[Row]:
    """Every row of `table`, ours first. Raises ConfigError when a header or a row has not these columns."""
    yield from parse(_text(_OWN / table), table, columns)
    if (added := _Added.site.get(table)) is not None:
        yield from parse(added.text, added.name, columns)


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
