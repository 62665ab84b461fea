"""Host query in records: what a Q asks for, and the answer as LIS02-A2 and the makers' host interfaces write it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from msgspec.structs import replace

from drivers.lab.astm import DRIVER
from gateway.model import Inquiry, Subject, WorkOrder
from protocols.astm.records import AstmMessage, parse
from protocols.sansio import Message

AT = datetime(2026, 11, 21, 8, 0, 0, 123456, tzinfo=UTC)
PATIENT = Subject(patient_id="SYN-7", family_name="Patient", given_name="Test", birth_date="19700101", sex="F")
ORDER = WorkOrder(placer="A-1", specimen="SYN-1", tests=("GLU", "NA"), patient=PATIENT, specimen_type="Serum")
H = "H|\\^&|||XN^1|||||GW||P|1394-97|20261121075959"


def query(*records: str) -> Message[AstmMessage]:
    lines = records if records[0].startswith("H") else (H, *records)
    raw = "".join(f"{line}\r" for line in (*lines, "L|1|N")).encode()
    (body,) = parse(raw)
    return Message(body, raw, 0.0)


@pytest.fixture
def talk(analyzer: Any) -> Any:
    """`talk(profile, **keys of its table orders)`: the driver's three words on orders, for one analyzer."""

    class Talk:
        def __init__(self, profile: str = "generic", **keys: Any) -> None:
            self.device = analyzer(profile, orders=keys) if keys else analyzer(profile)

        def asks(self, *records: str) -> Inquiry | None:
            assert DRIVER.ordering is not None
            return DRIVER.ordering.asks(query(*records), self.device.context)

        def answer(self, orders: list[WorkOrder], *records: str) -> list[str]:
            assert DRIVER.ordering is not None
            message = query(*records) if records else None
            said = DRIVER.ordering.answer(message, orders, self.device.context, AT)
            self.told = [order.placer for order in said.orders]
            return said.text.decode("iso-8859-1").split("\r")[:-1]

    return Talk


@pytest.mark.parametrize(
    ("q", "asked"),
    [
        ("Q|1|^SYN-1||ALL||||||||O", Inquiry(specimens=("SYN-1",))),
        ("Q|1|SYN-1||^^^ALL", Inquiry(specimens=("SYN-1",))),
        ("Q|1|SYN-7^SYN-1||ALL", Inquiry(specimens=("SYN-1",))),
        ("Q|1|^^   SYN-1^0^50001^001||ALL", Inquiry(specimens=("SYN-1",))),
        ("Q|1|^SYN-1\\^SYN-2\\^SYN-1||ALL", Inquiry(specimens=("SYN-1", "SYN-2"))),
        ("Q|1|^SYN-1|^SYN-9|ALL", Inquiry(first="SYN-1", last="SYN-9")),
        ("Q|1|^SYN-1|^SYN-1|ALL", Inquiry(specimens=("SYN-1",))),
        ("Q|1|ALL||ALL||||||||O", Inquiry(everything=True)),
        ("Q|1|^SYN-1||ALL||||||||A", Inquiry(withdrawn=True)),
        ("Q|1|||ALL", Inquiry()),
    ],
    ids=["a specimen", "alone", "behind a patient", "behind rack and place", "several", "a stretch", "a stretch of one", "all", "withdrawn", "nobody"],
)  # fmt: skip
def test_what_a_query_asks_for(talk: Any, q: str, asked: Inquiry) -> None:
    assert talk().asks(q) == asked


def test_results_ask_for_nothing_and_a_profile_may_forbid_answers(talk: Any) -> None:
    assert talk().asks("P|1", "O|1|SYN-1", "R|1|^^^GLU|5.1") is None
    assert talk(answer=False).asks("Q|1|^SYN-1||ALL") is None


