"""Corrections of what was delivered under other codes, destination by destination, and how they are told."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from gateway import config
from gateway.cli.patients import whoami
from gateway.codes import corrections
from gateway.codes.corrections import Corrected
from gateway.store import queued
from gateway.store.items import State
from gateway.store.remedies import By
from gateway.store.selection import Selection

_SHOWN_LINES = 12
"""Lines of an example that are shown: what changes, not the message."""


def offer(conn: sqlite3.Connection, found: config.Config, codes: Sequence[str]) -> dict[str, int]:
    """Destination to how many messages it has under other codes than are decided now."""
    return corrections.count(conn, everywhere(conn, found), codes)


def send(
    conn: sqlite3.Connection,
    found: config.Config,
    codes: Sequence[str] = (),
    note: str = "",
    *,
    selections: Sequence[Selection] | None = None,
    dry_run: bool = False,
) -> list[Corrected]:
    """Send corrections; only for `codes` where these are given."""
    by = By(whom=whoami(), note=note or "codes were decided about")
    told = {"codes": ", ".join(codes)} if codes else {}
    settings = {one.id: one for one in found.destination}
    wanted = everywhere(conn, found) if selections is None else selections
    return [
        corrections.correct(conn, settings[one.destination], _delivered(one), by, codes=codes, told=told, dry_run=dry_run)
        for one in wanted
        if one.destination in settings
    ]


def everywhere(conn: sqlite3.Connection, found: config.Config) -> list[Selection]:
    """What every destination of the configuration has."""
    known = set(queued.destinations(conn))
    return [_delivered(Selection(destination=one.id)) for one in found.destination if one.id in known]


def _delivered(one: Selection) -> Selection:
    return replace(one, states=frozenset({State.DELIVERED}))


def print_corrections(done: Sequence[Corrected], *, dry_run: bool = False) -> None:
    """What became of each destination's messages."""
    for one in done:
        if one.n:
            will = "would be sent (dry run: nothing is done)" if dry_run else "will be sent"
            print(f"{one.destination}: {one.n} corrections {will}")
        for why, n in one.left.items():
            print(f"{one.destination}: {n} {why}")
        if dry_run and one.example:
            print("\n".join(one.example.split("\n")[:_SHOWN_LINES]))
    if not any(one.n or one.left for one in done):
        print("nothing was delivered under another code")
