"""./dev demo: simulated devices, a gateway and receivers as separate processes over real ptys, TCP and TLS.

nonin, masimo, pb840 ──pty──┐                        ┌── MLLP over mutual TLS: engine (PCD-01), lis (lab HL7)
two ASTM analyzers  ──TCP──▶ wardlink run ──journal──┤
                                                     └── HTTPS, mutual: a FHIR server
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from gateway import control
from simulators import demo_view, pki

WARDLINK = str(Path(sys.executable).with_name("wardlink"))
UP_S = 30.0
"""Seconds that a process may take to say that it is up: far more than a small box needs."""
DRAIN_S = 30.0
"""Seconds that what waits may take to be delivered once the devices are silent."""
RECEIVERS = {"engine": "mllp", "lis": "mllp", "fhir": "fhir"}
"""Destination and the receiver's door; each a process of its own."""
CONFIG = """\
[gateway]
name = "demo"
timezone = "UTC"
data = "{data}"

[[device]]
id = "BED1-OXI"
driver = "nonin"
link = "serial://{folder}/nonin"
model = "Onyx"
location = {{ point_of_care = "4E", room = "402", bed = "1" }}

[[device]]
id = "BED2-OXI"
driver = "masimo"
link = "serial://{folder}/masimo"
model = "Radical-7"
location = {{ point_of_care = "4E", room = "402", bed = "2" }}

[[device]]
id = "BED1-VENT"
driver = "pb840"
link = "serial://{folder}/pb840?flow=none"
options = {{ interval_s = 2.0 }}
location = {{ point_of_care = "4E", room = "402", bed = "1" }}

[[device]]
id = "LAB-XN"
driver = "astm"
profile = "sysmex-xn"
link = "tcp-listen://127.0.0.1:{xn}"

[[device]]
id = "LAB-C111"
driver = "astm"
profile = "roche-cobas-c111"
link = "tcp-listen://127.0.0.1:{c111}"

[[association]]
device = "BED1-OXI"
patient = {{ patient_id = "SYN-0001", assigner = "DEMO", family_name = "Test", given_name = "Anna", birth_date = "19700101" }}

[[association]]
device = "BED1-VENT"
patient = {{ patient_id = "SYN-0001", assigner = "DEMO", family_name = "Test", given_name = "Anna", birth_date = "19700101" }}

[[destination]]
id = "engine"
kind = "mllp"
format = "pcd01"
takes = ["vitals", "events"]
address = "localhost:{engine}"
tls = {{ ca = "{pki}/ca.pem", cert = "{pki}/client.pem", key = "{pki}/client.key" }}

[[destination]]
id = "lis"
kind = "mllp"
format = "lab"
takes = ["lab", "qc"]
address = "localhost:{lis}"
tls = {{ ca = "{pki}/ca.pem", cert = "{pki}/client.pem", key = "{pki}/client.key" }}

[[destination]]
id = "fhir"
kind = "fhir"
url = "https://localhost:{fhir}"
takes = ["vitals", "lab"]
tls = {{ ca = "{pki}/ca.pem", cert = "{pki}/client.pem", key = "{pki}/client.key" }}
"""


