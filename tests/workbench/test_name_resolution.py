"""What a name means among stored adapters: exact ids, tasks, champions, scores that can be compared, beginnings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.workbench.adapters.ids import by_id, short_ids
from adapter_workbench.workbench.adapters.manifest import Manifest
from adapter_workbench.workbench.adapters.name_resolution import (
    NamedAdapter,
    NamedChampion,
    adapter_for_task,
    readable,
    resolve_name,
)
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.validation_scores import Score, Scoring, measure, own_score
from adapter_workbench.workbench.errors import InputError, IntegrityError, UnknownNameError
from adapter_workbench.workbench.settings.base import Budget
from tests.workbench.test_store import manifest, writer

STORED = {
    "tweets-lora-aaaa1111": {"validation": 0.70, "created": "2026-01-01"},
    "tweets-lora-aaaa2222": {"validation": 0.90, "created": "2026-01-02"},
    "tweets-lora-bbbb3333": {"validation": 0.80, "created": "2026-01-03"},
    "tweets-class-lora-cccc4444": {"validation": 0.99, "created": "2026-01-04"},
}


def adapter(name: str, validation: float = 0.5, created: str = "2026-01-01", **others: Any) -> Manifest:
    """Return a manifest whose task and method are those in its id."""
    plain = manifest(name)
    task, method, _ = name.rsplit("-", 2)
    others = {"method": method, "fit": replace(plain.fit, validation=validation), "created": created, **others}
    return plain.model_copy(update={"task": plain.task.model_copy(update={"name": task}), **others})


@pytest.fixture
def store(tmp_path: Path) -> AdapterStore:
    filled = AdapterStore(tmp_path)
    for name, about in STORED.items():
        filled.save(adapter(name, **about), writer())
    return filled


@pytest.mark.parametrize(
    ("name", "meant", "why"),
    [
        ("tweets-lora-aaaa1111", "tweets-lora-aaaa1111", ""),
        ("tweets", "tweets-lora-aaaa2222", "best of 3 adapters on the same validation examples (0.9000)"),
        ("tweets.lora", "tweets-lora-aaaa2222", "best of 3"),
        ("tweets-lora", "tweets-lora-aaaa2222", "best of 3"),
        ("tweets-class", "tweets-class-lora-cccc4444", "the only adapter for tweets-class"),
        ("tweets-class.lora", "tweets-class-lora-cccc4444", "the only adapter of tweets-class.lora"),
        ("tweets-class-lora", "tweets-class-lora-cccc4444", "the only adapter whose id is tweets-class-lora-…"),
        ("tweets-c", "tweets-class-lora-cccc4444", "begins so"),
        ("tweets-lora-b", "tweets-lora-bbbb3333", "begins so"),
        ("bbbb3333", "tweets-lora-bbbb3333", "ends so"),
    ],
)
def test_a_name_is_an_id_a_task_or_a_beginning(store: AdapterStore, name: str, meant: str, why: str) -> None:
    choice = resolve_name(store, name)
    assert choice.id == meant
    assert why in choice.why
    assert bool(why) == bool(choice.why)


def test_a_beginning_of_several_is_told_with_a_few_of_them(store: AdapterStore) -> None:
    with pytest.raises(InputError, match=r"begins 3 ids: tweets-lora-aaaa1111, .*\n  Give more"):
        resolve_name(store, "tweets-l")
    for number in range(6):
        store.save(adapter(f"tweets-lora-d{number}"), writer())
    with pytest.raises(InputError, match=r"begins 9 ids: .* and 5 more"):
        resolve_name(store, "tweets-l")


def test_an_unknown_name_looks_at_each_id_a_few_times() -> None:
    """A server is asked such names by anyone, and may have a thousand adapters."""
    looked_at: list[str] = []

    class Id(str):
        __slots__ = ()

        def rpartition(self, separator: str) -> Any:
            looked_at.append(self)
            return super().rpartition(separator)

    ids = [Id(f"task-{number}-lora-{number:08x}") for number in range(200)]
    assert by_id("0000000a", ids) == ids[10]
    assert short_ids([*ids, Id("other-lora-0000000a")])[10:12] == [ids[10], "0000000b"]
    with pytest.raises(UnknownNameError):
        by_id("nobody", ids)
    assert len(looked_at) <= 5 * 200


def test_what_is_unknown_suggests_tasks_too(store: AdapterStore) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean tweets"):
        resolve_name(store, "tweet5")
    with pytest.raises(UnknownNameError):
        resolve_name(store, "")


def test_of_many_only_the_nearest_are_named(store: AdapterStore) -> None:
    for number in range(60):
        store.save(adapter(f"reviews-lora-{number:08d}"), writer())
    with pytest.raises(UnknownNameError) as refused:
        resolve_name(store, "twets")
    hint = "Did you mean tweets or tweets-class? There are 67 names; `workbench adapters list` lists them."
    assert refused.value.hint == hint
    with pytest.raises(UnknownNameError) as refused:
        resolve_name(store, "zzz")
    assert refused.value.hint == "There are 67 names; `workbench adapters list` lists them."


def test_a_key_with_a_wrong_letter_finds_the_id_that_ends_so(store: AdapterStore) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean tweets-lora-aaaa1111"):
        resolve_name(store, "aaaa1112")


def test_the_champion_goes_first_and_is_asked_for_only_where_a_task_is_named(store: AdapterStore) -> None:
    champion = {"tweets.lora": NamedChampion("tweets-lora-aaaa1111")}
    choice = resolve_name(store, "tweets", lambda: champion)
    assert choice == NamedAdapter("tweets-lora-aaaa1111", "the champion of tweets.lora")

    def never() -> dict[str, NamedChampion]:
        raise AssertionError("nobody asked for a champion")

    assert resolve_name(store, "tweets-lora-aaaa2222", never).id == "tweets-lora-aaaa2222"
    gone = resolve_name(store, "tweets", lambda: {"tweets.lora": NamedChampion("removed-lora-1")})
    assert (gone.id, "removed-lora-1, the champion of tweets.lora, is not" in gone.why) == (
        "tweets-lora-aaaa2222",
        True,
    )


def test_a_champion_is_the_adapter_that_was_registered_not_another_one_under_its_id(store: AdapterStore) -> None:
    stored = store.get("tweets-lora-aaaa1111")
    for identity, answers in ((stored.identity, True), ("of other files", False)):
        champion = {"tweets.lora": NamedChampion(stored.id, identity)}
        assert (resolve_name(store, "tweets", lambda champion=champion: champion).id == stored.id) == answers  # type: ignore[misc]


def test_a_champion_that_cannot_be_read_is_an_error_and_not_another_adapter(store: AdapterStore) -> None:
    (store.root / "tweets-lora-aaaa1111" / "manifest.json").write_text("{")
    with pytest.raises(IntegrityError, match="no readable manifest"):
        resolve_name(store, "tweets", lambda: {"tweets.lora": NamedChampion("tweets-lora-aaaa1111")})


def test_an_adapter_from_elsewhere_counts_by_what_was_measured_here_alone() -> None:
    own = adapter("tweets-lora-1", 0.6, "2026-01-01")
    foreign = adapter("tweets-lora-2", 1.0, "2026-01-02", imported="2026-01-03")
    choice = adapter_for_task("tweets", [own, foreign])
    why = "the only adapter for tweets that counts; 1 more came from elsewhere, and was not measured here"
    assert choice == NamedAdapter(own.id, why)
    assert "was not measured here" in adapter_for_task("tweets", [foreign]).why, "where there is no other, it answers"
    crowned = {"tweets.lora": NamedChampion(foreign.id)}
    assert adapter_for_task("tweets", [own, foreign], crowned).id == own.id, "an id alone makes no champion"
    assert (
        adapter_for_task("tweets", [own, foreign], {"tweets.lora": NamedChampion(foreign.id, foreign.identity)}).id
        == foreign.id
    )

    def scoring(measured: float) -> Scoring:
        scores = {own.id: own_score(own), foreign.id: Score(measured, measure(own), "the same")}
        return lambda manifest: scores[manifest.id]

    assert adapter_for_task("tweets", [own, foreign], None, scoring(0.5)).id == own.id
    later = adapter("tweets-lora-3", 0.6, "2026-01-04")
    backdated = foreign.model_copy(update={"created": "2099-01-01"})
    assert adapter_for_task("tweets", [later, backdated], None, lambda manifest: own_score(later)).id == later.id, (
        "it came before"
    )
    assert adapter_for_task("tweets", [own, foreign], None, scoring(0.7)).id == foreign.id


def test_scores_on_other_examples_are_not_compared() -> None:
    smaller = Budget(epochs=1, eval_examples=10)
    easy = adapter("tweets-lora-1", 0.99, "2026-01-01", budget=smaller)
    old, new = adapter("tweets-lora-2", 0.7, "2026-01-02"), adapter("tweets-lora-3", 0.6, "2026-01-03")
    choice = adapter_for_task("tweets", [easy, old, new])
    assert choice.id == "tweets-lora-2"
    assert choice.why.endswith("(0.7000); scores of 1 more are of other examples")
    choice = adapter_for_task("tweets", [easy, new])
    assert (choice.id, choice.why[:15]) == ("tweets-lora-3", "the newest of 2")


def test_scores_on_the_whole_split_are_compared_whatever_the_budget_would_have_allowed() -> None:
    budgets = [Budget(epochs=1), Budget(epochs=1, eval_examples=240), Budget(epochs=1, eval_examples=500)]
    budgets.append(Budget(epochs=1, validation_examples=300))
    adapters = [
        adapter(f"tweets-lora-{index}", 0.9 - index / 10, budget=budget, seed=index)
        for index, budget in enumerate(budgets)
    ]
    whole = [
        stored.model_copy(update={"fit": replace(stored.fit, validation_examples=100)}) for stored in adapters
    ]  # as many as the split has
    assert "best of 4 adapters on the same validation examples" in adapter_for_task("tweets", whole).why
    cut = [stored.model_copy(update={"fit": replace(stored.fit, validation_examples=240)}) for stored in adapters[1:3]]
    assert adapter_for_task("tweets", cut).why.startswith("the newest of 2 adapters"), (
        "240 of many are not the 240 of the split"
    )


def test_few_shot_validation_examples_belong_to_their_seed() -> None:
    few = Budget(epochs=1, validation_examples=8)
    adapters = [adapter("tweets-lora-1", 0.9, "2026-01-01", budget=few, seed=0)]
    adapters.append(adapter("tweets-lora-2", 0.6, "2026-01-02", budget=few, seed=1))
    assert adapter_for_task("tweets", adapters).id == "tweets-lora-2"
    assert (
        adapter_for_task("tweets", [stored.model_copy(update={"seed": 1}) for stored in adapters]).id == "tweets-lora-1"
    )


def test_of_several_champions_the_best_is_taken() -> None:
    adapters = [adapter("tweets-lora-1", 0.6), adapter("tweets-pfeiffer-2", 0.8), adapter("tweets-bitfit-3", 0.9)]
    crowned = {"tweets.lora": NamedChampion("tweets-lora-1"), "tweets.pfeiffer": NamedChampion("tweets-pfeiffer-2")}
    choice = adapter_for_task("tweets", adapters, crowned)
    assert (choice.id, "best of 2 champions" in choice.why) == ("tweets-pfeiffer-2", True)


def test_a_score_that_is_no_number_is_the_lowest() -> None:
    adapters = [adapter("tweets-lora-1", float("nan"), "2026-01-02"), adapter("tweets-lora-2", -0.5)]
    assert adapter_for_task("tweets", adapters).id == "tweets-lora-2"


def test_adapters_that_do_not_suit_stand_back(store: AdapterStore) -> None:
    assert resolve_name(store, "tweets", suits=lambda stored: stored.fit.validation < 0.85).id == "tweets-lora-bbbb3333"
    assert resolve_name(store, "tweets", suits=lambda stored: False).id == "tweets-lora-aaaa2222"


def test_a_damaged_adapter_hinders_no_other(store: AdapterStore) -> None:
    (store.root / "tweets-lora-aaaa2222" / "manifest.json").write_text("{")
    assert resolve_name(store, "tweets").id == "tweets-lora-bbbb3333"
    assert resolve_name(store, "tweets-lora-aaaa2222").id == "tweets-lora-aaaa2222", "an id is an id"


def test_an_adapter_that_is_removed_meanwhile_hinders_no_other(
    store: AdapterStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, ids = "gone-lora-00000000", store.ids()
    listed = iter([[*ids, gone]])
    monkeypatch.setattr(store, "ids", lambda: next(listed, ids))
    assert [stored.id for stored in readable(store)] == ids
    assert store.damage(gone) is None
    monkeypatch.setattr(store, "ids", lambda: [*ids, gone])
    assert resolve_name(store, "tweets").id == "tweets-lora-aaaa2222"
    assert store.damage(gone) is None


def test_only_an_id_or_a_beginning_that_reaches_into_its_key_removes(store: AdapterStore) -> None:
    for name in ("tweets", "tweets.lora", "tweets-lora", "tweets-c"):
        with pytest.raises(InputError):
            store.remove(name)
    assert store.remove("tweets-class-lora-cc") == "tweets-class-lora-cccc4444"
    assert len(store.ids()) == 3
