"""The run loop: every step once, whatever happens; the same numbers in the end."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import adapter_workbench.experiments.strategies._shared
import adapter_workbench.experiments.workspace.outcome_folders
import adapter_workbench.workbench.training.fitting
from adapter_workbench.experiments.studies.stream.plan.plan import Plan, make_plan
from adapter_workbench.experiments.studies.stream.results.record import Record
from adapter_workbench.experiments.studies.stream.work.learning import Learning
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.experiments.workspace.evaluations import Evaluations
from adapter_workbench.workbench.errors import InputError, UnwritableError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.settings.base import read
from tests.ear import Ear
from tests.messages import naming
from tests.patience import PATIENCE
from tests.runs import done, pending, stream_in
from tests.runs import stream_run as do
from tests.streams import write_recipe, write_tasks

ROOT = Path(__file__).parents[2]


FEW = ["budget.epochs=1", "budget.train_examples=16"]  # two steps a fit
SHORT = [*FEW, "tasks=[animals, halves]", "seeds=[0]"]


def planned(folder: Path, bert: Path, changes: list[str]) -> Plan:
    return make_plan(read(write_recipe(folder, bert)).set(changes), [folder / "tasks"])


@pytest.fixture
def plan(bert: Path, tmp_path: Path) -> Plan:
    return planned(tmp_path, bert, FEW)


@pytest.fixture
def short(bert: Path, tmp_path: Path) -> Plan:
    """Two tasks and one seed: what is stopped again and again."""
    return planned(tmp_path, bert, SHORT)


def scores(record: Record) -> list[Any]:
    """Everything of a record that may not depend on how often it was interrupted."""
    return [
        (
            outcome.label,
            outcome.seed,
            outcome.stage,
            outcome.task,
            outcome.validation,
            [(cell.task, cell.score, cell.status) for cell in outcome.cells],
        )
        for outcome in record.outcomes
    ]


@pytest.fixture(scope="module")
def finished(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of a run that nothing disturbed; nobody changes it."""
    folder = tmp_path_factory.mktemp("finished")
    do(planned(folder, bert, FEW), folder / "ws")
    return folder / "ws"


