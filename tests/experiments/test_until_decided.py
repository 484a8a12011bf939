"""Seeds until it is decided: looks at their levels, only what is undecided goes on, and kills change nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import adapter_workbench.experiments.studies.methods.pieces
from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.engine.publish import Publisher
from adapter_workbench.experiments.engine.until_decided import planned_looks
from adapter_workbench.experiments.studies.methods.plan import ComparisonPlan
from adapter_workbench.workbench.errors import InputError, TrainingError
from adapter_workbench.workbench.measures.looks import LEVELS
from adapter_workbench.workbench.training.measured_cost import MeasuredCost
from tests.runs import recompute
from tests.sampled import waiting
from tests.streams import write_recipe, write_tasks

if TYPE_CHECKING:
    from collections.abc import Callable

RECIPE = """name: looked
backbone: {backbone}
tasks: [animals]
seeds: [0, 1, 2]
budget: {{train_examples: 16, epochs: 1, batch_size: 16, max_length: 16, precision: fp32}}
margin: 2
methods:
  base: {{method: head}}
  far: {{method: head, learning_rate: 0.02}}
  near: {{method: head, learning_rate: 0.06}}
  late: {{method: head, learning_rate: 0.04}}
  wild: {{method: head, learning_rate: 0.05}}
reference: base
"""
GAPS = {  # minus base with each seed, in points: what is decided at which look follows from a t table
    "far": [30, 30.5, 29.5, 30, 30, 30, 30, 30],  # t(2) = 104: higher at 3 seeds
    "near": [0.02, -0.02, 0.0, 0, 0, 0, 0, 0],  # within 2 points at 3 seeds
    "late": [10, 14, 12, 11, 13, 12, 12, 12],  # t(2) = 10.4, not 3 × 0.003; t(4) = 17: higher at 5 seeds
    "wild": [10, -9, 8, -10, 9, -8, 9, -9],
}
FINAL = {"base": 8, "far": 3, "near": 3, "late": 5, "wild": 8}


COST = MeasuredCost("cpu", 5, 100, 300.0, 420.0, 1e-5, 2e-5, 0.1, 1.5, 1.25, None, 8, 16)


class Scores:
    """Stands in for fits and what they score; one is real. Counts them, and fails at one where it is told to."""

    def __init__(self, fit: Callable[..., Any]) -> None:
        self.fit, self.fits, self.fails_at, self.fitted = fit, 0, 0, None

    def __call__(self, workspace: Any, lesson: Any, listener: Any, label: str) -> Any:
        self.fits += 1
        if self.fits == self.fails_at:
            raise TrainingError("killed")
        self.fitted = self.fitted or self.fit(workspace, lesson, listener, label)
        name = label.split(" · ")[1]
        gap = GAPS[name][lesson.seed] if name in GAPS else 0.0
        size = 100 * (1 + [*FINAL].index(name))
        score = 0.5 + 0.01 * lesson.seed + gap / 100
        return replace(self.fitted, score=score, seconds=36.0, trainable_parameters=size)


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> Scores:
    made = Scores(adapter_workbench.experiments.studies.methods.pieces.fit_and_evaluate)
    monkeypatch.setattr(adapter_workbench.experiments.studies.methods.pieces, "measure", lambda *lesson: COST)
    monkeypatch.setattr(adapter_workbench.experiments.studies.methods.pieces, "fit_and_evaluate", made)
    return made


@pytest.fixture(autouse=True)
def without_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Publisher, "update", lambda self, part: None)
    monkeypatch.setattr(Publisher, "finish", lambda self, presentation: True)


@pytest.fixture
def bench(bert: Path, tmp_path: Path) -> Workbench:
    write_tasks(tmp_path)
    (tmp_path / "looked.yaml").write_text(RECIPE.format(backbone=bert), encoding="utf-8")
    return Workbench(tmp_path / "space", [tmp_path / "tasks"])


def seeds_by_label(bench: Workbench, name: str = "looked") -> dict[str, int]:
    """Return how many seeds of each entry the record has."""
    pieces = bench.workspace.records.require(name).pieces
    seeds = {(piece.coordinates["label"], piece.coordinates.get("seed")) for piece in pieces}
    return {label: sum(own == label and seed is not None for own, seed in seeds) for label, _ in seeds}


def run(bench: Workbench, folder: Path, most: int = 8) -> Any:
    return bench.run_until_decided(bench.until_decided(str(folder / "looked.yaml"), [], most))


def read(report: Any) -> dict[str, tuple[str, int, float]]:
    return {label: (of.reading, of.look, of.level) for label, of in report.declared.items()}


DECIDED = {
    "far": ("higher", 3, LEVELS[3]),
    "near": ("equal", 3, LEVELS[3]),
    "late": ("higher", 5, LEVELS[5]),
    "wild": ("undecided", 8, LEVELS[8]),
}


def test_only_what_is_undecided_goes_on_and_a_verdict_stays(
    bench: Workbench, scores: Scores, tmp_path: Path, call: Callable[..., Any]
) -> None:
    report = run(bench, tmp_path)
    assert read(report) == DECIDED
    assert seeds_by_label(bench) == FINAL
    assert scores.fits == sum(FINAL.values())
    assert report.complete
    assert report.declared["far"].seeds.values == pytest.approx([0.30, 0.305, 0.295]), "at equal seeds"
    assert len(report.declared["wild"].seeds.values) == 8
    document = report.as_json()
    assert document["looks"] == [3, 5, 8]
    assert {
        label: own["difference"]["decided_at"] for label, own in document["methods"].items() if own["difference"]
    } == {
        "far": 3,
        "near": 3,
        "late": 5,
        "wild": None,
    }
    assert document["methods"]["wild"]["difference"]["to_decide"]["hours"] > 0
    assert read(bench.report("looked")) == DECIDED
    fits = scores.fits
    assert read(run(bench, tmp_path)) == DECIDED
    assert read(bench.run(bench.plan(str(tmp_path / "looked.yaml")))) == DECIDED, (
        "the plain command keeps what is there"
    )
    assert scores.fits == fits, "and trains nothing"
    assert bench.workspace.records.names() == ["looked"], "nothing was set aside"
    changed = bench.run(bench.plan(str(tmp_path / "looked.yaml"), ["margin=40"]))
    assert changed.record.margin == 40
    assert changed.declared["wild"].reading == "equal", "read anew, with the margin of now"


@pytest.mark.parametrize("fails_at", [14, waiting(20)])
def test_a_run_that_was_ended_goes_on(bench: Workbench, scores: Scores, tmp_path: Path, fails_at: int) -> None:
    scores.fails_at = fails_at
    with pytest.raises(TrainingError, match="killed"):
        run(bench, tmp_path)
    if fails_at > 15:
        so_far = read(bench.report("looked"))
        assert so_far["far"] == DECIDED["far"], "what was decided is"
        assert not bench.report("looked").complete
    assert read(run(bench, tmp_path)) == DECIDED
    assert seeds_by_label(bench) == FINAL
    assert scores.fits == sum(FINAL.values()) + 1, "only what was ended is fitted again"
    assert bench.workspace.records.names() == ["looked"]


def test_a_plain_run_is_the_first_look(bench: Workbench, scores: Scores, tmp_path: Path) -> None:
    plain = bench.run(bench.plan(str(tmp_path / "looked.yaml")))
    assert "looks" not in plain.as_json()
    assert "decided_at" not in plain.as_json()["methods"]["far"]["difference"]
    assert read(run(bench, tmp_path)) == DECIDED
    assert scores.fits == sum(FINAL.values())


def test_whether_a_plan_can_have_more_seeds_is_read_from_its_report(
    bench: Workbench, scores: Scores, tmp_path: Path, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Facts of a plan read the texts of all tasks: a run asks for them once, for the record."""
    whole, plans = ComparisonPlan.shared_facts.fget, []
    assert whole is not None
    monkeypatch.setattr(ComparisonPlan, "shared_facts", property(lambda plan: plans.append(plan) or whole(plan)))
    where = ["--workspace", str(bench.workspace.root), "--tasks", str(tmp_path / "tasks")]
    code, out, err = call("run", str(tmp_path / "looked.yaml"), *where)
    assert code == 0, err
    assert "--until-decided" in out
    assert len(plans) == 1
    plan = bench.plan(str(tmp_path / "looked.yaml"))
    assert bench.can_have_more_seeds(plan), "without a report too"
    assert len(plans) == 2


