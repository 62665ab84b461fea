"""wardlink profile: write an analyzer's profile, hold it against recordings, have every key and every reading explained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.acquire import registry
from gateway.acquire.written import Written, hint
from gateway.cli.show import JsonOption, new_app, print_json, say, table
from gateway.errors import ActError, ConfigError
from gateway.profiles import finding, guessing, runs, schema, testing, tracing, writing
from gateway.profiles.finding import Chosen
from gateway.profiles.runs import EXPECTED
from gateway.profiles.testing import Tested
from gateway.profiles.tokens import Token, joined
from gateway.profiles.tracing import Placed, Ruled, Traced

app = new_app()

DIFFERENT = 1
SHOWN_MAX = 40
"""Places and readings that are listed unless all are asked for: two screens."""
TEXT_MAX = 40
"""Characters of a place's text that are shown."""
UNTOLD = ("kind", "mdc", "refid", "method", "device")
"""Properties that are shown only where a rule of the profile decided them."""

DriverOption = Annotated[str, typer.Option(help="driver id, where the profile's name is that of several drivers")]
BytesOption = Annotated[
    Written,
    typer.Option(
        "--bytes", help="how a recording gives the bytes: raw, or text (names, hex, lines), as `wardlink decode` has it"
    ),
]
ProfileArgument = Annotated[str, typer.Argument(help="a name of `wardlink profile list`, or a file", metavar="PROFILE")]


@app.callback()
def profile() -> None:
    """Profiles of analyzers: a TOML file each, no code. docs/profiles.md is the way to one in ten minutes."""


@app.command("list")
def list_(
    driver: Annotated[str, typer.Argument(help="only of this driver")] = "",
    analyzer: Annotated[str, typer.Option("--for", help="only where this is part of the name, the maker or a model")] = "",
    as_json: JsonOption = False,
) -> None:
    """Every profile: which analyzers, and how it is known (capture, document, general knowledge)."""
    drivers = [registry.load(driver)] if driver else finding.drivers()
    every = [_about(one, name) for one in drivers for name in registry.profiles(one)]
    rows = [one for one in every if _plain(analyzer) in _plain(" ".join((one["profile"], one["maker"], *one["models"])))]
    if as_json:
        print_json(rows)
    else:
        heads = ("driver", "profile", "evidence", "maker", "models")
        table(
            "", heads, [(one["driver"], one["profile"], one["evidence"], one["maker"], ", ".join(one["models"])) for one in rows]
        )


def _plain(text: str) -> str:
    """A name as people remember it: "xn1000" for "XN-1000"."""
    return "".join(filter(str.isalnum, text.casefold()))


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="maker-model; the file NAME.toml is made in this folder", metavar="NAME")],
    driver: Annotated[str, typer.Option(help="driver id, see `wardlink drivers`")],
    base: Annotated[str, typer.Option("--from", help="begin with what this profile sets")] = "",
    capture: Annotated[Path | None, typer.Option(help="a recording: what it tells of the analyzer is filled in")] = None,
    written: BytesOption = Written.RAW,
) -> None:
    """Write a profile that is valid at once: only what differs is set, all other keys are comments with their meaning."""
    chosen = registry.load(driver)
    if chosen.profiles is None:
        raise ConfigError(f"the driver {driver} has no profiles")
    path = Path(name if name.endswith(".toml") else f"{name}.toml")
    if path.exists():
        raise ActError(f"{path} is there already: choose another name")
    given = registry.profile_table(chosen, finding.as_name(base)) if base else {}
    given = {key: value for key, value in given.items() if key not in {"evidence", "source"}}
    seen = guessing.guess(chosen, given, runs.flows(capture, written)) if capture is not None else None
    text = writing.written(path.stem, chosen, given, base=base, seen=seen)
    path.write_text(text, encoding="utf-8")
    registry.options(chosen, str(path.absolute()), {})
    print(f"{path}: a profile of the driver {driver}; every key is in it, what has a # has its default")
    for guess in seen.guesses if seen else ():
        print(f"  guessed: {'.'.join(guess.path)} = {guess.value!r}: {guess.why}")
    for remark in seen.remarks if seen else ():
        print(f"  seen: {remark}")
    if capture is not None and seen is not None and not seen.run.messages and (told := _hint(capture, written)):
        print(f"  nothing in it was understood: {told}")
    how = "" if written is Written.RAW else f" --bytes {written}"
    print(f"next: wardlink profile test {path} {capture or 'RECORDING'} --driver {driver}{how}")


