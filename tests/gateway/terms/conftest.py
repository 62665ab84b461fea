"""A folder of site rows, and our own rows alone again afterwards."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway import terms
from gateway.terms import analytes, conversions, spellings, vocabulary

_COLUMNS = {
    vocabulary.UNITS: vocabulary.UNIT_COLUMNS,
    vocabulary.TERMS: vocabulary.TERM_COLUMNS,
    vocabulary.VITALS: vocabulary.VITAL_COLUMNS,
    analytes.TABLE: analytes.COLUMNS,
    spellings.TABLE: spellings.COLUMNS,
    conversions.TABLE: conversions.COLUMNS,
}


@pytest.fixture
def add(tmp_path: Path) -> Iterator[Callable[[str, str], None]]:
    """`add(table, line)`: load the terms with one site row more."""

    def load(table: str, line: str) -> None:
        (tmp_path / table).write_text(",".join(_COLUMNS[table]) + "\n" + line + "\n", "utf-8")
        terms.add_site_rows(tmp_path)

    yield load
    terms.add_site_rows(None)
