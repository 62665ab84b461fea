"""wardlink livd: what a maker's file says, taken as suggestions, accepted by row, by device, by file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.model import Category, DeviceIdentity, Kind, Observation, Report
from gateway.store import audit
from gateway.store.journal import Journal, open_reader

Wardlink = Callable[..., Any]

# 1069 and 1070 can be accepted; 1071 is ambiguous; 1072 contradicts its unit; 1073 has no code; 1074 is of another model
TABLE = b"""Manufacturer,Model,Vendor Analyte Code,Vendor Analyte Name,Vendor Specimen Description,Vendor Result Description,LOINC Code,LOINC Long Name,Property,Publication Version ID
Acme Diagnostics,Big 1,1069,GluC,Serum,mg/dL,2345-7,Glucose [Mass/volume],MCnc,20260301
Acme Diagnostics,Big 1,1070,IgG,Serum,Positive,94563-4,IgG Ab [Presence],PrThr,20260301
Acme Diagnostics,Big 1,1071,A1c,Blood,%,4548-4,A1c,MFr,20260301
Acme Diagnostics,Big 1,1071,A1c,Blood,%,17856-6,A1c by HPLC,MFr,20260301
Acme Diagnostics,Big 1,1072,GluC,Serum,mmol/L,2345-7,Glucose,MCnc,20260301
Acme Diagnostics,Big 1,,Nothing,Serum,mg/dL,2345-7,Glucose,MCnc,20260301
Acme Diagnostics,Big 2,1069,GluC,Serum,mmol/L,14749-6,Glucose [Moles/volume],SCnc,20260301
"""


@pytest.fixture
def sent(toml: Path) -> Path:
    """A Big 1 that calls itself so has sent 1069 and 1071; a device that says nothing of itself 1069."""
    asyncio.run(_keep(toml.parent / "data"))
    return toml


async def _keep(folder: Path) -> None:
    journal = await Journal.open(folder, name="g", reserve_bytes=65536)
    for device, maker, model, codes in (("LAB-1", "Acme", "BIG-1", ("1069", "1071")), ("LAB-2", "", "", ("1069",))):
        results = [
            Observation(kind=Kind.NUMERIC, vendor_code=code, value="5.1", unit=unit, vendor_unit=unit)
            for code, unit in zip(codes, ("mg/dL", "%"), strict=False)
        ]
        report = Report(
            device=DeviceIdentity(id=device, maker=maker, model=model),
            driver="astm",
            category=Category.LAB,
            received_at=datetime(2026, 11, 21, 8, 0, tzinfo=UTC),
            observations=tuple(results),
        )
        await journal.keep([report], device_id=device)
    await journal.close()


def take(wardlink: Wardlink, toml: Path, *words: str) -> Any:
    return wardlink("livd", "import", "-", *words, "-c", toml, stdin=TABLE)


def open_codes(wardlink: Wardlink, toml: Path) -> list[tuple[str, str]]:
    return sorted(
        (one["device"], one["code"])
        for one in wardlink("unmapped", "list", "--since", "2026-11-01T00:00:00Z", "--json", "-c", toml).json
    )


def test_a_file_says_what_is_in_it_and_takes_nothing_when_tried(wardlink: Wardlink, toml: Path) -> None:
    told = take(wardlink, toml, "--dry-run").out.splitlines()
    assert told[0] == "20260301: 5 rows can be used: would be taken; 2 cannot"
    assert told[1] == "doubtful: 2"
    assert "Acme Diagnostics Big 1 1071 (Blood, %) = 4548-4: ambiguous" in told[2]
    assert told[4:] == [
        "cannot be used: 2",
        "  row 6: 1072 = 2345-7: LOINC 2345-7 has the property MCnc (length^-3 mass^1); mmol/L measures length^-3 substance^1",
        "  row 7: no code = 2345-7: no code by which Nothing is sent",
    ]
    assert wardlink("livd", "list", "-c", toml).code == 2, "there is no journal yet"


def test_it_only_suggests_and_the_laboratory_decides(wardlink: Wardlink, sent: Path) -> None:
    assert take(wardlink, sent).out.startswith("20260301: 5 rows can be used: 5 new suggestions; 2 cannot")
    assert take(wardlink, sent, "--json").json["new"] == 0, "a file that comes twice is known already"
    assert wardlink("unmapped", "decided", "-c", sent).out == "nothing was decided\n"
    rows = {
        one["code"]: one
        for one in wardlink("unmapped", "list", "--since", "2026-11-01T00:00:00Z", "--json", "-c", sent).json
        if one["device"] == "LAB-1"
    }
    assert next((g["loinc"], g["livd"]) for g in rows["1069"]["suggestions"]) == ("2345-7", 1)
    assert [g["livd"] for g in rows["1071"]["suggestions"]][:2] == [3, 4]


def test_one_is_accepted_by_its_number_even_when_it_is_doubtful(wardlink: Wardlink, sent: Path) -> None:
    take(wardlink, sent)
    told = wardlink("livd", "accept", "3", "--reason", "checked with the maker", "-c", sent).out
    assert told == "1 suggestions accepted: 1 decisions, 1 codes in the journal are meant\n"
    assert open_codes(wardlink, sent) == [("LAB-1", "1069"), ("LAB-2", "1069")]
    (made,) = wardlink("unmapped", "decided", "--json", "-c", sent).json
    assert (made["code"], made["maker"], made["model"], made["unit"], made["loinc"], made["source"], made["reason"]) == (
        "1071", "Acme Diagnostics", "Big 1", "%", "4548-4", "livd 3: - row 4", "checked with the maker",
    )  # fmt: skip
    assert [one["state"] for one in wardlink("livd", "list", "--all", "--json", "-c", sent).json][2] == "accepted"
    with closing(open_reader(sent.parent / "data")) as conn:
        assert [act.act for act in audit.acts(conn)] == ["import livd", "map"]


def test_a_whole_file_is_accepted_but_for_what_is_doubtful(wardlink: Wardlink, sent: Path) -> None:
    told = take(wardlink, sent, "--accept", "--json").json["accepted"]
    assert (told["accepted"], told["meant"]) == ([1, 2, 5], 1)
    assert [one["number"] for one in told["left"]] == [3, 4]
    assert open_codes(wardlink, sent) == [("LAB-1", "1071"), ("LAB-2", "1069")]


def test_for_a_device_that_does_not_say_what_it_is(wardlink: Wardlink, sent: Path) -> None:
    take(wardlink, sent)
    assert wardlink("livd", "accept", "--device", "LAB-2", "-c", sent).out.startswith(
        "1 suggestions accepted: 1 decisions, 1 codes"
    )
    assert open_codes(wardlink, sent) == [("LAB-1", "1069"), ("LAB-1", "1071")]
    (made,) = wardlink("unmapped", "decided", "--json", "-c", sent).json
    assert (made["device"], made["maker"]) == ("LAB-2", "")


def test_where_the_analyzer_has_another_name(wardlink: Wardlink, sent: Path) -> None:
    take(wardlink, sent)
    wardlink("livd", "accept", "1", "--maker", "Omega", "--model", "O9", "-c", sent)
    (made,) = wardlink("unmapped", "decided", "--json", "-c", sent).json
    assert (made["maker"], made["model"]) == ("Omega", "O9")


def test_what_is_dismissed_is_suggested_no_more(wardlink: Wardlink, sent: Path) -> None:
    take(wardlink, sent)
    assert wardlink("livd", "dismiss", "1", "5", "--reason", "not ours", "-c", sent).out == "2 suggestions dismissed\n"
    assert [one["number"] for one in wardlink("livd", "list", "--json", "-c", sent).json] == [2, 3, 4]
    again = wardlink("livd", "accept", "--file", "-", "--json", "-c", sent).json
    assert again["accepted"] == [2], "nor accepted with its file"
    assert wardlink("livd", "accept", "1", "-c", sent).out.startswith("1 suggestions accepted"), "by its number it is meant"


def test_what_a_person_decided_is_not_overruled_by_a_file(wardlink: Wardlink, sent: Path) -> None:
    wardlink("unmapped", "resolve", "1069", "--loinc", "2339-0", "--maker", "Acme", "-c", sent)
    told = take(wardlink, sent, "--accept", "--json").json
    assert [one["doubts"] for one in told["rows"] if one["code"] == "1069"] == [["contradicts decision 1: 1069 Acme: 2339-0"], []]
    assert 1 not in told["accepted"]["accepted"]
    left = wardlink("livd", "accept", "--file", "-", "--json", "-c", sent)
    assert [one["why"] for one in left.json["left"] if one["number"] == 1] == ["contradicts decision 1: 1069 Acme: 2339-0"]
    assert wardlink("livd", "accept", "1", "-c", sent).out.startswith("1 suggestions accepted: 1 decisions"), (
        "by number it is meant"
    )


REFUSED = {
    "none named": ((), "say which: numbers, --device or --file"),
    "one that is none": (("99",), "there is no suggestion 99; `wardlink livd list` shows their numbers"),
    "a device without suggestions": (("--device", "LAB-9"), "no suggestion is meant by that"),
}


@pytest.mark.parametrize(("words", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_nothing_is_accepted_for(wardlink: Wardlink, sent: Path, words: tuple[str, ...], why: str) -> None:
    take(wardlink, sent)
    refused = wardlink("livd", "accept", *words, "-c", sent)
    assert (refused.code, why in refused.err) == (2, True), refused.err


NOT_BY_ITSELF = {
    "no name of a LOINC that the terms do not hold": (b"94563-4,Positive,,PrThr", "the file gives no LOINC name beside its code"),
    "no property": (b"94563-4,Positive,IgG Ab,", "its property is not known, so no unit can be checked"),
    "a property that nothing can be checked by": (b"94563-4,Positive,IgG Ab,Strange", "its property is not known"),
}


@pytest.mark.parametrize(("row", "why"), NOT_BY_ITSELF.values(), ids=NOT_BY_ITSELF.keys())
def test_what_lacks_something_is_not_accepted_even_by_its_number(wardlink: Wardlink, sent: Path, row: bytes, why: str) -> None:
    table = (
        b"Manufacturer,Vendor Analyte Code,LOINC Code,Vendor Result Description,LOINC Long Name,Property\nAcme,1070,"
        + row
        + b"\n"
    )
    assert wardlink("livd", "import", "-", "-c", sent, stdin=table).code == 0
    (left,) = wardlink("livd", "accept", "1", "--json", "-c", sent).json["left"]
    assert why in left["why"]
    assert wardlink("unmapped", "decided", "-c", sent).out == "nothing was decided\n"


def test_a_catalogue_in_fhir_is_taken_too(wardlink: Wardlink, sent: Path) -> None:
    device = {"resourceType": "DeviceDefinition", "id": "d", "manufacturerString": "Acme", "modelNumber": "Big 1"}
    depends = [{"property": "result", "value": "mg/dL"}]
    target = {"code": "2345-7", "display": "Glucose [Mass/volume]", "equivalence": "equivalent", "dependsOn": depends}
    mapped = {"resourceType": "ConceptMap", "group": [{"element": [{"code": "1069", "display": "GluC", "target": [target]}]}]}
    bundle = {"resourceType": "Bundle", "entry": [{"resource": device}, {"resource": mapped}]}
    told = wardlink("livd", "import", "-", "--accept", "--json", "-c", sent, stdin=json.dumps(bundle).encode()).json
    assert (told["new"], told["accepted"]["accepted"], told["accepted"]["meant"]) == (1, [1], 1)
    assert open_codes(wardlink, sent) == [("LAB-1", "1071"), ("LAB-2", "1069")]


def test_what_is_no_livd_file_is_said_to_be_none(wardlink: Wardlink, toml: Path) -> None:
    refused = wardlink("livd", "import", "-", "-c", toml, stdin=b"PK\x03\x04")
    assert (refused.code, "it is a spreadsheet" in refused.err, "nothing was taken" in refused.err) == (2, True, True)
