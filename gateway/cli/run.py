"""wardlink run: the gateway itself."""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import Annotated

import typer

from gateway import config, logs, service
from gateway.cli.show import ConfigOption, new_app
from gateway.verify import verify

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
) -> None:
    """Run the gateway until SIGTERM or SIGINT. State changes go to standard error, one line each."""
    logs.setup(log_level.value, log_format)
    settings = verify(config.load(path))
    for warning in service.warnings(settings):
        logging.getLogger("wardlink").warning("%s", warning)
    service.run(settings)
