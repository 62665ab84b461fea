"""pydantic's findings in words for an administrator: what was got, what was expected, and the key that was meant."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel

GOT_MAX = 80
"""Characters of a value that a message shows: enough to find it, too few to fill a screen."""
_LISTED_MAX = 16
"""Keys that a message lists: more would bury the one that is wrong."""
_HIDDEN = frozenset({"token", "headers", "patient"})
"""Keys whose values a message never shows: a secret written in the wrong place, and patient data."""
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PASSWORD = re.compile(r"(?<=//)[^/@\s]*@")

ID = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$"
EUI64 = r"^[0-9A-F]{16}$"
BIRTH_DATE = r"^(\d{8})?$"
_PATTERNS = {
    ID: "letters, digits and . _ : - only, 64 at most, a letter or digit first",
    EUI64: "16 hex digits in upper case",
    BIRTH_DATE: "a date as YYYYMMDD",
}
_TYPES = {
    "model_type": "expected a table",
    "dict_type": "expected a table",
    "mapping_type": "expected a table",
    "tuple_type": "expected an array",
    "list_type": "expected an array",
    "frozen_set_type": "expected an array",
    "timezone_aware": "expected an offset at the end, such as +01:00 or Z",
}
_BEGINNINGS = (
    ("Value error, ", ""),
    ("Input should be a valid ", "expected a "),
    ("Input should be ", "expected "),
)


def key_of(path: Sequence[str | int]) -> str:
    """The keys of `path` as one writes them in TOML; "file" for the whole."""
    names = [part for part in path if isinstance(part, str) and part != "[key]"]
    return ".".join(name if _BARE.fullmatch(name) else json.dumps(name[:GOT_MAX]) for name in names) or "file"


def say(item: Any, model: type[BaseModel], where: Sequence[str | int] = ()) -> str:
    """One of `ValidationError.errors()` in words; `model` was validated, and stands at `where` in the file."""
    loc = item["loc"]
    if item["type"] == "extra_forbidden":
        return no_such_key(str(loc[-1]), _model_at(model, loc[:-1]))
    if item["type"] == "missing":
        return "is missing and must be given"
    expected = _expected(item)
    rule_of_table = item["type"] == "value_error" and isinstance(item["input"], Mapping | list)
    if rule_of_table or _HIDDEN & {*where, *loc}:
        return expected
    return f"got {shown(item['input'])}; {expected}"


def no_such_key(key: str, model: type[BaseModel] | None) -> str:
    """A key that nobody knows, with the one that may have been meant."""
    known = list(model.model_fields) if model is not None else []
    near = difflib.get_close_matches(key, known, 1)
    if near:
        return f"no such key; did you mean {near[0]!r}?"
    if 0 < len(known) <= _LISTED_MAX:
        return f"no such key; expected one of {', '.join(known)}"
    return "no such key; `wardlink config schema` lists them"


def shown(value: Any) -> str:
    """A TOML value as one writes it, cut to what a message can hold."""
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "an array"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = _PASSWORD.sub("…@", value)
        return repr(text if len(text) <= GOT_MAX else text[:GOT_MAX] + "…")
    return str(value)[:GOT_MAX]


def _expected(item: Any) -> str:
    if item["type"] in _TYPES:
        return _TYPES[item["type"]]
    if item["type"] == "string_pattern_mismatch":
        pattern = item["ctx"]["pattern"]
        return f"expected {_PATTERNS.get(pattern, f'text of the form {pattern}')}"
    said = str(item["msg"])
    for beginning, instead in _BEGINNINGS:
        if said.startswith(beginning):
            return instead + said.removeprefix(beginning)
    return re.sub(r"^\w+ should have ", "expected ", said)


def _model_at(model: type[BaseModel] | None, path: Sequence[str | int]) -> type[BaseModel] | None:
    """The model that holds the keys at `path` inside `model`; None where that is a free table."""
    for part in path:
        if isinstance(part, int) or model is None:
            continue
        field = model.model_fields.get(part)
        model = None if field is None else _model_in(field.annotation)
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := _model_in(one)) is not None), None)
