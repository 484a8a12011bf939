"""AdapterFusion: its layer, its storage, what may and what may not change in training."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from adapter_workbench.fusion.methods.adapterfusion import COMPOSITION, Settings, attention_weights
from adapter_workbench.fusion.target.composition import Composed, Request
from adapter_workbench.fusion.target.target import model_on
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.answering.evaluation import evaluate, run
from adapter_workbench.workbench.backbone.fingerprints import fingerprint
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.device import Precision
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods import card
from adapter_workbench.workbench.methods.adaptation import HEAD_FILE, Adaptation, save_head
from adapter_workbench.workbench.methods.libraries.adapterfusion import LIBRARY, FusionConfig, value_matrices
from adapter_workbench.workbench.methods.methods.adapterfusion import penalty
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.training import Lesson, learn
from tests.fusion_sources import BUDGET, hidden, request_for, train_sources
from tests.patience import PATIENCE


@pytest.fixture(scope="module")
def sources(backbone: Backbone, tmp_path_factory: pytest.TempPathFactory) -> tuple[StoredAdapter, ...]:
    return train_sources(backbone, tmp_path_factory.mktemp("sources"), "pfeiffer")


@pytest.fixture(scope="module")
def request_(sources: tuple[StoredAdapter, ...], task: Task, backbone: Backbone) -> Request:
    return request_for(sources, task, backbone, BUDGET.model_copy(update={"epochs": 3}))


@pytest.fixture(scope="module")
def composed(request_: Request) -> Composed:
    return COMPOSITION.compose(request_, Settings(learning_rate=1e-2))


@pytest.fixture
def fresh(request_: Request, backbone: Backbone) -> torch.nn.Module:
    return LIBRARY.attach(backbone.load(), FusionConfig(0.0, tuple(source.folder for source in request_.sources)))


def test_the_value_matrix_begins_at_the_identity_and_the_penalty_at_nothing(fresh: torch.nn.Module) -> None:
    matrices = list(value_matrices(fresh))
    assert len(matrices) == 2, "one a layer"
    for matrix in matrices:
        torch.testing.assert_close(matrix.detach(), torch.eye(32), rtol=0, atol=2e-6)
    # the paper's start: ones on the diagonal and 1e-6 beside it, so 0.01 · 2 layers · (32² − 32) · 1e-12
    assert penalty(Settings(), fresh)(None).item() == pytest.approx(0.01 * 2 * (32**2 - 32) * 1e-12, rel=1e-3)


def test_the_penalty_is_what_the_package_s_own_trainer_adds(fresh: torch.nn.Module) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        for matrix in value_matrices(fresh):
            matrix.add_(torch.randn_like(matrix))
    wanted = sum(0.01 * (torch.eye(32) - matrix).square().sum() for matrix in value_matrices(fresh))
    added = penalty(Settings(regularization=0.01), fresh)(None)
    torch.testing.assert_close(added, wanted)
    torch.testing.assert_close(added, fresh.get_fusion_regularization_loss())
    added.backward()
    assert all(matrix.grad is not None for matrix in value_matrices(fresh))


def test_the_layer_is_the_paper_s_formula(fresh: torch.nn.Module, request_: Request) -> None:
    """Eq. 1–3 by hand, from the tensors that reach the layer."""
    torch.manual_seed(1)
    for name, parameter in fresh.named_parameters():
        if "adapter_fusion_layer" in name:
            parameter.data.normal_(0, 0.3)
    layer, caught = fresh.get_submodule("encoder.layer.0.output.adapter_fusion_layer.fusion"), []
    layer.register_forward_hook(lambda module, given, out: caught.append((*[tensor.clone() for tensor in given], out)))
    fresh.eval()
    ids = torch.arange(36).reshape(4, 9) % 20 + 5
    with torch.no_grad():
        output = fresh(input_ids=ids, output_adapter_fusion_attentions=True)
    attentions = output["adapter_fusion_attentions"]["fusion"][0]
    query, keys, values, residual, (out, _) = caught[0]  # (4, 9, 32), (4, 9, 3, 32), same, (4, 9, 32)
    with torch.no_grad():
        scores = torch.einsum("bth,btnh->btn", layer.query(query), layer.key(keys))
        weights = scores.softmax(-1)
        wanted = torch.einsum("btn,btnh->bth", weights, values @ layer.value.weight.T) + residual
    torch.testing.assert_close(out, wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(next(iter(attentions.values())), weights.numpy(), rtol=1e-4, atol=1e-6)


def test_only_the_fusion_layer_and_the_head_are_trained(composed: Composed, request_: Request) -> None:
    trained = {name for name, parameter in composed.body.named_parameters() if parameter.requires_grad}
    assert trained
    assert all(".adapter_fusion_layer.fusion." in name for name in trained)
    assert composed.fit is not None
    # layers × (Q, K: h² + h; V: h²), and the head
    assert composed.fit.trainable_parameters == 2 * (2 * (32 * 32 + 32) + 32 * 32) + 2 * 32 + 2
    assert composed.fit.epochs[-1].train_loss < composed.fit.epochs[0].train_loss


def test_the_sources_weights_are_not_changed(
    composed: Composed, sources: tuple[StoredAdapter, ...], tmp_path: Path
) -> None:
    assert composed.fit is not None
    assert composed.fit.best_epoch > 0, "it was trained"
    LIBRARY.save(composed.body, tmp_path)
    for index, source in enumerate(sources):
        before = load_file(source.folder / "adapter.safetensors")
        after = load_file(tmp_path / f"source-{index:03d}" / "adapter.safetensors")
        plain = {name.replace("adapters.workbench.", ""): tensor for name, tensor in before.items()}
        renamed = {name.replace(f"adapters.source-{index:03d}.", ""): tensor for name, tensor in after.items()}
        assert plain.keys() == renamed.keys()
        assert all(torch.equal(plain[name], renamed[name]) for name in plain)


def test_it_comes_back_bit_for_bit_and_leaves_the_backbone_as_it_was(
    composed: Composed, request_: Request, backbone: Backbone, task: Task, tmp_path: Path
) -> None:
    adaptation = Adaptation(backbone, composed.method, composed.settings, "fp32")
    adaptation.library.save(composed.body, tmp_path)
    again = adaptation.load(tmp_path, composed.head, "classification")
    first = model_on(request_, composed.body, composed.head)
    assert torch.equal(hidden(first.body), hidden(again.body))
    before, after = (evaluate(model, task.splits["test"], 2, backbone.tokenizer, 16) for model in (first, again))
    assert before.logits_sha256 == after.logits_sha256
    assert set(again.trainable()) == set(first.trainable())
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".json", ".safetensors"}
    bare = adaptation.library.detach(again.body)
    assert fingerprint(bare.named_parameters()) == backbone.fingerprint
    torch.testing.assert_close(hidden(bare), hidden(backbone.load()), rtol=0, atol=1e-5)  # sums' last digits may differ


def test_attention_weights_sum_to_one_and_are_uniform_without_training(
    composed: Composed, fresh: torch.nn.Module, request_: Request
) -> None:
    assert set(composed.details) == {"layer 0", "layer 1"}
    for weights in composed.details.values():
        assert len(weights) == 3
        assert sum(weights) == pytest.approx(1, abs=1e-6)
    assert composed.weights == pytest.approx(np.mean(list(composed.details.values()), axis=0))
    for name, parameter in fresh.named_parameters():
        if "adapter_fusion_layer" in name and ".query." in name:
            parameter.data.zero_()
    for weights in attention_weights(model_on(request_, fresh.eval()), request_).values():
        assert weights == pytest.approx([1 / 3] * 3, abs=1e-6)


def test_attention_weights_are_the_mean_over_real_tokens(composed: Composed, request_: Request) -> None:
    """One text at a time there is no padding, so a plain mean over all tokens is right."""
    model, tokenizer = model_on(request_, composed.body), request_.backbone.tokenizer
    assert request_.target is not None
    total, tokens = np.zeros(3), 0
    texts = ["cat", "the cat a quite very really", "plum this"]
    rows = request_.target.splits["validation"].select(range(3)).remove_columns("text").add_column("text", texts)
    for text in texts:
        batch = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            output = model.body(**batch, output_adapter_fusion_attentions=True)
        attentions = output["adapter_fusion_attentions"]["fusion"]
        total += attentions[1]["output_adapter"][0].sum(axis=0)
        tokens += batch["input_ids"].shape[1]
    asked = replace(request_, target=replace(request_.target, splits={**request_.target.splits, "validation": rows}))
    assert attention_weights(model, asked)["layer 1"] == pytest.approx(total / tokens, abs=1e-6)


def test_no_dropout_means_none(request_: Request, backbone: Backbone) -> None:
    folders = tuple(source.folder for source in request_.sources)
    for dropout in (0.0, 0.3):
        body = LIBRARY.attach(backbone.load(), FusionConfig(dropout, folders))
        layers = [module for name, module in body.named_modules() if name.endswith("adapter_fusion_layer.fusion")]
        assert [layer.dropout.p for layer in layers] == [dropout] * 2


def test_a_large_penalty_holds_the_value_matrix_at_the_identity(request_: Request) -> None:
    def distance(regularization: float) -> float:
        body = COMPOSITION.compose(request_, Settings(learning_rate=1e-2, regularization=regularization)).body
        return sum((matrix.detach() - torch.eye(32)).norm().item() for matrix in value_matrices(body))

    assert distance(10.0) < 0.5 * distance(0.0)


def test_houlsby_sources_are_fused_at_both_places(backbone: Backbone, task: Task, tmp_path: Path) -> None:
    request = request_for(train_sources(backbone, tmp_path, "houlsby", count=2), task, backbone)
    composed = COMPOSITION.compose(request, Settings())
    assert set(composed.details) == {f"layer {n} {position}_adapter" for n in (0, 1) for position in ("mh", "output")}
    LIBRARY.save(composed.body, tmp_path)
    again = LIBRARY.load(backbone.load(), tmp_path, FusionConfig(0.1))
    assert torch.equal(hidden(again), hidden(composed.body))


def test_both_halves_of_an_encoder_decoder_are_fused(t5: Path, task: Task, tmp_path: Path) -> None:
    backbone = open_backbone(str(t5))
    request = request_for(train_sources(backbone, tmp_path, "pfeiffer", count=2), task, backbone)
    composed = COMPOSITION.compose(request, Settings())
    assert set(composed.details) == {f"layer {number}" for number in range(4)}, "two of each half"
    for weights in composed.details.values():
        assert sum(weights) == pytest.approx(1, abs=1e-6)


def test_what_cannot_be_fused_is_refused(
    request_: Request, sources: tuple[StoredAdapter, ...], backbone: Backbone, task: Task, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="needs a target task"):
        COMPOSITION.compose(replace(request_, target=None), Settings())
    (other,) = train_sources(backbone, tmp_path, "houlsby", count=1)
    with pytest.raises(InputError, match="different methods: houlsby, pfeiffer"):
        COMPOSITION.compose(replace(request_, sources=(*sources, other)), Settings())


def test_it_cannot_be_trained_from_nothing(backbone: Backbone, task: Task, tmp_path: Path) -> None:
    lesson = Lesson(task, Adaptation(backbone, "adapterfusion", Settings(), "fp32"), BUDGET, 0)
    with pytest.raises(InputError, match="workbench fuse TARGET --from ID,ID,… --method adapterfusion"):
        learn(lesson, AdapterStore(tmp_path), Silent(), "test")


PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
RUNNER = """
import sys
import numpy

