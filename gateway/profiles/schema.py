"""A driver's options, key by key: what each means, its default, what it may be. From the schema alone, whatever the driver is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

ABOUT = ("maker", "models", "evidence", "source")
"""Keys that say what a profile is, and change no reading but by the maker's name."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key: where it stands, what it means, its default, and, of a table, the keys in it."""

    path: tuple[str, ...]
    about: str
    default: Any
    choices: tuple[Any, ...] = ()
    """What it may be, where these are words or a yes and a no."""
    keys: tuple[Key, ...] = ()

    @property
    def name(self) -> str:
        """The key with the tables it stands in: "link.checksum"."""
        return ".".join(self.path)


def keys(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[Key]:
    """The keys of a model, in the order of the schema."""
    for name, field in model.model_fields.items():
        here = (*path, name)
        inner = field.annotation
        table = isinstance(inner, type) and issubclass(inner, BaseModel)
        below = tuple(keys(inner, here)) if table and isinstance(inner, type) else ()
        yield Key(here, one_line(field.description or ""), plain(default_of(field)), _choices(field), below)


def leaves(of: Iterator[Key] | tuple[Key, ...]) -> Iterator[Key]:
    """The keys that hold values, tables opened."""
    for key in of:
        yield from leaves(key.keys) if key.keys else (key,)


def default_of(field: FieldInfo) -> Any:
    """The default of a field; None where it must be given."""
    return None if field.is_required() else field.get_default(call_default_factory=True)


def plain(value: Any) -> Any:
    """A value as TOML has it: tables as dicts without their defaults, tuples as lists, enumerations as their words."""
    if isinstance(value, BaseModel):
        told = {name: plain(getattr(value, name)) for name in value.model_fields_set}
        return told["at"] if set(told) == {"at"} else told  # a place in full form, where the short one says it all
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | frozenset | set):
        return [plain(one) for one in value]
    return value


def at(options: BaseModel, path: tuple[str, ...]) -> Any:
    """The value of a key, as TOML has it."""
    value: Any = options
    for name in path:
        value = getattr(value, name)
    return plain(value)


def one_line(text: str) -> str:
    """A docstring as one line."""
    return " ".join(text.split())


def _choices(field: FieldInfo) -> tuple[Any, ...]:
    annotation = field.annotation
    if annotation is bool:
        return (False, True)
    return tuple(plain(one) for one in get_args(annotation)) if get_origin(annotation) is Literal else ()
