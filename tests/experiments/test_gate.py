"""`workbench gate`, `adapters register` with bounds, and `adapters rollback`, as a script would call them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.gating.adapter_bounds import MARGIN
from adapter_workbench.experiments.gating.takeover import Takeover
from adapter_workbench.experiments.workspace import RecordDocument
from adapter_workbench.workbench.adapters.manifest import write_manifest
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.measures.statistics import Interval
from adapter_workbench.workbench.probes.calibration import calibration_error
from tests.conftest import Call
from tests.messages import lacks
from tests.scored_adapters import BUDGET, SCORES, ScoredAdapters
from tests.streams import write_recipe


@pytest.fixture(scope="module")
def trained(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> ScoredAdapters:
    """Adapters of one task; nothing is registered yet."""
    return ScoredAdapters.made(tmp_path_factory.mktemp("gates"), bert)


@pytest.fixture
def made(trained: ScoredAdapters, tmp_path: Path, call: Call) -> ScoredAdapters:
    """The same in the folder that commands run in."""
    return trained.copied(tmp_path)


def test_bounds_on_an_adapter_hold_or_are_broken(made: ScoredAdapters, call: Call) -> None:
    best = made.ids[2]
    code, out, err = call("gate", best, "--min-score", "87.5", "--not-below-champion")
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0].split() == ["adapter", best]
    assert lines[1].split() == ["what", "bound", "found", "ok"]
    assert lines[2].split() == ["validation", "accuracy", "≥87.50", "87.50", "yes"]
    assert "animals.lora has no champion yet" in lines[3]
    assert not made.tracker.database.exists(), "a question makes no database"  # type: ignore[union-attr]

    code, out, err = call("gate", made.ids[1], "--min-score", "90", "--json")
    document = json.loads(out)
    assert (code, document["adapter"], document["passed"]) == (3, made.ids[1], False)
    (bound,) = document["bounds"]
    assert (bound["bound"], bound["found"], bound["missing"], bound["holds"]) == (90.0, 75.0, 15.0, False)
    assert "1 of 1 bound is broken" in err
    assert "NO: 15.00 too low" in err

    code, out, err = call("gate", "animals", "--min-score", "80")
    assert (code, best in out) == (0, True), "the best on validation, which register would take"


def test_the_champion_is_a_bound(made: ScoredAdapters, bert: Path, call: Call) -> None:
    def note(*options: str) -> tuple[int, str]:
        code, out, _ = call("gate", *options, "--not-below-champion", "--json")
        return code, json.loads(out)["bounds"][0]["note"]

    made.bench.release.register(made.ids[1])
    code, out, err = call("gate", made.ids[0], "--not-below-champion")
    assert code == 3, err
    assert lacks(" ".join(out.split()), "≥0.00 −25.00", "NO: 25.00 too low (50.0 % on 16 validation rows") == []
    assert note(made.ids[0], "--margin", "25")[0] == 3, "with 16 rows no loss of 25 points can be ruled out"
    assert note(made.ids[0], "--margin", "100")[0] == 0
    assert call("gate", made.ids[2], "--not-below-champion")[0] == 0
    code, remark = note(made.ids[1])
    assert (code, "it is the champion of animals.lora" in remark) == (0, True)

    others = made.bench.lesson(
        "animals", "lora", str(bert), 3, learning_rate=0.02, budget=BUDGET | {"eval_examples": 8}
    )
    other = made.bench.workspace.trained_adapter(others, Silent(), "").id
    code, out, err = call("gate", other, "--not-below-champion", "--json")
    assert "on 8 validation rows whose label both know" in json.loads(out)["bounds"][0]["note"], "its own draw"


def test_answers_are_compared_on_validation(made: ScoredAdapters, call: Call) -> None:
    """Expected: shares counted here, over what `predict` answers to the texts of the validation file."""
    rows = list(csv.DictReader((made.bench.task_folders[0] / "animals-validation.csv").open(encoding="utf-8")))
    texts = [row["text"] for row in rows]
    first, second = (list(made.bench.predict(made.ids[seed], texts)) for seed in (0, 1))
    same = 100 * sum(mine.label == theirs.label for mine, theirs in zip(first, second, strict=True)) / len(rows)
    options = ["--against", made.ids[1], "--json"]
    assert 1 < same < 100, "the two differ, so that the test can fail"
    code, out, err = call("gate", made.ids[0], "--min-agreement", f"{same:.4f}", *options)
    assert code == 0, err
    (bound,) = json.loads(out)["bounds"]
    assert (bound["found"], bound["note"]) == (pytest.approx(same), f"as {made.ids[1]}")
    assert call("gate", made.ids[0], "--min-agreement", f"{same + 0.1:.4f}", *options)[0] == 3

    right = [mine.label == row["label"] for mine, row in zip(first, rows, strict=True)]
    ece = 100 * calibration_error(np.array([mine.confidence for mine in first]), np.array(right, dtype=float))
    code, out, err = call("gate", made.ids[0], "--max-ece", f"{ece + 0.01:.4f}", "--json")
    assert (code, json.loads(out)["bounds"][0]["found"]) == (0, pytest.approx(ece, abs=1e-4)), err
    assert call("gate", made.ids[0], "--max-ece", f"{ece - 0.01:.4f}")[0] == 3

    (made.bench.task_folders[0] / "animals-validation.csv").write_text("text,label\nthe cat,first\na fig,second\n")
    code, out, err = call("gate", made.ids[0], "--max-ece", "50")
    assert (code, out, "have changed since" in err) == (2, "", True), err


def test_labels_are_bounded_one_by_one(made: ScoredAdapters, call: Call) -> None:
    """Expected: F1 of each label by scikit-learn, over what `predict` answers to the texts of the validation file."""
    rows = list(csv.DictReader((made.bench.task_folders[0] / "animals-validation.csv").open(encoding="utf-8")))
    given = [answer.label for answer in made.bench.predict(made.ids[0], [row["text"] for row in rows])]
    names = ["first", "second"]
    f1 = 100 * f1_score([row["label"] for row in rows], given, labels=names, average=None, zero_division=0)
    macro, worst = float(f1.mean()), float(f1.min())
    assert 1 < worst < macro, "the two labels differ, so that the test can fail"
    options = ["--min-macro-f1", f"{macro - 0.01:.4f}", "--min-worst-label", f"{worst + 0.1:.4f}"]
    code, out, err = call("gate", made.ids[0], *options, "--json")
    mean, least = json.loads(out)["bounds"]
    assert (code, mean["found"], least["found"]) == (3, pytest.approx(macro), pytest.approx(worst)), err
    assert (mean["holds"], least["holds"]) == (True, False)
    assert least["note"].startswith(f"{names[int(f1.argmin())]}: F1 {worst:.1f} % (precision ")
    code, out, err = call("adapters", "register", made.ids[0], *options)
    assert (code, "validation F1 of the worst label" in err) == (3, True)
    assert not made.tracker.database.exists(), "nothing is registered"  # type: ignore[union-attr]
    assert call("gate", made.ids[0], *options[:3], f"{worst - 0.01:.4f}")[0] == 0
    code, out, err = call("gate", made.ids[0], "--min-worst-label", "0.5")
    assert (code, "--min-worst-label 50" in err) == (2, True), "a share is no percentage"


def test_a_task_without_labels_has_no_worst_one(made: ScoredAdapters, call: Call) -> None:
    stored = made.bench.workspace.adapters.get(made.ids[0])
    task = stored.manifest.task.model_copy(update={"kind": "regression", "labels": ()})
    write_manifest(stored.manifest.model_copy(update={"task": task}), stored.folder)
    code, out, err = call("gate", made.ids[0], "--min-macro-f1", "50")
    assert (code, out, lacks(err, "animals", "kind is regression") == []) == (2, "", True), err


def test_answers_that_cannot_be_compared_are_refused(made: ScoredAdapters, bert: Path, call: Call) -> None:
    lesson = made.bench.lesson("halves", "lora", str(bert), 0, learning_rate=0.02, budget=BUDGET)
    other = made.bench.workspace.trained_adapter(lesson, Silent(), "").id
    for against, message in [(other, "answers for halves"), (made.ids[0], "always agrees with itself")]:
        code, out, err = call("gate", made.ids[0], "--min-agreement", "9", "--against", against)
        assert (code, out, message in err) == (2, "", True), err


def test_bounds_of_an_experiment_are_none_of_an_adapter(made: ScoredAdapters, call: Call) -> None:
    for name in (made.ids[0], "animals"):
        code, out, err = call("gate", name, "--max-forgetting", "1")
        assert (code, out, f"{name!r} is an adapter" in err) == (2, "", True), err
    assert "there is no experiment called" in call("gate", "nothing", "--max-forgetting", "1")[2]


def test_what_breaks_a_bound_is_not_registered(made: ScoredAdapters, call: Call) -> None:
    code, out, err = call("adapters", "register", made.ids[1], "--min-score", "90")
    assert (code, "NO: 15.00 too low" in out) == (3, True), err
    assert not made.tracker.database.exists()  # type: ignore[union-attr]
    code, out, err = call("adapters", "register", made.ids[1], "--min-score", "70", "--not-below-champion", "--json")
    document = json.loads(out)
    assert (code, document["version"], document["champion"]) == (0, "1", True), err
    assert document["gate"]["passed"]
    code, out, err = call("adapters", "register", made.ids[0], "--not-below-champion", "--json")
    assert (code, "25.00 too low" in err) == (3, True)
    assert json.loads(out)["passed"] is False
    assert len(made.tracker._client.search_model_versions("name = 'animals.lora'")) == 1


def test_the_margin_of_a_registration_counts_in_its_decision(
    made: ScoredAdapters, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An adapter of a later version that loses 12.5 points, which the margin allows; it is compared once."""
    made.bench.release.register(made.ids[1])
    margins, mean = [], -0.125

    def compared(*given: Any) -> Takeover:
        margins.append(given[4] if len(given) > 4 else MARGIN)
        difference = Interval(mean, mean - 0.1, mean + 0.1)
        return Takeover(16, (0.75, 0.625), difference, margins[-1] / 100, None, None, later=True)

    monkeypatch.setattr("adapter_workbench.experiments.gating.contest.compared_with", compared)
    code, out, err = call("adapters", "register", made.ids[0], "--not-below-champion", "--margin", "100", "--json")
    assert code == 0, err
    assert (json.loads(out)["champion"], margins) == (True, [100.0])