@pytest.fixture(scope="module")
def undisturbed(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The numbers that the short stream comes to where nothing stops it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return scores(do(planned(folder, bert, SHORT), folder / "ws"))


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A workspace like that of a finished run."""
    return shutil.copytree(finished, tmp_path / "ws")


@pytest.fixture
def record(finished: Path) -> Record:
    """What a run comes to that nothing disturbs."""
    return stream_in(Workspace(finished))


def test_matrix_has_the_lower_triangle_with_its_statuses(record: Record) -> None:
    statuses = {
        (outcome.label, outcome.stage): {cell.task: cell.status for cell in outcome.cells}
        for outcome in record.outcomes
        if outcome.seed == 0
    }
    first, second, third = record.tasks
    assert statuses["isolated", 1] == {first: "measured"}
    assert statuses["isolated", 2] == {first: "carried", second: "measured"}
    assert statuses["isolated", 3] == {first: "verified", second: "verified", third: "measured"}
    assert set(statuses["sequential", 3].values()) == {"measured"}
    for outcome in record.outcomes:
        if outcome.label == "isolated":
            for cell in outcome.cells:
                learned = next(
                    o for o in record.outcomes if (o.label, o.seed, o.task) == ("isolated", outcome.seed, cell.task)
                )
                assert cell.score == next(c.score for c in learned.cells if c.task == cell.task)


def test_sequential_training_really_forgets_here(bert: Path, tmp_path: Path) -> None:
    from adapter_workbench.experiments.studies.stream.results.summary import summarise

    plan = planned(tmp_path, bert, ["tasks=[animals, halves]", "seeds=[0]"])
    report = summarise(do(plan, tmp_path / "ws"))
    by_label = {strategy.label: strategy for strategy in report.strategies}
    assert by_label["isolated"].metrics["forgetting"].values == (0.0,)
    assert (by_label["sequential"].metrics["forgetting"].mean or 0) > 0.05


def test_second_run_trains_and_tests_nothing(
    plan: Plan, record: Record, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not pending(plan, Workspace(copy))

    def never(*_: object) -> None:
        raise AssertionError("something was done twice")

    monkeypatch.setattr(adapter_workbench.workbench.training.fitting, "fit", never)
    monkeypatch.setattr(adapter_workbench.experiments.strategies._shared, "fit", never)
    for module in ("_shared", "isolated"):
        monkeypatch.setattr(f"adapter_workbench.experiments.strategies.{module}.evaluate_model", never)
    assert scores(do(plan, copy)) == scores(record)


class Stop(BaseException):
    """Not an Exception, like KeyboardInterrupt: nothing may swallow it."""


@pytest.mark.parametrize("keep", ["all", "last"])
def test_stopped_after_every_write_it_ends_with_the_same_numbers(
    short: Plan, undisturbed: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: str
) -> None:
    """Each call may complete one folder or file, then dies; the number of calls is bounded by the number of writes."""
    plan = replace(short, recipe=short.recipe.model_copy(update={"keep_states": keep}))
    fits: list[str] = []
    for module in (adapter_workbench.workbench.training.fitting, adapter_workbench.experiments.strategies._shared):
        original = module.fit
        monkeypatch.setattr(module, "fit", lambda *a, _f=original: fits.append(a[-1]) or _f(*a))
    real = Path.rename, Path.replace
    moves = 0

    def counted(move: Any) -> Any:
        def moved(self: Path, target: Path) -> Path:
            nonlocal moves
            result: Path = move(self, target)
            moves += 1
            if moves % 2 == 0:
                raise Stop
            return result

        return moved

    monkeypatch.setattr(Path, "rename", counted(real[0]))
    monkeypatch.setattr(Path, "replace", counted(real[1]))
    stops = 0
    while True:
        try:
            record = do(plan, tmp_path / "ws")
            break
        except Stop:
            stops += 1
            assert stops < 200
    assert stops > 5
    assert scores(record) == undisturbed
    assert len(fits) == len(set(fits)), "a finished fit was repeated"


@pytest.mark.acceptance
def test_killed_at_twenty_random_moments_it_ends_with_the_same_numbers(
    short: Plan, undisturbed: list[Any], tmp_path: Path
) -> None:
    arguments = [str(tmp_path / name) for name in ("stream.yaml", "tasks", "killed")]
    changes = [f"--set={change}" for change in SHORT]
    command = [sys.executable, "-m", "tests.killing", *arguments, *changes, "--kills", "20"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["kills"] == 20
    for number in range(document["workspaces"]):
        workspace = Workspace(tmp_path / "killed" / str(number))
        assert scores(stream_in(workspace)) == undisturbed
        for adapter in workspace.adapters.ids():
            workspace.adapters.verify(adapter)


def test_a_step_is_shared_between_experiments(plan: Plan, copy: Path) -> None:
    other = replace(plan, recipe=plan.recipe.model_copy(update={"name": "other"}))
    assert not pending(other, Workspace(copy))
    assert do(other, copy).experiment == "other"
    assert Workspace(copy).records.names() == ["other", "stream"]


def test_a_stream_goes_on_from_states_that_were_dropped(plan: Plan, bert: Path, tmp_path: Path) -> None:
    """A stream that branches off where earlier weights were dropped learns them anew, and comes to its own numbers."""
    branch = planned(tmp_path, bert, [*FEW, "tasks=[animals, fruits]", "name=branch"])
    undisturbed = scores(do(branch, tmp_path / "undisturbed"))
    last = replace(plan, recipe=plan.recipe.model_copy(update={"keep_states": "last"}))
    do(last, tmp_path / "ws")
    workspace = Workspace(tmp_path / "ws")
    bodies = {path.parent.parent.name for path in (tmp_path / "ws" / "steps").glob("*/state/body")}
    assert bodies == {step.key for step in plan.stages if step.stage == 3 and step.entry.label == "sequential"}
    again = [
        (piece.coordinates["label"], piece.coordinates["stage"])
        for piece in pending(branch, workspace)
        if not piece.coordinates["seed"]
    ]
    assert again == [("isolated", 2), ("sequential", 2)]
    assert scores(do(branch, tmp_path / "ws")) == undisturbed


def test_a_kill_while_a_state_is_dropped_leaves_no_state_behind(
    short: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = replace(short, recipe=short.recipe.model_copy(update={"keep_states": "last"}))

    def killed(learning: Learning) -> None:
        if learning.planned.entry.label == "sequential":  # nothing is dropped of the other one
            raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(Learning, "drop", killed)
        with pytest.raises(Stop):
            do(last, tmp_path / "ws")
    do(last, tmp_path / "ws")
    bodies = {path.parent.parent.name for path in (tmp_path / "ws" / "steps").glob("*/state/body")}
    assert bodies == {step.key for step in last.stages if step.stage == 2 and step.entry.label == "sequential"}


def test_a_kill_after_a_fit_leaves_no_checkpoint_behind(plan: Plan, copy: Path) -> None:
    workspace, stage = Workspace(copy), plan.stages[0]
    checkpoint = workspace.scratch(stage.key) / "checkpoint"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    Learning(plan, stage, workspace, Silent()).learn()
    assert not checkpoint.parent.exists()


def test_a_state_that_somebody_learns_from_is_not_dropped(plan: Plan, copy: Path) -> None:
    workspace = Workspace(copy)
    stage = next(stage for stage in plan.stages if stage.entry.label == "sequential")
    learning = Learning(plan, stage, workspace, Silent())
    with Workspace(copy).claim(stage.key):  # as a process has it that learns a later stage
        learning.drop()
        assert (learning.folder / "state" / "body").is_dir()
    learning.drop()
    assert not (learning.folder / "state" / "body").exists()


def test_a_family_in_a_recipe_is_its_members_in_stream_order(bert: Path, tmp_path: Path) -> None:
    (write_tasks(tmp_path) / "pair.yaml").write_text(
        """description: two of a kind
columns: {text: text, label: label}
license: CC0-1.0
family:
  - {name: pair-b, files: {train: halves-train.csv, validation: halves-validation.csv, test: halves-test.csv}}
  - {name: pair-a, files: {train: fruits-train.csv, validation: fruits-validation.csv, test: fruits-test.csv}}
"""
    )
    document = read(write_recipe(tmp_path, bert)).set(["tasks=[animals, pair]"])
    plan = make_plan(document, [tmp_path / "tasks"])
    assert plan.recipe.tasks == tuple(task.name for task in plan.tasks) == ("animals", "pair-b", "pair-a")
    with pytest.raises(InputError, match="'pair-a' comes more than once"):
        make_plan(document.set(["tasks=[pair-a, pair]"]), [tmp_path / "tasks"])


def test_longer_stream_reuses_the_shorter_one(plan: Plan, bert: Path, tmp_path: Path) -> None:
    do(planned(tmp_path, bert, [*FEW, "tasks=[animals, halves]", "name=short"]), tmp_path / "ws")
    waiting = {piece.coordinates["stage"] for piece in pending(plan, Workspace(tmp_path / "ws"))}
    assert waiting == {2, 3}, "stage 2 was the last one, where kept answers are verified"


def test_two_runs_of_one_experiment_at_a_time_are_refused(plan: Plan, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "ws")
    with workspace.lock_experiment("stream"), pytest.raises(InputError, match=naming("another process", "'stream'")):
        do(plan, tmp_path / "ws")


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_a_file_system_without_locks_is_one_message(
    number: int, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    message = f"this file system has no locks: {os.strerror(number)}\n  Name another --workspace"
    with pytest.raises(UnwritableError, match=message):
        do(plan, tmp_path / "ws")


def test_kept_model_that_answers_differently_is_measured_anew(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the logits are no longer bit-identical, the new score is what is reported, and somebody hears of it."""
    workspace = Workspace(tmp_path / "ws")
    ear = Ear()
    save = Evaluations.save

    def falsified(self: Evaluations, key: str, evaluation: Any) -> Any:
        return save(self, key, replace(evaluation, logits_sha256="0" * 64))

    monkeypatch.setattr(Evaluations, "save", falsified)
    record = do(plan, workspace.root, ear)
    final = [outcome for outcome in record.outcomes if outcome.label == "isolated" and outcome.stage == 3]
    assert {cell.status for outcome in final for cell in outcome.cells} == {"measured"}
    assert len(ear.said) == 4
    assert "the same logits" in ear.said[0]


def test_record_on_disk_is_json_and_names_every_step(plan: Plan, finished: Path) -> None:
    record = json.loads((finished / "experiments" / "stream" / "record.json").read_text())
    assert len(record["pieces"]) == len(plan.stages) == 2 * 2 * 3
    places = [piece["place"] for piece in record["pieces"]]
    assert all((finished / "steps" / step["step"] / step["outcome"]).is_file() for step in places)


def test_a_finished_run_is_compared_with_its_digests_once(
    plan: Plan, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: Counter[str] = Counter()
    require_readable = adapter_workbench.experiments.workspace.outcome_folders.require_readable

    def counted(folder: Path) -> None:
        compared[folder.name] += 1
        require_readable(folder)

    monkeypatch.setattr(adapter_workbench.experiments.workspace.outcome_folders, "require_readable", counted)
    workspace = Workspace(copy)
    assert pending(plan, workspace) == [], "which is what a progress display asks before a run"
    done(plan, workspace)
    assert compared
    assert set(compared.values()) == {1}
