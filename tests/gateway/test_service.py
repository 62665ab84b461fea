"""A gateway in this process that changes over: who did not change is the same object, who is refused changes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from gateway import boot, control
from gateway.cli.running import running as what_runs
from gateway.config import GatewayConfig
from gateway.deliver import making
from gateway.deliver.making import make_renderer
from gateway.deliver.messages import Renderer
from gateway.errors import ConfigError, StoreError
from gateway.model import Gateway
from gateway.reload import OF_EVERY_DESTINATION, ONLY_AT_START
from gateway.service import Service
from gateway.settings.destinations import AnyDestination
from gateway.store import associations
from gateway.store.journal import open_reader
from simulators import pki

CONFIG = """
[gateway]
name = "box"
data = "{data}"

[[device]]
id = "OXI"
driver = "nonin"
link = "tcp://127.0.0.1:1"

[[device]]
id = "XN"
driver = "astm"
profile = "generic"
link = "tcp://127.0.0.1:2"

[[destination]]
id = "engine"
kind = "mllp"
format = "pcd01"
address = "localhost:1"

[[destination]]
id = "lis"
kind = "mllp"
format = "lab"
address = "localhost:1"
"""


class Running:
    """A service, its file, and what it says of itself."""

    def __init__(self, folder: Path) -> None:
        self.data, self.file = folder / "d", folder / "w.toml"
        self.text = CONFIG.format(data=self.data)
        self.file.write_text(self.text)
        self.service = Service(boot.choose(self.file), settle_s=3600)

    async def reload(self, text: str) -> dict[str, Any]:
        self.file.write_text(text)
        async with asyncio.timeout(20):
            return await self.service.reloader.request("ann")

    def parts(self) -> dict[str, object]:
        """What runs, by id: the very objects."""
        return {**self.service._supervisor.statuses, **self.service._routes._routes}

    def associations(self) -> list[tuple[str, str, bool]]:
        with closing(open_reader(self.data)) as conn:
            return [(one.device, one.subject.patient_id, one.valid_to is None) for one in associations.history(conn)]


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Running]:
    made, stop = Running(folder), asyncio.Event()
    task = asyncio.create_task(made.service.run(stop))
    async with asyncio.timeout(20):
        while not task.done() and (await asyncio.to_thread(control.ask, made.data, "configuration")) is None:
            await asyncio.sleep(0.01)
    try:
        yield made
    finally:
        stop.set()
        await task


CHANGES: dict[str, tuple[Callable[[str], str], set[str]]] = {
    "nothing": (lambda text: text, set()),
    "a link": (lambda text: text.replace("127.0.0.1:1", "127.0.0.1:3"), {"OXI"}),
    "an address": (lambda text: text.replace("localhost:1", "localhost:2", 1), {"engine"}),
    "the gateway's zone": (lambda text: text.replace('name = "box"', 'name = "box"\ntimezone = "Asia/Tokyo"'), {"OXI", "XN"}),
    "the gateway's name": (lambda text: text.replace('"box"', '"box-2"'), {"engine", "lis"}),
    "how long reports are kept": (lambda text: text.replace('name = "box"', 'name = "box"\nkeep_days = 3'), set()),
    "a device that leaves": (lambda text: text.replace('id = "OXI"', 'id = "OXI-2"'), {"OXI", "OXI-2"}),
    "a destination that leaves": (lambda text: text.replace('id = "lis"', 'id = "lab"'), {"lis", "lab"}),
}


@pytest.mark.parametrize(("change", "touched"), CHANGES.values(), ids=CHANGES)
async def test_who_did_not_change_goes_on_untouched(tmp_path: Path, change: Callable[[str], str], touched: set[str]) -> None:
    async with running(tmp_path) as it:
        before = it.parts()
        answer = await it.reload(change(it.text))
        assert answer["applied"], answer
        after = it.parts()
        assert {one for one in {*before, *after} if before.get(one) is not after.get(one)} == touched
        status = await asyncio.to_thread(control.ask, it.data, "status")
    assert [one["id"] for one in status["devices"]] == [one.id for one in it.service.settings.device]
    assert {one["id"] for one in status["destinations"]} == {one.id for one in it.service.settings.destination}


async def test_messages_are_made_in_the_gateways_new_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    makers: list[Gateway] = []

    def make(settings: AnyDestination, gateway: Gateway) -> Renderer:
        makers.append(gateway)
        return make_renderer(settings, gateway)

    async with running(tmp_path) as it:
        monkeypatch.setattr(making, "make_renderer", make)
        eui64 = it.service._journal.gateway.eui64
        await it.reload(it.text.replace('"box"', '"box-2"'))
        assert (await asyncio.to_thread(control.ask, it.data, "status"))["gateway"] == "box-2"
    assert makers == [Gateway(name="box-2", eui64=eui64)] * 2


REFUSED = {
    "a key that cannot be read": 'tls = { ca = "/nowhere/ca.pem" }',
    "an unknown key": 'adress = "x"',
}


@pytest.mark.parametrize("line", REFUSED.values(), ids=REFUSED)
async def test_a_refusal_touches_nothing(tmp_path: Path, line: str) -> None:
    async with running(tmp_path) as it:
        before = it.parts()
        device = '\n[[device]]\nid = "NEW"\ndriver = "nonin"\nlink = "tcp://127.0.0.1:4"\n'
        text = it.text.replace('address = "localhost:1"', f'address = "localhost:1"\n{line}', 1) + device
        answer = await it.reload(text)
        assert answer["applied"] is False
        assert it.parts() == before
        assert all(it.parts()[one] is part for one, part in before.items())


async def test_when_the_journal_refuses_the_former_destinations_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path) as it:
        before = it.parts()

        async def full(*_: object, **__: object) -> None:
            raise StoreError("the journal could not be written: database or disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(it.service._journal, "use", full)
            answer = await it.reload(it.text.replace("localhost:1", "localhost:2"))
        assert answer["problems"] == ["the journal could not be written: database or disk is full"]
        after = it.parts()
        assert [after[one] is before[one] for one in ("OXI", "XN")] == [True, True]
        status = await asyncio.to_thread(control.ask, it.data, "status")
        assert [one["describe"] for one in status["destinations"]] == ["MLLP to localhost:1, this machine"] * 2
        again = await it.reload(it.text.replace("localhost:1", "localhost:2"))
        assert again["did"] == ["restart destination engine (address)", "restart destination lis (address)"]


async def test_associations_are_recorded_when_they_are_new_and_again_when_the_file_goes_back(tmp_path: Path) -> None:
    def worn(patient: str) -> str:
        return f'\n[[association]]\ndevice = "OXI"\npatient = {{ patient_id = "{patient}" }}\n'

    async with running(tmp_path) as it:
        for patient in ("SYN-A", "SYN-B", "SYN-A"):
            answer = await it.reload(it.text + worn(patient))
            assert answer["did"] == ["associate device OXI"]
        assert [(device, patient) for device, patient, is_open in it.associations() if is_open] == [("OXI", "SYN-A")]
        assert (await it.reload(it.text))["did"] == []
        assert [patient for _, patient, is_open in it.associations() if is_open] == ["SYN-A"], "leaving the file ends nothing"
        future = worn("SYN-C").replace('device = "OXI"', 'device = "OXI"\nsince = 2999-01-01T00:00:00Z')
        refused = await it.reload(it.text + future)
        line = (it.text + future).splitlines().index("since = 2999-01-01T00:00:00Z") + 1
        assert refused["problems"][0].startswith(f"{it.file}:{line}: association.since: OXI: got the time 2999-01-01")


async def test_a_renewed_certificate_restarts_who_shows_it(tmp_path: Path) -> None:
    made = pki.make(tmp_path / "pki")
    tls = f'tls = {{ ca = "{made.ca}", cert = "{made.client.cert}", key = "{made.client.key}" }}'
    async with running(tmp_path) as it:
        text = it.text.replace('address = "localhost:1"', f'address = "engine.example:1"\n{tls}', 1)
        await it.reload(text)
        before = it.parts()
        pki.make(tmp_path / "pki")
        assert (await it.reload(text))["did"] == [
            f"restart destination engine ({made.ca}, {made.client.key}, {made.client.cert})"
        ]
        assert {one for one, part in it.parts().items() if before[one] is not part} == {"engine"}


async def test_commands_go_by_what_runs_where_the_file_was_spoilt_before_it_had_proved_good(tmp_path: Path) -> None:
    async with running(tmp_path) as it:
        it.file.write_text(f'[gateway]\ndata = "{it.data}"\n]]')
        found = await asyncio.to_thread(what_runs, it.file, tell=False)
        assert [one.id for one in found.device] == ["OXI", "XN"]
    with pytest.raises(ConfigError, match="not TOML"):
        what_runs(it.file)


async def test_what_runs_can_be_asked_for(tmp_path: Path) -> None:
    async with running(tmp_path) as it:
        said = await asyncio.to_thread(control.ask, it.data, "configuration")
    assert (said["path"], said["text"]) == (str(it.file), it.text)
    assert json.dumps(said["live"])


async def test_every_key_of_the_gateway_is_refused_by_a_reload_or_read_by_somebody(tmp_path: Path) -> None:
    """A new key: name it at the chore that reads it, or in gateway/reload.py."""
    async with running(tmp_path) as it:
        live = {key.removeprefix("gateway.") for key in it.service._live()}
    assert set(GatewayConfig.model_fields) - {*ONLY_AT_START, *OF_EVERY_DESTINATION, "timezone"} == live
