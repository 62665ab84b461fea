"""wardlink reload: have the running gateway read its configuration again."""

from __future__ import annotations

from typing import Any

import typer

from gateway import config, control
from gateway.cli.patients import whoami
from gateway.cli.running import running
from gateway.cli.show import ConfigOption, JsonOption, new_app, print_json, say

app = new_app()
REFUSED = 1
NOT_RUNNING = 3
WAIT_S = 120.0
"""For the answer: devices and destinations that change are ended cleanly, each within seconds, and a reload may be under way."""


@app.command()
def reload(as_json: JsonOption = False, path: ConfigOption = config.DEFAULT_PATH) -> None:
    """Apply a changed configuration: only what changed is restarted, nothing stored is touched.

    Exit 1 when it is refused, and the old one goes on; exit 3 when no gateway runs on this configuration.
    """
    folder = running(path, tell=False).gateway.data
    said = control.ask(folder, f"reload {whoami()}", timeout_s=WAIT_S)
    if not isinstance(said, dict) or "applied" not in said:
        say(f"No gateway runs on {folder}. (Where `data` was changed: a reload cannot move the journal, restart the gateway.)")
        raise typer.Exit(NOT_RUNNING)
    if as_json:
        print_json(said)
    else:
        _print(said)
    if not said["applied"]:
        raise typer.Exit(REFUSED)


def _print(said: dict[str, Any]) -> None:
    if said["applied"]:
        print("\n".join(said["did"] or ["Nothing has changed."]))
        print(f"{said['path']}: in use")
        return
    for line in said["problems"]:
        say(line)
    say(f"Refused: the gateway goes on with the configuration that it has. Mend {said['path']}, then: wardlink reload")
