"""wardlink config check | example | schema."""

from __future__ import annotations

import sys
from importlib.resources import files

from gateway import config, service
from gateway.cli.show import ConfigOption, JsonOption, new_app, print_json, say, table
from gateway.verify import verify

app = new_app()


@app.callback(no_args_is_help=True)
def _group() -> None:
    """Check a configuration, print an example or the schema."""


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
    for warning in service.warnings(found):
        say(warning)
    print(f"{path}: can be used")


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
