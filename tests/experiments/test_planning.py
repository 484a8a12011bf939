"""What `workbench plan` and `--dry-run` say of memory, and what commands refuse on quantised backbones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.planning import workload
from tests.experiments.test_cli import Call, call, recipe  # noqa: F401 # fixtures
from workbench.errors import InputError, UnknownNameError, UnsafeConfigError

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


def test_plan_answers_for_a_model_that_does_not_fit_here(call: Call, config: Path) -> None:  # noqa: F811
    options = ["--method", "lora", "--batch-size", "1", "--precision", "bf16", "--set", "rank=64", "--json"]
    code, out, _ = call("plan", "--model-config", str(config), "--quantization", "nf4", *options)
    found = json.loads(out)
    assert code == 0
    assert found["parameters"] - found["trainable_parameters"] == pytest.approx(65e9, rel=0.01)
    assert found["trainable_parameters"] == 80 * 2 * 64 * (8192 + 8192)
    assert found["peak_mb"] < 48_000
    assert found["step_mb"] + found["weights_mb"] == pytest.approx(found["peak_mb"], abs=0.2)
    _, table, _ = call("plan", "--model-config", str(config.parent), *options[:-1])
    assert "261,8" in table, "4 bytes for each of 65.2 billion parameters and of an output layer of 0.26 billion"


@pytest.mark.parametrize(
    ("method", "assignments", "message"),
    [
        ("full", ["budget.quantization=nf4"], "keeps packed"),
        ("lora", ["budget.quantization=nf5"], "nf4"),
        ("lora", ["optimizer=adamw-4bit"], "adamw-8bit"),
        ("head", [], "nothing is trained"),
    ],
)
def test_what_cannot_be_planned_says_why(config: Path, method: str, assignments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        workload(str(config), method, assignments)


def test_a_config_is_read_with_the_care_that_a_backbone_gets(tmp_path: Path) -> None:
    def attempt(**keys: object) -> None:
        (tmp_path / "config.json").write_text(json.dumps(keys), encoding="utf-8")
        workload(str(tmp_path), "lora", []).predict()

    with pytest.raises(UnsafeConfigError):
        attempt(**LLAMA_65B, auto_map={"AutoModel": "x--y"})
    with pytest.raises(InputError, match="no model of the type"):
        attempt(model_type="nothing-known")
    with pytest.raises(InputError, match="does not tell"):
        attempt(model_type="resnet")
    with pytest.raises(UnknownNameError):
        workload("nowhere", "lora", [])


def test_a_dry_run_predicts_the_memory_of_each_step(call: Call, recipe: Path) -> None:  # noqa: F811
    code, out, _ = call("run", str(recipe), "--dry-run", "--json")
    assert code == 0
    assert all(step["predicted_memory_mb"] > 0 for step in json.loads(out)["steps"])


def test_a_recipe_that_trains_a_quantised_backbone_itself_is_refused(call: Call, recipe: Path) -> None:  # noqa: F811
    code, _, err = call("run", str(recipe), "--dry-run", "--set", "budget.quantization=nf4")
    assert code == 2
    assert "full trains the backbone's own weights, which nf4 keeps packed" in err


def test_doctor_tells_which_bits_and_optimisers_work(call: Call) -> None:  # noqa: F811
    _, out, _ = call("doctor", "--json")
    findings = {one["name"]: one for one in json.loads(out)}
    for name in ("nf4 backbones", "int8 backbones", "8-bit AdamW"):
        assert findings[name]["works"], findings[name]["detail"]
    assert "paged AdamW" in findings
