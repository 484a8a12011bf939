"""Sources may answer another kind of task than the target: each is judged as its own kind is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.studies.compositions.record import results_in
from adapter_workbench.experiments.workspace.evaluating import evaluate_stored
from tests.runs import SMALL_COMPARISON

RECIPE = (
    SMALL_COMPARISON.replace("[animals, halves]", "[animals-in-numbers, halves-in-numbers]")
    + """name: tiny-kinds
targets: [fruits]
compositions:
  one: {{method: average, sources: {{fruits: [halves-in-numbers]}}}}
  both: {{method: average}}
controls: {{random: [], shuffled: []}}
"""
)


@pytest.fixture(scope="module")
def study_folder(study_folder: Path) -> Path:
    """The folder, with the sources' tasks once more as regressions."""
    tasks = study_folder / "tasks"
    for name in ("animals", "halves"):
        for path in [*tasks.glob(f"{name}-*.csv")]:
            frame = pd.read_csv(path)
            numbers = (frame["label"] == "first").astype(float) + frame["text"].str.len() / 100
            frame.assign(label=numbers).to_csv(tasks / path.name.replace(name, f"{name}-in-numbers"), index=False)
        text = (tasks / f"{name}.yaml").read_text(encoding="utf-8").replace(f"{name}-", f"{name}-in-numbers-")
        (tasks / f"{name}-in-numbers.yaml").write_text(f"{text}kind: regression\n", encoding="utf-8")
    return study_folder


def test_what_is_kept_of_a_regression_is_its_explained_variance(report, plan: Any, bench: Workbench) -> None:
    """The average of one source is that source; R² is the main score of a regression."""
    (key,) = (cell.key for cell in report.record.cells if cell.label == "one")
    (kept,) = results_in(bench.workspace).require(key).retained
    (lesson,) = (lesson for lesson in plan.lessons[0, "lora"] if lesson.task.name == kept.task)
    source = bench.workspace.adapters.get(lesson.adapter_id)
    scores = evaluate_stored(bench.workspace, source, lesson.task, plan.backbone, plan.budgets[8]).scores
    assert (kept.task, kept.alone) == ("halves-in-numbers", scores["r2"])
    assert kept.fused == pytest.approx(kept.alone, abs=1e-4)
    both = {kept.task for kept in report.retained if kept.label == "both"}
    assert both == {"animals-in-numbers", "halves-in-numbers"}
