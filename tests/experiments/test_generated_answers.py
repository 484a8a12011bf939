"""Tasks answered in words, from a CSV file to a stream, a report and a prediction."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.errors import InputError
from tests.conftest import FILLERS, FRUITS, SUBJECTS
from tests.runs import stream_in

BUDGET = {"epochs": 16, "batch_size": 8, "max_length": 16, "precision": "fp32"}
RECIPE = """name: words
backbone: {backbone}
tasks: [animals, fruits]
seeds: [0]
budget: {{epochs: 3, batch_size: 8, max_length: 16, precision: fp32}}
strategies:
  isolated: {{strategy: isolated, method: lora, learning_rate: 0.02}}
  sequential: {{strategy: sequential, method: full, learning_rate: 0.01}}
reference: sequential
"""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """Two tasks whose answer is the noun in the text."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "tasks").mkdir()
    for name, words in (("animals", SUBJECTS), ("fruits", FRUITS)):
        rows = [(f"the {word} {filler}", word) for word in words for filler in FILLERS]
        pd.DataFrame(rows, columns=["question", "noun"]).to_csv(tmp_path / f"tasks/{name}.csv", index=False)
        (tmp_path / f"tasks/{name}.yaml").write_text(
            f"description: Say the noun.\nkind: causal-lm\nfiles: {{data: {name}.csv}}\n"
            "columns: {text: question, answer: noun}\nmax_new_tokens: 4\n"
        )
    return Workbench(tmp_path / "ws", [tmp_path / "tasks"])


def test_train_and_predict(bench: Workbench, llama: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    trained = bench.train(bench.lesson("animals", "lora", str(llama), learning_rate=0.03, budget=BUDGET))
    assert trained.test.scores["score"] == trained.test.scores["exact_match"] > 1.5 * trained.majority
    texts = [f"the {word} often" for word in SUBJECTS]
    predictions = bench.predict(trained.adapter.id, texts)
    assert [prediction.text for prediction in predictions] == texts
    right = sum(prediction.label == word for prediction, word in zip(predictions, SUBJECTS, strict=True))
    assert right > 1, "a constant answer is right once"
    assert all(0 < prediction.confidence <= 1 for prediction in predictions)

    from adapter_workbench.experiments.cli import main

    arguments = ["workbench", "predict", trained.adapter.id, texts[0], "--workspace", "ws", "--json"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 0
    (printed,) = json.loads(capsys.readouterr().out)
    assert printed["label"] == predictions[0].label


def test_a_stream_is_learned_and_verified_bit_for_bit(bench: Workbench, llama: Path, tmp_path: Path) -> None:
    (tmp_path / "words.yaml").write_text(RECIPE.format(backbone=llama))
    report = bench.run(bench.plan(str(tmp_path / "words.yaml")))
    isolated, sequential = report.strategies
    assert isolated.metrics["forgetting"].mean == 0.0
    assert isolated.matrix[2][0] == isolated.matrix[1][0] is not None
    assert sequential.matrix[2][0] is not None
    record = stream_in(bench.workspace, "words")
    statuses = [
        [cell.status for cell in outcome.cells]
        for outcome in record.outcomes
        if (outcome.label, outcome.stage) == ("isolated", 2)
    ]
    assert statuses == [["verified", "measured"]]


def test_a_method_without_anything_to_train_is_refused(bench: Workbench, llama: Path) -> None:
    with pytest.raises(InputError, match="head cannot adapt"):
        bench.train(bench.lesson("animals", "head", str(llama), budget=BUDGET))


def test_an_encoder_is_refused(bench: Workbench, bert: Path) -> None:
    with pytest.raises(InputError, match="causal language model"):
        bench.train(bench.lesson("animals", "lora", str(bert), budget=BUDGET))


def test_how_far_answers_moved_from_the_base_is_measured_after_each_stage(
    bench: Workbench, llama: Path, tmp_path: Path
) -> None:
    """At a learning rate near 0 they are where they were."""
    entries = ("ella", 0.02), ("slao", 0.02), ("sequential", 1e-9)
    strategies = "".join(
        f"  {name}: {{strategy: {name}, method: lora, learning_rate: {rate}}}\n" for name, rate in entries
    )
    recipe = RECIPE.split("strategies:")[0].format(backbone=llama).replace("epochs: 3", "epochs: 1")
    probes = "probes: [kl-from-base]\nprobe_examples: 8\n"
    (tmp_path / "words.yaml").write_text(f"{recipe}strategies:\n{strategies}reference: sequential\n{probes}")
    report = bench.run(bench.plan(str(tmp_path / "words.yaml")))
    moved = {entry.label: entry.probes["kl-from-base"]["kl"] for entry in report.strategies}
    for name, _ in entries:
        assert [value is not None for value in moved[name].stages] == [False, True, True]
    assert moved["sequential"].last.mean == pytest.approx(0, abs=1e-6)
    assert min(moved[name].last.mean or 0 for name in ("ella", "slao")) > 1e-3
