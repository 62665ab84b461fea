"""wardlink drivers [ID]: what can be read, and how a driver is set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from gateway.acquire import registry
from gateway.cli.show import JsonOption, new_app, print_json, say, table
from gateway.driver import Driver
from gateway.errors import ConfigError
from gateway.profiles import schema

app = new_app()

DEFAULT_MAX = 60
"""Characters of a default that are shown: `--json` has the whole of it."""


@app.command()
def drivers(driver: Annotated[str, typer.Argument(help="explain this one")] = "", as_json: JsonOption = False) -> None:
    """List the drivers, or explain one: models, line, options, profiles, codes."""
    found = [registry.load(driver)] if driver else list(_installed())
    if as_json:
        print_json([_describe(one) for one in found])
    elif driver:
        _explain(found[0])
    else:
        rows = [(d.id, d.maker, ", ".join(d.models), len(registry.profiles(d)) or "", d.source) for d in found]
        table("", ("id", "maker", "models", "profiles", "source"), rows)
        print("which analyzer has which profile: wardlink profile list [--for MODEL]")


def _installed() -> Iterator[Driver[Any, Any]]:
    """Every driver that can be imported; a plug-in that cannot is named, and hides no other."""
    for name in registry.ids():
        try:
            yield registry.load(name)
        except ConfigError as error:
            say(str(error))


def _describe(driver: Driver[Any, Any]) -> dict[str, Any]:
    line, schema = driver.line, driver.options.model_json_schema()
    return {
        "id": driver.id,
        "maker": driver.maker,
        "models": list(driver.models),
        "source": driver.source,
        "version": driver.version,
        "line": None if line is None else f"{line.baud} {line.bits}{line.parity}{line.stop} flow {line.flow}",
        "silence_s": driver.silence_s,
        "profiles": registry.profiles(driver),
        "evidence": {name: _evidence(driver, name) for name in registry.profiles(driver)},
        "about_options": schema.get("description", ""),
        "options": schema.get("properties", {}),
        "codes": [
            {"code": code, "refid": metric.refid, "unit": metric.unit, "method": metric.method.value}
            for code, (metric, _place) in (driver.tree.metrics.items() if driver.tree else ())
        ],
    }


def _evidence(driver: Driver[Any, Any], name: str) -> dict[str, Any]:
    """How a profile is known: capture, document, or general knowledge; and of which models."""
    said = registry.profile_table(driver, name)
    return {"evidence": said.get("evidence", "general"), "models": said.get("models", []), "source": said.get("source", "")}


def _shown(default: Any) -> str:
    text = "" if default in (None, "", [], {}) else str(default)
    return text if len(text) <= DEFAULT_MAX else f"{text[:DEFAULT_MAX]}…"


def _explain(driver: Driver[Any, Any]) -> None:
    told = _describe(driver)
    for key in ("id", "maker", "models", "source", "version", "line", "silence_s"):
        value = told[key]
        print(f"{key:10} {', '.join(value) if isinstance(value, list) else value}")
    if told["about_options"]:
        print(f"\n{told['about_options']}")
    if told["evidence"]:
        table(
            "Profiles",
            ("profile", "evidence", "models"),
            [(name, one["evidence"], ", ".join(one["models"])) for name, one in told["evidence"].items()],
        )
    rows = [(key.name, _shown(key.default), key.about) for key in schema.leaves(schema.keys(driver.options))]
    table("Options", ("option", "default", "what it does"), rows)
    if told["codes"]:
        table("Codes", ("device's code", "term", "unit", "how"), [tuple(row.values()) for row in told["codes"]])
