"""Reloads one after the other: who asks meanwhile shares the next; what ran for a while is known to be good."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway import boot, known_good
from gateway.errors import ConfigError
from gateway.loaded import Loaded
from gateway.reload import Plan
from gateway.reloader import Reloader

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


class Bench:
    """A reloader on a file, whose changes are told and can be held up or refused."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "w.toml"
        self.data = folder / "data"
        self.data.mkdir()
        self.write("first")
        self.applied: list[tuple[str, str]] = []
        self.refusals: list[str] = []
        self.hold: Callable[[], Awaitable[None]] | None = None
        self.under_way = 0

    def write(self, name: str) -> None:
        self.file.write_text(f'[gateway]\nname = "{name}"\ndata = "{self.data}"\n')

    def reloader(self, settle_s: float = 3600) -> Reloader:
        self.made = Reloader(boot.choose(self.file), self.apply, self.refused, settle_s=settle_s, now=lambda: NOW)
        return self.made

    async def apply(self, new: Loaded, by: str) -> Plan:
        self.under_way += 1
        assert self.under_way == 1, "two at a time"
        if self.hold is not None:
            await self.hold()
        self.under_way -= 1
        if new.settings.gateway.name == "never":
            raise ConfigError("w.toml:2: gateway.name: never\nw.toml:3: gateway.data: nor this")
        self.applied.append((new.settings.gateway.name, by))
        self.made.take(new)
        return Plan(keys=frozenset({"gateway.name"}))

    async def refused(self, problems: str, by: str) -> None:
        self.refusals.append(f"{by}: {problems}")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def within(work: Awaitable[object]) -> object:
    async with asyncio.timeout(10):
        return await work


async def test_a_storm_while_one_is_under_way_is_one_more_that_reads_the_file_as_it_is_then(bench: Bench) -> None:
    reloader, begun, go = bench.reloader(), asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        begun.set()
        await go.wait()

    bench.hold = hold
    task = asyncio.create_task(reloader.run())
    bench.write("second")
    first = reloader.request("ann")
    await within(begun.wait())
    storm = [reloader.request("SIGHUP") for _ in range(500)]
    bench.write("third")
    go.set()
    assert await within(first) == {
        "applied": True, "path": str(bench.file), "sha256": _sha256("second", bench), "did": ["use gateway.name"], "problems": [],
    }  # fmt: skip
    answers = await within(asyncio.gather(*storm))
    assert isinstance(answers, list)
    assert {answer["sha256"] for answer in answers} == {_sha256("third", bench)}
    assert bench.applied == [("second", "ann"), ("third", "SIGHUP")]
    task.cancel()


async def test_who_asked_together_is_named_together(bench: Bench) -> None:
    reloader = bench.reloader()
    asked = [reloader.request(by) for by in ("ann", "ben", "ann", *"cdefgh")]
    task = asyncio.create_task(reloader.run())
    await within(asyncio.gather(*asked))
    assert bench.applied == [("first", "ann, ben, c, d, e")]
    task.cancel()


@pytest.mark.parametrize("text", ["[[[", '[gateway]\nname = "never"\n', None], ids=["no TOML", "refused when applied", "gone"])
async def test_a_refusal_is_answered_shown_and_noted_and_the_next_one_clears_it(bench: Bench, text: str | None) -> None:
    reloader = bench.reloader()
    task = asyncio.create_task(reloader.run())
    before = reloader.status()
    bench.file.unlink()
    if text is not None:
        bench.file.write_text(text)
    answer = await within(reloader.request("ann"))
    assert isinstance(answer, dict)
    assert answer["applied"] is False
    assert answer["problems"]
    shown = reloader.status()
    assert shown["refused"] == {"at": NOW, "problems": answer["problems"]}
    assert {key: shown[key] for key in ("sha256", "loaded_at")} == {key: before[key] for key in ("sha256", "loaded_at")}
    assert bench.refusals == ["ann: " + "\n".join(answer["problems"])]
    bench.write("better")
    assert bench.applied == []
    await within(reloader.request("ann"))
    assert reloader.status()["refused"] is None
    assert bench.applied == [("better", "ann")]
    task.cancel()


async def test_what_ran_for_a_while_is_kept_and_what_did_not_is_not(bench: Bench) -> None:
    reloader = bench.reloader(settle_s=0)
    task = asyncio.create_task(reloader.run())
    await until(lambda: reloader.status()["known_good"])
    reloader._settle_s = 3600
    bench.write("second")
    await within(reloader.request("ann"))
    assert reloader.status()["known_good"] is False
    task.cancel()
    assert [one.sha256 for one in known_good.history(bench.data)] == [_sha256("first", bench)]


async def test_a_folder_that_takes_nothing_is_told_and_ends_nothing(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    (bench.data / known_good.FOLDER).write_text("in the way")
    reloader = bench.reloader(settle_s=0)
    task = asyncio.create_task(reloader.run())
    await until(lambda: "could not be kept as known good" in caplog.text)
    bench.write("second")
    reloader._settle_s = 3600
    await within(reloader.request("ann"))
    assert bench.applied == [("second", "ann")]
    task.cancel()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


def _sha256(name: str, bench: Bench) -> str:
    import hashlib

    return hashlib.sha256(f'[gateway]\nname = "{name}"\ndata = "{bench.data}"\n'.encode()).hexdigest()
