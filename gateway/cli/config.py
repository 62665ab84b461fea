"""wardlink config check | example | schema."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.resources import files

from gateway import config, service, terms
from gateway.acquire import registry
from gateway.acquire.links import parse_link
from gateway.cli.show import ConfigOption, JsonOption, new_app, print_json, say, table
from gateway.errors import ConfigError

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


def verify(found: config.Config) -> config.Config:
    """`found`, when drivers, profiles, options and links of every device exist. Raises ConfigError naming each that does not."""
    if found.gateway.terms is not None:
        terms.add_site_rows(found.gateway.terms)  # before any driver is imported: its codes may be the site's
    problems = [line for index, device in enumerate(found.device) for line in _problems(found, index, device)]
    if problems:
        raise ConfigError("\n".join(problems))
    return found


def _problems(found: config.Config, index: int, device: config.DeviceConfig) -> Iterator[str]:
    try:
        driver = registry.load(device.driver)
    except ConfigError as error:
        yield found.problem(("device", index, "driver"), str(error))
        return
    try:
        registry.options(driver, device.profile, device.options)
    except ConfigError as error:
        for line in str(error).splitlines():
            path, said = _option(line)
            yield found.problem(("device", index, *path), said)
    try:
        parse_link(device.link, driver.line)
    except ConfigError as error:
        yield found.problem(("device", index, "link"), str(error))


def _option(said: str) -> tuple[tuple[str, ...], str]:
    """The key that the registry speaks of, an option of this file or else the profile, and what is wrong with it."""
    option = re.fullmatch(r"options of driver \S+: ([\w.-]+): (.*)", said)
    return (("options", *option[1].split(".")), option[2]) if option else (("profile",), said)


def _device(found: config.Config, device: config.DeviceConfig) -> tuple[object, ...]:
    return device.id, device.driver, device.profile, device.link, found.zone(device)
