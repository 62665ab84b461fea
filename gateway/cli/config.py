"""wardlink config check | example | schema."""

from __future__ import annotations

import sys
from importlib.resources import files

from gateway import config, terms
from gateway.acquire import registry
from gateway.acquire.links import parse_link
from gateway.cli.show import ConfigOption, JsonOption, new_app, print_json, table
from gateway.errors import ConfigError

app = new_app()


@app.callback(no_args_is_help=True)
def _group() -> None:
    """Check a configuration, print an example or the schema."""


@app.command()
def check(path: ConfigOption = config.DEFAULT_PATH, as_json: JsonOption = False) -> None:
    """Say everything that is wrong with the file, a line each, or what it sets up; exit 2 when it cannot be used."""
    found = verify(config.load(path), str(path))
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    table("Devices", ("id", "driver", "profile", "link", "zone"), [_device(found, d) for d in found.device])
    table(
        "Destinations",
        ("id", "kind", "format", "takes"),
        [(d.id, d.kind, d.format, ", ".join(sorted(d.takes))) for d in found.destination],
    )
    print(f"{path}: can be used")


@app.command()
def example() -> None:
    """Print a commented configuration to start from."""
    sys.stdout.write((files("gateway") / "example.toml").read_text(encoding="utf-8"))


@app.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    print_json(config.schema())


def verify(found: config.Config, name: str) -> config.Config:
    """`found`, when drivers, profiles, options and links of every device exist. Raises ConfigError naming each that does not."""
    terms.add_site_rows(found.gateway.terms)  # before any driver is imported: its codes may be the site's
    problems = []
    for device in found.device:
        try:
            driver = registry.load(device.driver)
            registry.options(driver, device.profile, device.options)
            parse_link(device.link, driver.line)
        except ConfigError as error:
            problems.append(f"{name}: device {device.id}: {error}")
    if problems:
        raise ConfigError("\n".join(problems))
    return found


def _device(found: config.Config, device: config.DeviceConfig) -> tuple[object, ...]:
    return device.id, device.driver, device.profile, device.link, found.zone(device)