def test_predict_answers_with_the_champion_that_was_rolled_back_to(made: ScoredAdapters, call: Call) -> None:
    for seed in SCORES:
        made.bench.release.register(made.ids[seed])
    assert asked(call) == made.ids[2]
    code, out, err = call("adapters", "rollback", "animals")
    assert code == 0, err
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["animals.lora"]
    assert lines[2] == ["was", "champion", "3", made.ids[2], "0.8750"]
    assert lines[3] == ["is", "champion", "2", made.ids[1], "0.7500"]
    assert asked(call) == made.ids[1]
    code, out, err = call("adapters", "rollback", "animals.lora", "--json")
    document = json.loads(out)
    assert (document["name"], document["was"]["version"], document["now"]["version"]) == ("animals.lora", "2", "1")
    assert document["now"] == {"version": "1", "adapter": made.ids[0], "validation": 0.5}
    assert asked(call) == made.ids[0]

    code, out, err = call("adapters", "rollback", "animals")
    assert (code, out) == (2, "")
    assert "no champion before version 1 is recorded" in err
    assert f"version 3 ({made.ids[2]}, 0.8750 on validation)" in err
    assert asked(call) == made.ids[0], "nothing was changed"
    assert call("adapters", "rollback", "animals", "--to", "3")[0] == 0
    assert asked(call) == made.ids[2]

    made.bench.workspace.adapters.remove(made.ids[0])
    code, out, err = call("adapters", "rollback", "animals")
    assert (code, f"{made.ids[0]} is not in" in err) == (0, True), "what was champion before 3 was named"
    code, out, err = call("predict", "animals", "the cat")
    assert lacks(err, made.ids[0], "champion of animals.lora, ", "not in") == []


