"""The gateway's process: a SIGHUP that comes before anybody listens ends nothing and is not forgotten."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway import boot, main
from gateway.boot import Start
from gateway.service import Service
from gateway.store import audit
from gateway.store.journal import open_reader


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    former = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in former.items():
        signal.signal(number, handler)


def test_a_sighup_while_the_file_is_being_read_has_it_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "w.toml"
    file.write_text(f'[gateway]\nname = "box"\ndata = "{tmp_path}/d"\n')
    choose, change = boot.choose, Service._change

    def interrupted(path: Path, *, strict: bool) -> Start:
        found = choose(path, strict=strict)
        os.kill(os.getpid(), signal.SIGHUP)
        return found

    async def changed(service: Service, *arguments: object) -> object:
        plan = await change(service, *arguments)  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGTERM)
        return plan

    monkeypatch.setattr(boot, "choose", interrupted)
    monkeypatch.setattr(Service, "_change", changed)
    main.run(file)
    with closing(open_reader(tmp_path / "d")) as conn:
        assert [(one.act, one.by) for one in audit.acts(conn)] == [("start", "configuration"), ("reload", "SIGHUP")]
