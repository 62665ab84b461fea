"""What a configuration names must exist: drivers, profiles, options, links, the site's own terms."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from gateway import callers, config, terms
from gateway.acquire import registry
from gateway.acquire.links import parse_link
from gateway.acquire.links.listen import secured
from gateway.errors import ConfigError
from gateway.model import Category
from gateway.security.tls import server_context


def verify(found: config.Config) -> config.Config:
    """`found`, when all that it names exists. Raises ConfigError with a line for each thing that does not.

    The site's terms are loaded by this, and stay; when it raises, the terms are what they were.
    """
    take_over(found)
    return found


def take_over(found: config.Config) -> Callable[[], None]:
    """`verify`; the answer puts the terms back that were loaded before."""
    undo = _site_terms(found)  # before any driver is imported: its codes may be the site's
    problems = [line for index, device in enumerate(found.device) for line in _problems(found, index, device)]
    problems += callers.doors(found)
    if problems:
        undo()
        raise ConfigError("\n".join(problems))
    return undo


def warnings(found: config.Config) -> Iterator[str]:
    """What a person should know of a configuration that can be used all the same."""
    for destination in found.destination:
        if getattr(destination, "plain", False):
            yield f"destination {destination.id}: plain = true: messages travel unencrypted over the network"
        if destination.unmapped == "hold" and not destination.takes & {Category.LAB, Category.QC}:
            yield f'destination {destination.id}: unmapped = "hold" is about laboratory and control results: it takes neither'
    for index, device in enumerate(found.device):
        yield from _unusable(found, index, device)
    yield from callers.doubts(found)
    taken = {category for destination in found.destination for category in destination.takes}
    if found.device and not taken:
        yield "no destination takes anything: readings are kept, and sent nowhere"


def _unusable(found: config.Config, index: int, device: config.DeviceConfig) -> Iterator[str]:
    """TLS files that this process cannot use: the device waits for them, everything else goes on."""
    try:
        if device.tls is not None:
            server_context(device.tls)
    except ConfigError as error:
        yield found.problem(("device", index, "tls"), f"{error}; nobody can connect until then")


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
        spec = parse_link(device.link, driver.line)
    except ConfigError as error:
        yield found.problem(("device", index, "link"), str(error))
        return
    try:
        secured(spec, device.tls)
    except ConfigError as error:
        yield found.problem(("device", index, "tls"), str(error))


def _option(said: str) -> tuple[tuple[str, ...], str]:
    """The key that the registry speaks of, an option of this file or else the profile, and what is wrong with it."""
    option = re.fullmatch(r"options of driver \S+: ([\w.-]+): (.*)", said)
    return (("options", *option[1].split(".")), option[2]) if option else (("profile",), said)
