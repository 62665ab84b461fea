"""Where in a TOML text a key stands: tomllib keeps no positions, so this walks text that tomllib accepted."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import TypeAlias

Place: TypeAlias = tuple[str | int, ...]
"""Keys from the top, with an index for each element of an array: ("device", 0, "location", "bed")."""

_TOKEN = re.compile(
    r'''(?P<space>[ \t\r]+|\#[^\n]*)
    |(?P<string>"""(?:\\.|[^\\])*?"""(?:"{0,2})|\'\'\'.*?\'\'\'(?:\'{0,2})|"(?:\\.|[^"\\])*"|'[^']*')
    |(?P<mark>[\[\]{},=.\n])
    |(?P<bare>[^\s\[\]{},=."'\#]+)''',
    re.VERBOSE | re.DOTALL,
)


class Positions:
    """The line of every key, table and array element of a TOML text."""

    def __init__(self, text: str) -> None:
        """Walk `text`, which tomllib accepted. RecursionError when it nests as deeply as Python can."""
        self._lines: dict[Place, int] = {}
        self._counts: dict[Place, int] = {}
        self._tokens = _tokens(text)
        self._take()
        self._document()

    def line(self, path: Place) -> int:
        """The line of `path`, or of the nearest thing around it that stands in the text; 1 when nothing does."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def _take(self) -> None:
        """Go to the next token; "" is the end."""
        self._kind, self._text, self._line = next(self._tokens, ("mark", "", 0))

    def _skip_newlines(self) -> None:
        while self._text == "\n":
            self._take()

    def _document(self) -> None:
        table: Place = ()
        self._skip_newlines()
        while self._text:
            if self._kind == "mark" and self._text == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip_newlines()

    def _header(self) -> Place:
        line = self._line
        self._take()
        several = self._text == "["
        if several:
            self._take()
        path = self._anchored(self._key())
        if several:
            self._counts[path] = self._counts.get(path, -1) + 1
            path = (*path, self._counts[path])
            self._take()
        self._take()
        self._note(path, line, around=0)
        return path

    def _anchored(self, names: Place) -> Place:
        """`names` with the index of the present element of each array of tables on the way."""
        path: Place = ()
        for name in names[:-1]:
            path = (*path, name)
            path = (*path, self._counts[path]) if path in self._counts else path
        return (*path, names[-1])

    def _pair(self, table: Place) -> None:
        line = self._line
        path = (*table, *self._key())
        self._note(path, line, around=len(table))
        self._take()
        self._value(path)

    def _key(self) -> Place:
        names = [self._name()]
        while self._text == ".":
            self._take()
            names.append(self._name())
        return tuple(names)

    def _name(self) -> str:
        name = str(tomllib.loads(f"key = {self._text}")["key"]) if self._kind == "string" else self._text
        self._take()
        return name

    def _value(self, path: Place) -> None:
        if self._kind == "mark" and self._text in {"[", "{"}:
            self._inside(path, self._text)
            return
        while self._kind != "mark" or self._text == ".":  # 1.5 and 1979-05-27 07:32:00 are several tokens
            self._take()

    def _inside(self, path: Place, opening: str) -> None:
        """An array or inline table."""
        closing, index = "]" if opening == "[" else "}", 0
        self._take()
        self._skip_newlines()
        while self._text not in {closing, ""}:
            if opening == "[":
                self._note((*path, index), self._line, around=len(path))
                self._value((*path, index))
                index += 1
            else:
                self._pair(path)
            self._skip_newlines()
            if self._text == ",":
                self._take()
                self._skip_newlines()
        self._take()

    def _note(self, path: Place, line: int, *, around: int) -> None:
        """`path` and the tables that its dots make stand in `line`; the first `around` keys are known already."""
        for length in range(around + 1, len(path) + 1):
            self._lines.setdefault(path[:length], line)


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    line = 1
    for match in _TOKEN.finditer(text):
        kind, token = str(match.lastgroup), match.group()
        if kind != "space":
            yield kind, token, line
        line += token.count("\n")
