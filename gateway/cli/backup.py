"""wardlink backup | restore | bundle | unbundle: a copy of the journal, and a gateway that moves to another box."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway import config
from gateway.cli.patients import whoami
from gateway.cli.running import running
from gateway.cli.show import ConfigOption, JsonOption, new_app, print_json, say
from gateway.errors import ActError, StoreError
from gateway.store import audit, moved
from gateway.store import backup as copies
from gateway.store import bundle as bundles
from gateway.store import unbundle as unbundles
from gateway.store.database import open_for_acts, transaction
from gateway.store.times import utc_now

backup, restore, bundle, unbundle = new_app(), new_app(), new_app(), new_app()

AsideOption = Annotated[bool, typer.Option("--force-aside", help="set aside what is in the way; it is kept beside")]


@backup.command()
def _backup(
    file: Annotated[Path, typer.Argument(help="the copy to be made")],
    replace: Annotated[
        bool, typer.Option("--replace", help="take the place of a copy of that name, once the new one is good")
    ] = False,
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Copy the journal to FILE while the gateway works, and look the copy through. It holds patient data: mind where it goes."""
    folder = running(path).gateway.data
    found = copies.backup(folder, file, replace=replace)
    _note(folder, "backup", str(file.absolute()), {"reports": str(found.rows.get("reports", 0))})
    if as_json:
        print_json({"file": str(file), **found.as_json()})
    else:
        print(f"{file}: {_about(found.as_json())}; looked through, every checksum is right" + _but(found.damaged))


@restore.command()
def _restore(
    file: Annotated[Path, typer.Argument(help="a copy that `wardlink backup` made")],
    aside: AsideOption = False,
    check: Annotated[bool, typer.Option("--check", help="only look the copy through")] = False,
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Put FILE in the place of the journal, while no gateway runs. What was delivered since it was made is sent again."""
    if check:
        found, former = copies.verify(file), None
    else:
        found, former = copies.restore(config.load(path).gateway.data, file, aside=aside, by=whoami(), now=utc_now())
    if as_json:
        print_json({"file": str(file), **found.as_json(), "aside": None if former is None else str(former)})
        return
    print(f"{file}: {_about(found.as_json())}; {'can be restored' if check else 'is the journal now'}" + _but(found.damaged))
    if former is not None:
        print(f"the former journal is kept: {former}")


@bundle.command()
def _bundle(
    file: Annotated[Path | None, typer.Argument(help="the bundle to be made, a tar file")] = None,
    keys: Annotated[
        bool, typer.Option("--keys", help="private keys and certificates too: who has the file is this gateway")
    ] = False,
    take_back: Annotated[
        bool, typer.Option("--take-back", help="use the journal here again: no other box has taken it over")
    ] = False,
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Move this gateway, while it is stopped, into FILE: journal with its queue, configuration, identity, terms.

    The journal here is marked as moved, so that nothing is sent twice.
    """
    folder = running(path).gateway.data
    if take_back:
        _take_back(folder)
        return
    if file is None:
        raise ActError("name the FILE to be made, or say --take-back")
    made = bundles.pack(folder, path, file, keys=keys, by=whoami(), now=utc_now())
    if as_json:
        print_json({"file": str(file), **made.as_json()})
        return
    print(f"{file}: {_about(made.journal)}, {len(made.members) - 1} other files. This box sends nothing any more.")
    print(f"On the other box: wardlink unbundle {file.name}, then wardlink run.")
    print("Should it not come to that: wardlink bundle --take-back makes this one go on.")
    _list_missing(made.missing)
    if any(one.name.startswith("keys/") for one in made.members):
        say(f"{file} holds private keys: whoever reads it can pass for this gateway; delete it once it is in place")


@unbundle.command()
def _unbundle(
    file: Annotated[Path, typer.Argument(help="a bundle that `wardlink bundle` made")],
    aside: AsideOption = False,
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Put the gateway of FILE in place on this box: its configuration at --config, its journal where that says."""
    placed = unbundles.unpack(file, path, aside=aside, by=whoami(), now=utc_now())
    if as_json:
        print_json(placed.as_json())
        return
    print(f"{placed.folder}: {_about(placed.bundle.journal)}")
    if placed.aside is not None:
        print(f"the former journal is kept: {placed.aside}")
    for one in placed.files:
        print(f"{one}: in place")
    for lies, stood in placed.to_place.items():
        say(f"{lies}: stood at {stood} on the other box; place it there yourself, or change the configuration")
    _list_missing(placed.bundle.missing)
    print("Then: wardlink config check, wardlink run")


def _take_back(folder: Path) -> None:
    if moved.read(folder) is None:
        raise ActError(f"the journal in {folder} was not moved: there is nothing to take back")
    moved.clear(folder)
    _note(folder, "take back", str(folder), {})
    print(f"{folder}: usable here again; what waits is sent from here")


def _note(folder: Path, act: str, what: str, detail: Mapping[str, str]) -> None:
    """Into the audit trail; a full disk does not undo what was done."""
    try:
        with closing(open_for_acts(folder)) as conn, transaction(conn):
            audit.record(conn, at=utc_now(), by=whoami(), act=act, object_id=what, detail=detail)
    except StoreError as error:
        say(f"done, but not noted in the audit trail: {error}")


def _about(journal: Mapping[str, Any]) -> str:
    rows = journal["rows"]
    span = f", {journal['first_report_at'][:16]} to {journal['last_report_at'][:16]}" if journal["first_report_at"] else ""
    return f"gateway {journal['gateway']}, {rows.get('reports', 0)} reports{span}, {journal['bytes'] / 1e6:.1f} MB"


def _but(damaged: tuple[int, ...]) -> str:
    named = ", ".join(map(str, damaged[:20]))
    return f", but for {len(damaged)} reports that are damaged in the journal itself: {named}" if damaged else ""


def _list_missing(missing: list[str]) -> None:
    for one in missing:
        say(f"not in the bundle, and the configuration needs it: {one}")
