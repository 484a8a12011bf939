"""Remedies in trainings as people have them: a head is not held, a killed training goes on, and what cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import GradientState
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import TrainerCallback

from adapter_workbench import AGEM, EWC, L2ToStart
from adapter_workbench.experiments.remedies.last_pass import LastPass
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError, IntegrityError, SettingsError
from adapter_workbench.workbench.training.remedy import RemedyState
from adapter_workbench.workbench.training.remedy_state import read_state, write_state
from tests.conftest import FRUITS, SUBJECTS, make_task
from tests.elsewhere.trainings import assert_equal_trainings, trained

STATE = "forgetting-state"
SAVED: dict[str, Any] = {"save_strategy": "steps", "save_steps": 4, "num_train_epochs": 3, "lora": True}


def test_the_importance_of_a_classifier_is_exact_and_its_head_is_not_held(bert: Path, tmp_path: Path) -> None:
    """The mean over texts of Σ_y p(y) (∂ log p(y) / ∂θ)², by a gradient for each label."""
    model = trained(bert, tmp_path / "out", [EWC(examples=1000)], lora=True).model.eval()
    importance = read_state(tmp_path / "out" / STATE, "ewc").tensors["importance"]
    weights = {name: weight for name, weight in model.named_parameters() if ".query." in name and weight.requires_grad}
    assert importance.keys() == weights.keys(), "the classifier is trained too"
    sums = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    texts = make_task("animals", SUBJECTS, FRUITS).splits["train"]["text"][:]
    for text in texts:
        log_p = model(**open_backbone(str(bert)).tokenizer(text, return_tensors="pt")).logits[0].log_softmax(dim=-1)
        for label in range(2):
            gradients = torch.autograd.grad(log_p[label], list(weights.values()), retain_graph=True)
            for name, gradient in zip(weights, gradients, strict=True):
                sums[name] += log_p[label].exp().detach() * gradient.square()
    for name, total in sums.items():
        torch.testing.assert_close(importance[name], total / len(texts), rtol=1e-4, atol=1e-9)


def test_the_first_task_is_trained_as_without(bert: Path, tmp_path: Path) -> None:
    plain = trained(bert, tmp_path / "plain", [], lora=True)
    assert_equal_trainings(plain, trained(bert, tmp_path / "out", [EWC()], lora=True))


class Kill(TrainerCallback):
    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 4:
            raise KeyboardInterrupt


@pytest.mark.parametrize("tasks", ["first", "second"])
@pytest.mark.parametrize(
    ("remedy", "settings"), [(EWC, {"strength": 0.5}), (L2ToStart, {"strength": 0.5}), (AGEM, {"memory": 9})]
)
def test_a_killed_training_goes_on_to_the_same_weights(
    remedy: Any, settings: dict[str, Any], tasks: str, bert: Path, tmp_path: Path
) -> None:
    begun = None
    if tasks == "second":
        trained(bert, tmp_path / "before", [remedy()], lora=True, learning_rate=1e-9)  # ends near where all begin
        begun = tmp_path / "before" / STATE

    def again() -> Any:
        return remedy(begun, **settings)

    whole = trained(bert, tmp_path / "whole", [again()], **SAVED)
    with pytest.raises(KeyboardInterrupt):
        trained(bert, tmp_path / "out", [again(), Kill()], **SAVED)
    resumed = trained(bert, tmp_path / "out", [again()], resume=True, **SAVED)
    assert_equal_trainings(whole, resumed)
    ours, theirs = (
        read_state(folder / STATE, again().remedy.name) for folder in (tmp_path / "out", tmp_path / "whole")
    )
    assert (ours.rows, ours.seen) == (theirs.rows, theirs.seen)
    for sort, tensors in theirs.tensors.items():
        assert all(torch.equal(ours.tensors[sort][name], tensor) for name, tensor in tensors.items())


def test_a_training_that_goes_on_needs_what_it_began_with(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        trained(bert, tmp_path / "out", [Kill()], **SAVED)
    with pytest.raises(InputError, match="what the remedy began with is not here"):
        trained(bert, tmp_path / "out", [L2ToStart()], resume=True, **SAVED)


def test_other_weights_are_refused_before_the_training(bert: Path, tmp_path: Path) -> None:
    trained(bert, tmp_path / "before", [EWC()], lora=True)
    begun = tmp_path / "before" / STATE
    with pytest.raises(InputError, match="the model does not begin where the training before ended"):
        trained(bert, tmp_path / "out", [EWC(begun)], lora=True)
    with pytest.raises(InputError, match="the state is of other weights"):
        trained(bert, tmp_path / "out", [EWC(begun)])
    assert not (tmp_path / "out" / STATE).exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"fp16": True}, "fp16 scales the loss"), ({"streamed": True, "max_steps": 2}, "these come as a stream")],
)
def test_what_cannot_be_is_refused_before_the_training(
    options: dict[str, Any], message: str, bert: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        trained(bert, tmp_path / "out", [EWC()], **options)


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"strength": -1}, "strength"), ({"strength": (1.0, 2.0)}, "one number"), ({"decay": 2, "examples": 0}, "decay")],
)
def test_wrong_settings_are_told(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        EWC(**settings)


def test_a_state_is_read_as_it_was_written_or_not_at_all(tmp_path: Path) -> None:
    state = RemedyState({"importance": {"a": torch.rand(2)}, "weights": {"a": torch.ones(2)}})
    folder = write_state(state, "ewc", tmp_path)
    write_state(state, "ewc", tmp_path)  # in the place of the first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ewc"]
    assert torch.equal(read_state(tmp_path, "ewc").tensors["importance"]["a"], state.tensors["importance"]["a"])
    with pytest.raises(InputError, match="It holds the state of ewc"):
        L2ToStart(tmp_path)
    with pytest.raises(InputError, match="there is no state"):
        EWC(tmp_path / "nowhere")
    save_file({"a": torch.zeros(2)}, folder / "weights.safetensors")
    with pytest.raises(IntegrityError, match="safetensors has changed"):
        EWC(tmp_path)
    write_state(RemedyState({"weights": {"a": torch.tensor([1.0, torch.nan])}}), "ewc", tmp_path)
    with pytest.raises(InputError, match="NaN"):
        EWC(tmp_path)
    document = json.loads((folder / "state.json").read_text())
    for wrong in ({"tensors": {"../weights": "0" * 64}}, {"format": 2}, {"code": "x"}):
        (folder / "state.json").write_text(json.dumps({**document, **wrong}))
        with pytest.raises(IntegrityError, match="not readable"):
            EWC(tmp_path)
    assert load_file(folder / "weights.safetensors")["a"].isnan().any()


def test_what_is_due_joins_the_last_pass_of_a_step_once() -> None:
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    last = LastPass({"used": used, "unused": unused})
    last.expect({"used": torch.full((2,), 10.0), "unused": torch.full((2,), 5.0)})
    passes = GradientState()
    for is_last in (False, True):
        passes._set_sync_gradients(is_last)
        (used * used).sum().backward()
        assert used.grad is not None
        assert used.grad.tolist() == ([14.0] * 2 if is_last else [2.0] * 2)
    assert unused.grad is None
    last.add_rest()
    assert unused.grad.tolist() == [5.0] * 2
    last.release()
    (used * used).sum().backward()
    assert used.grad.tolist() == [16.0] * 2
