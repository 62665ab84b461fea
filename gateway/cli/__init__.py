"""The command `wardlink`: a table of commands, each imported only when it is called."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import entry_points
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from gateway import __version__
from gateway.errors import WardlinkError

# name: (module that has `app` or `command`, one line for --help)
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("gateway.cli.run", "Run the gateway on a configuration until it is told to stop."),
    "reload": ("gateway.cli.reload", "Have the running gateway apply its changed configuration."),
    "config": ("gateway.cli.config", "Check a configuration, say what a reload would restart, print an example or the schema."),
    "drivers": ("gateway.cli.drivers", "List the drivers and profiles, or explain one."),
    "profile": ("gateway.cli.profile", "Profiles of analyzers: list, new, test against recordings, explain."),
    "decode": ("gateway.cli.decode", "Device bytes to readings or messages, offline, without a configuration."),
    "lint": ("gateway.cli.lint", "Judge PCD-01 and laboratory HL7 messages or FHIR JSON, clause by clause."),
    "status": ("gateway.cli.status", "What the gateway is doing: devices, journal, destinations."),
    "account": ("gateway.cli.account", "The conservation statement: received = delivered + waiting + held + parked + dropped."),
    "associate": ("gateway.cli.patients:associate", "Say which patient a device is on."),
    "release": ("gateway.cli.patients:release", "Say that a device is off its patient."),
    "associations": ("gateway.cli.patients:associations", "Who wears what, and who did."),
    "orders": (
        "gateway.cli.orders",
        "What is to be done with which specimen, for analyzers that ask: add, list, cancel, import.",
    ),
    "operators": ("gateway.cli.operators", "Who may use point-of-care devices: add, list, remove, import."),
    "patients": ("gateway.cli.patient_list", "The patients that point-of-care devices are told of: add, list, remove, import."),
    "unknown": ("gateway.cli.unknown", "Devices that nobody configured: list, show, try, assign, dismiss."),
    "unmapped": ("gateway.cli.unmapped", "Codes without a LOINC: list, resolve, reopen, export, import."),
    "livd": ("gateway.cli.livd", "What makers say their codes are in LOINC: import, list, accept, dismiss."),
    "queue": ("gateway.cli.queue", "What waits or was refused: list, show, retry, replay, edit, dismiss."),
    "why": ("gateway.cli.why", "One value, from the device's bytes to the receiver's acknowledgement."),
    "trace": ("gateway.cli.trace", "Record what a line carries, show a recording."),
    "backup": ("gateway.cli.backup:backup", "Copy the journal while the gateway works, and look the copy through."),
    "restore": ("gateway.cli.backup:restore", "Put a copy in the place of the journal."),
    "bundle": ("gateway.cli.backup:bundle", "Move this gateway, queue included, into one file for another box."),
    "unbundle": ("gateway.cli.backup:unbundle", "Put the gateway of a bundle in place on this box."),
    "export": ("gateway.cli.export", "What the journal holds, as CSV or JSON."),
    "simulate": ("", "A simulated device on a pty or a socket."),
    "receive": ("", "A receiver for tests that acknowledges, refuses, stalls or lies on command."),
}


class Lazy(TyperGroup):
    """Lists every command from the table, imports the one that is called: `wardlink --help` loads nothing heavy."""

    def list_commands(self, ctx: Any) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        del ctx
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name][1]) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, stub, rest = super().resolve_command(ctx, args)
        return name, stub if name is None else _load(name), rest


def _load(name: str) -> Any:
    module, help_text = COMMANDS[name]
    if module:
        path, _, attribute = module.partition(":")
        found = getattr(import_module(path), attribute or "app")
    else:
        (point,) = entry_points(group="wardlink.commands", name=name)
        found = point.load()
    command = typer.main.get_command(found if isinstance(found, typer.Typer) else _single(name, found, help_text))
    command.name = name
    return command


def _single(name: str, function: Any, help_text: str) -> typer.Typer:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(name, help=function.__doc__ or help_text)(function)
    return app


app = typer.Typer(
    cls=Lazy,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Medical device integration gateway: what devices say, to the hospital, once and for the right patient.",
)


def _tell_version(asked: bool) -> None:
    if asked:
        print(f"wardlink {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Say the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """The entry point: an error on purpose becomes one message on stderr and exit code 2."""
    try:
        app()
    except WardlinkError as error:
        print(f"wardlink: {error}", file=sys.stderr)
        raise SystemExit(2) from None