def test_a_damaged_result_of_an_early_look_is_made_again(bench: Workbench, scores: Scores, tmp_path: Path) -> None:
    run(bench, tmp_path)
    piece = next(
        piece for piece in bench.workspace.records.require("looked").pieces if piece.coordinates.get("seed") == 1
    )
    next(bench.workspace.root.glob(f"pieces/*{piece.key}*")).unlink()
    assert read(run(bench, tmp_path)) == DECIDED
    assert seeds_by_label(bench) == FINAL
    assert bench.workspace.records.names() == ["looked"]


@pytest.mark.parametrize(
    ("edit", "labels"),
    [
        (("  late: {method: head, learning_rate: 0.04}\n", ""), {"far", "near", "wild"}),
        (("  late:", "  tardy:"), {"far", "near", "tardy", "wild"}),
        (("[animals, halves]", "[animals]"), {"far", "near", "late", "wild"}),
    ],
)
def test_a_recipe_that_lost_or_renamed_something_begins_its_record_anew(
    bench: Workbench, scores: Scores, tmp_path: Path, edit: tuple[str, str], labels: set[str]
) -> None:
    """The seeds that were added are of what the recipe no longer has: they stay in the record that is set aside."""
    recipe = tmp_path / "looked.yaml"
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("[animals]", "[animals, halves]"), encoding="utf-8")
    run(bench, tmp_path)
    fits = scores.fits
    recipe.write_text(recipe.read_text(encoding="utf-8").replace(*edit), encoding="utf-8")
    report: Any = bench.run(bench.plan(str(recipe)))
    assert set(report.declared) == labels
    assert report.complete
    assert report.seeds == (0, 1, 2)
    aside, _ = bench.workspace.records.runs("looked")
    assert read(bench.report(aside)) == DECIDED, "what was there is kept"
    assert scores.fits == fits, "and nothing is trained again"