def test_a_router_chooses_among_champions(made: ScoredAdapters, call: Call) -> None:
    assert asked(call, "router:arrow") == made.ids[2], "the best, which is the newest too"
    made.bench.release.register(made.ids[1])
    assert asked(call, "router:arrow") == asked(call) == made.ids[1], "the champion, which is neither"


def asked(call: Call, name: str = "animals") -> str:
    code, out, err = call("predict", name, "the cat", "--json")
    assert code == 0, err
    return str(json.loads(out)[0]["adapter"])


REFUSED: dict[str, tuple[list[str], str]] = {
    "no bound": (["gate", "animals"], "there is no bound to check"),
    "two kinds": (["gate", "animals", "--min-score", "9", "--max-forgetting", "1"], "of an adapter and of an experi"),
    "a share": (["gate", "animals", "--min-score", "0.9"], "--min-score 90"),
    "no number": (["gate", "animals", "--min-score", "nan"], "a bound is a finite number"),
    "a margin alone": (["gate", "animals", "--min-score", "9", "--margin", "1"], "--margin needs --not-below-champion"),
    "agreement with nobody": (["gate", "x", "--min-agreement", "9"], "Add --against ID"),
    "against for nothing": (["gate", "x", "--min-score", "9", "--against", "y"], "Add --min-agreement"),
    "a negative margin": (["gate", "animals", "--not-below-champion", "--margin=-1"], "0 or more points"),
    "a task's bound": (["gate", "x", "--max-forgetting-of", "animals"], "TASK=X"),
    "no points": (["gate", "x", "--max-forgetting-of", "animals=few"], "TASK=X"),
    "two bounds of a task": (
        ["gate", "x", "--max-forgetting-of", "a=1", "--max-forgetting-of", "a=9"],
        "'a' has two bounds",
    ),
    "no such experiment": (["gate", "x", "--max-forgetting", "1"], "no experiment called 'x'"),
    "no adapters": (["gate", "animals", "--min-score", "9"], "there are no adapters here yet"),
    "register: a share": (["adapters", "register", "animals", "--min-score", "0.9"], "--min-score 90"),
    "rollback: nothing there": (["adapters", "rollback", "animals"], "nothing is registered here yet"),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_mistakes_leave_with_code_2(mistake: str, call: Call, tmp_path: Path) -> None:
    arguments, message = REFUSED[mistake]
    code, out, err = call(*arguments)
    assert (code, out) == (2, ""), err
    assert message in err
    assert not [*tmp_path.rglob("mlflow.db")]


def test_bounds_on_a_stream_hold_or_are_broken(bert: Path, tmp_path: Path, call: Call) -> None:
    recipe = write_recipe(tmp_path, bert)
    bench: Any = Workbench(tmp_path / ".workbench", [tmp_path / "tasks"])
    settings = ["seeds=[0]", "tasks=[animals, halves]", "budget.epochs=1", "keep_states=last"]
    report = bench.run(bench.plan(str(recipe), settings))
    forgot = {strategy.label: 100 * strategy.metrics["forgetting"].mean for strategy in report.strategies}
    bound = f"{forgot['sequential']:.6f}"
    code, out, err = call("gate", "stream", "--max-forgetting", bound, "--strategy", "sequential")
    assert (code, "forgetting of sequential" in out) == (0, True), err
    low = f"--max-forgetting={forgot['sequential'] - 1:.6f}"
    code, out, err = call("gate", "stream", low, "--strategy", "sequential", "--json")
    document = json.loads(out)
    assert (code, document["experiment"], document["passed"]) == (3, "stream", False)
    assert document["bounds"][0]["found"] == pytest.approx(forgot["sequential"])
    assert "NO: 1.00 too high" in err
    assert call("gate", "stream", "--max-forgetting-of", "animals=0", "--strategy", "isolated")[0] == 0
    code, _, err = call("gate", "stream", "--min-score", "90")
    assert (code, "'stream' is an experiment" in err) == (2, True)
    with pytest.raises(InputError, match="'halves' is learned last"):
        bench.release.gate_experiment("stream", stream_bounds({"halves": 1.0}))


def test_an_experiment_of_another_kind_has_no_forgetting(tmp_path: Path, call: Call) -> None:
    compared = RecordDocument(study="methods", about={}, pieces=(), provenance={}, identity="made up")
    Workbench(tmp_path / ".workbench").workspace.records.save("compared", compared)
    code, out, err = call("gate", "compared", "--max-forgetting", "1")
    assert (code, out, "stream" in err) == (2, "", True), err


def stream_bounds(tasks: dict[str, float]) -> Any:
    from adapter_workbench.experiments.gating.stream_bounds import StreamBounds

    return StreamBounds(max_forgetting_of=tasks)
