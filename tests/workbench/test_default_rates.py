"""Default learning rates: those of the cards for an encoder; the larger a language model, the smaller its rate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from transformers import BertConfig, LlamaConfig, PretrainedConfig, T5Config

from adapter_workbench.experiments.engine.lesson import plan_lesson
from adapter_workbench.experiments.studies import STUDIES
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.settings.document import Document, read
from adapter_workbench.workbench.training.default_rates import at_default_rate, default_rate
from tests.streams import write_recipe, write_tasks


def llama_of(words: int, hidden: int = 16, architecture: str = "LlamaForCausalLM") -> PretrainedConfig:
    sizes = {"num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 32}
    config = LlamaConfig(vocab_size=words, hidden_size=hidden, **sizes)
    config.architectures = [architecture]
    return config


SMALL, LARGE = llama_of(100), llama_of(310_000, 1000)  # the embeddings alone are 310 M numbers
HUGE = llama_of(30_000_000, 1000)
BERT = BertConfig(
    vocab_size=100, hidden_size=32, num_attention_heads=2, num_hidden_layers=1, architectures=["BertModel"]
)
GIVEN = {"strategy": "isolated", "method": "lora"}
T5 = T5Config(
    vocab_size=100, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, architectures=["T5ForConditionalGeneration"]
)


def test_an_encoder_has_the_rates_of_the_cards() -> None:
    for name in METHODS.names():
        assert default_rate(name, BERT) == METHODS.get(name).default_rate


def test_a_llama_that_names_no_language_model_has_the_rates_of_the_cards() -> None:
    assert default_rate("lora", llama_of(100, architecture="LlamaModel")) == 5e-3


@pytest.mark.parametrize(
    ("method", "config", "expected"),
    [
        ("lora", SMALL, 2e-3),  # the recipe reasoning-3
        ("lora", T5, 2e-3),  # the recipe flan-t5
        ("full", SMALL, 2e-4),  # what validation picks in reasoning-3
        ("lora", LARGE, 2e-4),  # Hu et al. 2021, tables 11 and 12
        ("dora", LARGE, 2e-4),
        ("full", LARGE, 2e-5),
        ("bitfit", LARGE, 1e-3),
        ("lora", HUGE, 1e-4),  # Dettmers et al. 2023, table 9
        ("lora+bitfit", LARGE, 2e-4),
        ("head", LARGE, 3e-2),
        ("in-context", LARGE, None),
    ],
)
def test_language_models_have_smaller_ones(method: str, config: PretrainedConfig, expected: float | None) -> None:
    assert default_rate(method, config) == expected


def test_a_rate_that_is_given_stays() -> None:
    settings = METHODS.get("lora").settings
    assert at_default_rate("lora", settings(rank=4), SMALL).learning_rate == 2e-3
    assert at_default_rate("lora", settings(rank=4), SMALL).rank == 4
    assert at_default_rate("lora", settings(learning_rate=5e-3), SMALL).learning_rate == 5e-3
    assert at_default_rate("lora", settings(), BERT) == settings()


def test_a_stream_holds_the_number(bert: Path, llama: Path, tmp_path: Path) -> None:
    document = read(write_recipe(tmp_path, bert)).set(["frontier={sequential: [0.01]}"])

    def rates(backbone: Path) -> dict[str, tuple[float, float | None]]:
        entries = {
            "sequential": {"strategy": "sequential", "method": "lora"},
            "given": {**GIVEN, "learning_rate": 0.005},
        }
        data = {**document.data, "backbone": str(backbone), "strategies": entries, "reference": "sequential"}
        plan = STUDIES.get("stream").plan(replace(document, data=data), [tmp_path / "tasks"])
        return {entry.label: (entry.settings["learning_rate"], entry.default_rate) for entry in plan.entries}

    assert rates(bert) == {"sequential": (5e-3, 5e-3), "given": (5e-3, 5e-3), "sequential @ 0.01": (1e-2, 5e-3)}
    assert rates(llama) == {"sequential": (2e-3, 2e-3), "given": (5e-3, 2e-3), "sequential @ 0.01": (1e-2, 2e-3)}


def test_a_lesson_holds_the_number(bert: Path, llama: Path, tmp_path: Path) -> None:
    write_tasks(tmp_path)
    folders = [tmp_path / "tasks"]

    def rate(backbone: Path, **settings: float) -> float:
        document = Document({**settings, "budget": {"max_length": 16, "precision": "fp32"}}, "test")
        lesson = plan_lesson(document, "animals", "lora", str(backbone), 0, folders)
        return float(lesson.adaptation.settings.model_dump()["learning_rate"])

    assert rate(bert) == 5e-3
    assert rate(llama) == default_rate("lora", open_backbone(str(llama)).config) == 2e-3
    assert rate(llama, learning_rate=1e-2) == 1e-2
