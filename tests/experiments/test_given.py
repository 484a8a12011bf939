"""Checkpoints that exist already as the stages of a stream."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.reporting.presentation import Table
from adapter_workbench.experiments.strategies import STRATEGIES, State
from adapter_workbench.experiments.strategies._checkpoint import GivenStage
from adapter_workbench.experiments.strategies._checkpoints import distinct_names, read_checkpoints
from adapter_workbench.experiments.strategies.hypernetwork import EMBEDDINGS
from adapter_workbench.experiments.strategies.l2p import POOL
from adapter_workbench.experiments.strategies.mask import MASKS
from adapter_workbench.experiments.strategies.ranpac import SOLUTION
from adapter_workbench.experiments.studies.stream.page.gallery import caption, draw
from adapter_workbench.experiments.studies.stream.page.present import present
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.output_layer import output_layer
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.measures.forgetting import METRICS
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.checkpoints import with_a_head, with_another_output_layer
from tests.conftest import Call
from tests.runs import stream_of
from tests.stages import START, adapted, context_for
from tests.streams import write_tasks

QUICK = ("seeds=[0]", "reference=mine", "budget.epochs=1")

OWN = [metric.name for metric in METRICS if metric.name != "transfer_gain"]  # without isolated there is no S[j]


def state_folders(report: Any, workspace: Path, label: str) -> list[str]:
    """Return the folders of a stream's stages, as a recipe names them."""
    record = report.record
    return [
        str(workspace / "steps" / key)
        for coordinates, key in record.stages
        if coordinates["label"] == label and coordinates["seed"] == 0
    ]


def test_a_stream_given_again_by_the_weights_that_it_left_has_the_same_numbers(bert: Path, tmp_path: Path) -> None:
    settings = "method: lora, rank: 4, learning_rate: 0.02"
    trained = {way: f"{{strategy: {way}, {settings}}}" for way in ("sequential", "isolated")}
    first = stream_of(tmp_path, bert, trained, *QUICK, "reference=isolated")
    adapters = first.record.adapters["isolated", 0, 0]
    states = ", ".join(state_folders(first, tmp_path / "space", "sequential"))
    stored = ", ".join([str(bert), *(str(adapters[task].folder) for task in first.record.tasks)])
    given = {
        "sequential": f"{{strategy: given, {settings}, stages: [{states}]}}",
        "isolated": f"{{strategy: given, stages: [{stored}]}}",
    }
    again = stream_of(tmp_path, bert, given, *QUICK, "reference=isolated", "name=again")
    (shared, apart), (shared_again, apart_again) = first.strategies, again.strategies
    assert shared_again.matrix == shared.matrix
    metrics, metrics_again = ({name: side.metrics[name].mean for name in OWN} for side in (shared, shared_again))
    assert metrics_again == metrics
    assert {*again.record.ways["sequential"].values()} == {"own head"}
    written = [file.read_text(encoding="utf-8") for file in (tmp_path / "space").glob("steps/*/*.json")]
    assert not [text for text in written if "NaN" in text], "JSON has no such number"
    assert again.record.checkpoints["sequential"][0] == "", "the first checkpoint is stage 1"
    just_learned = [[side.matrix[stage][stage - 1] for stage in (1, 2, 3)] for side in (apart, apart_again)]
    assert just_learned[0] == just_learned[1]
    assert apart_again.matrix[0] == (None, None, None), "the base model brings no head"
    assert apart_again.matrix[1][1:] == (None, None), "nor do heads that come later"
    assert None not in apart_again.matrix[3], "later bodies answer under the heads of earlier checkpoints"


