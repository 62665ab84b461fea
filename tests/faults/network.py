"""A network namespace with a receiver's end of a cable in it: loss and delay on the cable, and pulling it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.tools import Missing, need, need_root

HERE, THERE = "10.213.7.1", "10.213.7.2"
"""Two ends of a /30 that nothing else uses."""


class Cable:
    """A veth pair; its far end is in a namespace of its own, with `inside` in front of a command it runs there."""

    def __init__(self) -> None:
        need_root("a network namespace")
        self._ip = need("ip", "iproute2")
        self._space, self._near = f"wl{os.getpid() % 100_000}", f"wl{os.getpid() % 100_000}n"
        self.inside = (self._ip, "netns", "exec", self._space)

    def lay(self) -> None:
        """Make it. Raises Missing where that is not allowed."""
        try:
            self._do("netns", "add", self._space)
            self._do("link", "add", self._near, "type", "veth", "peer", "name", "far", "netns", self._space)
            self._do("addr", "add", f"{HERE}/30", "dev", self._near)
            self._do("link", "set", self._near, "up")
            self._do("-n", self._space, "addr", "add", f"{THERE}/30", "dev", "far")
            self._do("-n", self._space, "link", "set", "far", "up")
        except subprocess.CalledProcessError as error:
            raise Missing(f"no network namespace here ({error.stderr.strip()}): this fault was not tried") from None

    def pull(self) -> None:
        """Nothing gets through."""
        self._do("link", "set", self._near, "down")

    def plug(self) -> None:
        """All gets through."""
        self._do("link", "set", self._near, "up")

    def impair(self, *how: str) -> None:
        """Such as "loss", "20%", "delay", "40ms". Raises Missing where the kernel has no netem."""
        done = subprocess.run(
            [need("tc", "iproute2"), "qdisc", "replace", "dev", self._near, "root", "netem", *how],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Missing(f"the kernel does not do netem ({done.stderr.strip()}): loss and delay were not tried")

    def take_up(self) -> None:
        """Remove it, whatever of it there is."""
        for words in (("link", "del", self._near), ("netns", "del", self._space)):
            subprocess.run([self._ip, *words], capture_output=True, check=False)

    def _do(self, *words: str) -> None:
        subprocess.run([self._ip, *words], capture_output=True, text=True, check=True)


@contextmanager
def a_cable() -> Iterator[Cable]:
    """A cable that is taken up in the end."""
    cable = Cable()
    try:
        cable.lay()
        yield cable
    finally:
        cable.take_up()
