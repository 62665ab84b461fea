"""A profile for a person to go on with: only what differs is set, every other key stands behind a # with what it means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any

from gateway.driver import Driver
from gateway.profiles import schema, toml
from gateway.profiles.guessing import Guess, Seen
from gateway.profiles.schema import Key

WIDTH = 118


def written(name: str, driver: Driver[Any, Any], table: Mapping[str, Any], *, base: str = "", seen: Seen | None = None) -> str:
    """The text of a profile: `table` (of the profile `base`) with the guesses of a capture."""
    guesses = {guess.path: guess for guess in (seen.guesses if seen else ())}
    keys = list(schema.keys(driver.options))
    lines = [
        f"# {name}: a profile of the driver {driver.id}. What is set differs from the default; what stands behind a # has it.",
        *([f"# Taken over from {base}: what does not differ from the default there is left out."] if base else []),
        f"# Hold it against a recording: wardlink profile test {name}.toml RECORDING",
        f"# See what each key does to it: wardlink profile explain {name}.toml RECORDING",
        *_remarks(seen),
        "",
    ]
    for key in keys:
        if not key.keys:
            lines += _key(key, table, guesses)
    for key in keys:
        if key.keys:
            lines += _table(key, table, guesses)
    return "\n".join(lines) + "\n"


def _remarks(seen: Seen | None) -> Iterator[str]:
    """What the capture showed, for whoever goes on."""
    if seen is None:
        return
    run = seen.run
    yield "#"
    counts = f"{len(run.messages)} messages, {len(run.readings)} readings, {run.numbers} numbers, {run.mapped} with a term"
    yield f"# The capture, with what is set here: {counts}."
    for remark in seen.remarks:
        yield from _comment(remark, "# - ", "#   ")


def _comment(text: str, first: str = "# ", rest: str = "# ") -> list[str]:
    plain = "".join(char if char.isprintable() else "?" for char in text)
    return wrap(plain, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def _key(key: Key, table: Mapping[str, Any], guesses: Mapping[tuple[str, ...], Guess]) -> Iterator[str]:
    guess = guesses.get(key.path)
    value = guess.value if guess is not None else _at(table, key.path)
    about = key.about or "(no word about it in the schema)"
    yield from _comment(f"{about}{f' One of {_words(key.choices)}.' if _are_words(key.choices) else ''}")
    if guess is not None:
        yield from _comment(f"Guessed from the capture: {guess.why}.")
    if value is None:
        yield from (f"# {line}" for line in _default(key))
    else:
        yield from toml.pair(key.path[-1], value)


def _default(key: Key) -> Sequence[str]:
    if key.default is None:
        return [f"{key.path[-1]} ="]
    return toml.pair(key.path[-1], key.default)


def _table(key: Key, table: Mapping[str, Any], guesses: Mapping[tuple[str, ...], Guess]) -> Iterator[str]:
    """A table: its head stands behind a # as long as nothing in it is set."""
    given = _at(table, key.path)
    here = bool(given) or any(path[: len(key.path)] == key.path for path in guesses)
    yield ""
    yield from _comment(key.about)
    yield f"{'' if here else '# '}[{'.'.join(map(toml.key, key.path))}]"
    for one in key.keys:
        if not one.keys:
            yield from _key(one, table, guesses)
    for one in key.keys:
        if one.keys:
            yield from _table(one, table, guesses)


def _at(table: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = table
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _are_words(choices: Sequence[Any]) -> bool:
    return bool(choices) and all(isinstance(one, str) for one in choices)


def _words(choices: Sequence[Any]) -> str:
    return ", ".join(choices)
