"""wardlink unknown: devices that nobody configured and that call all the same: list, show, try, assign, dismiss."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from gateway import config, control
from gateway.cli.patients import whoami
from gateway.cli.running import running
from gateway.cli.show import ConfigOption, JsonOption, new_app, print_json, say, table
from gateway.config import Config
from gateway.errors import ActError, ConfigError
from gateway.profiles.finding import as_name
from gateway.readings import readings
from gateway.store import unknown
from gateway.store.journal import open_reader
from gateway.store.unknown import Part, Peer
from gateway.unknown import acts, block, desk, replay, suggest
from gateway.unknown.suggest import Candidate

app = new_app()

BYTES = 2000
"""Of what a device sent that are shown unless more is asked for: a message or two."""
NOT_READ = 3

NumberArgument = Annotated[int, typer.Argument(help="its number in `wardlink unknown list`", metavar="ID")]
DriverOption = Annotated[str, typer.Option(help="driver id, see `wardlink drivers`")]
ProfileOption = Annotated[str, typer.Option(help="analyzer profile: a name, or a file's absolute path")]
ZoneOption = Annotated[str, typer.Option(help="zone of the device's clock; the gateway's own when absent")]


@app.callback()
def unknown_devices() -> None:
    """Devices that nobody configured: what they sent is kept and sent nowhere, until a person says whose it is."""


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="also those that were dismissed or assigned")] = False,
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Who called, the latest first: from where, in which protocol, how much of it is kept."""
    with closing(open_reader(running(path).gateway.data)) as conn:
        found = [one for one in unknown.peers(conn) if every or one.status == "open" or one.quarantined]
    if as_json:
        print_json([one.as_json() for one in found])
    elif found:
        print("\n".join(line for one in found for line in _lines(one)))
    else:
        print("no unknown devices" + ("" if every else " wait for a person"))


