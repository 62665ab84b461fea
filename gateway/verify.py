"""What a configuration names must exist: drivers, profiles, options, links, the site's own terms."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from gateway import config, terms
from gateway.acquire import registry
from gateway.acquire.links import parse_link
from gateway.errors import ConfigError


def verify(found: config.Config) -> config.Config:
    """`found`, when all that it names exists. Raises ConfigError with a line for each thing that does not.

    The site's terms are loaded by this, and stay; when it raises, the terms are what they were.
    """
    undo = _site_terms(found)  # before any driver is imported: its codes may be the site's
    problems = [line for index, device in enumerate(found.device) for line in _problems(found, index, device)]
    if problems:
        undo()
        raise ConfigError("\n".join(problems))
    return found


def _site_terms(found: config.Config) -> Callable[[], None]:
    folder = found.gateway.terms
    if folder is not None and not folder.is_dir():
        raise ConfigError(found.problem(("gateway", "terms"), f"got {str(folder)!r}; expected a folder that can be read"))
    return terms.add_site_rows(folder)


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
