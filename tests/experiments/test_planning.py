"""What `workbench plan` and `--dry-run` say of memory, and what commands refuse on quantised backbones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapter_workbench.experiments.engine.forecast import workload
from adapter_workbench.workbench.errors import InputError, UnknownNameError, UnsafeConfigError
from tests.conftest import Call
from tests.messages import lacks
from tests.streams import write_tasks

LLAMA_65B = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 32000,
    "hidden_size": 8192,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "intermediate_size": 22016,
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA_65B), encoding="utf-8")
    return path


def test_plan_answers_for_a_model_that_does_not_fit_here(call: Call, config: Path) -> None:
    options = ["--method", "lora", "--batch-size", "1", "--precision", "bf16", "--set", "rank=64", "--json"]
    code, out, _ = call("plan", "--model-config", str(config), "--quantization", "nf4", *options)
    plan = json.loads(out)
    assert code == 0
    assert plan["parameters"] - plan["trainable_parameters"] == pytest.approx(65e9, rel=0.01)
    assert plan["trainable_parameters"] == 80 * 2 * 64 * (8192 + 8192)
    assert plan["peak_mb"] < 48_000
    assert plan["step_mb"] + plan["weights_mb"] == pytest.approx(plan["peak_mb"], abs=0.2)
    _, table, _ = call("plan", "--model-config", str(config.parent), *options[:-1])
    assert "261,8" in table, "4 bytes for each of 65.2 billion parameters and of an output layer of 0.26 billion"


@pytest.mark.parametrize(
    ("method", "assignments", "message"),
    [
        ("full", ["budget.quantization=nf4"], "stay packed"),
        ("lora", ["budget.quantization=nf5"], "nf4"),
        ("lora", ["optimizer=adamw-4bit"], "adamw-8bit"),
        ("head", [], "nothing to train"),
    ],
)
def test_what_cannot_be_planned_says_why(config: Path, method: str, assignments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        workload(str(config), method, assignments)


def test_a_name_may_say_in_how_many_bits_the_backbone_is(config: Path) -> None:
    assert workload(f"{config.parent}:nf4", "lora", []) == workload(
        str(config.parent), "lora", ["budget.quantization=nf4"]
    )
    with pytest.raises(InputError, match="stay packed"):
        workload(f"{config.parent}:nf4", "full", [])


def test_a_config_is_read_with_the_care_that_a_backbone_gets(tmp_path: Path) -> None:
    def attempt(**keys: object) -> None:
        (tmp_path / "config.json").write_text(json.dumps(keys), encoding="utf-8")
        workload(str(tmp_path), "lora", []).predict()

    with pytest.raises(UnsafeConfigError):
        attempt(**LLAMA_65B, auto_map={"AutoModel": "x--y"})
    with pytest.raises(InputError, match="model type"):
        attempt(model_type="nothing-known")
    with pytest.raises(InputError, match="transformer that reads only texts"):
        attempt(model_type="resnet")
    with pytest.raises(UnknownNameError):
        workload("nowhere", "lora", [])


def test_a_dry_run_predicts_the_memory_of_each_step(call: Call, recipe: Path) -> None:
    code, out, _ = call("run", str(recipe), "--dry-run", "--json")
    assert code == 0
    assert all(piece["predicted_memory_mb"] > 0 for piece in json.loads(out)["pieces"])


def test_a_dry_run_of_a_comparison_tells_what_each_method_takes(
    call: Call,
    recipe: Path,
    bert: Path,
    tmp_path: Path,
) -> None:
    budget = ["--set", "budget.epochs=2", "--set", "budget.batch_size=8", "--set", "budget.max_length=16"]
    options = ["--methods", "lora,head,full", "--seeds", "2", "--tune", "1", "--backbone", str(bert), *budget]
    code, out, err = call("compare", "animals", *options, "--dry-run", "--json")
    assert (code, err) == (0, "")
    plan = json.loads(out)
    trained = [piece for piece in plan["pieces"] if piece["part"] != "cost"]
    assert [(piece["label"], piece["part"], piece["seed"]) for piece in trained] == [
        (label, part, seed)
        for label in ("lora", "head", "full")
        for part, seed in (("attempt", 100), ("fit", 0), ("fit", 1))
    ]
    assert {piece["optimiser_steps"] for piece in trained} == {2 * 64 // 8}
    assert not any(piece["done"] for piece in plan["pieces"])
    rows = {piece["label"]: piece for piece in trained}
    assert rows["lora"]["trainable_parameters"] == 2 * 2 * 2 * 8 * 32, "A and B of two matrices in two layers"
    assert rows["head"]["trainable_parameters"] == 0
    assert rows["full"]["predicted_memory_mb"] > rows["lora"]["predicted_memory_mb"] > 0
    assert not (tmp_path / ".workbench").exists(), "a dry run changes nothing"

    code, out, _ = call("compare", "animals", *options, "--dry-run")
    assert code == 0
    assert "12 of 12 pieces to do, 144 optimiser steps. Nothing was trained." in out
    code, _, err = call("compare", "animals", *options, "--dry-run", "--recommend")
    assert code == 2
    assert "--recommend cannot be combined with --dry-run" in err


def test_a_dry_run_counts_a_piece_that_two_entries_share_once(call: Call, bert: Path, tmp_path: Path) -> None:
    budget = "{epochs: 2, batch_size: 8, max_length: 16}"
    recipe = tmp_path / "twins.yaml"
    entries = "methods: {one: {method: head}, same: {method: head}}"
    head = f"name: twins\nbackbone: {bert}\ntasks: [animals]\nseeds: [0]\nbudget: {budget}\n"
    recipe.write_text(f"{head}{entries}\n", encoding="utf-8")
    code, out, err = call("run", str(recipe), "--tasks", str(write_tasks(tmp_path)), "--dry-run")
    assert code == 0, err
    assert "2 of 2 pieces to do, 16 optimiser steps." in out, "2 epochs of 64 examples in batches of 8, and one cost"


def test_a_recipe_that_trains_a_quantised_backbone_itself_is_refused(call: Call, recipe: Path) -> None:
    code, _, err = call("run", str(recipe), "--dry-run", "--set", "budget.quantization=nf4")
    assert code == 2
    assert lacks(err, "full trains the backbone's own weights", "nf4") == []


def test_doctor_tells_which_bits_and_optimisers_work(call: Call) -> None:
    _, out, _ = call("doctor", "--json")
    findings = {finding["name"]: finding for finding in json.loads(out)}
    for name in ("nf4 backbones", "int8 backbones", "8-bit AdamW"):
        assert findings[name]["works"], findings[name]["detail"]
    assert "paged AdamW" in findings


@pytest.mark.parametrize(
    ("option", "value"),
    [("--batch-size", "0"), ("--max-length", "1"), ("--precision", "fp8"), ("--quantization", "int3")],
)
def test_a_wrong_value_is_told_of_the_option_that_was_written(option: str, value: str, call: Call) -> None:
    """It was told of ``--set budget.batch_size=0``, which nobody had written."""
    code, _, err = call("plan", "--model-config", "minilm", "--method", "lora", option, value)
    assert (code, option in err, "--set" in err) == (2, True, False), err
