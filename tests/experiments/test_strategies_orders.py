"""What a plan makes of orders, of a frontier and of strategies that learn all at once; which cells are tested."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.experiments.studies.stream.plan.plan import Plan, make_plan
from adapter_workbench.experiments.studies.stream.results.summary import summarise
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.errors import SettingsError
from adapter_workbench.workbench.settings.base import read
from tests.runs import pending, stream_run
from tests.streams import write_recipe

NAMES = ("animals", "halves", "fruits")


def planned(bert: Path, folder: Path, *changes: str) -> Plan:
    return make_plan(read(write_recipe(folder, bert)).set(["seeds=[0]", *changes]), [folder / "tasks"])


def orders(plan: Plan) -> list[tuple[str, ...]]:
    return [tuple(task.name for task in order) for order in plan.orders]


def test_orders_are_seeded_permutations_and_the_first_is_the_recipes(bert: Path, tmp_path: Path) -> None:
    permuted = orders(planned(bert, tmp_path, "orders=4"))
    assert permuted[0] == NAMES
    assert len(set(permuted)) == 4
    assert {tuple(sorted(order)) for order in permuted} == {tuple(sorted(NAMES))}
    assert permuted == orders(planned(bert, tmp_path, "orders=4"))
    assert permuted[:2] == orders(planned(bert, tmp_path, "orders=2")), "more orders leave the first ones as they are"
    assert len(orders(planned(bert, tmp_path, "orders=50"))) == 6, "three tasks have no more"


def test_orders_can_be_named(bert: Path, tmp_path: Path) -> None:
    further = [("fruits", "halves", "animals"), ("halves", "fruits", "animals")]
    named = ", ".join(f"[{', '.join(order)}]" for order in further)
    plan = planned(bert, tmp_path, f"orders=[{named}]")
    assert orders(plan) == [NAMES, *further]
    assert {step.order for step in plan.stages} == {0, 1, 2}


def test_each_seed_may_draw_its_own_order(bert: Path, tmp_path: Path) -> None:
    few = planned(bert, tmp_path, "orders=per-seed", "seeds=[0, 1]")
    more = planned(bert, tmp_path, "orders=per-seed", "seeds=[0, 1, 2, 7, 9, 11]")
    assert orders(more)[:2] == orders(few), "seeds that are added leave the first ones as they are"
    assert orders(planned(bert, tmp_path, "orders=per-seed", "seeds=[7]")) == [orders(more)[3]], "the seed alone draws"
    assert len(set(orders(more))) > 2
    assert {(step.seed, step.order) for step in more.stages} == {(0, 0), (1, 1), (2, 2), (7, 3), (9, 4), (11, 5)}
    assert {step.key for step in few.stages} < {step.key for step in more.stages}
    for step in more.stages:
        assert tuple(task.name for task in step.tasks) == orders(more)[step.order][: step.stage]


@pytest.mark.parametrize("change", ["scenario=class-incremental", "evaluate_every=2", "tune=2"])
def test_orders_drawn_by_seeds_go_with_other_settings(change: str, bert: Path, tmp_path: Path) -> None:
    way = "strategies={one: {strategy: sequential, method: full}}"
    plan = planned(bert, tmp_path, "orders=per-seed", "seeds=[0, 1]", way, "reference=one", change)
    assert len(plan.orders) == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("[[animals, halves]]", "order 1 .*: fruits"),
        ("[[animals, halves, fruit]]", "order 1 .*: fruit, fruits"),
        ("[[animals, halves, fruits, fruits]]", "order 1 .*twice"),
        ("[[fruits, halves, animals], [fruits, halves, animals]]", "order 2 was there before"),
        ("[[animals, halves, fruits]]", "order 1 was there before"),
        ("[]", "'orders'"),
        ("[[1, 2, 3]]", "'orders"),
        ("0", "'orders'"),
        ("per_seed", "'orders'.*per-seed"),
        ("[per-seed]", "'orders"),
        ("[[per-seed]]", "order 1 .*per-seed"),
    ],
)
def test_orders_that_are_none_are_told(given: str, message: str, bert: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=message):
        planned(bert, tmp_path, f"orders={given}")


def test_equal_beginnings_are_learned_once(bert: Path, tmp_path: Path) -> None:
    plan = planned(bert, tmp_path, "orders=6")
    for label in ("isolated", "sequential"):
        own = [step for step in plan.stages if step.entry.label == label]
        keys = {tuple(task.name for task in step.tasks): set() for step in own}
        for step in own:
            keys[tuple(task.name for task in step.tasks)].add(step.key)
        assert len(own) == 6 * 3
        assert all(len(own_keys) == 1 for own_keys in keys.values()), "equal beginnings, equal keys"
        assert len(set.union(*keys.values())) == len(keys) == 3 + 6 + 6
        for step in own:
            assert (step.before is None) == (step.stage == 1)
            if step.before:
                assert plan.previous(step).tasks == step.tasks[:-1]
            first = plan.learned(step, step.tasks[0])
            assert (first.order, first.stage) == (step.order, 1)


def test_all_at_once_is_one_step_from_the_pretrained_weights(bert: Path, tmp_path: Path) -> None:
    change = "strategies.joint={strategy: joint, method: full, learning_rate: 0.003}"
    plan = planned(bert, tmp_path, "orders=2", "seeds=[0, 1]", change)
    own = [step for step in plan.stages if step.entry.label == "joint"]
    assert STRATEGIES.get("joint").stages == "last"
    assert [(step.seed, step.order, step.stage, step.before) for step in own] == [
        (seed, order, 3, None) for seed in (0, 1) for order in (0, 1)
    ]
    sequential = [step for step in plan.stages if step.entry.label == "sequential" and step.seed == step.order == 0]
    assert plan.updates(own[0]) == sum(plan.updates(step) for step in sequential), "as many passes as the stream"


def test_last_row_alone_is_there_where_all_is_learned_at_once(bert: Path, tmp_path: Path) -> None:
    change = "strategies={joint: {strategy: joint, method: full, learning_rate: 0.003}}"
    plan = planned(bert, tmp_path, change, "reference=joint", "budget.epochs=1")
    report = summarise(stream_run(plan, tmp_path / "space"))
    matrix = report.strategies[0].matrix
    assert [[score is not None for score in row] for row in matrix[1:]] == [[False] * 3, [False] * 3, [True] * 3]


def test_frontier_is_the_entry_at_other_rates(bert: Path, tmp_path: Path) -> None:
    plan = planned(bert, tmp_path, "frontier={sequential: [0.001, 0.003, 0.01]}")
    own, *others = [entry for entry in plan.entries if entry.strategy == "sequential"]
    assert own.frontier is None
    labels = [entry.label for entry in others]
    assert labels == ["sequential @ 0.001", "sequential @ 0.01"], "its own rate is there already"
    for entry in others:
        assert entry.frontier == "sequential"
        assert {**entry.settings, "learning_rate": own.settings["learning_rate"]} == own.settings
    steps = {entry.label: {step.key for step in plan.stages if step.entry == entry} for entry in (own, *others)}
    assert len(set.union(*steps.values())) == 9


@pytest.mark.parametrize(("every", "second"), [(1, [0, 1]), (2, [0, 1]), (3, [1])])
def test_earlier_tasks_are_tested_as_often_as_the_recipe_says(
    every: int, second: list[int], bert: Path, tmp_path: Path
) -> None:
    change = "strategies={one: {strategy: sequential, method: full, learning_rate: 0.003}}"
    plan = planned(bert, tmp_path, change, "reference=one", "budget.epochs=1", f"evaluate_every={every}")
    record = stream_run(plan, tmp_path / "space")
    cells = {outcome.stage: [NAMES.index(cell.task) for cell in outcome.cells] for outcome in record.outcomes}
    assert cells == {1: [0], 2: second, 3: [0, 1, 2]}


@pytest.mark.parametrize("change", ["probe_examples=16", "probe_text=imdb"])
def test_what_no_probe_reads_is_refused(change: str, bert: Path, tmp_path: Path) -> None:
    name = change.split("=")[0]
    with pytest.raises(SettingsError, match=f"^--set {change}: .*probe .*'{name}'"):
        planned(bert, tmp_path, change)


def test_steps_that_orders_share_are_planned_once(bert: Path, tmp_path: Path) -> None:
    entry = "tried: {strategy: sequential, method: full}"
    plan = planned(bert, tmp_path, "orders=6", f"strategies={{{entry}}}", "reference=tried")
    waiting = [piece.coordinates["step"] for piece in pending(plan, Workspace(tmp_path / "space"))]
    assert len(plan.stages) == 6 * 3
    assert sorted(waiting) == sorted({step.key for step in plan.stages})
    assert len(waiting) == 3 + 6 + 6, "three first tasks, six pairs, six orders"