class Demo:
    """The processes of a demo, in a folder of their own."""

    def __init__(self, folder: Path, faults: Sequence[str]) -> None:
        self.folder = folder
        self.config = folder / "wardlink.toml"
        self._faults = faults
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start everything, in the order that shows what happens when something is not there yet."""
        pki.make(self.folder / "pki")
        ports = self._receivers()
        for number, name in enumerate(("nonin", "masimo", "pb840"), 1):
            self._simulate(name, name, f"pty://{self.folder}/{name}", number)
        ports |= {"xn": _free_port(), "c111": _free_port()}
        for number, (name, profile) in enumerate((("xn", "sysmex-xn"), ("c111", "roche-cobas-c111")), 4):
            self._simulate(name, "astm", f"tcp://127.0.0.1:{ports[name]}", number, f"profile={profile}", "interval_s=5")
        self.config.write_text(
            CONFIG.format(folder=self.folder, data=self.folder / "data", pki=self.folder / "pki", **ports), encoding="utf-8"
        )
        self._start("gateway", "run", "--config", str(self.config))
        self._wait("gateway", lambda: self.status() is not None)

    def status(self) -> dict[str, Any] | None:
        """What the gateway says of itself."""
        with contextlib.suppress(ValueError):
            said = control.ask(self.folder / "data", "status")
            return said if isinstance(said, dict) and "journal" in said else None
        return None

    def associate(self) -> None:
        """What a nurse would do: the second bed's oximeter is on a patient."""
        names = ("--family-name", "Probe", "--given-name", "Ben", "--birth-date", "19800202", "--sex", "M", "--assigner", "DEMO")
        command = [WARDLINK, "associate", "BED2-OXI", "SYN-0002", *names, "--config", str(self.config)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def check(self) -> None:
        """Raise when a process has ended that should be running."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended with exit code {process.returncode}:\n{self.log(name)}")

    def silence(self) -> None:
        """The devices stop talking; what waits is delivered."""
        for name in ("nonin", "masimo", "pb840", "xn", "c111"):
            self._stop(name)
        until = time.monotonic() + DRAIN_S
        while time.monotonic() < until and any(
            one["waiting"] for one in (self.status() or {"journal": {}})["journal"]["destinations"]
        ):
            time.sleep(0.2)

    def finish(self) -> dict[str, Any]:
        """Stop the rest; the receivers' own accounts by name."""
        self._stop("gateway")
        return {name: self._summary(name) for name in RECEIVERS}

    def account(self) -> tuple[str, dict[str, Any]]:
        """The conservation statement, for people and for programs."""
        command = [WARDLINK, "account", "--config", str(self.config)]
        text = subprocess.run(command, check=False, capture_output=True, text=True).stdout
        told = subprocess.run([*command, "--json"], check=False, capture_output=True, text=True).stdout
        return text, json.loads(told)

    def close(self) -> None:
        """End every process that is still there."""
        for name in list(self._processes):
            self._stop(name)

    def log(self, name: str) -> str:
        """The end of what a process said."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")[-4000:]

    def _receivers(self) -> dict[str, int]:
        """Start a receiver for each destination; their ports by name."""
        for name, door in RECEIVERS.items():
            own = ("--pki", str(self.folder / "pki"), "--json", "--keep", str(self.folder / f"{name}-received"))
            self._start(name, "receive", f"--{door}", "127.0.0.1:0", *own, "--control", str(self.folder / f"{name}.sock"))
        for name in RECEIVERS:
            self._wait(name, lambda name=name: self._told(name))
        return {name: self._told(name)[0]["port"] for name in RECEIVERS}

    def _simulate(self, name: str, simulator: str, link: str, seed: int, *options: str) -> None:
        given = [word for option in options for word in ("--option", option)]
        self._start(name, "simulate", simulator, "--link", link, "--seed", str(seed), *given, *self._faults)

    def _start(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [WARDLINK, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _wait(self, name: str, ready: Any) -> None:
        until = time.monotonic() + UP_S
        while not ready():
            self.check()
            if time.monotonic() > until:
                raise RuntimeError(f"{name} did not come up in {UP_S:.0f} s:\n{self.log(name)}")
            time.sleep(0.1)

    def _told(self, name: str) -> list[dict[str, Any]]:
        lines = (self.folder / f"{name}.log").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def _summary(self, name: str) -> dict[str, Any]:
        self._stop(name)
        return next((line["summary"] for line in reversed(self._told(name)) if "summary" in line), {})

    def _stop(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _watch(demo: Demo, console: Console, seconds: float) -> None:
    """Show what flows until the time is over or Ctrl-C; after a while the second bed gets its patient."""
    began, associated = time.monotonic(), False
    with _screen(console) as show, contextlib.suppress(KeyboardInterrupt):
        while not seconds or time.monotonic() - began < seconds:
            demo.check()
            if not associated and time.monotonic() - began > min(5.0, seconds / 3 or 5.0):
                demo.associate()
                associated = True
            show(demo.status())
            time.sleep(0.5)


@contextlib.contextmanager
def _screen(console: Console) -> Iterator[Any]:
    """A live view on a terminal; elsewhere a line now and then."""
    if not console.is_terminal:
        yield demo_view.Lines(console).show
        return
    with Live(console=console, refresh_per_second=4, screen=False) as live:
        yield lambda status: live.update(demo_view.view(status))


def _verdict(console: Console, demo: Demo, received: dict[str, Any]) -> int:
    """Print the statement; 0 only when it balances, nothing waits, and the receivers tell the same numbers."""
    text, told = demo.account()
    console.print(f"\n[bold]Conservation statement[/bold]\n{text}", highlight=False)
    delivered: dict[str, int] = {}
    for line in told["lines"]:
        delivered[line["destination"]] = delivered.get(line["destination"], 0) + line["delivered"]
    faults = [] if told["balanced"] else ["the statement does not balance"]
    if any(line["waiting"] for line in told["lines"]):
        faults.append(f"something still waits after {DRAIN_S:.0f} s")
    if not any(delivered.values()):
        faults.append("nothing was delivered")
    for name in RECEIVERS:
        accepted, count = received[name].get("accepted"), delivered.get(name, 0)
        console.print(f"{name} says: {accepted} messages accepted; the gateway says: {count} delivered")
        if accepted != count or received[name].get("changed"):
            faults.append(f"{name}'s account differs from the gateway's")
    for fault in faults:
        console.print(f"[bold red]{fault}[/bold red]")
    return int(bool(faults))


def main() -> int:
    """Run the demo; the exit code says whether everything received was delivered or accounted for."""
    parser = argparse.ArgumentParser(prog="./dev demo", description="Devices, gateway and receivers on this machine.")
    parser.add_argument("--for", dest="seconds", type=float, default=0, help="end after this many seconds; else Ctrl-C")
    parser.add_argument("--keep", action="store_true", help="keep the folder with journal, logs and what was received")
    parser.add_argument("--garble", type=float, default=0.0, help="chance that a message has a changed byte")
    arguments = parser.parse_args()
    console = Console()
    folder = Path(tempfile.mkdtemp(prefix="wardlink-demo-"))
    demo = Demo(folder, ["--garble", str(arguments.garble)] if arguments.garble else [])
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    try:
        console.print(f"Starting five devices, a gateway and three receivers; logs in {folder}")
        demo.start()
        _watch(demo, console, arguments.seconds)
        console.print("The devices fall silent; what waits is delivered.")
        demo.silence()
        code = _verdict(console, demo, demo.finish())
        console.print(demo_view.next_steps(demo.config if arguments.keep else None), highlight=False)
    except RuntimeError as error:
        console.print(f"[bold red]{error}[/bold red]", highlight=False)
        return 1
    finally:
        demo.close()
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
