"""wardlink run: the gateway itself."""

from __future__ import annotations

import logging
import sys
from enum import StrEnum
from typing import Annotated

import typer

from gateway import config, service
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
    log_level: Annotated[Level, typer.Option(case_sensitive=False, help="patient data only at DEBUG")] = Level.INFO,
) -> None:
    """Run the gateway until SIGTERM or SIGINT. State changes go to standard error, one line each."""
    logging.basicConfig(level=log_level.value, format=_format(), stream=sys.stderr)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    settings = verify(config.load(path))
    for warning in service.warnings(settings):
        logging.getLogger("wardlink").warning("%s", warning)
    service.run(settings)


def _format() -> str:
    """The journal of systemd has times of its own."""
    import os

    return "%(levelname)s %(message)s" if "JOURNAL_STREAM" in os.environ else "%(asctime)s %(levelname)s %(message)s"
