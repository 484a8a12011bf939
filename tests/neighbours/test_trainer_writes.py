"""transformers' Trainer: its checkpoint of a whole model, and of a LoRA, gives the logits of its model."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter_workbench.experiments.api import Workbench
from tests.elsewhere.senders import answers, answers_here
from tests.elsewhere.test_trainers import trained
from tests.elsewhere.test_whole_models import LABELS
from tests.neighbours.compared import Compared, installed, keep
from tests.neighbours.language_models import largest


@pytest.mark.acceptance
@pytest.mark.parametrize("lora", [False, True])
def test_logits_are_those_of_its_model(lora: bool, bert: Path, tmp_path: Path) -> None:
    there = answers(trained(bert, tmp_path / "sorting", lora=lora), bert)
    labels = tuple(LABELS.values()) if lora else ()
    exchange = Workbench(tmp_path / "ws", []).exchange
    stored = exchange.import_adapter(tmp_path / "sorting" / "checkpoint-1", str(bert), labels=labels)
    here = answers_here(stored, bert)
    off = largest(here, there)
    assert off < 1e-5
    what = f"logits, a checkpoint of a {'LoRA' if lora else 'whole model'}"
    keep(Compared("transformers' Trainer", installed("transformers"), "writes", what, here.numel(), off))