@app.command("test")
def hold(
    profile: ProfileArgument,
    recordings: Annotated[list[Path], typer.Argument(help="recordings, or folders with wire.bin and expected.json")],
    driver: DriverOption = "",
    accept: Annotated[bool, typer.Option("--accept", help="write what is read to expected.json, for a person to check")] = False,
    written: BytesOption = Written.RAW,
    as_json: JsonOption = False,
) -> None:
    """Read recordings with PROFILE: what came, what nobody read, and whether it is as expected; exit 1 where it is not."""
    chosen = finding.choose(profile, driver)
    done = [_tested(chosen, case) for case in testing.cases(recordings, written)]
    if as_json:
        print_json([_as_json(one) for one in done])
    for one in done if not as_json else ():
        _print_test(one)
    if accept:
        for one in done:
            say(f"{testing.accept(one)}: written. That is what the program reads; it proves nothing until it is checked by eye.")
    elif not all(one.good for one in done):
        raise typer.Exit(DIFFERENT)


@app.command()
def explain(
    profile: ProfileArgument,
    recording: Annotated[Path | None, typer.Argument(help="a recording: every reading is explained")] = None,
    driver: DriverOption = "",
    every: Annotated[bool, typer.Option("--all", help="also keys that have their default; all readings and places")] = False,
    written: BytesOption = Written.RAW,
    as_json: JsonOption = False,
) -> None:
    """What each key of PROFILE says; with a recording, from where each property of a reading came and which key changed it."""
    chosen = finding.choose(profile, driver)
    if recording is None:
        _explain_keys(chosen, every=every, as_json=as_json)
        return
    found = runs.flows(recording, written)
    traced = tracing.trace(chosen, found)
    data = b"".join(chunk.data for flow in found for chunk in flow.chunks)
    if as_json:
        print_json([_traced_json(one, message, data) for message in traced.messages for one in message.readings])
    else:
        print("\n".join(_explained(traced, data, most=None if every else SHOWN_MAX)))


def _hint(recording: Path, how: Written) -> str:
    """What a recording of which nothing was understood seems to be; "" where nobody can tell, or the call did."""
    return hint(runs.content(recording)) if how is Written.RAW else ""


def _about(driver: Any, name: str) -> dict[str, Any]:
    try:
        said = registry.profile_table(driver, name)
    except ConfigError as error:  # a file that cannot be read hides no other
        said = {"evidence": str(error)}
    return {
        "driver": driver.id,
        "profile": name,
        "evidence": said.get("evidence", "general"),
        "maker": said.get("maker", ""),
        "models": said.get("models", []),
        "source": said.get("source", ""),
    }


# ---- test


def _tested(chosen: Chosen, case: testing.Case) -> Tested:
    done = testing.held(chosen, case)
    done.unread = [_place(one) for one in joined(tracing.unread(done.run.messages, chosen)) if not _counts(one)]
    return done


def _counts(one: Token) -> bool:
    """Sequence numbers say nothing."""
    return one.place in {
        "P.2.1",
        "O.2.1",
        "R.2.1",
        "C.2.1",
        "M.2.1",
        "L.2.1",
        "OBX-1.1",
        "OBR-1.1",
        "PID-1.1",
        "NTE-1.1",
        "SPM-1.1",
    }


def _as_json(one: Tested) -> dict[str, Any]:
    return {
        "recording": one.case.name,
        "good": one.good,
        "messages": len(one.run.messages),
        "readings": one.run.readings,
        "differences": one.differences,
        "unread": one.unread,
        "unknown_units": dict(one.run.unknown_units),
        "unmapped": dict(one.run.unmapped),
        "faults": list(one.run.lines()),
    }


def _print_test(one: Tested) -> None:
    rows = [_row(reading) for reading in one.run.readings]
    print(f"\n{one.case.name}: messages {len(one.run.messages)}, readings {len(rows)}")
    if rows:
        table("", ("of", "code", "value", "unit", "is", "range", "LOINC", "time"), rows)
    print("\n".join(_not_read(one)) or "Everything in it was read, and has a term and a unit.")
    if one.differences is None:
        print(f"Nothing is expected of it: no {EXPECTED} beside it.")
    elif one.differences:
        print(f"DIFFERENT from {EXPECTED}:")
        print("\n".join(f"  {line}" for line in one.differences))
    else:
        print(f"As {EXPECTED} has it.")


def _row(one: Any) -> tuple[object, ...]:
    value = "-" if one["value"] is None else f"{one['comparator']}{one['value']}"
    unit = one["unit"] if one["unit"] is not None else f"{one['vendor_unit']}?" if one["vendor_unit"] else ""
    code = one["vendor_code"] + (f" ({one['sub_id']})" if one["sub_id"] else "")
    control = " QC" if one["qc"] else ""
    time = (one["time"] or "")[:16].replace("T", " ")
    state = " ".join([one["status"], *one["flags"]])
    return f"{one['specimen_id'] or ''}{control}", code, value[:TEXT_MAX], unit, state, one["range"], one["loinc"], time


