"""wardlink run: the gateway itself."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from gateway import config, logs, main
from gateway.cli.show import ConfigOption, new_app

app = new_app()


class Level(StrEnum):
    """How much is said."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


@app.command()
def run(
    path: ConfigOption = config.DEFAULT_PATH,
    log_level: Annotated[Level, typer.Option(case_sensitive=False, help="DEBUG, INFO, WARNING or ERROR")] = Level.INFO,
    log_format: Annotated[logs.Form, typer.Option(help="text, json, journald; auto: journald under systemd")] = logs.Form.AUTO,
    strict: Annotated[bool, typer.Option("--strict", help="never start with the last known good configuration")] = False,
) -> None:
    """Run the gateway until SIGTERM or SIGINT; SIGHUP reloads its configuration. It says on standard error what it does.

    Where the file cannot be used, the gateway starts with the last configuration that ran, and says so.
    """
    logs.setup(log_level.value, log_format)
    main.run(path, strict=strict)
