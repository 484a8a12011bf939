"""Streams that plain Trainer and TRL have trained, examined from their checkpoints, cell for cell.

The same weights are measured twice more: by transformers' own program, which knows nothing of the workbench, and as
the stages of a stream that is learned here.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.workbench.backbone.names import open_backbone
from tests.elsewhere.stream_trainings import (
    LABELS,
    LENGTH,
    TARGETS,
    Trained,
    classified_by_itself,
    learned_here,
    said_by_itself,
    trained_by_trainer,
    trained_by_trl,
    write_said,
)
from tests.runs import stream_of
from tests.streams import write_tasks

ONE_SEED = ("seeds=[0]", "reference=theirs")
NEEDS_TRL = pytest.mark.skipif(find_spec("trl") is None, reason="TRL is not installed")
LORA, WHOLE = f"method: lora, rank: 4, alpha: 8, targets: [{', '.join(TARGETS)}]", "method: full"


def given(trained: Trained, *others: str) -> str:
    """Return an entry of checkpoints."""
    stages = ", ".join(str(folder) for folder in trained.folders)
    return f"{{strategy: given, {', '.join([f'stages: [{stages}]', *others])}}}"


def base_of(name: str, request: pytest.FixtureRequest) -> Path:
    """Return the folder of a tiny model, or of a real one that a package brings."""
    tiny: Path | None = request.getfixturevalue(name) if name in ("bert", "llama") else None
    return tiny or open_backbone(name).folder


def ways(*fast: tuple[str, bool], slow: Sequence[tuple[str, bool]] = ()) -> Any:
    """Parametrise by a base model and whether a LoRA is trained, or all of it; ``slow`` waits for acceptance."""
    cases = [(case, ()) for case in fast] + [(case, (pytest.mark.acceptance,)) for case in slow]
    return pytest.mark.parametrize(
        ("model", "lora"),
        [pytest.param(*case, id=f"{case[0]}-{'lora' if case[1] else 'whole'}", marks=marks) for case, marks in cases],
    )


@NEEDS_TRL
@ways(("llama", True), slow=[("llama", False), ("smollm2", True), ("smollm2", False)])
def test_a_stream_by_trl(
    model: str, lora: bool, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = base_of(model, request)
    tasks = write_said(tmp_path)
    options = {"max_steps": 8, "learning_rate": 3e-3 if lora else 3e-5} if model == "smollm2" else {}
    if model == "llama" and not lora:
        options = {"learning_rate": 0.005}  # at a LoRA's, some processors get one answer to everything
    trained = trained_by_trl(base, tmp_path / "theirs", tasks, lora, **options)
    monkeypatch.setattr(type(STRATEGIES.get("sequential")), "learn", learned_here(trained))
    entries = {"theirs": given(trained), "ours": f"{{strategy: sequential, {LORA if lora else WHOLE}}}"}
    report = stream_of(
        tmp_path,
        base,
        entries,
        *ONE_SEED,
        f"budget.max_length={LENGTH}",
        f"tasks=[{', '.join(task.name for task in tasks)}]",
    )
    theirs, ours = report.strategies
    own = [[said_by_itself(opened, base, task) for task in tasks] for opened in trained.models]
    assert [*map(list, theirs.matrix[1:])] == own, "what generate() of transformers says"
    for stage, (row, here) in enumerate(zip(theirs.matrix, ours.matrix, strict=True)):
        assert row[:stage] == here[:stage], "and what a stream here has with these weights"
    assert len({score for row in own for score in row}) > 2


@ways(("bert", True), ("llama", False), slow=[("bert", False), ("llama", True), ("minilm", True), ("minilm", False)])
def test_a_stream_by_trainer(
    model: str, lora: bool, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = base_of(model, request)
    write_tasks(tmp_path)
    rate = {"learning_rate": 1e-3 if lora else 5e-5} if model == "minilm" else {}
    trained = trained_by_trainer(base, tmp_path / "theirs", tmp_path / "tasks", lora, **rate)
    labels = "head_labels: {" + ", ".join(f"{task.name}: [{', '.join(LABELS)}]" for task in trained.tasks) + "}"
    entries = {"theirs": given(trained, *[labels] * lora)}
    if model == "llama":  # whose own head is one layer on the last state, as it is here
        monkeypatch.setattr(type(STRATEGIES.get("sequential")), "learn", learned_here(trained))
        entries["ours"] = f"{{strategy: sequential, {LORA if lora else WHOLE}}}"
    report = stream_of(tmp_path, base, entries, *ONE_SEED, "budget.max_length=32")
    theirs, *ours = report.strategies
    assert {*report.record.ways["theirs"].values()} == {"own head"}
    own = [
        [classified_by_itself(opened, trained.heads(number), base, task) for number, task in enumerate(trained.tasks)]
        for opened in trained.models
    ]
    learned = [row[: stage + 1] for stage, row in enumerate(own)]
    assert [[*row[:stage]] for stage, row in enumerate(theirs.matrix) if stage] == learned
    for side in ours:
        assert [row[:stage] for stage, row in enumerate(side.matrix)] == [
            row[:stage] for stage, row in enumerate(theirs.matrix)
        ]
    assert len({score for row in own for score in row}) > 2
