"""What commands share: the --config option, JSON output, tables, times, reading a file or standard input."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.errors import ConfigError

ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="the configuration file", envvar="WARDLINK_CONFIG")]
JsonOption = Annotated[bool, typer.Option("--json", help="for scripts: JSON on stdout")]


def new_app() -> typer.Typer:
    """A command module's typer app."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=False)


def print_json(value: Any) -> None:
    """`value` as indented JSON; times as ISO 8601."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=_text) + "\n")


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


PIPE_WIDTH = 100_000
"""Columns of what is no terminal: nothing of a row is broken there, for a person searches in it."""


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table for people, as wide as the terminal; without borders that a pipe would trip over. An id is broken, never cut."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    drawn = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*("" if cell is None else str(cell) for cell in row))
    out = Console()
    if not out.is_terminal and "COLUMNS" not in os.environ:
        out.width = PIPE_WIDTH
    out.print(drawn)


def moment(text: str) -> datetime | None:
    """`text` as a time in UTC; None when empty. Raises ConfigError."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r}: expected ISO 8601 with an offset, such as 2026-11-21T08:00:00+01:00") from None
    if found.tzinfo is None:
        raise ConfigError(f"{text!r}: expected an offset at the end, such as +01:00 or Z")
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise ConfigError(f"{text!r}: expected a time between the years 1 and 9999 in UTC") from None


def read_bytes(file: Path, limit: int) -> bytes:
    """The file's bytes, or standard input's for `-`. Raises ConfigError when it cannot be read or holds more than `limit`."""
    try:
        if str(file) == "-":
            data = sys.stdin.buffer.read(limit + 1)
        else:
            with file.open("rb") as source:
                data = source.read(limit + 1)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    if len(data) > limit:
        raise ConfigError(f"{file}: more than {limit} bytes; cut it into parts")
    return data


def say(text: str) -> None:
    """A line to the person, on stderr, so that stdout stays clean for scripts."""
    print(text, file=sys.stderr)
