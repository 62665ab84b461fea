"""Programs of the operating system that a fault needs: found, fetched from the distribution where that is allowed, or missed loudly."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess

FETCH_S = 120
"""A small package from a mirror; a machine without network says so sooner."""


class Missing(Exception):  # noqa: N818 - it is a reason to skip, no error
    """What is not there, and what would bring it."""


@functools.cache
def need(command: str, packages: str) -> str:
    """The path of `command`; installed from Debian's `packages` where it is missing and we are root. Raises Missing."""
    if (path := shutil.which(command)) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-q", *packages.split()], capture_output=True, timeout=FETCH_S, check=False)
        path = shutil.which(command)
    if path is None:
        raise Missing(f"{command} is not installed: this fault was not tried. Debian: apt-get install {packages}")
    return path


def need_root(why: str) -> None:
    """Raises Missing when we are not root."""
    if os.geteuid() != 0:
        raise Missing(f"{why} needs root: this fault was not tried")
