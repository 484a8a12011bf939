"""The heads of transformers' classes, as plain peft saves them beside an adapter: found, kept, or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PromptEncoderConfig, PromptTuningConfig, TaskType, get_peft_model

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.stored_model import open_adapter
from tests.elsewhere.architectures import write_base
from tests.elsewhere.senders import TEXTS, agree, answers, answers_here, drawn, imported, sent_by_peft, trained_by_peft
from tests.elsewhere.test_without_head import write_task
from tests.messages import naming

SEQ, TAG = TaskType.SEQ_CLS, TaskType.TOKEN_CLS
LOADERS = {
    SEQ: "AutoModelForSequenceClassification",
    TAG: "AutoModelForTokenClassification",
    TaskType.CAUSAL_LM: "AutoModelForCausalLM",
    TaskType.SEQ_2_SEQ_LM: "AutoModelForSeq2SeqLM",
}
TARGETS = {
    "distilbert": ["q_lin", "v_lin"],
    "albert": ["query", "ffn"],
    "deberta-v2": ["query_proj", "value_proj"],
    "modernbert": ["Wqkv", "Wo"],
    "mpnet": ["q", "v"],
    "xlnet": ["layer_1", "layer_2"],
}
TANH, GELU = ("linear", "tanh", "linear"), ("linear", "gelu", "linear")
HEADS: dict[str, tuple[list[str] | None, str, tuple[str, ...]]] = {  # saved with it → what is found
    "bert": (["pooler"], "first", TANH),
    "roberta": (None, "first", TANH),  # peft saves all of what is called classifier
    "distilbert": (["pre_classifier"], "first", ("linear", "relu", "linear")),
    "electra": (None, "first", GELU),
    "albert": (None, "first", TANH),
    "deberta-v2": (["pooler"], "first", GELU),
    "modernbert": (["head"], "first", ("linear", "gelu", "norm", "linear")),
    "mpnet": (None, "first", TANH),
    "xlnet": (["sequence_summary", "logits_proj"], "last", TANH),
    "gpt2": (None, "last", ("linear",)),
    "bart": (["classification_head"], "last", TANH),
    "t5": (["classification_head"], "last", TANH),
}
Base = Callable[[str], Path]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, bert: Path, llama: Path, t5: Path) -> Base:
    """Return the folder of a base model of an architecture; each is written once."""
    written = {"bert": bert, "llama": llama, "t5": t5}

    def folder(kind: str) -> Path:
        if kind not in written:
            written[kind] = write_base(tmp_path_factory.mktemp(kind), kind)
        return written[kind]

    return folder


def lora(kind: str, task: TaskType, saved: list[str] | None = None) -> LoraConfig:
    return LoraConfig(task_type=task, r=4, target_modules=TARGETS.get(kind), modules_to_save=saved)


ALIKE = {"electra", "albert", "deberta-v2", "mpnet", "xlnet", "t5"}  # heads like those of the others


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.acceptance) if kind in ALIKE else kind for kind in HEADS]
)
def test_head_of_a_classifier_is_found(kind: str, base: Base, tmp_path: Path) -> None:
    saved, pooling, layers = HEADS[kind]
    wanted = sent_by_peft(base(kind), tmp_path / "sent", lora(kind, SEQ, saved), num_labels=3, pad_token_id=0)()
    stored = imported(base(kind), tmp_path / "sent", tmp_path / "ws")
    assert agree(answers_here(stored, base(kind)), wanted, pooling)
    assert stored.manifest.head is not None
    assert (stored.manifest.head.pooling, stored.manifest.head.layers) == (pooling, layers)


@pytest.mark.parametrize("kind", ["llama", pytest.param("qwen2", marks=pytest.mark.acceptance)])
def test_head_that_is_one_layer_on_the_backbones_own_pooling_is_an_ordinary_one(
    kind: str, base: Base, tmp_path: Path
) -> None:
    wanted = sent_by_peft(base(kind), tmp_path / "sent", lora(kind, SEQ), num_labels=3, pad_token_id=0)()
    stored = imported(base(kind), tmp_path / "sent", tmp_path / "ws")
    assert agree(answers_here(stored, base(kind)), wanted, stored.manifest.backbone.pooling)
    assert stored.manifest.head is None


@pytest.mark.parametrize(("kind", "saved"), [("bert", None), ("modernbert", ["head"]), ("llama", None)])
def test_head_of_a_tagger_reads_each_token(kind: str, saved: list[str] | None, base: Base, tmp_path: Path) -> None:
    wanted = sent_by_peft(base(kind), tmp_path / "sent", lora(kind, TAG, saved), LOADERS[TAG], num_labels=3)()
    stored = imported(base(kind), tmp_path / "sent", tmp_path / "ws")
    assert stored.manifest.task.kind == "token-classification"
    assert torch.equal(answers_here(stored, base(kind)), wanted)


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        ("llama", TaskType.CAUSAL_LM),
        pytest.param("gpt2", TaskType.CAUSAL_LM, marks=pytest.mark.acceptance),
        ("t5", TaskType.SEQ_2_SEQ_LM),
        pytest.param("bart", TaskType.SEQ_2_SEQ_LM, marks=pytest.mark.acceptance),
    ],
)
def test_language_models_answer_with_their_own_output_layer(
    kind: str, task: TaskType, base: Base, tmp_path: Path
) -> None:
    wanted = sent_by_peft(base(kind), tmp_path / "sent", lora(kind, task), LOADERS[task])()
    stored = imported(base(kind), tmp_path / "sent", tmp_path / "ws", labels=())
    assert torch.equal(answers_here(stored, base(kind)), wanted)
    assert stored.manifest.task.kind == {"CAUSAL_LM": "causal-lm"}.get(task.value, "seq2seq")


@pytest.mark.parametrize("kind", ["multilabel", "regression"])
def test_kind_of_the_task_says_what_logits_mean(kind: str, base: Base, tmp_path: Path) -> None:
    write_task(tmp_path, "marks", kind, "label", ["x|y", "y", "z"] if kind == "multilabel" else ["1.5", "2.5"])
    if kind == "multilabel":
        path = tmp_path / "marks.yaml"
        path.write_text(path.read_text().replace("label: label", "label: label, separator: '|'"))
    labels = ("z", "x", "y") if kind == "multilabel" else ()
    wanted = sent_by_peft(base("bert"), tmp_path / "sent", lora("bert", SEQ), num_labels=len(labels) or 1)()
    bench = Workbench(tmp_path / "ws", [tmp_path])
    stored = bench.exchange.import_adapter(tmp_path / "sent", str(base("bert")), task="marks", labels=labels)
    assert stored.manifest.task.kind == kind
    order = [labels.index(label) for label in stored.manifest.task.labels] or [0]
    assert torch.equal(answers_here(stored, base("bert")), wanted[:, order])


@pytest.mark.parametrize(
    ("stated", "labels", "kind"),
    [
        ({"problem_type": "multi_label_classification", "id2label": {0: "x", 1: "y", 2: "z"}}, 3, "multilabel"),
        ({"problem_type": "regression", "num_labels": 1}, 1, "regression"),
        ({"num_labels": 1}, 1, "regression"),
        ({"id2label": {0: "x", 1: "y", 2: "z"}}, 3, "classification"),
        (None, 1, "regression"),
    ],
)
def test_kind_without_a_task_is_what_the_folder_states(
    stated: dict[str, Any] | None, labels: int, kind: str, base: Base, tmp_path: Path
) -> None:
    """As transformers reads the config that was saved beside it; without one, a single output is a number."""
    from transformers import AutoConfig

    wanted = sent_by_peft(base("bert"), tmp_path / "sent", lora("bert", SEQ), num_labels=labels)()
    if stated is not None:
        AutoConfig.from_pretrained(base("bert"), **stated).save_pretrained(tmp_path / "sent")
    stored = imported(base("bert"), tmp_path / "sent", tmp_path / "ws", labels=())
    assert stored.manifest.task.kind == kind
    assert stored.manifest.task.labels == (("x", "y", "z") if labels == 3 else ())
    assert torch.equal(answers_here(stored, base("bert")), wanted)


def test_class_that_peft_notes_stands_in_for_the_task_type(base: Base, tmp_path: Path) -> None:
    config = LoraConfig(r=4, target_modules=["query"], modules_to_save=["classifier"])
    wanted = sent_by_peft(base("bert"), tmp_path / "sent", config, LOADERS[TAG], num_labels=3)()
    stored = imported(base("bert"), tmp_path / "sent", tmp_path / "ws")
    assert stored.manifest.task.kind == "token-classification"
    assert torch.equal(answers_here(stored, base("bert")), wanted)


@pytest.mark.parametrize(("kind", "layer"), [("modernbert", "head.dense"), ("deberta-v2", "pooler.dense")])
def test_layer_that_was_drawn_and_not_saved_is_refused(kind: str, layer: str, base: Base, tmp_path: Path) -> None:
    sent_by_peft(base(kind), tmp_path / "sent", lora(kind, SEQ), num_labels=3)
    with pytest.raises(InputError, match=f"weights of {layer}.* neither in this folder"):
        imported(base(kind), tmp_path / "sent", tmp_path / "ws")


def test_head_that_the_base_model_has_is_taken_from_there(base: Base, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(1)
    model = AutoModelForSequenceClassification.from_pretrained(base("bert"), num_labels=3)
    model.save_pretrained(tmp_path / "base")
    AutoTokenizer.from_pretrained(base("bert")).save_pretrained(tmp_path / "base")
    config = LoraConfig(task_type=None, r=4, target_modules=["query"])
    wanted = sent_by_peft(tmp_path / "base", tmp_path / "sent", config)()
    stored = imported(tmp_path / "base", tmp_path / "sent", tmp_path / "ws")
    assert torch.equal(answers_here(stored, tmp_path / "base"), wanted)


OUTPUT = "lm_head was trained, and answers are generated here with the base model's own output layer"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"target_modules": ["q_proj", "lm_head"]}, OUTPUT),
        ({"modules_to_save": ["embed_tokens", "lm_head"]}, OUTPUT),
        (
            {"modules_to_save": ["model.norm"]},
            "norm was trained whole",
        ),
    ],
    ids=["adapted", "trained whole", "another's end"],
)
def test_what_a_body_cannot_have_is_refused(more: dict[str, Any], message: str, base: Base, tmp_path: Path) -> None:
    config = LoraConfig(task_type=TaskType.CAUSAL_LM, r=4, **more)
    sent_by_peft(base("llama"), tmp_path / "sent", config, LOADERS[TaskType.CAUSAL_LM])
    with pytest.raises(InputError, match=message):
        imported(base("llama"), tmp_path / "sent", tmp_path / "ws", labels=())


def test_embeddings_that_were_trained_leave_the_output_layer(base: Base, tmp_path: Path) -> None:
    """Also where it is tied to them: peft trains a copy."""
    for name, more in {
        "whole": {"modules_to_save": ["embed_tokens", "norm"]},
        "low rank": {"target_modules": ["q_proj", "embed_tokens"]},
        "tokens": {"trainable_token_indices": [4, 5]},
    }.items():
        config = LoraConfig(task_type=TaskType.CAUSAL_LM, r=4, **more)
        wanted = sent_by_peft(base("llama"), tmp_path / name, config, LOADERS[TaskType.CAUSAL_LM])()
        stored = imported(base("llama"), tmp_path / name, tmp_path / "ws", labels=(), name=name[:3])
        assert torch.equal(answers_here(stored, base("llama")), wanted)


@pytest.mark.parametrize(("kind", "task"), [("llama", TaskType.CAUSAL_LM), ("t5", TaskType.SEQ_2_SEQ_LM)])
def test_prompt_before_a_language_model(kind: str, task: TaskType, base: Base, tmp_path: Path) -> None:
    config = PromptTuningConfig(task_type=task, num_virtual_tokens=3)
    wanted = sent_by_peft(base(kind), tmp_path / "sent", config, LOADERS[task])()
    stored = imported(base(kind), tmp_path / "sent", tmp_path / "ws", labels=())
    tokens = slice(3, None) if task == TaskType.CAUSAL_LM else slice(None)
    assert torch.equal(answers_here(stored, base(kind)), wanted[:, tokens])


def test_prompt_that_began_as_words_needs_no_tokenizer_of_its_sender(base: Base, tmp_path: Path) -> None:
    config = PromptTuningConfig(
        task_type=TaskType.CAUSAL_LM,
        num_virtual_tokens=3,
        prompt_tuning_init="TEXT",
        prompt_tuning_init_text="the cat often",
        tokenizer_name_or_path=str(base("llama")),
    )
    wanted = sent_by_peft(base("llama"), tmp_path / "sent", config, LOADERS[TaskType.CAUSAL_LM])()
    stored = imported(base("llama"), tmp_path / "sent", tmp_path / "ws", labels=())
    assert torch.equal(answers_here(stored, base("llama")), wanted[:, 3:])


def test_prompt_before_a_pair_of_texts_leaves_their_types(base: Base, tmp_path: Path) -> None:
    model = trained_by_peft(base("bert"), PromptEncoderConfig(task_type=SEQ, num_virtual_tokens=3), num_labels=3)
    model.save_pretrained(tmp_path / "sent")
    stored = imported(base("bert"), tmp_path / "sent", tmp_path / "ws")
    backbone = open_backbone(str(base("bert")))
    pairs = backbone.tokenizer(TEXTS, TEXTS[::-1], padding=True, return_tensors="pt")
    with torch.inference_mode():
        wanted = model.eval()(**pairs).logits
        assert torch.equal(open_adapter(stored, backbone)(**pairs)["logits"], wanted)


def test_text_beside_longer_ones_is_answered_as_alone(base: Base, tmp_path: Path) -> None:
    """A GPT behind a prompt reads the last place of a batch in peft, and so a padding token of shorter texts."""
    config = PromptTuningConfig(task_type=SEQ, num_virtual_tokens=3)
    model = trained_by_peft(base("llama"), config, num_labels=3, pad_token_id=0)
    model.save_pretrained(tmp_path / "sent")
    stored = imported(base("llama"), tmp_path / "sent", tmp_path / "ws")
    tokenizer = open_backbone(str(base("llama"))).tokenizer
    model.eval()
    with torch.inference_mode():
        alone = [model(**tokenizer([text], return_tensors="pt")).logits for text in TEXTS]
    torch.testing.assert_close(answers_here(stored, base("llama")), torch.cat(alone), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(answers(model, base("llama")), torch.cat(alone), atol=1e-2)


def test_adapter_of_a_head_alone_is_refused(base: Base, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    config = LoraConfig(r=4, target_modules=["classifier"])
    model = get_peft_model(AutoModelForSequenceClassification.from_pretrained(base("bert"), num_labels=3), config)
    drawn(model)
    model.save_pretrained(tmp_path / "sent")
    with pytest.raises(InputError, match=naming("in this folder", "base model")):
        imported(base("bert"), tmp_path / "sent", tmp_path / "ws")