def test_the_answer_names_the_tests_and_who_is_who(talk: Any) -> None:
    assert talk().answer([ORDER], "Q|1|^SYN-1||ALL||||||||O") == [
        "H|\\^&|||GW|||||XN^1||P|1394-97|20261121080000",
        "P|1|SYN-7|||Patient^Test||19700101|F",
        "O|1|SYN-1||^^^GLU\\^^^NA|R||||||N||||Serum||||||||||Q",
        "L|1|F",
    ]


HEADERS = {
    "neither (cobas e 411)": ("H|\\^&|||cobas-e411^1|||||host|TSREQ^REAL|P|1", "H|\\^&|||host|||||cobas-e411^1||P|1"),
    "a time (Access)": ("H|\\^&|||ACCESS^1|||||LIS||P|1|20260101120000", "H|\\^&|||LIS|||||ACCESS^1||P|1|20261121080000"),
    "both (GeneXpert)": (
        "H|\\^&|URM-1||GX^1|||||LIS||P|1394-97|20260101120000",
        "H|\\^&|20261121080000123456||LIS|||||GX^1||P|1394-97|20261121080000",
    ),
}


@pytest.mark.parametrize(("asked", "told"), HEADERS.values(), ids=HEADERS.keys())
def test_the_answers_header_has_an_id_and_a_time_where_the_analyzers_has_them(asked: str, told: str, talk: Any) -> None:
    assert talk().answer([ORDER], asked, "Q|1|^SYN-1||ALL")[0] == told


def test_a_patient_without_a_name_has_no_empty_components(talk: Any) -> None:
    nameless = replace(ORDER, patient=Subject(patient_id="SYN-7"))
    assert talk().answer([nameless], "Q|1|^SYN-1||ALL")[1] == "P|1|SYN-7"


def test_without_an_order_there_is_no_information(talk: Any) -> None:
    assert talk().answer([], "Q|1|^SYN-1||ALL")[1:] == ["L|1|I"]
    assert talk(none="Y").answer([], "Q|1|^SYN-1||ALL")[1:] == ["P|1", "O|1|SYN-1|||R||||||N||||||||||||||Y", "L|1|I"]


def test_the_analyzers_own_delimiters_are_used_and_what_holds_one_is_escaped(talk: Any) -> None:
    head, _, order, _ = talk().answer([replace(ORDER, tests=("A@B",))], "H|@^\\|1||GeneXpert", "Q|1|@SYN-1||ALL")
    assert head.startswith("H|@^\\|")
    assert order.split("|")[4] == "^^^A\\R\\B", "the repeat delimiter of that analyzer is @"


def test_times_are_the_analyzers(analyzer: Any) -> None:
    device = analyzer(zone=timezone(timedelta(hours=1)))
    order = replace(ORDER, ordered_at=AT, collected_at=AT)
    assert DRIVER.ordering is not None
    lines = DRIVER.ordering.answer(None, [order], device.context, AT).text.decode().split("\r")
    assert lines[0].endswith("|20261121090000")
    assert lines[2].split("|")[6:8] == ["20261121090000", "20261121090000"]


def test_orders_of_a_specimen_are_one_record_and_the_most_urgent_counts(talk: Any) -> None:
    more = replace(ORDER, placer="A-2", tests=("NA", "K"), priority="S")
    line = talk().answer([ORDER, more, replace(ORDER, placer="A-3", specimen="SYN-2")], "Q|1|^SYN-1\\^SYN-2||ALL")
    assert [text.split("|")[:6] for text in line if text[0] == "O"] == [
        ["O", "1", "SYN-1", "", "^^^GLU\\^^^NA\\^^^K", "S"],
        ["O", "1", "SYN-2", "", "^^^GLU\\^^^NA", "R"],
    ]
    assert [text[:3] for text in line] == ["H|\\", "P|1", "O|1", "P|2", "O|1", "L|1"]


