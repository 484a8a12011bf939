"""The benchmark of ways to adapt a language model: each is measured beside its prediction, and trained if wanted."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from bench import quantised


@pytest.mark.parametrize("train", [True, False])
def test_a_way_is_measured_beside_what_is_predicted_for_the_same_batch(
    train: bool, llama: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    budget = {"train_examples": 8, "eval_examples": 4, "validation_examples": 4, "batch_size": 4, "max_length": 40}
    quantised.run_way("lora", "reasoning-gym-word-reversal", str(llama), json.dumps({**budget, "epochs": 1}), train)
    document = json.loads(capsys.readouterr().out)
    assert document["measured"]["texts"] == 4
    assert 0 < document["measured"]["length"] <= 40
    assert document["predicted"]["step_mb"] > 0
    assert ("test" in document, "seconds" in document) == (train, train)


def test_finished_ways_are_kept_and_the_command_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    children: list[list[str]] = []

    def run(child: list[str], **_: object) -> SimpleNamespace:
        children.append(child)
        return SimpleNamespace(stdout=json.dumps({"way": child[child.index("run-way") + 1]}))

    monkeypatch.setattr(quantised, "subprocess", SimpleNamespace(run=run, PIPE=None))
    out = tmp_path / "found.json"
    for ways in ("lora", "full, 8-bit AdamW;lora"):
        arguments = ["compare", "--no-train", "--ways", ways, "--out", str(out)]
        assert CliRunner().invoke(quantised.app, arguments, catch_exceptions=False).exit_code == 0
    document = json.loads(out.read_text(encoding="utf-8"))
    assert [child[child.index("run-way") + 1] for child in children] == ["lora", "full, 8-bit AdamW"]
    assert [child[-1] for child in children] == ["--no-train"] * 2
    assert document["ways"] == {"lora": {"way": "lora"}, "full, 8-bit AdamW": {"way": "full, 8-bit AdamW"}}
    assert document["provenance"]["command"].endswith("--ways 'full, 8-bit AdamW;lora' --no-train")
    assert " compare --task reasoning-gym-word-reversal" in document["provenance"]["command"]