@pytest.fixture(scope="module")
def checkpoints(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of peft and of transformers: a body that was changed much, little, and not at all."""
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModel, AutoTokenizer

    folder = tmp_path_factory.mktemp("checkpoints")
    for name, size in (("little", 0.01), ("much", 1.0)):
        torch.manual_seed(0)
        model: PeftModel = get_peft_model(
            AutoModel.from_pretrained(bert), LoraConfig(r=4, target_modules=["query", "value"], init_lora_weights=False)
        )
        with torch.no_grad():
            for parameter in (parameter for parameter in model.parameters() if parameter.requires_grad):
                parameter.mul_(size)
        model.save_pretrained(folder / name)
    torch.manual_seed(0)
    whole = AutoModel.from_pretrained(bert)
    with torch.no_grad():
        for parameter in whole.encoder.parameters():
            parameter.copy_(torch.randn_like(parameter))
    whole.save_pretrained(folder / "destroyed")
    AutoTokenizer.from_pretrained(bert).save_pretrained(folder / "destroyed")
    return folder


def test_checkpoints_of_other_programs_are_examined(bert: Path, checkpoints: Path, tmp_path: Path) -> None:
    stages = ", ".join([str(bert), *(str(checkpoints / name) for name in ("little", "destroyed"))])
    entry = {"mine": f"{{strategy: given, stages: [{stages}]}}"}
    report = stream_of(tmp_path, bert, entry, *QUICK, "learned=before", "probes=[linear, cka, weight-drift]")
    (mine,) = report.strategies
    assert np.shape(mine.matrix) == (3, 3)
    assert report.complete
    assert report.record.checkpoints["mine"][1:] == ("little", "destroyed")
    assert {*report.record.ways["mine"].values()} == {"fitted head"}
    matrix = np.array(mine.matrix)
    assert mine.metrics["forgetting"].mean == pytest.approx((matrix[:2].max(axis=0) - matrix[2]).mean())
    assert mine.metrics["backward_transfer"].mean == pytest.approx((matrix[2] - matrix[0]).mean())
    assert [change.task for change in report.examined(mine)] == ["animals", "halves", "fruits"]
    assert report.as_json()["strategies"]["mine"]["examined"][0]["way"] == "fitted head"
    assert draw("learning-versus-forgetting", report) is None, "one point says nothing"
    assert "the stage that learns" not in caption(report, "forgetting-curves")
    assert report.verdict


def test_several_trainings_are_tested_over_seeds(bert: Path, checkpoints: Path, tmp_path: Path) -> None:
    runs = ", ".join(f"[{bert}, {checkpoints / name}]" for name in ("little", "destroyed"))
    entry = {"mine": f"{{strategy: given, stages: [{runs}]}}"}
    report = stream_of(tmp_path, bert, entry, *QUICK, "seeds=[0, 1]", "learned=before")
    for change in report.as_json()["strategies"]["mine"]["examined"]:
        assert change["seeds"] == 2
        assert change["low"] < change["change"] < change["high"]
    (table,) = (block for block in present(report).blocks if isinstance(block, Table) and block.name == "examined")
    assert "over seeds" in table.note
    assert "McNemar" not in table.note


def test_checkpoints_stand_beside_what_is_trained_here(bert: Path, checkpoints: Path, tmp_path: Path) -> None:
    stages = ", ".join([str(bert), *[str(checkpoints / name) for name in ("little", "much", "destroyed")]])
    entries = {
        "mine": f"{{strategy: given, stages: [{stages}]}}",
        "fresh": "{strategy: isolated, method: head, learning_rate: 0.05}",
    }
    report = stream_of(tmp_path, bert, entries, *QUICK, "reference=fresh")
    mine, fresh = report.strategies
    assert None not in mine.matrix[0]
    assert mine.metrics["forward_transfer"].mean is not None, "fitted heads answer before a task's stage, too"
    assert mine.differences["forgetting"].seeds.mean is not None
    assert "mine" in report.verdict
    assert fresh.metrics["forgetting"].mean == 0.0


def test_the_task_of_each_checkpoint_is_always_tested_and_its_model_probed(
    bert: Path, checkpoints: Path, tmp_path: Path
) -> None:
    stages = ", ".join([str(bert), *[str(checkpoints / name) for name in ("little", "much", "destroyed")]])
    entry = {"mine": f"{{strategy: given, stages: [{stages}]}}"}
    report = stream_of(tmp_path, bert, entry, *QUICK, "probes=[weight-drift]", "evaluate_every=2")
    (mine,) = report.strategies
    assert None not in [mine.matrix[stage][stage - 1] for stage in (1, 2, 3)], "learning accuracy is of these"
    drifts = [outcome.probes["weight-drift"]["relative-norm"] for outcome in report.record.outcomes if outcome.stage]
    assert drifts == sorted(drifts)
    assert len({*drifts}) == 3


def test_answers_to_other_test_rows_are_probed_anew(bert: Path, tmp_path: Path) -> None:
    settings = "method: lora, rank: 4, learning_rate: 0.02"
    entry = {"mine": f"{{strategy: sequential, {settings}}}"}
    first = stream_of(tmp_path, bert, entry, *QUICK)
    states = ", ".join(state_folders(first, tmp_path / "space", "mine"))
    given = {"mine": f"{{strategy: given, {settings}, stages: [{states}]}}"}

    def probed(rows: int) -> list[float]:
        changes = (f"name=with-{rows}", "probes=[calibration]", f"budget.eval_examples={rows}")
        report = stream_of(tmp_path, bert, given, *QUICK, *changes)
        assert {*report.record.ways["mine"].values()} == {"own head"}, "which does not depend on the rows"
        return [value for outcome in report.record.outcomes for value in outcome.probes["calibration"].values()]

    assert probed(4) != probed(16)


WRONG = {
    "too few": ("stages: [{bert}, {little}]", (), "2 checkpoints for 3 tasks"),
    "nothing there": ("stages: [{bert}, {little}, {little}-not]", (), "there is no such folder"),
    "none": ("stages: []", (), "needs stages|too short|at least 1"),
    "seeds": ("stages: [{bert}, {little}, {much}]", ("seeds=[0, 1]",), "2 seeds, and checkpoints of 1"),
    "orders": ("stages: [{bert}, {little}, {much}]", ("orders=2",), "learned in one order"),
    "scenario": (
        "stages: [{bert}, {little}, {much}]",
        ("scenario=class-incremental",),
        "which needs scenario: task-incremental",
    ),
    "trained": (
        "stages: [{bert}, {little}]}}, other: {{strategy: isolated, method: lora",
        ("learned=before",),
        "'other' is trained",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_measured_is_refused(case: str, bert: Path, checkpoints: Path, tmp_path: Path) -> None:
    entry, changes, message = WRONG[case]
    names = {name: checkpoints / name for name in ("little", "much")}
    with pytest.raises(InputError, match=message):
        stream_of(
            tmp_path, bert, {"mine": f"{{strategy: given, {entry.format(bert=bert, **names)}}}"}, *QUICK, *changes
        )
    assert not (tmp_path / "space/experiments").exists()


def _state(folder: Path) -> Path:
    """Return the folder of a stage with a shared body and no weights."""
    for name in ("body", "heads"):
        (folder / "state" / name).mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    ("strategy", "file"),
    [("mask", MASKS), ("hypernetwork", EMBEDDINGS), ("ranpac", SOLUTION), ("l2p", f"body/{POOL}")],
)
def test_a_stage_that_answers_with_more_than_body_and_heads_is_refused(
    strategy: str, file: str, backbone: Backbone, tmp_path: Path, copying: Task
) -> None:
    stage = _state(tmp_path / "stage")
    (checkpoint,) = read_checkpoints([str(stage)], backbone, [copying], "stages")
    assert checkpoint.form == "state"
    (stage / "state" / file).write_bytes(b"")
    with pytest.raises(InputError, match=f"is a stage of {strategy}, which body and heads alone do not answer for"):
        read_checkpoints([str(stage)], backbone, [copying], "stages")


def test_a_stage_with_the_prompts_of_several_tasks_is_refused(bert: Path, tmp_path: Path) -> None:
    stage = _state(tmp_path / "stage")
    config = json.dumps({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 8})
    (stage / "state/body/adapter_config.json").write_text(config, encoding="utf-8")
    entry = {"mine": f"{{strategy: given, method: prompt, tokens: 4, stages: [{bert}, {stage}]}}"}
    with pytest.raises(InputError, match="stage has 8 virtual tokens, and prompt 4 before each text"):
        stream_of(tmp_path, bert, entry, *QUICK, "learned=before")


def test_names_are_as_short_as_they_can_be_told_apart() -> None:
    names = ["minilm", "runs/a/checkpoint-5", "runs/b/checkpoint-5", "runs/b/final/"]
    assert distinct_names(names) == ["minilm", "a/checkpoint-5", "b/checkpoint-5", "final"]
    assert distinct_names(["x/final", "/final"]) == ["x/final", "final"]


def test_a_command_examines_checkpoints_and_goes_on_where_it_was(
    call: Call, bert: Path, checkpoints: Path, tmp_path: Path
) -> None:
    write_tasks(tmp_path)
    given = ["examine", str(bert), str(checkpoints / "destroyed"), "--task", "animals,fruits", "--rows", "32"]
    given += ["--set", "budget.max_length=16", "--probes", "none", "--workspace", "ws"]
    code, out, err = call(*given, "--json", "--max-forgetting", "-1000")
    assert code == 3, err
    document = json.loads(out)
    assert document["gate"]["passed"] is False
    changes = document["strategies"]["given"]["examined"]
    assert [change["task"] for change in changes] == ["animals", "fruits"]
    assert all(change["low"] <= change["change"] <= change["high"] for change in changes)
    evaluations = {path: path.stat().st_mtime_ns for path in (tmp_path / "ws").rglob("*.parquet")}
    code, out, err = call(*given, "--max-forgetting", "100", "--out", "lost.html")
    assert (code, "Written: lost.html" in out) == (0, True), err
    assert "<html" in (tmp_path / "lost.html").read_text()
    assert "Lost and gained" in out
    assert "destroyed" in out
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "ws").rglob("*.parquet")} == evaluations
    code, _, err = call("examine", str(bert), str(bert), "--task", "animals")
    assert code == 2
    assert "named twice" in err


def test_of_one_more_checkpoint_only_that_one_is_measured(
    call: Call, bert: Path, checkpoints: Path, tmp_path: Path
) -> None:
    """As a command after each save of a trainer does it: the same name, and the checkpoints so far."""
    write_tasks(tmp_path)
    options = ["--task", "animals,fruits", "--rows", "32", "--set", "budget.max_length=16", "--probes", "cka"]
    options += ["--workspace", "ws", "--name", "run", "--json"]

    def examined(*names: str) -> tuple[dict[str, int], Any]:
        code, out, err = call("examine", str(bert), *(str(checkpoints / name) for name in names), *options)
        assert code == 0, err
        measured = [*(tmp_path / "ws").rglob("*.parquet"), *(tmp_path / "ws/steps").glob("*/fit.json")]
        return {str(path): path.stat().st_mtime_ns for path in measured}, json.loads(out)

    before, first = examined("little")
    after, second = examined("little", "destroyed")
    assert {path: after[path] for path in before} == before, "the base model and the first checkpoint are not measured"
    assert len(after) - len(before) == 3, "a stage, and an evaluation of each task"
    matrices = [document["strategies"]["given"]["matrix"] for document in (first, second)]
    assert matrices[1][:2] == matrices[0]
    assert len(matrices[1]) == 3


def test_a_language_model_is_asked_and_its_own_output_layer_answers(llama: Path, tmp_path: Path, copying: Task) -> None:
    import torch

    with_another_output_layer(llama, tmp_path / "tuned")
    base = open_backbone(str(llama))
    budget = Budget(max_length=32, precision="fp32")
    strategy, state, scores = STRATEGIES.get("given"), START, []
    context = context_for(adapted("full", base), budget, (copying,), tmp_path, strategy.settings())
    for number, checkpoint in enumerate(read_checkpoints([str(llama), str(tmp_path / "tuned")], base, [copying], "")):
        stage = GivenStage(number, checkpoint, {copying.name: "generated"}, (copying.name,))
        folder = tmp_path / f"state-{number}"
        folder.mkdir()
        here = replace(context, given=stage)
        strategy.learn(state, here, folder)
        state = State(folder, str(number))
        model_here = strategy.model_for(state, copying, here)
        own = open_backbone(str(tmp_path / "tuned")) if number else base
        assert torch.equal(model_here.head.weight, output_layer(own).weight)
        scores.append(strategy.tested(state, copying, here, lambda opened=model_here: opened).logits_sha256)
    assert scores[0] != scores[1]


def right(model: Any, reader: Path, task: Task) -> float:
    """Return the share of test rows that a classifier of transformers answers rightly."""
    import torch
    from transformers import AutoTokenizer

    rows, batch = task.splits["test"], AutoTokenizer.from_pretrained(reader)
    with torch.inference_mode():
        answers = model(**batch(rows["text"][:], padding=True, return_tensors="pt")).logits.argmax(-1)
    return float((answers == torch.tensor(rows["label"][:])).float().mean())


def test_a_classifier_that_kept_on_training_is_asked_with_its_own_heads(bert: Path, task: Task, tmp_path: Path) -> None:
    """Also where the body was frozen, and in a workspace that has stages of another head on the same body."""
    heads = ((0, "before"), (1, "after"), (3, "other"))
    scores = [right(with_a_head(bert, tmp_path / name, task.labels, seed), bert, task) for seed, name in heads]
    assert scores[1] != scores[2]
    for after, own in (("after", scores[:2]), ("other", [scores[0], scores[2]])):
        entry = {"mine": f"{{strategy: given, stages: [{tmp_path / 'before'}, {tmp_path / after}]}}"}
        report = stream_of(
            tmp_path, tmp_path / "before", entry, *QUICK, "learned=before", "tasks=[animals]", f"name={after}"
        )
        (mine,) = report.strategies
        assert report.record.ways["mine"] == {"animals": "own head"}
        assert [row[0] for row in mine.matrix] == pytest.approx(own), "what their own program answers"
    assert not [*(tmp_path / "space/steps").rglob("model.safetensors")], "no weights were copied"


@pytest.mark.parametrize("link", [False, True])
def test_a_whole_model_that_is_stored_here_is_asked_with_its_own_head(
    link: bool, bert: Path, task: Task, tmp_path: Path
) -> None:
    scores = [right(with_a_head(bert, tmp_path / name, task.labels, at), bert, task) for at, name in enumerate("ab")]
    stored = Workbench(tmp_path / "space", []).exchange.import_adapter(tmp_path / "b", link=link)
    entry = {"mine": f"{{strategy: given, stages: [{tmp_path / 'a'}, {stored.folder}]}}"}
    report = stream_of(tmp_path, tmp_path / "a", entry, *QUICK, "learned=before", "tasks=[animals]")
    assert report.record.ways["mine"] == {"animals": "own head"}
    assert [row[0] for row in report.strategies[0].matrix] == pytest.approx(scores)


def test_a_base_model_of_the_hub_brings_its_head(bert: Path, task: Task, tmp_path: Path) -> None:
    with_a_head(bert, tmp_path / "mood", task.labels, 0)
    base = replace(open_backbone(str(tmp_path / "mood")), name="owner/mood", hub_id="owner/mood")
    (checkpoint,) = read_checkpoints(["owner/mood"], base, [task], "")
    assert checkpoint.heads == {task.name: task.labels}
    assert checkpoint.backbone is None, "it is the base model"