def test_other_looks_are_another_run(bench: Workbench, scores: Scores, tmp_path: Path) -> None:
    """At p = 0.009 after 3 seeds, the looks 3 and 5 (0.025 each) decide what the looks 3, 5 and 8 left undecided.

    With the looks of before in the record, the report stays undecided and the next step is the same: without an end.
    """
    recipe, steps, messages = tmp_path / "looked.yaml", [], []
    lines = recipe.read_text(encoding="utf-8").splitlines(keepends=True)
    recipe.write_text("".join(line for line in lines if line[2:5] not in ("far", "nea", "wil")), encoding="utf-8")
    undecided_later = [10, 14, 12, -9, 9, -9, 8, -9]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(GAPS, "late", undecided_later)
        assert read(run(bench, tmp_path)) == {"late": ("undecided", 8, LEVELS[8])}
        patch.setattr(bench.listener, "say", messages.append, raising=False)

        def only_a_few(step: Any) -> None:
            steps.append(step.look)
            assert len(steps) < 4, "the same step again and again"

        whole = bench.until_decided(str(recipe), [], 5)
        report = bench.run_until_decided(whole, on_step=only_a_few)
    assert read(report) == {"late": ("higher", 3, 0.025)}
    assert steps == [3]
    aside, _ = bench.workspace.records.runs("looked")
    assert read(bench.report(aside)) == {"late": ("undecided", 8, LEVELS[8])}
    assert "Verdicts of 'looked' were read after 3, 5, 8 seeds, and are now read after 3, 5." in " ".join(messages)


def test_a_dry_run_says_what_looks_take_and_decide(
    bench: Workbench, scores: Scores, tmp_path: Path, call: Callable[..., Any]
) -> None:
    where = ["--workspace", str(bench.workspace.root), "--tasks", str(tmp_path / "tasks")]
    command = ["run", str(tmp_path / "looked.yaml"), *where, "--until-decided", "--dry-run"]
    code, out, err = call(*command, "--json")
    assert code == 0, err
    before = json.loads(out)["looks"]
    assert [(look["seeds"], look["level"], look["probability"]) for look in before] == [
        (3, 0.003, None),
        (5, 0.012, None),
        (8, 0.04, None),
    ]
    code, out, err = call(*command)
    assert "not known" in out
    bench.run(bench.plan(str(tmp_path / "looked.yaml")))
    fits = scores.fits
    code, out, err = call(*command, "--json")
    assert code == 0, err
    document = json.loads(out)
    five, eight = document["looks"]
    assert {piece["label"] for piece in document["pieces"] if piece.get("seed") == 4} == {"base", "late", "wild"}
    assert set(five["comparisons"]) == {"late", "wild"}
    assert 0 < five["comparisons"]["wild"] < five["comparisons"]["late"] < 1
    assert five["comparisons"]["wild"] < eight["comparisons"]["wild"]
    assert eight["probability"] == pytest.approx(eight["comparisons"]["late"] * eight["comparisons"]["wild"])
    assert 0 < five["expected_seconds"] < eight["expected_seconds"]
    code, out, err = call(*command)
    assert "all decided by then" in out
    assert scores.fits == fits, "nothing was trained"


