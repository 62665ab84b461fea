"""The control socket: one word, one JSON document, no more rights than needed."""

import asyncio
import contextlib
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway import control
from gateway.errors import StoreError


def answer(value: object) -> Callable[[str], Awaitable[object]]:
    async def say(_rest: str) -> object:
        return value

    return say


async def test_answers_a_known_word_and_names_the_words_for_an_unknown_one(tmp_path: Path) -> None:
    server = await control.serve(tmp_path, {"status": answer({"devices": []})})
    async with server:
        assert await asyncio.to_thread(control.ask, tmp_path, "status") == {"devices": []}
        assert await asyncio.to_thread(control.ask, tmp_path, "reboot") == {"error": "expected one of status"}


async def test_what_stands_behind_the_word_is_given_to_what_answers_it(tmp_path: Path) -> None:
    async def echo(rest: str) -> object:
        return {"rest": rest}

    server = await control.serve(tmp_path, {"say": echo})
    async with server:
        assert await asyncio.to_thread(control.ask, tmp_path, "say Zo\u00eb  twice") == {"rest": "Zo\u00eb  twice"}
        assert await asyncio.to_thread(control.ask, tmp_path, "say") == {"rest": ""}


async def test_what_the_gateway_cannot_do_is_told_in_its_own_words(tmp_path: Path) -> None:
    async def fail(_rest: str) -> object:
        raise StoreError("the journal could not be read: disk I/O error")

    server = await control.serve(tmp_path, {"status": fail})
    async with server:
        said = await asyncio.to_thread(control.ask, tmp_path, "status")
    assert said == {"error": "the journal could not be read: disk I/O error"}


async def test_only_the_owner_may_ask(tmp_path: Path) -> None:
    server = await control.serve(tmp_path, {})
    async with server:
        assert stat.S_IMODE((tmp_path / control.NAME).stat().st_mode) == 0o600


async def test_a_socket_left_by_a_crash_is_replaced(tmp_path: Path) -> None:
    (tmp_path / control.NAME).touch()
    server = await control.serve(tmp_path, {"status": answer(1)})
    async with server:
        assert await asyncio.to_thread(control.ask, tmp_path, "status") == 1


async def test_an_endless_request_is_cut_off(tmp_path: Path) -> None:
    server = await control.serve(tmp_path, {"status": answer(1)})
    async with server:
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / control.NAME))
        writer.write(b"x" * (control.LINE_MAX + 4096))
        await writer.drain()
        with contextlib.suppress(ConnectionResetError):
            assert b"expected" not in await asyncio.wait_for(reader.read(), 5)
        writer.close()


def test_nobody_there_is_none(tmp_path: Path) -> None:
    assert control.ask(tmp_path, "status") is None
