"""What devices are told of operators and patients: the messages of CLSI POCT01-A2 and of the makers' documents, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from drivers.lab.poct1a import DRIVER
from gateway.driver import Context, Lists, ListTold, Operator, Telling
from gateway.model import DeviceIdentity, Location, Subject
from gateway.rolls import Secret
from protocols.poct1a.conversation import ConversationProfile, Host
from protocols.poct1a.message import HEADER_MAX, Object, document, parse
from protocols.poct1a.stream import Document, Splitter
from protocols.sansio import Message

NOON = datetime(2026, 11, 21, 12, 0, 0, 250_000, tzinfo=UTC)
EARLIER = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
LISTING = DRIVER.listing
assert LISTING is not None

NURSE = Operator(id="5047", family_name="Example", given_name="Nora", level="supervisor")
OTHER = Operator(id="5048")
ANNA = Subject(patient_id="SYN-1", family_name="Test", given_name="Anna", birth_date="19700131", sex="F")


def said(*topics: str, size: str = "16000", serial: str = "S1", updated: str = "", capabilities: str = "") -> Message[Any]:
    """The DST of a device that has these topics."""
    named = "".join(f'<DSC.topics_supported_cd V="{topic}"/>' for topic in topics)
    hello = f'<DEV><DEV.serial_id V="{serial}"/><DSC>{named}<DSC.max_message_sz V="{size}"/></DSC>{capabilities}</DEV>'
    status = f'<DST.operators_update_dttm V="{updated}"/>' if updated else ""
    host = Host(ConversationProfile())
    host.receive(f"<HEL.R01><HDR/>{hello}</HEL.R01>".encode(), 0.0)
    (message,) = host.receive(f'<DST.R01><HDR/><DST><DST.new_observations_qty V="0"/>{status}</DST></DST.R01>'.encode(), 0.0)
    assert isinstance(message, Message)
    return message


def context(**lists: Any) -> Context[Any]:
    return DRIVER.context(DeviceIdentity(id="POCT-1"), DRIVER.options(lists=lists), wall=lambda _: NOON)


def told_before(*operators: Operator, at: datetime = EARLIER, serial: str = "S1", **options: Any) -> dict[str, ListTold]:
    """What a device has that was told of these at that time."""
    (telling,) = write(said("OP_LST", serial=serial), Lists(operators=operators), **options)
    return {"operators": ListTold(serial=serial, at=at, entries=telling.then.entries)}


def write(message: Message[Any], lists: Lists, **options: Any) -> Sequence[Telling]:
    assert LISTING is not None
    return LISTING.write(message, lists, context(**options), NOON)


def documents(telling: Telling) -> list[Object]:
    return [parse(one.raw).root for one in Splitter().feed(telling.text, 0.0) if isinstance(one, Document)]


def in_short(telling: Telling) -> list[str]:
    """Each message as its type and what it holds: "OPL.R02 D 5048"."""
    names = ("UPD.action_cd", "OPR.operator_id", "PT.patient_id", "EOT.topic_cd")
    found = []
    for root in documents(telling):
        values = [field.v for one in (root, *every(root)) for field in one.fields if field.name in names]
        found.append(" ".join([root.name, *values]))
    return found


def every(holder: Object) -> list[Object]:
    return [found for one in holder.objects for found in (one, *every(one))]


def test_an_operator_is_told_with_name_access_and_level() -> None:
    nurse = Operator(
        id='5<0"47', family_name="O'Example", given_name="Nora", level="supervisor", methods=("Glu", "Ket"), password=Secret("1234"),
        valid_until=datetime(2027, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    (telling,) = write(said("OP_LST"), Lists(operators=(nurse,)), levels={"supervisor": "1"})
    page, end = documents(telling)
    (opr,) = page.objects
    assert opr.value("OPR.operator_id") == '5<0"47'
    name = opr.field("OPR.name")
    assert name is not None
    assert (name.v, name.part("FAM"), name.part("GIV")) == ("Nora O'Example", "O'Example", "Nora")
    assert [(acc.value("ACC.method_cd"), acc.value("ACC.permission_level_cd")) for acc in opr.objects] == [
        ("Glu", "1"),
        ("Ket", "1"),
    ]
    assert {acc.value("ACC.password") for acc in opr.objects} == {"MTIzNA=="}, "base64 of 1234"
    assert {acc.value("ACC.expiration_date") for acc in opr.objects} == {"2027-01-01T00:00:00+00:00"}
    assert (end.name, telling.then.at) == ("EOT.R01", datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
    assert end.objects[0].value("EOT.update_dttm") == "2026-11-21T12:00:00+00:00"


@pytest.mark.parametrize(
    ("level", "levels", "code"),
    [
        ("supervisor", {"supervisor": "4"}, "4"),
        ("supervisor", {}, ""),
        ("16", {"supervisor": "4"}, "16"),
    ],
    ids=["the maker's number", "a word without a number is not sent", "the maker's own code goes as it is"],
)
def test_the_level_of_an_operator(level: str, levels: dict[str, str], code: str) -> None:
    (telling,) = write(said("OP_LST"), Lists(operators=(Operator(id="1", level=level),)), levels=levels)
    assert documents(telling)[0].objects[0].objects[0].value("ACC.permission_level_cd") == code


def test_a_patient_is_told_with_place_name_birth_and_sex() -> None:
    about = Subject(
        patient_id="SYN-1", family_name="Test", given_name="Anna", birth_date="19700131", sex="F",
        location=Location(facility="H", point_of_care="4E", room="402"),
    )  # fmt: skip
    (telling,) = write(said("PT_LST"), Lists(patients=(about,)))
    page, end = documents(telling)
    (pt,) = page.objects
    fields = ("PT.patient_id", "PT.location", "PT.name", "PT.birth_date", "PT.gender_cd")
    assert [pt.value(name) for name in fields] == ["SYN-1", "H^4E^402", "Anna Test", "1970-01-31", "F"]
    assert end.objects[0].value("EOT.topic_cd") == "PTL"


CASES: dict[str, tuple[Message[Any], Lists, dict[str, Any], list[str] | None]] = {
    "never told: complete": (said("OP_LST"), Lists(operators=(NURSE, OTHER)), {}, ["OPL.R01 5047 5048", "EOT.R01 OPL"]),
    "a maker names the end of a list by its topic": (
        said("OP_LST"), Lists(operators=(NURSE,)), {"eot_topic": "topic"}, ["OPL.R01 5047", "EOT.R01 OP_LST"],
    ),
    "only the incremental topic: the first is complete all the same": (
        said("OP_LST_I"), Lists(operators=(NURSE,)), {}, ["OPL.R01 5047", "EOT.R01 OPL"],
    ),
    "nothing changed": (said("OP_LST"), Lists(operators=(NURSE,), told=told_before(NURSE)), {}, None),
    "a change, and the device takes changes: deletions first": (
        said("OP_LST", "OP_LST_I"), Lists(operators=(NURSE,), told=told_before(OTHER)), {},
        ["OPL.R02 D 5048", "OPL.R02 I 5047", "EOT.R01 OPL"],
    ),
    "a change, and it does not": (
        said("OP_LST"), Lists(operators=(NURSE,), told=told_before(OTHER)), {}, ["OPL.R01 5047", "EOT.R01 OPL"],
    ),
    "a change, and the profile says complete lists only": (
        said("OP_LST_I"), Lists(operators=(NURSE,), told=told_before(OTHER)), {"incremental": False}, ["OPL.R01 5047", "EOT.R01 OPL"],
    ),
    "another right is a change": (
        said("OP_LST_I"), Lists(operators=(OTHER,), told=told_before(Operator(id="5048", methods=("Glu",)))), {},
        ["OPL.R02 I 5048", "EOT.R01 OPL"],
    ),
    "nobody is left": (said("OP_LST"), Lists(told=told_before(NURSE)), {}, ["OPL.R01", "EOT.R01 OPL"]),
    "nobody ever was: the device keeps its own list": (said("OP_LST", "PT_LST"), Lists(), {}, None),
    "another serial number on the port": (
        said("OP_LST", "OP_LST_I", serial="S2"), Lists(operators=(NURSE,), told=told_before(NURSE)), {}, ["OPL.R01 5047", "EOT.R01 OPL"],
    ),
    "the device says that its list is as we told it": (
        said("OP_LST", updated="2026-11-20T08:00:00+00:00"), Lists(operators=(NURSE,), told=told_before(NURSE)), {}, None,
    ),
    "the device has lost its list": (
        said("OP_LST", "OP_LST_I", updated="2000-01-01T00:00:00.00-05:00"), Lists(operators=(NURSE,), told=told_before(NURSE)), {},
        ["OPL.R01 5047", "EOT.R01 OPL"],
    ),
    "what it said before it was told does not count": (
        said("OP_LST", updated="2000-01-01T00:00:00.00-05:00"),
        Lists(operators=(NURSE,), told={"operators": ListTold(serial="S1", at=NOON, fresh=True, entries=told_before(NURSE)["operators"].entries)}),
        {}, None,
    ),
    "the profile says that the device is told none": (said("OP_LST"), Lists(operators=(NURSE,)), {"operators": False}, None),
    "no topic": (said("D_EV", "DTV"), Lists(operators=(NURSE,), patients=(ANNA,)), {}, None),
}  # fmt: skip


@pytest.mark.parametrize(("message", "lists", "options", "expected"), CASES.values(), ids=CASES.keys())
def test_when_a_device_is_told_what(
    message: Message[Any], lists: Lists, options: dict[str, Any], expected: list[str] | None
) -> None:
    tellings = write(message, lists, **options)
    assert [in_short(one) for one in tellings] == ([] if expected is None else [expected])


def test_both_lists_are_told_to_who_takes_both() -> None:
    tellings = write(said("OP_LST", "PT_LST"), Lists(operators=(NURSE,), patients=(ANNA,)))
    assert [one.name for one in tellings] == ["operators", "patients"]


def test_every_page_fits_the_devices_message_and_together_they_are_the_list() -> None:
    staff = tuple(Operator(id=f"{n:05d}", family_name="Ö" * 20, given_name="N") for n in range(120))
    (telling,) = write(said("OP_LST", size="1000"), Lists(operators=staff))
    pages = documents(telling)
    sent = [document(one.name, "1234567890", NOON.isoformat(timespec="seconds"), "") for one in pages]
    bodies = [len(one.raw) for one in Splitter().feed(telling.text, 0.0) if isinstance(one, Document)]
    around = [len(b"<></>") + 2 * len(one.name) for one in pages]
    assert max(whole + body - outer for whole, body, outer in zip(map(len, sent), bodies, around, strict=True)) <= 1000
    ids = [opr.value("OPR.operator_id") for page in pages for opr in page.objects if page.name == "OPL.R01"]
    assert ids == [one.id for one in staff]
    assert 30 < len(pages) < 122, "several a page, and more than one page"
    assert [page.name for page in pages].count("EOT.R01") == 1


def test_the_header_of_the_longest_message_fits_what_is_kept_free_for_it() -> None:
    type_ = "DTV." + "X" * 36
    whole = document(type_, "1234567890", "2026-11-21T12:00:00+00:00", "")
    assert len(whole) + len(b"\x0b\x1c\r") - len(f"<{type_}></{type_}>") <= HEADER_MAX


def test_an_operator_who_does_not_fit_a_message_is_left_out_and_told_of() -> None:
    huge = Operator(id="1", methods=tuple(f"TEST-{n}" for n in range(60)))
    (telling,) = write(said("OP_LST", size="1000"), Lists(operators=(huge, OTHER)))
    assert in_short(telling) == ["OPL.R01 5048", "EOT.R01 OPL"]
    assert telling.problem == "1 do not fit a message of 1000 bytes even alone"
    assert list(telling.then.entries) == ["5048"]
    told = {"operators": ListTold(serial="S1", at=EARLIER, entries=telling.then.entries)}
    (again,) = write(said("OP_LST", size="1000"), Lists(operators=(huge, OTHER), told=told))
    assert (again.text, again.problem) == (b"", telling.problem), "it is not sent for ever"


@pytest.mark.parametrize(
    "capabilities",
    [
        '<DSC><DSC.max_op_list_sz V="1"/></DSC>',
        "<DCP><DCP.vendor_specific>Max_Op_List_Sz=1^MAC_Address=0</DCP.vendor_specific></DCP>",
    ],
    ids=["as DSC says it", "as Nova says it"],
)
def test_more_than_the_device_holds_are_not_told(capabilities: str) -> None:
    (telling,) = write(said("OP_LST", capabilities=capabilities), Lists(operators=(NURSE, OTHER)))
    assert (telling.text, telling.problem) == (b"", "there are 2, and the device holds 1; what it has stays")


# ---- a device that asks for one patient


def heard(raw: str) -> Message[Any]:
    (message,) = Host(ConversationProfile()).receive(raw.encode(), 0.0)
    assert isinstance(message, Message)
    return message


RPAT = '<REQ.R01><HDR/><REQ><REQ.request_cd V="RPAT"/><PT><PT.patient_id V="T-77"/></PT></REQ></REQ.R01>'
PTQRY = "<HEL.R01><HDR/><DEV><DCP><DCP.vendor_specific>PTQRY=1268</DCP.vendor_specific></DCP></DEV></HEL.R01>"


def test_hemoscreens_question_is_answered_under_the_number_that_it_asked_for() -> None:
    assert LISTING is not None
    assert LISTING.asks(heard(RPAT), context()) == "T-77"
    answer = parse(LISTING.patient(heard(RPAT), ANNA, context(), NOON)).root
    assert (answer.name, answer.objects[0].value("PT.patient_id"), answer.objects[0].value("PT.name")) == (
        "PTL.R01",
        "T-77",
        "Anna Test",
    )
    assert LISTING.patient(heard(RPAT), None, context(), NOON) == b"<PTL.R01></PTL.R01>", (
        "a list of nobody: HemoScreen expects one"
    )


def test_genexperts_question_is_answered_where_the_profile_says_that_it_asks() -> None:
    assert LISTING is not None
    assert LISTING.asks(heard(PTQRY), context()) is None
    asking = context(patient_query="DTV.CEPHEID.PTQRY")
    assert LISTING.asks(heard(PTQRY), asking) == "1268"
    text = LISTING.patient(heard(PTQRY), ANNA, asking, NOON)
    answer = parse(text.replace(b"PTQRY>", b"PTQRY><HDR/>", 1)).root
    _, command, about = answer.objects
    assert (answer.name, command.value("DTV.command_cd"), about.value("PT.patient_id")) == ("DTV.CEPHEID.PTQRY", "1", "1268")
    assert LISTING.patient(heard(PTQRY), None, asking, NOON) == b"", "nobody is known: there is no answer"


@pytest.mark.parametrize("raw", ["<KPA.R01><HDR/></KPA.R01>", '<REQ.R01><HDR/><REQ><REQ.request_cd V="ROBS"/></REQ></REQ.R01>'])
def test_other_messages_ask_for_nobody(raw: str) -> None:
    assert LISTING is not None
    assert LISTING.asks(heard(raw), context()) is None
    assert not LISTING.takes(heard(raw), context())
