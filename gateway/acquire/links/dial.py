"""A dial string taken apart: scheme, address, parameters; every error says what was got and what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from urllib.parse import parse_qsl, unquote, urlsplit

from gateway.errors import ConfigError

TEXT_MAX = 1024
"""Characters of a dial string: the longest by-path name is far below."""


class Dial:
    """A dial string whose parameters are taken one by one; `done` refuses what nobody took."""

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > TEXT_MAX:
            raise ConfigError(f"link {text[:40]!r}…: {len(text)} characters; expected at most {TEXT_MAX}")
        try:
            self._parts = urlsplit(text)
            pairs = parse_qsl(self._parts.query, keep_blank_values=True, strict_parsing=bool(self._parts.query))
        except ValueError as error:
            raise ConfigError(f"link {text!r}: {error}; expected SCHEME://ADDRESS?KEY=VALUE&KEY=VALUE") from None
        self._parameters = dict(pairs)
        self._known: list[str] = []
        if len(self._parameters) < len(pairs):
            raise self.wrong("a parameter is given twice")
        if self._parts.fragment:
            raise self.wrong(f"got #{self._parts.fragment}; expected no # (write it as %23)")

    @property
    def path(self) -> str:
        """The absolute path of serial:// and trace://."""
        path = unquote(self._parts.path)
        if self._parts.netloc or not path.startswith("/"):
            name = self._parts.scheme
            raise self.wrong(f"expected an absolute path after three slashes, such as {name}:///dev/ttyUSB0")
        return path

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of a network link."""
        try:
            host, port = self._parts.hostname, self._parts.port
        except ValueError:
            host = port = None
        if not host or not port or self._parts.path.strip("/") or self._parts.username is not None:
            raise self.wrong(f"expected {self._parts.scheme}://HOST:PORT with a port of 1 to 65535")
        return host, port

    def integer(self, key: str, default: int, low: int, high: int) -> int:
        """The whole number `key`, within `low` to `high`."""
        given = self._take(key)
        if given is None:
            return default
        if not (given.isascii() and given.isdigit() and low <= int(given[:12]) <= high):
            raise self.wrong(f"{key}: got {given!r}; expected a whole number from {low} to {high}")
        return int(given)

    def number(self, key: str, default: float, low: float, high: float) -> float:
        """The number `key`, within `low` to `high`."""
        given = self._take(key)
        if given is None:
            return default
        try:
            value = float(given)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise self.wrong(f"{key}: got {given!r}; expected a number from {low:g} to {high:g}")
        return value

    def choice(self, key: str, default: str, allowed: Sequence[str]) -> str:
        """The word `key`, one of `allowed`."""
        given = self._take(key)
        if given is None:
            return default
        if given not in allowed:
            raise self.wrong(f"{key}: got {given!r}; expected one of {', '.join(allowed)}")
        return given

    def words(self, key: str) -> tuple[str, ...]:
        """The words of `key`, separated by commas; none when it is not given."""
        given = self._take(key)
        return tuple(word.strip() for word in given.split(",")) if given is not None else ()

    def done(self) -> None:
        """Every parameter has been asked for: what is left is a mistake."""
        for key in self._parameters.keys() - set(self._known):
            near = difflib.get_close_matches(key, self._known, 1)
            hint = f", did you mean {near[0]!r}?" if near else ""
            raise self.wrong(f"no parameter {key!r}; expected {', '.join(self._known) or 'none'}{hint}")

    def wrong(self, what: str) -> ConfigError:
        """The error that says `what` about this dial string."""
        return ConfigError(f"link {self.text!r}: {what}")

    def _take(self, key: str) -> str | None:
        self._known.append(key)
        return self._parameters.get(key)
