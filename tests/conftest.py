"""Hypothesis in the gate draws the same examples every time; WARDLINK_EXPLORE=1 draws new ones, ten times as many.

At the end of a run: the conservation statements of the fault matrix.
"""

import os

import pytest
from hypothesis import settings

settings.register_profile("gate", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("explore", max_examples=1000, deadline=None, print_blob=True)
settings.load_profile("explore" if os.environ.get("WARDLINK_EXPLORE") else "gate")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the fault matrix found: a line a test that recorded the property `conservation`."""
    told = [
        str(text)
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        for name, text in getattr(report, "user_properties", [])
        if name == "conservation"
    ]
    if told:
        terminalreporter.write_sep("=", "conservation: what devices were told, what receivers took")
        for text in told:
            terminalreporter.write_line(text)
