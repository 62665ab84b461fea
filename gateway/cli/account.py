"""wardlink account: the conservation statement."""

from __future__ import annotations

from contextlib import closing

import typer

from gateway import config
from gateway.cli.show import ConfigOption, JsonOption, new_app, print_json
from gateway.store import statement
from gateway.store.journal import open_reader

app = new_app()


@app.command()
def account(as_json: JsonOption = False, path: ConfigOption = config.DEFAULT_PATH) -> None:
    """Received = delivered + waiting + held + parked + dropped, per device and destination; exit 1 when it does not add up."""
    with closing(open_reader(config.load(path).gateway.data)) as conn:
        lines = statement.statement(conn)
    if as_json:
        print_json({"balanced": statement.balanced(lines), "lines": [line.as_json() for line in lines]})
    else:
        print(statement.render(lines), end="")
    if not statement.balanced(lines):
        raise typer.Exit(1)
