"""Fixtures: a world of real processes, and the simulated analyzer (both from tests/faults)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

import pytest

from tests.faults import hl7
from tests.faults.analyzer import Analyzer
from tests.faults.tools import Missing
from tests.faults.world import Process, Receiver, World, in_a_world

__all__ = ["Analyzer", "Process", "Receiver", "World"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """A fault that cannot be made on this machine is skipped with what is missing."""
    try:
        return (yield)
    except Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def world() -> Iterator[World]:
    """A folder, a configuration, and the processes that work on it."""
    with in_a_world() as made:
        yield made


@pytest.fixture
def analyzer() -> type[Analyzer]:
    """The class: `analyzer(port, seed, profile="generic", interval_s="0.01", count="20")`."""
    return Analyzer


@pytest.fixture
def fields() -> Callable[[str, str, int], list[str]]:
    """`fields(message, "OBX", 5)`: that field of every such segment, read without our own parser."""
    return hl7.fields
