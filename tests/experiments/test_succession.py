"""Who becomes the champion of a name, and where a rollback leads; nothing is stored."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapter_workbench.experiments.gating import succession
from adapter_workbench.experiments.gating.succession import back, decide, full_name
from adapter_workbench.experiments.workspace.registered_names import RegisteredName, name_from_mlflow
from adapter_workbench.workbench.errors import InputError, UnknownNameError
from adapter_workbench.workbench.mlflow.registration import Entry, RegisteredModel, Version
from tests.messages import naming

EXAMPLES = "16 validation examples of news (data 0123abcd)"


def version(number: int, validation: float | None, **others: object) -> Version:
    plain = Version(str(number), f"adapter-{number}", "the same", validation, examples=EXAMPLES)
    return replace(plain, **others)  # type: ignore[arg-type]


def registered(*scores: float | None, **others: object) -> RegisteredName:
    """Return a name whose versions were registered one after the other, each by its score."""
    known = RegisteredName()
    for number, score in enumerate(scores, 1):
        new = version(number, score, **others)
        known = known.with_versions_of(RegisteredModel("news.lora", (new,)))
        wins, why = decide("news.lora", new, known.champion)
        known = known.with_champion(new, known.line, why, aside=False) if wins else known
    return known


def promote(name: str, known: RegisteredName, to: str | None) -> RegisteredName:
    """Return the name after a promotion, where the rows cannot be asked."""
    return succession.promote(known, succession.promoted(name, known, to), None)


def champion(known: RegisteredName) -> str:
    assert known.champion
    return known.champion.number


def test_a_sender_s_name_in_a_command_is_quoted() -> None:
    _, why = decide("news; touch x.lora", version(2, None), version(1, 0.75))
    assert "promote 'news; touch x.lora' --to 2`" in why


def test_the_champion_is_the_best_on_the_same_examples_and_the_reason_says_which_these_are() -> None:
    first, second = version(1, 0.75), version(2, 0.875)
    assert decide("news.lora", first, None) == (True, "version 1 is the champion: there was none")
    assert decide("news.lora", first, first) == (True, "version 1 is the champion already")
    assert decide("news.lora", version(2, 0.75), first)[0] is False, "an equal score beats nobody"
    assert decide("news.lora", second, first) == (
        True,
        f"version 2 is the champion: on {EXAMPLES}, version 2 has 0.8750, version 1 0.7500",
    )
    assert decide("news.lora", first, second) == (
        False,
        f"version 2 stays champion: on {EXAMPLES}, version 1 has 0.7500, version 2 0.8750",
    )
    other = version(3, 1.0, measure="others", examples="8 validation examples of news (data 4567cdef)")
    wins, why = decide("news.lora", other, first)
    assert (wins, why.startswith("version 1 stays champion: not compared: version 3 has 1.0000 on 8 vali")) == (
        False,
        True,
    )
    assert f"version 1 has 0.7500 on {EXAMPLES}; `workbench adapters promote news.lora --to 3`" in why
    wins, why = decide("news.lora", version(1, None), None)
    assert (wins, "`workbench adapters test adapter-1` measures it here" in why) == (False, True)


def test_each_rollback_goes_one_champion_back() -> None:
    known = registered(0.5, 0.25, 0.625, 0.75)
    assert (champion(known), known.line) == ("4", ("1", "3", "4"))
    known = back("news.lora", known, None)
    assert champion(known) == "3"
    known = back("news.lora", known, None)
    assert champion(known) == "1", "2 never was champion"
    with pytest.raises(InputError, match="no champion before version 1 is recorded") as refused:
        back("news.lora", known, None)
    assert "--to: version 4 (adapter-4, 0.7500 on validation), version 3 (adapter-3" in str(refused.value)
    assert [(change.version, change.before) for change in known.history] == [
        ("1", None),
        ("3", "1"),
        ("4", "3"),
        ("3", "4"),
        ("1", "3"),
    ]


def test_after_a_rollback_to_a_version_the_next_one_goes_to_what_was_champion_before_it() -> None:
    known = registered(0.5, 0.25, 0.75)
    never = back("news.lora", known, "2")
    assert (champion(never), champion(back("news.lora", never, None))) == ("2", "3"), "2 never was champion before"
    known = registered(0.5, 0.625, 0.75)
    earlier = back("news.lora", known, "2")
    assert (champion(earlier), champion(back("news.lora", earlier, None))) == ("2", "1"), "as after one rollback"
    first = back("news.lora", known, "1")
    again = back("news.lora", first, "3")
    assert champion(back("news.lora", again, None)) == "1"
    assert champion(back("news.lora", known, "adapter-2")) == "2", "an adapter names its version"
    twice = back("news.lora", back("news.lora", known, None), None)
    for far in (first, twice):
        assert [version.set_aside for version in far.versions] == [False, True, True], "none comes back by itself"


def test_a_promotion_takes_any_version_and_records_what_was_compared() -> None:
    known = promote("news.lora", registered(0.5, 0.25), "2")
    assert champion(known) == "2"
    assert known.history[-1].why == f"promoted; on {EXAMPLES}, version 2 has 0.2500, version 1 0.5000"
    assert champion(back("news.lora", known, None)) == "1"
    foreign = promote("news.lora", registered(0.5, None), "2")
    assert foreign.history[-1].why.startswith("promoted; not compared: no score of version 2 counts here")
    for to, message in (
        (None, r"--to VERSION is missing\n  Name one with --to: version 2 "),
        ("1", "version 1 is the champion already"),
        ("7", "no version 7"),
        ("x-1", "'x-1' is not"),
    ):
        with pytest.raises(InputError, match=message):
            promote("news.lora", registered(0.5, 0.25), to)


def test_what_a_person_took_the_place_from_does_not_come_back_by_itself() -> None:
    for known in (back("news.lora", registered(0.5, 0.75), None), promote("news.lora", registered(0.5, 0.75), "1")):
        again = known.version("2")
        assert again
        wins, why = decide("news.lora", again, known.champion)
        assert (wins, "`workbench adapters promote news.lora --to 2`" in why) == (False, True)
        assert decide("news.lora", version(3, 0.625), known.champion)[0], "another one is compared with the champion"
        crowned = promote("news.lora", known, "2").champion
        assert crowned
        assert not crowned.set_aside


def test_a_version_is_known_by_its_adapter_where_another_registry_counts_anew() -> None:
    known = registered(0.5, 0.75)
    elsewhere = RegisteredModel(
        "news.lora", (version(1, 0.875, adapter="adapter-new"), version(2, 0.5, adapter="adapter-1"))
    )
    known = known.with_versions_of(elsewhere)
    assert [(own.number, own.adapter) for own in known.versions] == [
        ("1", "adapter-1"),
        ("2", "adapter-2"),
        ("3", "adapter-new"),
    ]


def test_an_adapter_of_the_same_id_with_other_files_is_another_version() -> None:
    known = registered(0.5, 0.75, adapter="a", identity="files")
    assert len(known.versions) == 1, "the same files"
    other = Entry("news.lora", "other files", "a", "the same", 0.25)
    known = known.with_versions_of(RegisteredModel("news.lora", (replace(other.version, number="1"),)))
    known = known.with_facts_of(replace(other, validation=0.375))
    assert [(own.number, own.identity, own.validation) for own in known.versions] == [
        ("1", "files", 0.5),
        ("2", "other files", 0.375),
    ]
    with pytest.raises(InputError, match="'a' has other files in version 1 and version 2"):
        promote("news.lora", known, "a")


def test_champions_of_an_earlier_version_are_taken_over_with_those_before_them() -> None:
    versions = tuple(version(number, 0.5 + number / 10) for number in (1, 2, 3))
    known = name_from_mlflow(RegisteredModel("news.lora", versions, "3", {"3": "2", "2": "1"}))
    assert (known.line, known.history[-1].why) == (("1", "2", "3"), "taken over from MLflow's alias")
    circle = name_from_mlflow(RegisteredModel("news.lora", versions, "3", {"3": "2", "2": "3"}))
    assert circle.line == ("2", "3")
    assert name_from_mlflow(RegisteredModel("news.lora", versions)).champion is None


def test_a_task_with_one_name_means_that() -> None:
    assert full_name("news", ["news.lora", "other.lora"]) == "news.lora"
    with pytest.raises(InputError, match=naming("'news'", "news.head", "news.lora")):
        full_name("news", ["news.head", "news.lora"])
    with pytest.raises(UnknownNameError, match=r"Did you mean news\.lora"):
        full_name("news.lor", ["news.lora"])