@app.command()
def show(
    number: NumberArgument,
    most: Annotated[int, typer.Option("--bytes", min=0, help="bytes of what it sent that are shown")] = BYTES,
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """What is known of one, what it sent, and which driver and profile might read it."""
    settings = running(path)
    peer, parts = _of(settings, number)
    likely = suggest.candidates(peer, parts, settings)
    if as_json:
        said = [
            {"received_at": one.received_at, "call": one.call, "messages": one.messages, "hex": one.raw.hex()} for one in parts
        ]
        print_json({**peer.as_json(), "parts": said, "candidates": [one.as_json() for one in likely]})
        return
    for key, value in peer.as_json().items():
        if value not in {"", 0} and key != "balanced":
            print(f"{key:12} {value}")
    _print_bytes(parts, most)
    _print_likely(peer, likely)


@app.command("try")
def try_(
    number: NumberArgument,
    driver: DriverOption,
    profile: ProfileOption = "",
    timezone: ZoneOption = "",
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """The readings that a driver and profile make of it, a JSON object a line, as `wardlink decode` does. Changes nothing."""
    settings = running(path)
    _, parts = _of(settings, number)
    sound = [one for one in parts if one.sound]
    made = replay.read(sound, replay.reader(settings, "unknown", driver, as_name(profile), _zone(timezone)))
    for report in made.reports:
        for reading in readings(report, received_known=True):
            sys.stdout.write(json.dumps(reading, ensure_ascii=False) + "\n")
    for line in made.lines():
        say(line)
    kept = sum(one.messages for one in sound)
    say(f"{made.messages} of {messages(kept)} read, {len(made.reports)} reports; nothing was changed")
    if made.messages < kept or not made.reports:
        raise typer.Exit(NOT_READ)


@app.command()
def assign(
    number: NumberArgument,
    device: Annotated[str, typer.Option(help="the asset tag that it has, or gets")],
    driver: DriverOption = "",
    profile: ProfileOption = "",
    timezone: ZoneOption = "",
    write: Annotated[bool, typer.Option("--write", help="append its table to the configuration, and have it used")] = False,
    anyway: Annotated[
        bool,
        typer.Option(
            "--anyway", help="also when not all is read, or codes, or specimen and patient, are missing; the rest is evidence"
        ),
    ] = False,
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """It is DEVICE: all that it sent becomes that device's reports, each once, with the times at which it came."""
    settings, profile = running(path), as_name(profile)
    peer, _ = _of(settings, number)
    known = block.known(settings, device)
    replay.reader(settings, device, driver, profile, _zone(timezone))  # what is wrong shows before anything is done
    zone = timezone or settings.gateway.timezone
    its = "" if known else block.table(peer.caller, device=device, driver=driver, profile=profile, timezone=zone)
    whole = block.checked(path, its) if its else ""
    wish = desk.Wish(id=number, by=whoami(), device=device, driver=driver, profile=profile, timezone=timezone, anyway=anyway)
    done = desk.ask(wish, settings)
    taken = _take_over(path, whole, settings) if write and its else ""
    if taken:
        _take_rest(wish, path, done)
    if as_json:
        print_json({**done, "block": its, "link": block.link(peer.caller), "written": bool(taken)})
        return
    _tell(done, peer)
    _say_next(peer, settings, device, its, taken, path)


@app.command()
def dismiss(
    number: NumberArgument,
    reason: Annotated[str, typer.Option(help="why; it is kept in the audit trail")],
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """It is nobody's: what is kept of it is given up, and it is refused from now on. Assigning it takes that back."""
    settings = running(path)
    if not reason.strip():
        raise ActError("say why it is dismissed: --reason")
    done = desk.ask(desk.Wish(id=number, by=whoami(), reason=reason), settings)
    if as_json:
        print_json(done)
    else:
        days = settings.gateway.keep_days
        print(f"unknown device {number}: dismissed, {messages(done['dismissed'])}, kept {days} days, should it be assigned")


def _of(settings: Config, number: int) -> tuple[Peer, list[Part]]:
    with closing(open_reader(settings.gateway.data)) as conn:
        return acts.find(conn, number), unknown.parts(conn, number, ("kept", "dismissed"))


def _lines(one: Peer) -> Iterator[str]:
    """Two lines a device: they fit a terminal of 80 columns."""
    door = one.caller.door.removeprefix("tcp-listen://")
    yield f"{one.id:3}  {one.caller.address} at {door}, {one.caller.protocol}: {one.caller.says or 'it has no name for itself'}"
    refused = f", {one.refused} refused" if one.refused else ""
    status = " ".join(filter(None, ("waits for a person" if one.status == "open" else one.status, one.device, one.reason)))
    yield f"     {messages(one.quarantined)} kept{refused}, last {one.last_at.astimezone():%d %b %H:%M}; {status}"


def messages(n: int) -> str:
    """A number of messages in words."""
    return f"{n} message{'s' * (n != 1)}"


def _print_bytes(parts: Sequence[Part], most: int) -> None:
    left = most
    for one in parts:
        if left <= 0:
            break
        broken = "" if one.sound else "  DAMAGED: not the bytes that were kept"
        print(f"\n{one.received_at.astimezone():%Y-%m-%d %H:%M:%S} call {one.call}{broken}")
        print("\n".join(named(one.raw[:left])))
        left -= len(one.raw)
    if sum(len(one.raw) for one in parts) > most:
        print(f"… the first {most} bytes; --bytes shows more, --json all of them")


def named(raw: bytes) -> Iterator[str]:
    """Bytes for people: control characters by name, a line for each record or frame."""
    line = ""
    for byte in raw:
        line += _CONTROLS.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}")
        if byte in b"\r\n":
            yield line
            line = ""
    if line:
        yield line


_NAMES = "NUL SOH STX ETX EOT ENQ ACK BEL BS TAB LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US"
_CONTROLS = {code: f"<{name}>" for code, name in enumerate(_NAMES.split())}


def _print_likely(peer: Peer, likely: Sequence[Candidate]) -> None:
    if not likely:
        print("\nNo driver reads what it sent so far; `wardlink decode --driver ID FILE` tries another on a recording.")
        return
    rows = [
        (one.driver, one.profile, one.values, one.mapped, one.faults, ", ".join(one.named), one.evidence, one.device)
        for one in likely[: suggest.SHOWN_MAX]
    ]
    heads = ("driver", "profile", "values", "with a term", "faults", "its name has", "evidence", "address of")
    table("\nMight read it, the likeliest first", heads, rows)
    first = likely[0]
    profile = f" --profile {first.profile}" if first.profile else ""
    print(f"wardlink unknown try {peer.id} --driver {first.driver}{profile}")


def _take_over(path: Path, whole: str, settings: Config) -> str:
    """Write the configuration and have it used; how that went."""
    block.write(path, whole)
    said = control.ask(settings.gateway.data, f"reload {whoami()}", timeout_s=desk.WAIT_S)
    if said is None:
        return f"{path} has it; no gateway runs, the next start uses it"
    if not said.get("applied"):
        raise ActError(f"{path} has it, but the gateway refused it: {'; '.join(said.get('problems', ['no answer']))}")
    return f"{path} has it, and the gateway uses it"


def _take_rest(wish: desk.Wish, path: Path, done: dict[str, Any]) -> None:
    """What came while the configuration was being changed: the connection is cut now, so that this is all."""
    try:
        rest = desk.ask(wish, running(path))
    except ActError:  # nothing did
        return
    for what in ("messages", "stored", "repeats", "unread", "damaged"):
        done[what] += rest[what]
    done["faults"] += rest["faults"]


def _tell(done: dict[str, Any], peer: Peer) -> None:
    repeats = f", {done['repeats']} were known already" if done["repeats"] else ""
    whose = f"unknown device {peer.id}: {messages(done['messages'])}"
    print(f"{whose}, {done['stored']} new report{'s' * (done['stored'] != 1)} of {done['device']}{repeats}")
    for line in done["faults"]:
        say(line)
    if done["unread"]:
        say(f"{done['unread']} messages were not read; the bytes are kept as an incomplete transmission of {done['device']}")
    if done["damaged"]:
        say(f"{done['damaged']} parts are not the bytes that were kept (a damaged disk); they are kept as evidence")


def _say_next(peer: Peer, settings: Config, device: str, its: str, taken: str, path: Path) -> None:
    if taken:
        print(taken)
    elif its:
        print(
            f"\nUntil it is in {path}, what it sends goes on being quarantined. Put this there, then: wardlink reload\n\n{its}",
            end="",
        )
    else:
        present = next((one.link for one in settings.device if one.id == device), "")
        if block.link(peer.caller) != present and peer.caller.address not in present:
            print(f"{device} is configured with link = {present!r}; for this one it would be {block.link(peer.caller)!r}")


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (OSError, ValueError, KeyError):
        raise ConfigError(f"--timezone {name!r}: expected an IANA name, such as Europe/Berlin") from None
