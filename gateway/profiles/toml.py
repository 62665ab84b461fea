"""Values as TOML writes them: what a profile that is made for a person holds."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

WIDTH = 120
"""Characters of a line; a longer array is broken, an element a line."""
_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


def value(given: Any) -> str:
    """`given` in one line; None has no form in TOML and is left to the caller."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, int | float):
        return str(given)
    if isinstance(given, str):
        return _text(given)
    if isinstance(given, Mapping):
        inner = ", ".join(f"{key(str(name))} = {value(one)}" for name, one in given.items() if one is not None)
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(given, Sequence):
        return f"[{', '.join(value(one) for one in given)}]"
    raise TypeError(f"{type(given).__name__} has no form in TOML")


def pair(name: str, given: Any) -> list[str]:
    """`name = value` in as many lines as it needs."""
    line = f"{key(name)} = {value(given)}"
    if len(line) <= WIDTH or not isinstance(given, list) or not given:
        return [line]
    return [f"{key(name)} = [", *(f"  {value(one)}," for one in given), "]"]


def key(name: str) -> str:
    """A key, quoted where it must be."""
    return name if _BARE.match(name) else json.dumps(name, ensure_ascii=False)


def _text(given: str) -> str:
    """Regular expressions stay readable: no escapes where a literal string can hold it."""
    if "\\" in given and "'" not in given and given.isprintable():
        return f"'{given}'"
    return json.dumps(given, ensure_ascii=False)
