"""merged with ``undo``: the LoRAs of the last merges stay in the state, and the merges can be undone."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

import adapter_workbench.workbench.training.best_epoch
from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.experiments.strategies._groups import ADAPTERS_FOLDER, Group, Groups, Merge, groups_in
from adapter_workbench.experiments.strategies.merged import MergedSettings
from adapter_workbench.experiments.studies.stream.plan.plan import make_plan
from adapter_workbench.workbench.adapters.adapter_folder import PEFT_WEIGHTS
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.files.digest import digest, size
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.settings.base import Budget, read
from adapter_workbench.workbench.training import Lesson
from tests.conftest import make_task
from tests.experiments.test_strategies_resume import Stop, Stopper
from tests.runs import stream_run
from tests.stages import adapted, context_for, walk
from tests.streams import TASKS, write_recipe

STRATEGY = STRATEGIES.get("merged")


@pytest.fixture(scope="module")
def walked(backbone: Backbone, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return ``undo`` → the context and the states of three tasks that share one LoRA; each task is trained once."""
    folder = tmp_path_factory.mktemp("kept")
    tasks = [make_task(name, *words) for name, words in TASKS.items()]
    budget = Budget(epochs=2, batch_size=8, max_length=16, precision="fp32")

    @cache
    def walked(undo: int) -> Any:
        settings = MergedSettings(keep=1, undo=undo)
        given = context_for(adapted("lora", backbone), budget, tasks, folder / "space", settings)
        return given, walk(STRATEGY, given, folder / str(undo))

    return walked


def test_the_loras_of_merges_are_kept_bit_for_bit(walked: Any) -> None:
    given, (first, second, third) = walked(2)
    groups = groups_in(third.existing)
    merges = [(merge.stage, [source.tasks for source in merge.sources]) for merge in groups.merges]
    assert merges == [(2, [("animals",), ("halves",)]), (3, [("animals", "halves"), ("fruits",)])]
    early, late = groups.merges
    adapters, was = third.existing / ADAPTERS_FOLDER, "001"
    assert digest(adapters / early.sources[0].folder) == digest(first.existing / ADAPTERS_FOLDER / was)
    assert digest(adapters / late.sources[0].folder) == digest(second.existing / ADAPTERS_FOLDER / was)
    sources = (*early.sources, *late.sources)
    assert len({source.weights for source in sources}) == 4
    for source in sources:
        assert digest(adapters / source.folder / PEFT_WEIGHTS) == source.weights
    for task, source in zip(given.tasks, (*early.sources, late.sources[1]), strict=True):
        lesson = Lesson(task, given.adaptation, given.budget, given.seed)
        stored = given.workspace.trained_adapter(lesson, Silent(), "test")
        assert digest(stored.folder / PEFT_WEIGHTS) == source.weights, "as the task alone was learned"


def test_older_merges_are_dropped_and_those_that_are_kept_are_counted(walked: Any) -> None:
    stored = []
    for undo, stages, folders in [
        (0, [], {"001"}),
        (1, [3], {"001", "003-001", "003-003"}),
        (2, [2, 3], {"001", "003-001", "003-003", "002-001", "002-002"}),
    ]:
        given, (*_, state) = walked(undo)
        assert [merge.stage for merge in groups_in(state.existing).merges] == stages
        assert {path.name for path in (state.existing / ADAPTERS_FOLDER).iterdir()} == folders
        stored.append(sum(map(size, STRATEGY.kept(state, given))))
    lora = size(walked(0)[1][0].existing / ADAPTERS_FOLDER)
    assert stored[1] - stored[0] >= 2 * 0.9 * lora
    assert stored[2] - stored[1] >= 2 * 0.9 * lora


def test_what_is_kept_changes_no_answer(walked: Any) -> None:
    given, plain = walked(0)
    for undo in (1, 2):
        _, states = walked(undo)
        for state, other in zip(states, plain, strict=True):
            assert groups_in(state.existing).groups == groups_in(other.existing).groups
        for task in given.tasks:
            assert STRATEGY.identity(states[-1], task, given) == STRATEGY.identity(plain[-1], task, given)