def test_a_barcode_that_was_another_patients_brings_none_of_that_patients_orders(talk: Any) -> None:
    former = replace(ORDER, placer="A-0", tests=("K",), patient=replace(PATIENT, patient_id="SYN-6"))
    device = talk()
    lines = device.answer([former, ORDER], "Q|1|^SYN-1||ALL")
    assert lines[1].split("|")[2] == "SYN-7"
    assert lines[2].split("|")[4] == "^^^GLU\\^^^NA"
    assert device.told == ["A-1"]


@pytest.mark.parametrize(
    ("keys", "tests"),
    [
        ({"tests": {"GLU": "685"}}, "^^^685"),
        ({"tests": {"GLU": "685", "NA": "989"}}, "^^^685\\^^^989"),
        ({"code": 5}, "^^^^GLU\\^^^^NA"),
    ],
    ids=["a test that it does not do is left to others", "its own codes", "another component"],
)
def test_tests_in_the_analyzers_own_codes(talk: Any, keys: dict[str, Any], tests: str) -> None:
    assert talk(**keys).answer([ORDER], "Q|1|^SYN-1||ALL")[2].split("|")[4] == tests


def test_an_order_with_none_of_its_tests_is_no_order_for_it(talk: Any) -> None:
    device = talk(tests={"CBC": "CBC"})
    assert device.answer([ORDER], "Q|1|^SYN-1||ALL")[1:] == ["L|1|I"]
    assert device.told == []


def test_only_the_tests_that_it_asks_about(talk: Any) -> None:
    assert talk().answer([ORDER], "Q|1|^SYN-1||^^^NA\\^^^K")[2].split("|")[4] == "^^^NA"


def test_what_stood_around_the_id_is_repeated_for_that_specimen(talk: Any) -> None:
    """Rack and position belong to the specimen that they came with, also where the question names several."""
    keys = {"specimen": [3], "echo": {"O.3": [1, 2, 3, 4]}}
    both = [ORDER, replace(ORDER, placer="A-2", specimen="SYN-2")]
    lines = talk(**keys).answer(both, "Q|1|2^1^   SYN-1^B\\2^2^   SYN-2^B")
    assert [line.split("|")[2] for line in lines if line[0] == "O"] == ["2^1^   SYN-1^B", "2^2^   SYN-2^B"]
    assert talk(**keys).answer([ORDER])[2].split("|")[2] == "SYN-1", "a worklist has nothing to repeat"


@pytest.mark.parametrize(
    ("profile", "q", "fields"),
    [
        (
            "sysmex-xn",
            "Q|1|2^1^            SYN-1^B||||20261121080000",
            {2: "2^1^            SYN-1^B", 3: "", 4: "^^^^GLU\\^^^^NA"},
        ),
        (
            "roche-cobas-c311",
            "Q|1|^^                 SYN-1^11^50011^011^^S1^SC||ALL||||||||O",
            {2: "                 SYN-1", 3: "11^50011^011^^S1^SC", 4: "^^^GLU^\\^^^NA^", 11: "A", 15: "1", 25: "O"},
        ),
        (
            "roche-cobas-e411",
            "Q|1|^^SYN-1^3668^@8^1^^S1^SC||ALL||||||||O",
            {2: "SYN-1", 3: "3668^@8^1^^S1^SC", 4: "^^^GLU^\\^^^NA^", 11: "A", 15: "1", 25: "O"},
        ),
        (
            "siemens-advia-centaur",
            "Q|1|^SYN-1|^SYN-1|ALL||||||||O",
            {2: "SYN-1", 4: "^^^GLU\\^^^NA", 25: "O\\Q"},
        ),
        (
            "beckman-access-2",
            "Q|1|^SYN-1||ALL||||||||O",
            {2: "SYN-1", 4: "^^^GLU\\^^^NA", 11: "A", 15: "Serum", 25: "Q"},
        ),
    ],
)
def test_a_profile_repeats_rack_and_position_where_its_analyzer_wants_them(
    talk: Any, profile: str, q: str, fields: dict[int, str]
) -> None:
    device = talk(profile)
    assert device.asks(q) == Inquiry(specimens=("SYN-1",))
    request = next(line for line in device.answer([ORDER], q) if line[0] == "O").split("|")
    assert {n: request[n] for n in fields} == fields


