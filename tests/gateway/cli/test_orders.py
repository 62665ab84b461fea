"""wardlink orders, by hand."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from gateway.store import audit
from gateway.store.journal import open_reader

Wardlink = Callable[..., Any]


def test_an_order_is_added_listed_and_cancelled_and_all_of_it_is_audited(wardlink: Wardlink, toml: Path) -> None:
    added = wardlink("orders", "add", "SYN-1", "GLU", "NA", "--placer", "P1", "--priority", "s", "--patient", "SYN-7", "-c", toml)
    assert (added.code, added.out) == (0, "order P1 for SYN-1: GLU NA: new\n")
    (one,) = wardlink("orders", "list", "--json", "-c", toml).json
    assert (one["specimen"], one["tests"], one["priority"], one["status"]) == ("SYN-1", ["GLU", "NA"], "S", "open")
    assert "GLU NA" in wardlink("orders", "list", "--specimen", "SYN-1", "-c", toml).out
    assert wardlink("orders", "cancel", "P1", "-c", toml).out == "order P1: cancelled\n"
    assert wardlink("orders", "list", "-c", toml).out == "no orders\n"
    assert [row["status"] for row in wardlink("orders", "list", "--all", "--json", "-c", toml).json] == ["cancelled"]
    with closing(open_reader(toml.parent / "data")) as conn:
        assert [(act.act, act.object) for act in audit.acts(conn)] == [("order", "P1"), ("cancel order", "P1")]


def test_a_file_may_come_twice(wardlink: Wardlink, toml: Path) -> None:
    table = b"specimen,tests\nSYN-1,GLU\nSYN-2,NA K\n"
    first = wardlink("orders", "import", "-", "--json", "-c", toml, stdin=table).json
    again = wardlink("orders", "import", "-", "--json", "-c", toml, stdin=table).json
    assert [row["outcome"] for row in first] == ["new", "new"]
    assert [row["outcome"] for row in again] == ["known already", "known already"]


def test_of_a_file_with_a_mistake_nothing_is_taken(wardlink: Wardlink, toml: Path) -> None:
    refused = wardlink("orders", "import", "-", "-c", toml, stdin=b"specimen,tests,priority\nSYN-1,GLU,R\nSYN-2,NA,X\n")
    assert refused.code == 2
    assert "got the priority 'X', expected one of S, A, R, C, P; nothing was taken" in refused.err
    assert wardlink("orders", "list", "-c", toml).out == "no orders\n"


def test_what_cannot_be_is_refused_with_what_to_do(wardlink: Wardlink, toml: Path) -> None:
    wardlink("orders", "add", "SYN-1", "GLU", "--placer", "P1", "-c", toml)
    wardlink("orders", "cancel", "P1", "-c", toml)
    again = wardlink("orders", "add", "SYN-1", "GLU", "--placer", "P1", "-c", toml)
    assert (again.code, "give another number with --placer" in again.err) == (2, True)
    unknown = wardlink("orders", "cancel", "P9", "-c", toml)
    assert (unknown.code, "there is no order 'P9'" in unknown.err) == (2, True)
    long = wardlink("orders", "add", "S" * 81, "GLU", "-c", toml)
    assert (long.code, "expected at most 80 printable characters" in long.err) == (2, True)
