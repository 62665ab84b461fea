"""Whatever bytes are given for a LIVD file, they are read or refused in words."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ActError
from gateway.mapping import livd_file

HEAD = b"Manufacturer,Vendor Analyte Code,LOINC Code,Units,Property\n"
CELLS = st.text(max_size=12) | st.sampled_from(["2345-7", "mg/dL", "MCnc", "", "a\nb", "; ; ", '"', "=", "\x00", "\u2028"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["2345-7", "ConceptMap", "specimen"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["resourceType", "entry", "resource", "group", "element", "target", "code", "dependsOn", "value", "coding"]
            )
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


def read(data: bytes) -> None:
    with contextlib.suppress(ActError):
        livd_file.read(data)


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    read(data)
    read(HEAD + data)


@given(st.lists(st.lists(CELLS, max_size=6), max_size=6))
def test_any_cells(rows: list[list[str]]) -> None:
    read(HEAD + "\n".join(",".join(row) for row in rows).encode("utf-8", "surrogatepass"))


@given(VALUES)
def test_any_json(value: Any) -> None:
    read(json.dumps(value).encode())
    read(json.dumps({"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "ConceptMap", "group": value}}]}).encode())
    read(json.dumps({"resourceType": "ConceptMap", "group": [{"element": [{"code": "A", "target": [value]}]}]}).encode())


@pytest.mark.parametrize("depth", [100, 1_000, 50_000])
def test_bundles_in_bundles(depth: int) -> None:
    read(b'{"resourceType": "Bundle", "entry": [{"resource": ' * depth + b"{}" + b"}]}" * depth)