def test_a_merge_is_undone_after_those_that_took_what_it_made(walked: Any) -> None:
    _, (*_, state) = walked(2)
    groups = groups_in(state.existing)
    early, late = groups.merges
    assert groups.without(late) == Groups(late.sources, (early,), groups.cosines)
    assert groups.without(early) == Groups((*early.sources, late.sources[1]), (), groups.cosines)


def test_a_merge_is_undone_without_those_that_have_nothing_to_do_with_it() -> None:
    ab, cd = (Merge(stage, tuple(Group((name,), name) for name in names)) for stage, names in [(4, "ab"), (5, "cd")])
    groups = Groups((Group(("a", "b"), "1"), Group(("c", "d"), "3"), Group(("e",), "5")), (ab, cd))
    rest = groups.without(ab)
    assert [group.folder for group in rest.groups] == ["a", "b", "3", "5"]
    assert rest.merges == (cd,)
    assert [group.folder for group in rest.without(cd).groups] == ["a", "b", "c", "d", "5"]


def test_states_that_keep_no_merge_have_the_keys_that_they_had() -> None:
    settings = {"keep": 5, "pair": "cosine", "merge": "svd", "scale": 1.0}
    assert MergedSettings(pair="cosine", undo=0).model_dump(mode="json") == settings
    kept = MergedSettings(pair="cosine", undo=2)
    assert kept.model_dump(mode="json") == {**settings, "undo": 2}
    assert MergedSettings.model_validate(kept.model_dump(mode="json")) == kept


def test_only_states_of_merges_that_were_too_small_have_other_keys(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = "{strategy: merged, method: lora, learning_rate: 0.02, rank: 2, keep: 1, merge: %s}"
    rows = ", ".join(f"{name}: {row % name}" for name in ("svd", "ties"))
    recipe = read(write_recipe(tmp_path, bert)).set([f"strategies={{{rows}}}", "reference=svd", "seeds=[0]"])

    def keys() -> dict[tuple[str, int], str]:
        stages = make_plan(recipe, [tmp_path / "tasks"]).stages
        return {(stage.entry.label, stage.stage): stage.key for stage in stages}

    now = keys()
    monkeypatch.setattr(type(STRATEGY), "revision", lambda strategy, settings: 1)
    assert {label for (label, stage), earlier in keys().items() if earlier != now[label, stage]} == {"ties"}


def test_groups_of_earlier_versions_are_read(tmp_path: Path) -> None:
    (tmp_path / "groups.json").write_text('{"groups": [{"tasks": ["a", "b"], "folder": "001"}]}', encoding="utf-8")
    assert groups_in(tmp_path) == Groups((Group(("a", "b"), "001"),), ())
    assert groups_in(tmp_path / "elsewhere") == Groups()


def test_stopped_in_every_fit_it_ends_with_the_same_bytes(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        adapter_workbench.workbench.training.best_epoch, "CHECKPOINT_SECONDS", 0.0
    )  # else no fit is long enough for one
    changes = [
        "seeds=[0]",
        "budget.epochs=2",
        "budget.train_examples=16",
        "strategies={kept: {strategy: merged, method: lora, learning_rate: 0.02, rank: 2, keep: 1, undo: 2}}",
        "reference=kept",
        "keep_states=last",
    ]
    plan = make_plan(read(write_recipe(tmp_path, bert)).set(changes), [tmp_path / "tasks"])

    def states(root: Path, listener: Any) -> list[str]:
        stream_run(plan, root, listener)
        return [digest(root / "steps" / step.key / "state") for step in plan.stages]

    undisturbed, stopper, lives = states(tmp_path / "undisturbed", Silent()), Stopper(), 0
    while True:
        try:
            resumed = states(tmp_path / "stopped", stopper)
            break
        except Stop:
            lives += 1
            assert lives < 10
    assert lives == len(plan.stages) == 3
    assert resumed == undisturbed
    last = tmp_path / "stopped" / "steps" / plan.stages[-1].key / "state"
    assert [merge.stage for merge in groups_in(last).merges] == [2, 3]
