"""peft: each type of adapter that it writes and that comes in gives the logits that it gives there."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from adapter_workbench.experiments.api import Workbench
from tests.elsewhere.senders import answers_here, imported, sent_by_peft
from tests.elsewhere.test_added_words import FORMS, off_by, said_here, said_there, sent
from tests.elsewhere.test_from_peft import CASES
from tests.neighbours.compared import Compared, installed, keep
from tests.neighbours.language_models import largest


@pytest.mark.acceptance
def test_logits_are_those_of_peft(bert: Path, tmp_path: Path) -> None:
    numbers, off = 0, 0.0
    for case, (config, _) in CASES.items():
        there = sent_by_peft(bert, tmp_path / case, copy.deepcopy(config), num_labels=3)()
        here = answers_here(imported(bert, tmp_path / case, tmp_path / "ws"), bert)
        numbers, off = numbers + here.numel(), max(off, largest(here, there))
    assert off < 1e-4
    keep(Compared("peft", installed("peft"), "writes", f"logits, {len(CASES)} configs", numbers, off))


@pytest.mark.acceptance
def test_logits_with_added_tokens_are_those_of_peft(llama: Path, tmp_path: Path) -> None:
    numbers, off = 0, 0.0
    for number, form in enumerate(FORMS.values()):
        folder = sent(llama, tmp_path / f"sent-{number}", **{"target_modules": ["q_proj"], **form})
        there = said_there(llama, folder)
        exchange = Workbench(tmp_path / "ws", []).exchange
        here = said_here(exchange.import_adapter(folder, str(llama), backbone_to=tmp_path / f"base-{number}"))
        numbers, off = numbers + sum(logits.numel() for logits in here), max(off, off_by(here, there))
    assert off < 1e-4
    what = f"logits with added tokens, saved in {len(FORMS)} forms"
    keep(Compared("peft", installed("peft"), "writes", what, numbers, off))
