"""Every strategy, stopped in the middle of every fit and let go on: the same numbers and the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import adapter_workbench.workbench.training.best_epoch
from adapter_workbench.experiments.studies.stream.plan.plan import make_plan
from adapter_workbench.workbench.files.digest import digest
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.settings.base import read
from tests.experiments.test_strategies import ENTRIES
from tests.runs import stream_run
from tests.streams import write_recipe


class Stop(BaseException):
    """Not an Exception, like KeyboardInterrupt: nothing may swallow it."""


class Stopper(Silent):
    """Stops each fit once, in its second epoch."""

    def __init__(self) -> None:
        self.stopped: set[str] = set()

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        def advance(step: int, epoch: float, loss: float) -> None:
            if label not in self.stopped and epoch > 1.2:
                self.stopped.add(label)
                raise Stop

        yield advance


EVERY = pytest.param("all", list(ENTRIES), marks=pytest.mark.acceptance)


@pytest.mark.parametrize(("keep", "names"), [EVERY, ("last", ["ewc", "der-plus-plus"])])
def test_stopped_in_the_middle_of_every_fit_it_ends_with_the_same_bytes(
    keep: str, names: list[str], bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        adapter_workbench.workbench.training.best_epoch, "CHECKPOINT_SECONDS", 0.0
    )  # else no fit here is long enough for one
    entries = ", ".join(f"{name}: {ENTRIES[name]}" for name in names)
    changes = [
        "tasks=[animals, halves]",
        "seeds=[0]",
        "budget.epochs=2",
        "budget.train_examples=16",
        f"strategies={{{entries}}}",
    ]
    changes += [f"reference={names[0]}", f"keep_states={keep}"]
    plan = make_plan(read(write_recipe(tmp_path, bert)).set(changes), [tmp_path / "tasks"])

    def all_there_is(root: Path, listener: Any) -> tuple[list[Any], dict[str, str]]:
        record = stream_run(plan, root, listener)
        numbers = [
            (
                outcome.label,
                outcome.stage,
                outcome.validation,
                [(cell.task, cell.score, cell.evaluation) for cell in outcome.cells],
            )
            for outcome in record.outcomes
        ]
        steps = [step.key for step in plan.stages]
        states = {key: digest(root / "steps" / key / "state") for key in steps}
        kept = {file.parent.name: file.read_bytes() for file in root.glob("evaluations/*/outcomes.parquet")}
        return [numbers, kept], states

    undisturbed = all_there_is(tmp_path / "undisturbed", Silent())
    stopper, lives = Stopper(), 0
    while True:
        try:
            resumed = all_there_is(tmp_path / "stopped", stopper)
            break
        except Stop:
            lives += 1
            assert lives < 100
    assert len(plan.stages) == 2 * len(names) - ("joint" in names)
    assert lives == len(stopper.stopped) == len(plan.stages) - ("ranpac" in names), "it fits in its first session alone"
    assert resumed == undisturbed
    assert not list((tmp_path / "stopped" / "fits").glob("*/*")), "no checkpoint is left behind"
    if keep == "last":
        dropped = {"memory.parquet", "fisher.safetensors", "body"}
        remaining = {
            path.name
            for step in plan.stages
            if step.stage == 1
            for path in (tmp_path / "stopped" / "steps" / step.key / "state").iterdir()
        }
        assert not remaining & dropped


def test_stream_with_several_dropped_parts_is_taken_up_again(bert: Path, tmp_path: Path) -> None:
    """A stream that goes on from a state without its body and its memory learns them anew, to the same numbers."""
    entries = ", ".join(f"{name}: {ENTRIES[name]}" for name in ("ewc", "der-plus-plus"))
    changes = [
        "seeds=[0]",
        "budget.epochs=1",
        "budget.train_examples=16",
        f"strategies={{{entries}}}",
        "reference=ewc",
        "keep_states=last",
    ]
    document = read(write_recipe(tmp_path, bert)).set(changes)
    first = make_plan(document.set(["tasks=[animals, halves]"]), [tmp_path / "tasks"])
    branch = make_plan(document.set(["tasks=[animals, fruits]", "name=branch"]), [tmp_path / "tasks"])

    def scores(plan: Any, root: Path) -> list[Any]:
        record = stream_run(plan, root)
        return [[(cell.task, cell.score) for cell in outcome.cells] for outcome in record.outcomes]

    undisturbed = scores(branch, tmp_path / "undisturbed")
    scores(first, tmp_path / "space")
    assert scores(branch, tmp_path / "space") == undisturbed


def test_parts_that_come_back_may_be_interrupted_between_two_of_them(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = [
        "seeds=[0]",
        "budget.epochs=1",
        "budget.train_examples=16",
        f"strategies={{ewc: {ENTRIES['ewc']}}}",
        "reference=ewc",
    ]
    document = read(write_recipe(tmp_path, bert)).set([*changes, "keep_states=last"])
    first, other = (
        make_plan(document.set([f"tasks=[animals, {second}]", f"name={second}"]), [tmp_path / "tasks"])
        for second in ("halves", "fruits")
    )

    def go(plan: Any) -> Any:
        return stream_run(plan, tmp_path / "space")

    go(first)  # drops the parts of its first stage, which the other stream shares
    rename = Path.rename

    def stop_after_the_body(self: Path, target: Path) -> Path:
        moved = rename(self, target)
        if self.name == Path(target).name == "body":
            monkeypatch.setattr(Path, "rename", rename)
            raise Stop
        return moved

    monkeypatch.setattr(Path, "rename", stop_after_the_body)
    with pytest.raises(Stop):
        go(other)
    assert [outcome.stage for outcome in go(other).outcomes] == [1, 2]