def test_what_people_see_says_at_which_look(
    bench: Workbench, scores: Scores, tmp_path: Path, call: Callable[..., Any]
) -> None:
    where = ["--workspace", str(bench.workspace.root), "--tasks", str(tmp_path / "tasks")]
    code, out, err = call("run", str(tmp_path / "looked.yaml"), *where, "--until-decided", "--most-seeds", "8")
    assert code == 0, err
    assert "After 3 seeds: 2 of 4 comparisons decided; 5 seeds for late, wild." in err
    assert "After 5 seeds: 3 of 4 comparisons decided; 8 seeds for wild." in err
    for words in ("decided at 3 seeds", "decided at 5 seeds", "undecided at 8 seeds"):
        assert words in out
    assert "All planned looks were taken" in " ".join(out.split())
    code, out, _ = call("report", "looked", *where[:2], "--html", "page.html", "--latex", "t.tex", "--csv", "csv")
    assert code == 0
    assert "decided at 5 seeds" in Path("page.html").read_text(encoding="utf-8")
    assert "after 3, 5 and 8 seeds" in Path("page.html").read_text(encoding="utf-8")
    assert "decided at 5 seeds" in Path("t.tex").read_text(encoding="utf-8")
    assert "decided at 5 seeds" in Path("csv/scores.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--most-seeds", "5"], "--most-seeds needs --until-decided"),
        (["--until-decided", "--most-seeds", "1"], "two seeds or more"),
        (["--until-decided", "--most-seeds", "3"], "the recipe has 3 seeds"),
        (["--until-decided", "--seeds-for", "2"], "--seeds-for"),
    ],
)
def test_what_does_not_go_together_is_one_message(
    bench: Workbench, tmp_path: Path, call: Callable[..., Any], options: list[str], message: str
) -> None:
    where = ["--workspace", str(bench.workspace.root), "--tasks", str(tmp_path / "tasks")]
    code, out, err = call("run", str(tmp_path / "looked.yaml"), *where, *options)
    assert (code, out) == (2, "")
    assert message in " ".join(err.split())


def test_looks_begin_where_all_entries_have_the_seeds_of_the_recipe() -> None:
    assert planned_looks((0,), 8).after == (3, 5, 8)
    assert planned_looks((7, 3), 5).seeds == (7, 3, 8, 9, 10)
    assert planned_looks((0, 1, 2, 3, 4), 8).after == (5, 8)
    assert planned_looks((0,), 2).after == (2,)


def test_a_stream_goes_on_and_crossed_orders_are_refused(bert: Path, tmp_path: Path) -> None:
    recipe = str(write_recipe(tmp_path, bert))
    bench = Workbench(tmp_path / "space", [tmp_path / "tasks"])
    short = ["tasks=[animals, halves]", "budget.epochs=1", "budget.train_examples=16", "seeds=[0]"]
    more = "strategies.same={strategy: sequential, method: full, learning_rate: 0.003}"
    with pytest.raises(InputError, match="2 orders"):
        bench.until_decided(recipe, [*short, "orders=2"])
    bench.until_decided(recipe, [*short, "orders=per-seed"])
    assert not bench.can_have_more_seeds(bench.plan(recipe, [*short, "orders=2"]))
    report: Any = bench.run_until_decided(bench.until_decided(recipe, [*short, more, "margin=0.1"], 4))
    seeds = seeds_by_label(bench, "stream")
    assert seeds["sequential"] == seeds["isolated"] == 4
    assert (report.declared["same"].reading, seeds["same"]) in {("equal", 3), ("undecided", 4)}
    assert report.complete
    assert report.strategies[0].planned == report.strategies[0].finished
    (tmp_path / "report.json").write_text(json.dumps(report.as_json()))
    code, out = recompute(tmp_path / "report.json")
    assert code == 0, out
