"""`workbench adapters convert`, as a person would call it: an adapter that LoRAs are composed with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from peft import LoHaConfig, TaskType

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.machine.listener import Silent
from tests.conftest import Call
from tests.elsewhere.senders import answers_here, imported, sent_by_peft
from tests.messages import lacks
from tests.streams import write_tasks

BUDGET = {"epochs": 2, "batch_size": 16, "max_length": 16, "precision": "fp32"}


def test_an_adapter_becomes_a_lora_with_a_score_of_its_own(bert: Path, tmp_path: Path, call: Call) -> None:
    bench = Workbench(tmp_path / ".workbench", [write_tasks(tmp_path)])
    lesson = bench.lesson("animals", "delora", str(bert), learning_rate=0.02, budget=BUDGET)
    stored = bench.workspace.trained_adapter(lesson, Silent(), "")
    code, out, err = call("adapters", "convert", stored.id, "--rank", "8", "--json")
    assert code == 0, err
    document = json.loads(out)
    made = bench.workspace.adapters.verify(document["adapter"])
    assert (made.manifest.method, made.manifest.parents) == ("lora", (stored.id,))
    assert document["validation"] == {"before": stored.manifest.fit.validation, "after": made.manifest.fit.validation}
    assert made.manifest.fit.validation == stored.manifest.fit.validation, "DeLoRA's own rank is 8"
    code, out, err = call("adapters", "convert", made.id)
    assert (code, "a LoRA already" in err) == (2, True)
    code, out, err = call("adapters", "convert", stored.id, "--rank", "64")
    assert (code, "Give a smaller --rank" in err) == (2, True)
    assert len(bench.workspace.adapters.ids()) == 2


@pytest.mark.parametrize("whole", [None, ["LayerNorm"], ["classifier", "word_embeddings"]])
def test_what_a_lora_has_no_place_for_is_not_left_out(
    whole: list[str] | None, bert: Path, tmp_path: Path, call: Call
) -> None:
    """peft's program is run beside it: the LoRA of full rank has its answers, or there is none."""
    config = LoHaConfig(task_type=TaskType.SEQ_CLS, r=2, target_modules=["query"], modules_to_save=whole)
    theirs = sent_by_peft(bert, tmp_path / "sent", config, num_labels=3)
    stored = imported(bert, tmp_path / "sent", tmp_path / ".workbench")
    code, out, err = call("adapters", "convert", stored.id, "--rank", "32", "--json")
    if whole is None:
        assert code == 0, err
        made = AdapterStore(tmp_path / ".workbench" / "adapters").get(json.loads(out)["adapter"])
        torch.testing.assert_close(answers_here(made, bert), theirs(), atol=1e-4, rtol=0)
    else:
        assert (code, out) == (2, "")
        assert lacks(err, stored.id, "a LoRA has no place for modules that were trained whole", "loha") == []