def _not_read(one: Tested) -> Iterator[str]:
    """What is in the bytes and in no reading, or in one without a meaning."""
    if not one.run.messages:
        told = _hint(one.case.recording, one.case.how) or "is it the right driver, is it the bytes as they came?"
        yield f"nothing in it was understood: {told} (docs/decode.md)"
    for line in one.run.lines():
        yield f"not read: {line}"
    if units := one.run.unknown_units:
        yield f"units that nobody knows (marked ?): {', '.join(f'{unit!r} {n}x' for unit, n in units.most_common())}"
    if codes := one.run.unmapped:
        yield f"codes without a term: {', '.join(code or '(empty)' for code, _ in codes.most_common())}"
    if one.unread:
        yield f"places that no reading, patient, specimen or note is read from: {', '.join(one.unread[:SHOWN_MAX])}"
        if len(one.unread) > SHOWN_MAX:
            yield f"  … and {len(one.unread) - SHOWN_MAX} more (--json)"


# ---- explain


def _explain_keys(chosen: Chosen, *, every: bool, as_json: bool) -> None:
    rows = [
        {
            "key": key.name,
            "value": schema.at(chosen.options, key.path),
            "default": key.default,
            "set": _is_set(chosen, key.path),
            "about": key.about,
        }
        for key in schema.leaves(schema.keys(type(chosen.options)))
    ]
    if as_json:
        print_json(rows)
        return
    about = _about(chosen.driver, chosen.name)
    print(f"{chosen.name}: a profile of the driver {chosen.driver.id}, {chosen.path}")
    print(f"evidence: {about['evidence']}; {about['source'] or 'no source given'}")
    shown = [one for one in rows if every or one["set"]]
    cells = [(one["key"], _short(one["value"]), "" if one["set"] else "default", one["about"]) for one in shown]
    table("", ("key", "value", "", "what it says"), cells)
    if not every:
        print(f"{len(rows) - len(shown)} further keys have their defaults: --all shows them.")


def _is_set(chosen: Chosen, path: tuple[str, ...]) -> bool:
    value: Any = chosen.table
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True


def _short(value: Any) -> str:
    text = "" if value in (None, "", [], {}) else str(value)
    return text if len(text) <= 4 * TEXT_MAX else f"{text[: 4 * TEXT_MAX]}…"


def _explained(traced: tracing.Trace, data: bytes, *, most: int | None) -> Iterator[str]:
    n = 0
    for number, message in enumerate(traced.messages, 1):
        for one in message.readings:
            n += 1
            if most is None or n <= most:
                yield f"\n{n}. {one.reading['vendor_code']} of message {number}"
                yield from _lines(one, message, data)
        yield from _rest(message, number)
    if most is not None and n > most:
        yield f"… {n - most} more readings: --all"
    for rule in traced.deciding:
        yield f"which readings there are: {_rule(rule)}"


def _lines(one: Traced, message: Placed, data: bytes) -> Iterator[str]:
    for name, value in one.reading.items():
        rules = one.rules.get(name, [])
        if (value in (None, "", [], False) or name in UNTOLD) and not rules:
            continue
        where = ", ".join(_place(token, message, data) for token in joined(one.places(name))) or "no place in the message"
        yield f"   {name:13} {_short(value) or '-':24} from {where}"
        yield from (f"   {'':13} {_rule(rule)}" for rule in rules)


def _rest(message: Placed, number: int) -> Iterator[str]:
    if message.deciding:
        yield f"places that decide which readings message {number} has: {', '.join(map(_place, message.deciding[:SHOWN_MAX]))}"
    if message.cut:
        yield f"message {number} has more than {tracing.TRIED_MAX} places: the first were tried"


def _place(one: Token, message: Placed | None = None, data: bytes = b"") -> str:
    text = one.text if len(one.text) <= TEXT_MAX else f"{one.text[:TEXT_MAX]}…"
    at = None if message is None else _offset(one, message, data)
    return f"{one.place} {text!r}" + (f" (record {one.nth})" if one.nth else "") + (f" at byte {at}" if at is not None else "")


def _offset(one: Token, message: Placed, data: bytes) -> int | None:
    return None if message.start < 0 else tracing.offset(one, data, message.start, message.start + len(message.raw))


def _rule(rule: Ruled) -> str:
    return f"decided by {rule.key} = {rule.value}; without it: {rule.otherwise!r}"


def _traced_json(one: Traced, message: Placed, data: bytes) -> dict[str, Any]:
    def place(token: Token) -> dict[str, Any]:
        return {"place": token.place, "record": token.nth, "text": token.text, "offset": _offset(token, message, data)}

    def rules(found: Sequence[Ruled]) -> list[dict[str, Any]]:
        return [{"key": rule.key, "value": rule.value, "without": rule.otherwise} for rule in found]

    return {
        name: {"value": value, "from": [place(token) for token in one.places(name)], "rules": rules(one.rules.get(name, []))}
        for name, value in one.reading.items()
    }