for name in sys.argv[1:]:
    space = {}
    exec(compile(open(f"{name}.py", encoding="utf-8").read(), f"{name}.py", "exec"), space)
    numpy.save(f"{name}.npy", space["logits"].numpy())
assert not {"adapter_workbench", "peft"} & {name.partition(".")[0] for name in sys.modules}
"""


@pytest.mark.acceptance
def test_the_readme_s_program_gives_the_same_logits_elsewhere(
    composed: Composed, request_: Request, sources: tuple[StoredAdapter, ...], backbone: Backbone, tmp_path: Path
) -> None:
    """The program runs in a process of its own, with plain adapters alone, in both precisions."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    LIBRARY.save(composed.body, folder)
    save_head(composed.head, folder / HEAD_FILE)
    texts = ["some cat very quite really often", "the plum this some", "a peach", "fig"]  # longest first
    given = f"backbone, folder, texts = {str(backbone.folder)!r}, {str(folder)!r}, {texts!r}\n"
    for precision in PRECISIONS:
        changed = {"method": "adapterfusion", "library": "adapterfusion", "precision": precision}
        readme = card.render(sources[0].manifest.model_copy(update=changed))
        program = readme.partition("```python\n")[2].partition("```")[0]
        (tmp_path / f"{precision}.py").write_text(given + program, encoding="utf-8")
    (tmp_path / "runner.py").write_text(RUNNER, encoding="utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    command = [sys.executable, "runner.py", *PRECISIONS]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    rows = [{**backbone.tokenizer(text), "labels": 0} for text in texts]
    for precision in PRECISIONS:
        model = model_on(replace(request_, precision=precision), composed.body, composed.head)
        logits = np.load(tmp_path / f"{precision}.npy")
        assert np.ptp(logits[:, 0]) > 0
        np.testing.assert_array_equal(logits, run(model, rows, backbone.tokenizer))


def test_bf16_does_not_take_torch_s_slow_path(fresh: torch.nn.Module, request_: Request) -> None:
    """What the layer multiplies is contiguous: measured on 64 × 48 tokens × 3 sources, 8 ms instead of 813 ms."""
    seen: list[bool] = []
    layer: Any = fresh.get_submodule("encoder.layer.0.output.adapter_fusion_layer.fusion")
    for linear in (layer.key, layer.value):
        linear.register_forward_pre_hook(lambda module, given: seen.append(given[0].is_contiguous()))
    hidden(fresh)
    assert seen == [True, True]


def test_settings_of_a_stored_fusion_name_no_folder(composed: Composed) -> None:
    assert composed.settings.model_dump().keys() == {
        "learning_rate",
        "weight_decay",
        "warmup",
        "regularization",
        "dropout",
    }
