"""What plain peft wrote comes in, is exported, and opens in plain peft again; also without its manifest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import AdaLoraConfig, IA3Config, LoraConfig, PromptTuningConfig, TaskType

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.adapters.adapter_folder import CONFIG
from tests.elsewhere.architectures import write_base
from tests.elsewhere.senders import answers, sent_by_peft
from tests.neighbours.reads_exports import opened

CLM, S2S, SEQ, TOKEN = TaskType.CAUSAL_LM, TaskType.SEQ_2_SEQ_LM, TaskType.SEQ_CLS, TaskType.TOKEN_CLS
CLASSES = {
    CLM: "AutoModelForCausalLM",
    S2S: "AutoModelForSeq2SeqLM",
    SEQ: "AutoModelForSequenceClassification",
    TOKEN: "AutoModelForTokenClassification",
}
LABELS = {"num_labels": 3}
CASES: dict[str, tuple[str, TaskType, Any, str]] = {  # base, what was trained, its config, the class of the export
    "llama": ("llama", CLM, LoraConfig(task_type=CLM, r=4, target_modules="all-linear"), CLASSES[CLM]),
    "gpt2": ("gpt2", CLM, LoraConfig(task_type=CLM, r=4, fan_in_fan_out=True), CLASSES[CLM]),
    "dora on gpt2": ("gpt2", CLM, LoraConfig(task_type=CLM, r=4, use_dora=True, fan_in_fan_out=True), CLASSES[CLM]),
    "biases": ("gpt2", CLM, LoraConfig(task_type=CLM, r=4, bias="all", fan_in_fan_out=True), CLASSES[CLM]),
    "ranks": (
        "llama",
        CLM,
        LoraConfig(task_type=CLM, rank_pattern={"q_proj": 2}, alpha_pattern={"v_proj": 3}),
        CLASSES[CLM],
    ),
    "adalora": ("llama", CLM, AdaLoraConfig(task_type=CLM, init_r=4, total_step=10), CLASSES[CLM]),
    "embeddings": ("llama", CLM, LoraConfig(task_type=CLM, target_modules=["embed_tokens", "q_proj"]), CLASSES[CLM]),
    "whole modules": ("llama", CLM, LoraConfig(task_type=CLM, modules_to_save=["input_layernorm"]), CLASSES[CLM]),
    "tokens": ("llama", CLM, LoraConfig(task_type=CLM, trainable_token_indices=[5, 6]), CLASSES[CLM]),
    "prompt": ("llama", CLM, PromptTuningConfig(task_type=CLM, num_virtual_tokens=3), CLASSES[CLM]),
    "t5": ("t5", S2S, LoraConfig(task_type=S2S, r=4), CLASSES[S2S]),
    "bart": ("bart", S2S, IA3Config(task_type=S2S), CLASSES[S2S]),
    "bert": ("bert", SEQ, LoraConfig(task_type=SEQ, r=4), CLASSES[SEQ]),
    "roberta": ("roberta", SEQ, LoraConfig(task_type=SEQ, r=4, use_rslora=True), CLASSES[SEQ]),
    "distilbert": (
        "distilbert",
        SEQ,
        IA3Config(task_type=SEQ, target_modules=["q_lin"], feedforward_modules=[], modules_to_save=["pre_classifier"]),
        CLASSES[SEQ],
    ),
    "a head without a bias": ("llama", SEQ, LoraConfig(task_type=SEQ, r=4), CLASSES[SEQ]),
    "tags": ("bert", TOKEN, LoraConfig(task_type=TOKEN, r=4), CLASSES[TOKEN]),
    "an adapted pooler": ("bert", SEQ, LoraConfig(task_type=SEQ, r=4, target_modules="all-linear"), "AutoModel"),
}


@pytest.fixture(scope="module")
def base(bert: Path, llama: Path, t5: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a tiny base model of an architecture."""
    known = {"bert": bert, "llama": llama, "t5": t5}
    return lambda name: known.get(name) or known.setdefault(name, write_base(tmp_path_factory.mktemp(name), name))


@pytest.mark.parametrize("case", CASES)
def test_it_opens_in_two_lines_as_its_sender_s_did(case: str, base: Callable[..., Path], tmp_path: Path) -> None:
    name, task, config, expected = CASES[case]
    backbone = base(name)
    options: dict[str, Any] = LABELS if task in (SEQ, TOKEN) else {}
    if name == "llama" and options:
        options = {**options, "pad_token_id": 0}
    wanted = sent_by_peft(backbone, tmp_path / "sent", config, CLASSES[task], **options)()
    bench = Workbench(tmp_path / "ws", [])
    labels = ("x", "y", "z") if options else ()
    stored = bench.exchange.import_adapter(tmp_path / "sent", str(backbone), labels=labels)
    folder = bench.exchange.export(stored.id, tmp_path / "out")
    written = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    model = opened(str(folder))
    assert type(model.get_base_model()).__name__ == type(opened_by(expected, backbone, options)).__name__
    if expected == "AutoModel":
        assert written["task_type"] == "FEATURE_EXTRACTION"
        return
    assert written["task_type"] == task.value
    torch.testing.assert_close(answers(model, backbone), wanted, rtol=0.0, atol=1e-5)
    again = Workbench(tmp_path / "other", []).exchange.import_adapter(folder, str(backbone))
    assert again.identity == stored.identity
    (folder / "manifest.json").unlink()
    foreign = Workbench(tmp_path / "third", []).exchange.import_adapter(folder, str(backbone), labels=labels)
    second = Workbench(tmp_path / "third", []).exchange.export(foreign.id, tmp_path / "twice")
    torch.testing.assert_close(answers(opened(str(second)), backbone), wanted, rtol=0.0, atol=1e-5)


def opened_by(loader: str, backbone: Path, options: dict[str, Any]) -> Any:
    import transformers

    return getattr(transformers, loader).from_pretrained(backbone, **options)
