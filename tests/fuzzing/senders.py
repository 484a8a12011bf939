"""Folders as other programs write them, undamaged: what there is to be changed for the kind ``elsewhere``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapter_workbench.workbench.machine.extras import installed_version

LABELS = ("a", "b", "c")
SEED = 5


@dataclass(frozen=True)
class SentFolder:
    """What somebody sent.

    Attributes:
        folder: as the program wrote it.
        base: the name of its base model at the site.
        options: that `adapters import` needs for it.
    """

    folder: Path
    base: str
    options: tuple[str, ...] = ()


def _peft(base: Path, folder: Path, loader: str, config: Any, **options: Any) -> None:
    import transformers
    from peft import get_peft_model

    from tests.elsewhere.senders import drawn

    model = get_peft_model(getattr(transformers, loader).from_pretrained(base, **options), config)
    drawn(model)
    model.save_pretrained(folder)


def _lora(base: Path, folder: Path) -> None:
    from peft import LoraConfig, TaskType

    config = LoraConfig(task_type=TaskType.SEQ_CLS, r=2, target_modules=["query", "value"])
    _peft(base, folder, "AutoModelForSequenceClassification", config, num_labels=3)


def _tags(base: Path, folder: Path) -> None:
    from peft import LoraConfig, TaskType

    config = LoraConfig(task_type=TaskType.TOKEN_CLS, r=2, use_dora=True)
    _peft(base, folder, "AutoModelForTokenClassification", config, num_labels=3)


def _ia3(base: Path, folder: Path) -> None:
    from peft import IA3Config, TaskType

    config = IA3Config(task_type=TaskType.SEQ_CLS)
    _peft(base, folder, "AutoModelForSequenceClassification", config, num_labels=3)


def _prompt(base: Path, folder: Path) -> None:
    from peft import PromptTuningConfig, TaskType

    config = PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=3)
    _peft(base, folder, "AutoModelForCausalLM", config)


def _causal(base: Path, folder: Path) -> None:
    from peft import LoraConfig, TaskType

    _peft(base, folder, "AutoModelForCausalLM", LoraConfig(task_type=TaskType.CAUSAL_LM, r=2))


def _whole(base: Path, folder: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    names = dict(enumerate(LABELS))
    model = AutoModelForSequenceClassification.from_pretrained(
        base, id2label=names, label2id={name: number for number, name in names.items()}
    )
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)


def _language(base: Path, folder: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    AutoModelForCausalLM.from_pretrained(base).save_pretrained(folder, max_shard_size="20KB")
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)


def _sentences(base: Path, folder: Path) -> None:
    from tests.elsewhere.test_sentence_models import write_sentences

    write_sentences(base, folder, "cls", apart=True)


def _bottleneck(base: Path, folder: Path) -> None:
    import adapters

    model = adapters.AutoAdapterModel.from_pretrained(base)
    model.add_adapter("sent", config="seq_bn")
    model.add_classification_head("sent", num_labels=3, id2label=dict(enumerate(LABELS)))
    model.save_adapter(str(folder), "sent", use_safetensors=True)


NAMED = ("--labels", ",".join(LABELS))
WHOLE = ("whole", "language", "sentences")  # which need no base model
WRITERS: Mapping[str, tuple[str, Callable[[Path, Path], None], tuple[str, ...]]] = {
    "lora": ("bert", _lora, NAMED),
    "tags": ("bert", _tags, NAMED),
    "ia3": ("bert", _ia3, NAMED),
    "prompt": ("llama", _prompt, ()),
    "causal": ("llama", _causal, ()),
    "whole": ("bert", _whole, ()),
    "language": ("llama", _language, ()),
    "sentences": ("bert", _sentences, ("--task", "animals")),
    **({"bottleneck": ("bert", _bottleneck, ())} if installed_version("adapters") else {}),
}


def sent_folder(name: str, base: Path, folder: Path) -> SentFolder:
    """Return what ``WRITERS[name]`` writes into ``folder`` of an adapter on the model in ``base``, once."""
    import torch

    base_name, write, options = WRITERS[name]
    if not folder.exists():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            draft = folder.with_name(f"{folder.name}.draft")
            write(base, draft)
            draft.rename(folder)
    return SentFolder(folder, base_name, options)
