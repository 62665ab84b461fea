"""What a capture tells: a key is guessed only where it reads more and loses nothing, and it says why."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.acquire import registry
from gateway.acquire.flow import Chunk, Flow
from gateway.profiles import guessing
from gateway.profiles.guessing import Seen

ASTM = registry.load("astm")


def frame(number: int, text: bytes, *, checksum: bool = True) -> bytes:
    """A frame of E1381 §6.3, its checksum added up by hand, or none."""
    body = b"%d%b\x03" % (number, text)
    return b"\x02%b%b\r\n" % (body, b"%02X" % (sum(body) % 256) if checksum else b"")


def message(order: bytes = b"O|1|S-1001", result: bytes = b"R|1|^^^HGB|5.1|g/dL||||F", header: bytes = b"H|\\^&|||ACME") -> bytes:
    return b"\r".join((header, b"P|1", order, result, b"L|1|N")) + b"\r"


def seen(data: bytes, **table: Any) -> Seen:
    return guessing.guess(ASTM, table, [Flow("test", None, [Chunk(0.0, data)])])


def guessed(data: bytes, **table: Any) -> dict[str, Any]:
    return {".".join(one.path): one.value for one in seen(data, **table).guesses}


def test_a_standard_analyzer_needs_no_guess() -> None:
    assert "link.checksum" not in guessed(message())
    assert {"code", "specimen_id", "link.mode", "decimal_comma"} & set(guessed(message())) == set()


def test_what_the_line_and_the_header_show_is_said() -> None:
    erba = message().replace(b"|", b"`").replace(b"H`\\^&```ACME", b"H`|^&```ACME^7")  # Erba XL's delimiters
    bare, framed = seen(erba), seen(b"\x05" + frame(1, message()) + b"\x04")
    assert "bare records, without frames" in bare.remarks
    assert "delimiters `|^&, read from H; it calls itself ACME^7" in bare.remarks
    assert "records in frames (STX … ETX)" in framed.remarks


def test_a_missing_checksum_is_found_and_not_looked_away_from() -> None:
    data = b"\x05" + frame(1, message(), checksum=False) + b"\x04"
    assert guessed(data)["link.checksum"] == "if-present"
    assert "link.checksum" not in guessed(b"\x05" + frame(1, message()) + b"\x04")


def test_the_specimen_s_id_is_looked_for_where_it_may_stand() -> None:
    assert guessed(message(order=b"O|1||7^3^S-1001^M"))["specimen_id"] == ["O.4.3"]
    assert "specimen_id" not in guessed(message(order=b"O|1|S-1001|17"))


def test_a_serial_number_is_told_from_a_version() -> None:
    assert guessed(message(header=b"H|\\^&|||ACME^2.1.3^SN4711"))["serial"] == ["H.5.3"]
    assert "serial" not in guessed(message(header=b"H|\\^&|||ACME^2.1.3"))


def test_the_code_is_the_component_that_has_terms() -> None:
    data = message(result=b"R|1|^^^17^HGB|15.1|g/dL||||F")
    assert guessed(data, maker="Sysmex", specimen="Blood")["code"] == [5]


def test_a_maker_is_set_only_where_the_device_names_itself_like_a_model_of_its() -> None:
    sysmex = message(header=b"H|\\^&|||XN-550^1.0")
    found = next(one for one in seen(sysmex, specimen="Blood").guesses if one.path == ("maker",))
    assert found.value == "Sysmex"
    assert "1 codes with a term instead of 0" in found.why
    assert "xn 550" in found.why
    other = seen(message(), specimen="Blood")
    assert "maker" not in {one.path[0] for one in other.guesses}, "a wrong maker gives wrong LOINCs"
    assert any(one.startswith("codes like those of ") for one in other.remarks)


@pytest.mark.parametrize(
    ("result", "remark"),
    [
        (b"R|1|^^^GLU|5.1|furlongs", "unit not known: 'furlongs' (1 results)"),
        (b"R|1|^^^QQQ|5.1|g/dL", "codes without a term (docs/terms.md): QQQ"),
        (b"R|1|^^^QQQ^9|5.1|g/dL", "R.3.5 holds 1 different texts: 9"),
    ],
)
def test_what_a_person_has_to_decide_is_said(result: bytes, remark: str) -> None:
    assert any(remark in one for one in seen(message(result=result)).remarks)


def test_a_guess_never_loses_what_was_read() -> None:
    before, after = seen(message()).run, seen(message() * 3).run
    assert len(before.messages) == 1
    assert len(after.messages) == 3
