"""What is offered for a code that nobody knows: for people to judge, the surest first."""

from __future__ import annotations

from gateway.mapping import Key, Kind
from gateway.mapping.livd import Suggestion, decisions, suits
from gateway.mapping.near import guesses

GLU = Key(code="1069", device="LAB-1", maker="Acme", model="Big 1", unit="mg/dL", result=Kind.NUMBER)


def suggestion(
    loinc: str = "2345-7", result: str = "mg/dL", prop: str = "MCnc", specimen: str = "", model: str = "Big 1"
) -> Suggestion:
    return Suggestion(
        place="row 2",
        maker="Acme Diagnostics",
        model=model,
        code="1069",
        specimen=specimen,
        result=result,
        loinc=loinc,
        prop=prop,
    )


def test_a_suggestion_suits_the_maker_the_model_and_the_unit() -> None:
    assert suits(suggestion(), GLU)
    assert not suits(suggestion(model="Big 2"), GLU)
    assert not suits(suggestion("14749-6", "mmol/L", "SCnc"), GLU)
    assert not suits(suggestion("94563-4", "Positive", "PrThr"), GLU), "a finding is no number"
    assert not suits(suggestion("2350-7", specimen="Urine"), GLU), "a specimen that is not said is no urine"


def test_makers_suggestions_come_first_then_what_is_called_alike_in_a_unit_of_its_kind() -> None:
    found = guesses(GLU, "Glucose HK", [(7, "acme.csv", suggestion())])
    assert (found[0].loinc, found[0].number) == ("2345-7", 7)
    by_name = guesses(Key(code="1069", unit="mmol/L", result=Kind.NUMBER), "Glucose", [])
    assert "14749-6" in [one.loinc for one in by_name]
    assert "2345-7" not in [one.loinc for one in by_name], "mmol/L is no mass concentration"


def test_nothing_alike_is_nothing_offered() -> None:
    assert guesses(Key(code="ZZQ9", unit="mg/dL"), "", []) == []


def test_accepting_narrows_to_the_unit_and_leaves_the_specimen_open() -> None:
    (one,) = decisions(suggestion(specimen="Serum; Plasma"), [], Key(code="", maker="Acme", model="Big 1"), "livd 7")
    assert one.key == Key(code="1069", maker="Acme", model="Big 1", unit="mg/dL")
    assert (one.loinc, one.prop, one.source) == ("2345-7", "MCnc", "livd 7")


def test_where_another_specimen_makes_it_something_else_the_specimen_narrows() -> None:
    urine = suggestion("2350-7", specimen="Urine")
    made = decisions(suggestion(specimen="Serum; Plasma"), [urine], Key(code="", device="LAB-1"), "livd 7")
    assert [one.key.specimen for one in made] == ["Serum", "Plasma"]


def test_a_finding_is_decided_for_words_alone() -> None:
    (one,) = decisions(suggestion("94563-4", "Positive", "PrThr"), [], Key(code="", device="LAB-1"), "livd 8")
    assert (one.key.result, one.key.unit) == (Kind.WORDS, "")
