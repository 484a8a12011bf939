"""What stands under "Next" follows from the verdict above it: the ends of commands, over stored reports."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adapter_workbench.experiments.answers.made_adapters import FusedAdapter, Kept
from adapter_workbench.experiments.reporting.advice import Reading, Standing, Step, advised, as_word
from adapter_workbench.experiments.reporting.differences import Difference
from adapter_workbench.experiments.studies.compositions.report import FusionReport
from adapter_workbench.experiments.studies.core.report import StudyReport
from adapter_workbench.experiments.terminal.fused import steps_after
from adapter_workbench.experiments.terminal.next_steps import after_report, predicting
from adapter_workbench.workbench.measures.statistics import Interval
from tests.experiments.report.finished import FINISHED

RESULTS = Path(__file__).parents[3] / "docs/results"
LESS_IS_BETTER = {"forgetting"}


def documents() -> dict[str, list[dict[str, Any]]]:
    """Return the verdicts of each stored document that has them."""
    stored = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))}
    shown = {name: own["verdicts"] for name, own in stored.items() if isinstance(own, dict) and own.get("verdicts")}
    folder = Path(__file__).with_name("documents")
    made_up = {path.stem: json.loads(path.read_text(encoding="utf-8"))["document"] for path in folder.glob("*.json")}
    return shown | {name: own["verdicts"] for name, own in made_up.items()}


DOCUMENTS = documents()


def standing_of(verdicts: list[dict[str, Any]]) -> Standing:
    """Return how entries stand, as a stored document says it."""
    return Standing(
        tuple(
            Reading(of["entry"], of["against"], as_word(of["reading"], of["metric"] not in LESS_IS_BETTER))
            for of in verdicts
        )
    )


def assert_follows(lines: list[str], standing: Standing) -> None:
    """Make sure that lines, each about the entry ``<label>``, propose nothing worse and settle nothing undecided."""
    labels = {label for of in standing.readings for label in (of.first, of.second)}
    for line in lines:
        for label in labels:
            if f"<{label}>" in line:
                assert not standing.is_beaten(label), line
                assert not standing.open(label) or "undecided" in line, line


def test_there_are_documents_to_walk_over() -> None:
    readings = {of["reading"] for verdicts in DOCUMENTS.values() for of in verdicts}
    assert {"higher", "lower", "equal", "undecided"} <= readings
    assert len(DOCUMENTS) > 20


@pytest.mark.parametrize("name", DOCUMENTS)
def test_nothing_that_a_stored_verdict_speaks_against_is_advised(name: str) -> None:
    standing = standing_of(DOCUMENTS[name])
    labels = list(dict.fromkeys(label for of in standing.readings for label in (of.first, of.second)))
    steps = advised(standing, [Step(f"use <{label}>", label) for label in labels], Step("more seeds"))
    lines = [step.line for step in steps]
    assert_follows(lines, standing)
    assert [step.entry for step in steps if step.entry], "something is never beaten"
    assert ("more seeds" in lines) == bool(standing.open())


def test_of_two_sides_the_better_one_is_known_in_each_metric() -> None:
    standing = Standing((Reading("b", "a", "worse"), Reading("c", "a", "undecided"), Reading("d", "c", "better")))
    assert standing.above("b") == ["a"]
    assert standing.above("c") == ["d"]
    assert standing.better_choices("b") == ["a"]
    assert standing.open() == [], "c is beaten by d: it does not matter what it is beside a"
    assert as_word("lower", more_is_better=False) == "better"
    assert as_word("no interval") == "untested"


@pytest.mark.parametrize("study", FINISHED)
def test_commands_end_with_what_follows_from_the_report(study: str) -> None:
    report = FINISHED[study]()
    labels = list(dict.fromkeys(label for of in report.standing.readings for label in (of.first, of.second)))
    uses = {label: f"use <{label}>" for label in labels}
    lines = after_report(report, "seeds {}".format, uses)
    assert_follows(lines, report.standing)
    assert lines or all(map(report.standing.is_beaten, labels))
    assert after_report(report, None) == []


def methods(mean: float, p: float | None) -> StudyReport:
    """Return a comparison in which ``small`` differs so much from ``full``."""
    report: Any = FINISHED["methods"]()
    full, small = report.rows
    gap = Interval(mean, mean - 0.01, mean + 0.01, (mean, mean))
    difference = Difference(gap, p=p, adjusted=p, of_seeds=(0, 1))
    return replace(report, rows=(full, replace(small, differences={"": difference})))


@pytest.mark.parametrize(("mean", "better", "worse"), [(0.2, "small", "full"), (-0.2, "full", "small")])
def test_compare_proposes_to_predict_with_the_better_method(mean: float, better: str, worse: str) -> None:
    report: Any = methods(mean, 0.001)
    report = replace(report, recommendation=None)  # as with one seed: the reference is not proposed by default
    uses = {cell.label: predicting(cell.adapter, False, "") for cell in report.advised}
    lines = after_report(report, "workbench compare --seeds {}".format, uses)
    assert len(lines) == 1
    assert lines[0].startswith(f"workbench predict {better}-")
    assert worse not in lines[0]


def test_what_compare_advises_is_read_from_the_comparisons_once(monkeypatch: pytest.MonkeyPatch) -> None:
    report: Any = methods(0.2, 0.001)
    made, after = [], Standing.after
    monkeypatch.setattr(Standing, "after", lambda comparisons: made.append(1) or after(comparisons))
    assert len(report.record.cells) > 1
    assert [cell.label for cell in report.advised] == ["small"]
    assert len(made) == 1


def test_compare_proposes_more_seeds_where_it_is_undecided() -> None:
    report: Any = methods(0.001, 0.8)
    uses = {cell.label: predicting(cell.adapter, False, "") for cell in report.advised}
    first, second = after_report(report, "workbench compare --seeds {}".format, uses)
    assert first.startswith("workbench compare --seeds 3 ")
    assert "undecided beside" in second


def fusion(readings: dict[str, float], kept: str) -> tuple[FusedAdapter, FusionReport]:
    """Return a fuse that kept something, and whose alternatives differ from ``ties``; 0 is undecided."""
    rows = [
        SimpleNamespace(label=label, against="ties", difference=None, mean=mean) for label, mean in readings.items()
    ]
    words = {row.label: "better" if row.mean > 0 else "worse" if row.mean < 0 else "undecided" for row in rows}
    standing = Standing(tuple(Reading(label, "ties", word) for label, word in words.items()))  # type: ignore[arg-type]
    report: Any = SimpleNamespace(standing=standing)
    labels = [*readings, "ties"]
    chosen = Kept(kept, "ties", kept, dict.fromkeys(labels, 0.5), tuple(labels), named=False)
    task = SimpleNamespace(name="fruits", pair=False)
    budget = SimpleNamespace(drawn=lambda rows: min(rows, 8))
    manifest = SimpleNamespace(task=task, budget=budget, seed=0, backbone=SimpleNamespace(name="minilm"))
    adapter: Any = SimpleNamespace(id=f"<{kept}>", manifest=manifest)
    return FusedAdapter(adapter, report, chosen, 0.5, 64), report


@pytest.mark.parametrize("kept", ["ties", "full fine-tuning", "fresh lora"])
@pytest.mark.parametrize("full", [-1.0, 0.0, 1.0])
@pytest.mark.parametrize("fresh", [-1.0, 0.0, 1.0])
def test_fuse_proposes_what_is_better_or_would_decide(kept: str, full: float, fresh: float) -> None:
    fused, report = fusion({"full fine-tuning": full, "fresh lora": fresh}, kept)
    lines = [step.line for step in steps_after(fused, "lora", "workbench fuse fruits{}".format, "", "")]
    assert_follows(lines, report.standing)
    kept_other = [line for line in lines if " --keep " in line]
    assert bool(kept_other) == report.standing.is_beaten(kept)
    assert bool(kept_other) != any(line.startswith("workbench predict") for line in lines)
    assert "workbench train fruits --method lora   (fruits has 64 training rows, and 8 were used)" in lines
