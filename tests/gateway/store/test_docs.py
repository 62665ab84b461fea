"""The page that explains the journal says what is so: its queries run, its tables are the tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from gateway.model import Report
from gateway.store.journal import Journal

PAGE = Path(__file__).parents[3] / "docs" / "journal.md"


async def test_every_query_of_the_page_runs(journal: Journal, make_report: Callable[..., Report]) -> None:
    await journal.keep([make_report(value="98")], device_id="4E-044")
    blocks = re.findall(r"```sql\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    queries = [query for block in blocks for query in re.sub(r"--[^\n]*", "", block).split(";") if query.strip()]
    assert len(queries) == 5
    rows = [await journal.read(lambda conn, q=query: conn.execute(q).fetchall()) for query in queries]  # type: ignore[misc]
    assert rows[0] == [(1, "4E-044", "2026-11-21T08:00:00.000000Z", "SPO2", "98")]
    assert rows[1] == [("2026-11-21T08:00:00.000000Z", "SPO2", "98", "%")]


async def test_every_table_is_on_the_page(journal: Journal) -> None:
    sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    tables = {name for (name,) in await journal.read(lambda conn: conn.execute(sql).fetchall())}
    assert tables == set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text("utf-8"), re.MULTILINE))
