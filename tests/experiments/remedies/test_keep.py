"""`workbench keep`: the folder that a training with the callback leaves, of a model that somebody else trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from adapter_workbench import AGEM, EWC, L2ToStart, OLoRA
from adapter_workbench.workbench.training.remedy import RemedyState
from adapter_workbench.workbench.training.remedy_state import read_state
from tests.conftest import Call
from tests.experiments.remedies.kept_rows import OTHERS, ROWS, language_model, tokenized, trained, with_lora, written

STATE = "forgetting-state"
SEED = 42  # of TrainingArguments


def assert_equal_states(ours: RemedyState, theirs: RemedyState) -> None:
    """To the last bit."""
    assert ours.tensors.keys() == theirs.tensors.keys()
    for sort, tensors in theirs.tensors.items():
        assert ours.tensors[sort].keys() == tensors.keys()
        assert all(torch.equal(ours.tensors[sort][name], tensor) for name, tensor in tensors.items())
    assert (ours.seen, ours.tasks, len(ours.rows)) == (theirs.seen, theirs.tasks, len(theirs.rows))
    assert all({name: row[name] for name in other} == other for row, other in zip(ours.rows, theirs.rows, strict=True))


def weights(model: Any) -> dict[str, Any]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters() if weight.requires_grad}


def kept(call: Call, *arguments: object) -> str:
    code, out, err = call("keep", *map(str, arguments), "--seed", str(SEED))
    assert code == 0, err
    return out


@pytest.mark.parametrize("form", ["whole", "lora"])
@pytest.mark.parametrize(
    ("name", "remedy", "settings"),
    [("ewc", EWC, {"strength": 300.0}), ("a-gem", AGEM, {})],
)
def test_the_next_training_goes_on_as_from_the_folder_of_a_training(
    name: str, remedy: Any, settings: dict[str, Any], form: str, llama: Path, tmp_path: Path, call: Call
) -> None:
    """The same folder, and the same weights to the last bit; what it holds changes them."""
    count = {"ewc": {"examples": 10}, "a-gem": {"memory": 10}}[name]
    model = language_model(llama) if form == "whole" else with_lora(llama)
    trained(model, tokenized(ROWS, llama), llama, tmp_path / "first", [remedy(**count)])
    checkpoint = tmp_path / "first" / "model"
    rows = written(ROWS, tmp_path / "old.jsonl")
    base = [] if form == "whole" else ["--backbone", llama]
    kept(call, checkpoint, "--for", name, "--rows", rows, "--out", "state", "--max-rows", 10, *base)
    theirs = tmp_path / "first" / STATE
    assert_equal_states(read_state(tmp_path / "state", name), read_state(theirs, name))

    def opened() -> Any:
        if form == "whole":
            return language_model(checkpoint)
        from peft import PeftModel

        return PeftModel.from_pretrained(language_model(llama), str(checkpoint), is_trainable=True)

    def next_weights(folder: str, callbacks: list[Any]) -> dict[str, Any]:
        rows = tokenized(OTHERS, llama)
        return weights(trained(opened(), rows, llama, tmp_path / folder, callbacks, num_train_epochs=10))

    ours = next_weights("ours", [remedy(tmp_path / "state", **settings)])
    expected, free = next_weights("theirs", [remedy(theirs, **settings)]), next_weights("free", [])
    assert all(torch.equal(ours[weight], expected[weight]) for weight in expected)
    assert any(not torch.equal(ours[weight], free[weight]) for weight in free), "or nothing shows that it is held"


def test_weights_and_the_a_of_a_lora_are_those_that_a_training_leaves(llama: Path, tmp_path: Path, call: Call) -> None:
    rows = tokenized(ROWS, llama)
    trained(language_model(llama), rows, llama, tmp_path / "whole", [L2ToStart()])
    kept(call, llama, "--for", "l2-to-start", "--out", "state")
    assert_equal_states(
        read_state(tmp_path / "state", "l2-to-start"), read_state(tmp_path / "whole" / STATE, "l2-to-start")
    )
    trained(with_lora(llama), rows, llama, tmp_path / "lora", [OLoRA()])
    kept(call, tmp_path / "lora" / "model", "--for", "o-lora", "--out", "state")
    assert_equal_states(read_state(tmp_path / "state", "o-lora"), read_state(tmp_path / "lora" / STATE, "o-lora"))


def test_a_second_task_is_added_to_the_first(llama: Path, tmp_path: Path, call: Call) -> None:
    """As a chain of trainings does: information adds up, and rows of both are kept."""
    one, two = tmp_path / "one", tmp_path / "two"
    both = {"learning_rate": 1e-4, "num_train_epochs": 1}
    model = trained(language_model(llama), tokenized(ROWS, llama), llama, one, [EWC(), AGEM(memory=20)], **both)
    again = [EWC(one / STATE), AGEM(one / STATE, memory=20)]
    trained(model, tokenized(OTHERS, llama), llama, two, again, **both)
    rows = written(OTHERS, tmp_path / "second.jsonl")
    for name, most in (("ewc", 100), ("a-gem", 20)):
        asked = ["--for", name, "--rows", rows, "--state", one / STATE, "--max-rows", most]
        kept(call, two / "model", *asked, "--out", "state")
        assert_equal_states(read_state(tmp_path / "state", name), read_state(two / STATE, name))
    document = json.loads(kept(call, "--show", "state", "--json"))
    assert [(state["remedy"], state["tasks"], state["rows"]) for state in document] == [("a-gem", 2, 20), ("ewc", 2, 0)]
