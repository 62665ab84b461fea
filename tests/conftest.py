"""Hypothesis in the gate draws the same examples every time; WARDLINK_EXPLORE=1 draws new ones, ten times as many."""

import os

from hypothesis import settings

settings.register_profile("gate", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("explore", max_examples=1000, deadline=None, print_blob=True)
settings.load_profile("explore" if os.environ.get("WARDLINK_EXPLORE") else "gate")
