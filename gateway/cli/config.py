"""wardlink config check | diff | example | schema."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from gateway import config, control, loaded, reload
from gateway.cli.running import last_good, running
from gateway.cli.show import ConfigOption, JsonOption, new_app, print_json, say, table
from gateway.errors import ConfigError
from gateway.loaded import Loaded
from gateway.reload import Plan
from gateway.verify import verify, warnings

app = new_app()


@app.callback(no_args_is_help=True)
def _group() -> None:
    """Check a configuration, say what a reload would restart, print an example or the schema."""


@app.command()
def check(path: ConfigOption = config.DEFAULT_PATH, as_json: JsonOption = False) -> None:
    """Say everything that is wrong with the file, a line each, or what it sets up; exit 2 when it cannot be used."""
    found = verify(config.load(path))
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    table("Devices", ("id", "driver", "profile", "link", "zone"), [_device(found, d) for d in found.device])
    table(
        "Destinations",
        ("id", "kind", "format", "takes"),
        [(d.id, d.kind, d.format, ", ".join(sorted(d.takes))) for d in found.destination],
    )
    for warning in warnings(found):
        say(warning)
    print(f"{path}: can be used")


@app.command()
def diff(
    other: Annotated[Path | None, typer.Argument(help="a file that would take its place; absent: the file as it is now")] = None,
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Say what a reload would restart, and do nothing; exit 1 when it would be refused, 2 when the file cannot be used."""
    new = loaded.load(other or path)
    verify(new.settings)
    found = _plan(path, new)
    if as_json:
        print_json({"refused": list(found.refusals), "would": [] if found.refusals else found.lines()})
    elif not found.refusals:
        print("\n".join(found.lines() or ["Nothing would be restarted."]))
    for line in found.refusals:
        say(line)
    for name, digest in new.prints.items():
        if digest is None:
            say(f"{name}: cannot be read here, so it is not compared")
    if found.refusals:
        raise typer.Exit(1)


def _plan(path: Path, new: Loaded) -> Plan:
    """From what the running gateway says of itself; without one, from the last known good configuration."""
    said = control.ask(running(path, tell=False).gateway.data, "configuration")
    if isinstance(said, dict) and "text" in said:
        old = replace(loaded.parse(said["text"].encode(), Path(said["path"]), "the running one"), prints=said["files"])
        return reload.diff(old, new, eui64=said["eui64"], live=said["live"])
    kept = last_good(path)
    if kept is None:
        raise ConfigError(
            f"{path}: no gateway runs on it and none ran, so there is nothing to compare with: all of it would start"
        )
    say("No gateway is running; compared with the last known good configuration:")
    every = [f"gateway.{key}" for key in config.GatewayConfig.model_fields]
    return reload.diff(kept, new, eui64=new.settings.gateway.eui64 or "", live=every)


@app.command()
def example() -> None:
    """Print a commented configuration to start from."""
    sys.stdout.write((files("gateway") / "example.toml").read_text(encoding="utf-8"))


@app.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    print_json(config.schema())


def _device(found: config.Config, device: config.DeviceConfig) -> tuple[object, ...]:
    return device.id, device.driver, device.profile, device.link, found.zone(device)