def test_further_wishes(talk: Any) -> None:
    keys = {
        "one_test_a_record": True,
        "action": "A",
        "report_type": "O",
        "meaning": ["TSDWN", "REPLY"],
        "end": "N",
        "place": "O.4",
        "patient_id": "P.5",
    }
    head, patient, first, second, end = talk(**keys).answer([ORDER], "Q|1|^SYN-1||ALL")
    assert head.split("|")[10] == "TSDWN^REPLY"
    assert patient.split("|")[2:5] == ["", "", "SYN-7"]
    assert first.split("|")[1:5] == ["1", "", "SYN-1", "^^^GLU"]
    assert second.split("|")[1:5] == ["2", "", "SYN-1", "^^^NA"]
    assert (first.split("|")[11], first.split("|")[25], end) == ("A", "O", "L|1|N")


def test_a_worklist_says_new_and_cancelled(talk: Any) -> None:
    lines = talk(download=True).answer([ORDER, replace(ORDER, placer="A-2", specimen="SYN-2", cancelled=True)])
    requests = [line.split("|") for line in lines if line[0] == "O"]
    assert [(one[2], one[11], one[25]) for one in requests] == [("SYN-1", "N", "O"), ("SYN-2", "C", "O")]
    assert lines[0].startswith("H|\\^&|20261121080000123456||wardlink|")


def test_a_query_is_no_report_and_one_that_is_not_answered_is_logged_once(
    analyzer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    device = analyzer(orders={"answer": False})
    with caplog.at_level("INFO", "wardlink.drivers.astm"):
        assert device.read(H, "Q|1|^SYN-1||ALL||||||||O") == []
        assert device.read(H, "Q|1|^SYN-2||ALL||||||||O") == []
        assert analyzer().read(H, "Q|1|^SYN-3||ALL||||||||O") == []
    assert len(caplog.records) == 1
    assert "SYN" not in caplog.text


def test_names_stand_where_the_analyzer_itself_has_them(analyzer: Any, talk: Any) -> None:
    told = talk("sysmex-xn").answer([ORDER], "Q|1|000001^02^   SYN-1^B||^^^^ALL")
    assert [line for line in told if line.startswith("P")] == ["P|1|||SYN-7|^Test^Patient||19700101|F"]


def test_what_stands_behind_a_code_and_a_report_type_of_two_letters(talk: Any) -> None:
    told = talk(behind_code=["", "2"], report_type="OQ").answer([ORDER], "Q|1|^SYN-1||ALL")
    assert told[2] == "O|1|SYN-1||^^^GLU^^2\\^^^NA^^2|R||||||N||||Serum||||||||||O\\Q"


@pytest.mark.parametrize(("said", "told"), [("SER", "1"), ("UR", "2"), ("BLD", "BLD"), ("", "5")])
def test_the_specimens_type_in_the_analyzers_words(said: str, told: str, talk: Any) -> None:
    order = replace(ORDER, specimen_type=said)
    request = talk(specimens={"SER": "1", "UR": "2", "": "5"}).answer([order], "Q|1|^SYN-1||ALL")[2]
    assert request.split("|")[15] == told


def test_an_abbott_analyzers_question_comes_back_with_an_x(talk: Any) -> None:
    """ARCHITECT: `Q|1|^SID1234||^^^ALL||||||||X` is the host's word for: no order for that specimen."""
    told = talk("abbott-architect").answer([], "Q|1|^SYN-9||^^^ALL||||||||O")
    assert told[1:] == ["Q|1|^SYN-9||^^^ALL||||||||X", "L|1|N"]
