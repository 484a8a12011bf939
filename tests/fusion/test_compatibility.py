"""What stands against composing adapters, all of it in one message."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from adapter_workbench.fusion.composing.compatibility import reasons, require_compatible, why_unfit
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.extras import require_installed
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.libraries import NEEDS
from adapter_workbench.workbench.methods.methods import METHODS, trained_methods
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import Lesson, learn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from adapter_workbench.workbench.methods.task import Task


@pytest.fixture(scope="module")
def train(backbone: Backbone, task: Task, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., StoredAdapter]:
    store = AdapterStore(tmp_path_factory.mktemp("adapters"))
    budget = Budget(epochs=1, batch_size=8, train_examples=8, max_length=16, precision="fp32")

    def trained(method: str = "lora", seed: int = 0, **settings: Any) -> StoredAdapter:
        own = METHODS.get(method).settings.model_validate(settings)
        return learn(Lesson(task, Adaptation(backbone, method, own, "fp32"), budget, seed), store, Silent(), method)

    return trained


def changed(source: StoredAdapter, **update: Any) -> StoredAdapter:
    return replace(source, manifest=source.manifest.model_copy(update=update))


def test_loras_of_other_rank_scaling_and_modules_go_together(
    backbone: Backbone, train: Callable[..., StoredAdapter]
) -> None:
    sources = [train(), train(rank=2, alpha=32), train(rank=4, targets=("dense",)), train(seed=1)]
    assert reasons(sources, backbone) == {}
    require_compatible(sources, backbone)


def test_bottlenecks_go_together_only_with_one_architecture(
    backbone: Backbone, train: Callable[..., StoredAdapter]
) -> None:
    first, faster, wide, other = (
        train("pfeiffer"),
        train("pfeiffer", learning_rate=1e-3),
        train("pfeiffer", reduction_factor=4),
        train("houlsby"),
    )
    require_compatible([first, faster], backbone)
    refusals = reasons([first, wide, other], backbone)
    assert refusals == {
        wide.id: (f"is pfeiffer with reduction factor 4, {first.id} pfeiffer with reduction factor 16",),
        other.id: (f"is houlsby with reduction factor 16, {first.id} pfeiffer with reduction factor 16",),
    }


def test_every_reason_is_in_one_message(backbone: Backbone, llama: Path, train: Callable[..., StoredAdapter]) -> None:
    lora, bottleneck = train(), train("pfeiffer")
    stranger = changed(
        train(seed=1),
        id="stranger",
        backbone=lora.manifest.backbone.model_copy(update={"fingerprint": "0", "name": "elsewhere"}),
        task=lora.manifest.task.model_copy(update={"kind": "regression"}),
    )
    pooled = changed(
        train(seed=2), id="pooled", backbone=lora.manifest.backbone.model_copy(update={"pooling": "first"})
    )
    with pytest.raises(InputError) as caught:
        require_compatible([lora, bottleneck, stranger, pooled, lora], backbone)
    message = str(caught.value)
    for line in (
        f"{bottleneck.id}: is of adapters (pfeiffer), {lora.id} of peft (lora)",
        "stranger: was trained on other weights (elsewhere)",
        f"stranger: answers regression, {lora.id} classification",
        "pooled: pools over first, the backbone over mean",
        f"{lora.id}: is given 2 times",
    ):
        assert f"\n  {line}" in message
    assert message.count("\n") == 5


def test_a_lora_that_is_more_than_low_rank_is_named(
    backbone: Backbone, train: Callable[..., StoredAdapter], tmp_path: Path
) -> None:
    plain = train()
    folder = tmp_path / "dora"
    shutil.copytree(plain.folder, folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, "use_dora": True, "bias": "all"}))
    dora = StoredAdapter(plain.manifest.model_copy(update={"id": "dora"}), folder)
    with pytest.raises(InputError, match=r"dora: .*DoRA.*trained biases"):
        require_compatible([plain, dora], backbone)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("prefix", "of prefix: .* 'prefix_tuning'"),
        ("loreft", "of loreft: .* 'reft'"),
        ("mam", "of mam: .* 'union'"),
        ("pfeiffer-inv", "of pfeiffer-inv: .*invertible part"),
    ],
)
def test_what_is_no_plain_bottleneck_is_refused_by_name(
    method: str, message: str, backbone: Backbone, train: Callable[..., StoredAdapter]
) -> None:
    bottleneck = train("pfeiffer")
    settings = METHODS.get(method).settings().model_dump(mode="json")
    other = changed(bottleneck, id="other", method=method, settings=settings)
    for sources in ([other], [bottleneck, other]):
        with pytest.raises(InputError, match=message):
            require_compatible(sources, backbone)


@pytest.mark.parametrize("method", trained_methods())
def test_what_a_method_leaves_is_known_before_it_is_trained(method: str, backbone: Backbone) -> None:
    if METHODS.get(method).library in NEEDS:
        require_installed(NEEDS[METHODS.get(method).library])
    """LoRAs and plain bottlenecks can be composed; of the other libraries each composition says what it takes."""
    card = METHODS.get(method)
    reason = why_unfit(method, card.settings(), backbone.config)
    fit = {
        "lora",
        "lora-plus",
        "lora-fa",
        "lora-ga",
        "eva",
        "corda",
        "rslora",
        "pissa",
        "pfeiffer",
        "houlsby",
        "parallel",
        "compacter",
        "compacter-plus-plus",
    }
    assert (reason is None) == (method in fit or card.library not in ("peft", "adapters")), reason


def test_no_source_is_refused(backbone: Backbone) -> None:
    with pytest.raises(InputError, match="at least one adapter"):
        require_compatible([], backbone)
