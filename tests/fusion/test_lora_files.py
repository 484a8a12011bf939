"""LoRA files of real peft models: what they stand for, what is refused, and how a result comes back."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.target.composition import Composed, Request
from adapter_workbench.fusion.updates import lora
from adapter_workbench.fusion.updates.lowrank import LowRank
from adapter_workbench.workbench.adapters.adapter_folder import CONFIG, PEFT_WEIGHTS
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.settings.base import Budget
from tests.messages import naming
from tests.sampled import waiting
from tests.updates import dense

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from adapter_workbench.workbench.backbone.pretrained import Backbone

ARITHMETIC = """sum cat svd average ties dare dare-ties della breadcrumbs magmax magnitude negate opcm knots core-space
tsv iso-c slerp nuslerp iso-cts subspace-boosting wudi star compress-then-merge""".split()
EACH_WAY = {"sum", "svd", "ties", "slerp", "knots", "iso-c"}  # side by side, cut, dense, an arc, a basis, a spectrum
TOKENS = torch.tensor([[2, 7, 9, 11, 3]])


def peft_model(backbone: Backbone, seed: int = 0, **config: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    chosen = {"target_modules": ["query", "value"], "r": 4, "lora_alpha": 6, "init_lora_weights": False, **config}
    return get_peft_model(backbone.load(), LoraConfig(**chosen)).eval()


def stored(backbone: Backbone, folder: Path, seed: int = 0, **config: Any) -> Path:
    peft_model(backbone, seed, **config).save_pretrained(folder)
    return folder


def deltas_of(model: Any, adapter: str = "default") -> dict[str, Tensor]:
    """ΔW by peft's own ``get_delta_weight``."""
    return {
        name.removeprefix(lora.PREFIX): layer.get_delta_weight(adapter).double()
        for name, layer in model.named_modules()
        if adapter in getattr(layer, "lora_A", {})
    }


def output(body: nn.Module) -> Tensor:
    with torch.no_grad():
        hidden: Tensor = body(input_ids=TOKENS).last_hidden_state
    return hidden


def request(backbone: Backbone, folders: Sequence[Path], method: str = "lora", **own: Any) -> Request:
    library = METHODS.get(method).library
    about = {"library": library, "method": method, "precision": "fp32", "settings": own}
    manifest = SimpleNamespace(
        id="tiny", config=None, head=None, is_whole=False, budget=Budget(), backbone=backbone, **about
    )
    sources: Any = tuple(SimpleNamespace(id=folder.name, folder=folder, manifest=manifest) for folder in folders)
    return Request(sources, None, backbone, "fp32", Budget(), 0, Silent(), "test")


def compose(method: str, asked: Request, **own: Any) -> Composed:
    card = COMPOSITIONS.get(method)
    return card.compose(asked, card.settings(**own))


# ------------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"use_rslora": True},
        {"target_modules": ["dense"], "rank_pattern": {"output.dense": 2}, "alpha_pattern": {"output.dense": 10}},
        {"rank_pattern": {"layer.0.attention.self.query": 7}, "alpha_pattern": {"value": 3}, "use_rslora": True},
        {"rank_pattern": {r".*1.*query": 1}, "alpha_pattern": {r"encoder.*0.*": 5}},
        {"target_modules": ["query"], "layers_to_transform": [1]},
        {"init_lora_weights": "gaussian"},
    ],
)
def test_a_file_stands_for_what_peft_adds_to_the_weights(
    config: dict[str, Any], backbone: Backbone, tmp_path: Path
) -> None:
    model = peft_model(backbone, **config)
    model.save_pretrained(tmp_path)
    actual, wanted = dense(lora.read(tmp_path)), deltas_of(model)
    wanted.pop("pooler.dense", None)  # reaches no token state
    assert sorted(actual) == sorted(wanted)
    for module, delta in wanted.items():
        torch.testing.assert_close(actual[module], delta, rtol=1e-5, atol=1e-6)


def test_half_precision_files_are_read_in_float32(backbone: Backbone, tmp_path: Path) -> None:
    path = stored(backbone, tmp_path) / PEFT_WEIGHTS
    save_file({name: tensor.bfloat16() for name, tensor in load_file(path).items()}, path)
    assert {pair.b.dtype for pair in lora.read(tmp_path).values()} == {torch.float32}


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"bias": "lora_only"}, "bias: lora_only"),
        ({"lora_bias": True}, "lora_bias"),
        ({"modules_to_save": ["pooler"]}, "modules_to_save"),
        ({"trainable_token_indices": [1, 2]}, "trainable_token_indices"),
        ({"target_modules": ["word_embeddings"]}, "lora_embedding_A"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights: pissa"),
        ({"init_lora_weights": "olora"}, "init_lora_weights: olora"),
    ],
)
def test_what_is_more_than_a_low_rank_update_is_refused_by_name(
    config: dict[str, Any], named: str, backbone: Backbone, tmp_path: Path
) -> None:
    stored(backbone, tmp_path, **config)
    with pytest.raises(InputError) as caught:
        lora.read(tmp_path)
    assert named in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_everything_that_is_wrong_is_named_at_once(backbone: Backbone, tmp_path: Path) -> None:
    stored(backbone, tmp_path, use_dora=True, bias="all")
    with pytest.raises(InputError, match=r"DoRA.*; trained biases"):
        lora.read(tmp_path)


@pytest.mark.parametrize("start", ["eva", "orthogonal", True])
def test_initialisations_that_leave_the_base_alone_are_read(
    start: str | bool, backbone: Backbone, tmp_path: Path
) -> None:
    model = peft_model(backbone)
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / CONFIG).read_text())
    (tmp_path / CONFIG).write_text(json.dumps({**config, "init_lora_weights": start}))
    actual, wanted = dense(lora.read(tmp_path)), deltas_of(model)
    assert actual.keys() == wanted.keys()
    for module, delta in wanted.items():
        torch.testing.assert_close(actual[module], delta, rtol=1e-5, atol=1e-6)


def test_broken_files_are_refused(backbone: Backbone, tmp_path: Path) -> None:
    folder = stored(backbone, tmp_path)
    tensors = load_file(folder / PEFT_WEIGHTS)
    name = next(name for name in tensors if "lora_A" in name)
    save_file({key: tensor for key, tensor in tensors.items() if key != name}, folder / PEFT_WEIGHTS)
    with pytest.raises(InputError, match="do not fit together"):
        lora.read(folder)
    (folder / PEFT_WEIGHTS).write_bytes(b"no tensors")
    with pytest.raises(InputError, match="cannot be opened"):
        lora.read(folder)
    (folder / CONFIG).write_text('{"peft_type": "IA3"}')
    with pytest.raises(InputError, match="not a LoRA but 'IA3'"):
        lora.read(folder)
    (folder / CONFIG).write_text("{")
    with pytest.raises(InputError, match="no readable adapter config"):
        lora.read(folder)


@pytest.mark.parametrize(
    ("key", "value"), [("lora_alpha", 1e40), ("lora_alpha", math.nan), ("alpha_pattern", {"query": math.inf})]
)
def test_a_scale_that_makes_no_numbers_is_refused(key: str, value: Any, backbone: Backbone, tmp_path: Path) -> None:
    path = stored(backbone, tmp_path) / CONFIG
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(InputError, match=r"query times its scale, .* is NaN or infinity"):
        lora.read(tmp_path)


# ------------------------------------------------------------------------------------------------ writing


@pytest.mark.parametrize("method", [waiting(name, unless=name in EACH_WAY) for name in ARITHMETIC])
def test_a_result_is_an_ordinary_lora_for_plain_peft(method: str, backbone: Backbone, tmp_path: Path) -> None:
    from peft import PeftModel

    first = stored(backbone, tmp_path / "first", use_rslora=True)
    second = stored(backbone, tmp_path / "second", seed=1, r=3, target_modules=["query", "dense"])
    composed = compose(method, request(backbone, [first, second]))
    composed.body.save_pretrained(tmp_path / "merged")
    plain = PeftModel.from_pretrained(backbone.load(), tmp_path / "merged").eval()
    assert torch.equal(output(plain), output(composed.body))
    actual = dense(lora.read(tmp_path / "merged"))
    assert sorted(actual) == sorted(deltas_of(plain)) == sorted({*lora.read(first), *lora.read(second)})
    for module, delta in deltas_of(plain).items():
        torch.testing.assert_close(actual[module], delta, rtol=1e-5, atol=1e-6)
    assert composed.method == "lora"
    assert composed.settings.rank == composed.facts["rank"]
    assert len(composed.weights or ()) == 2
    assert not output(composed.body).allclose(output(backbone.load()), atol=1e-3)


def test_ranks_that_differ_by_module_come_back_module_by_module(backbone: Backbone, tmp_path: Path) -> None:
    names = list(lora.read(stored(backbone, tmp_path / "any")))
    generator = torch.Generator().manual_seed(0)
    update = {
        name: LowRank(torch.randn(32, rank, generator=generator), torch.randn(rank, 32, generator=generator))
        for rank, name in enumerate(names, start=1)
    }
    body, settings = lora.attach(backbone, update)
    body.save_pretrained(tmp_path / "made")  # type: ignore[operator]  # peft's
    actual = lora.read(tmp_path / "made")
    assert [pair.rank for pair in actual.values()] == [1, 2, 3, 4]
    assert all(torch.equal(actual[name].b, update[name].b) for name in names)
    assert settings.rank == 4
    assert settings.targets == tuple(sorted(names))


def test_nothing_to_adapt_is_refused(backbone: Backbone) -> None:
    with pytest.raises(InputError, match="no module is left"):
        lora.attach(backbone, {})


# ------------------------------------------------------------------------------------------------ beside peft


def test_where_peft_gives_zero_for_half_and_half_of_the_same_update(backbone: Backbone, tmp_path: Path) -> None:
    first = stored(backbone, tmp_path / "first")
    twin = tmp_path / "twin"
    stored(backbone, twin)
    save_file({name: -tensor for name, tensor in load_file(first / PEFT_WEIGHTS).items()}, twin / PEFT_WEIGHTS)
    model = peft_model(backbone)
    model.load_adapter(twin, adapter_name="twin")
    model.add_weighted_adapter(["default", "twin"], [0.5, 0.5], "both_halves", combination_type="linear")
    wanted = deltas_of(model)
    assert all(delta.norm() < 1e-6 for delta in deltas_of(model, "both_halves").values())
    actual = deltas_of(compose("average", request(backbone, [first, twin])).body)
    for module, delta in wanted.items():
        torch.testing.assert_close(actual[module], delta, rtol=1e-5, atol=1e-5)


def test_svd_gives_what_peft_gives(backbone: Backbone, tmp_path: Path) -> None:
    folders = [stored(backbone, tmp_path / str(seed), seed=seed) for seed in range(3)]
    model = peft_model(backbone)
    for seed in (1, 2):
        model.load_adapter(folders[seed], adapter_name=str(seed))
    weights = (0.5, -1.0, 2.0)
    model.add_weighted_adapter(["default", "1", "2"], list(weights), "merged", combination_type="svd", svd_rank=5)
    actual = deltas_of(compose("svd", request(backbone, folders), weights=weights, rank=5).body)
    for module, delta in deltas_of(model, "merged").items():
        torch.testing.assert_close(actual[module], delta, rtol=1e-4, atol=1e-4)


# ------------------------------------------------------------------------------------------------ bottlenecks


def bottleneck(backbone: Backbone, folder: Path, seed: int, **own: Any) -> Path:
    adaptation = Adaptation(backbone, "pfeiffer", METHODS.get("pfeiffer").settings(**own), "fp32")
    model = adaptation.fresh("classification", 2, seed)
    with torch.no_grad():
        for parameter in model.body.parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed)))
    folder.mkdir()
    adaptation.library.save(model.body, folder)
    return folder


def trained(body: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().double() for name, parameter in body.named_parameters() if ".adapters." in name}


def test_bottlenecks_are_averaged_parameter_by_parameter(backbone: Backbone, tmp_path: Path) -> None:
    folders = [bottleneck(backbone, tmp_path / str(seed), seed) for seed in (1, 2)]
    library = Adaptation(backbone, "pfeiffer", METHODS.get("pfeiffer").settings(), "fp32").library
    first, second = (trained(library.load(backbone.load(), folder, None)) for folder in folders)
    for weights in ((0.5, 0.5), (1.0, -1.0), (0.75, 0.5)):  # the package itself divides by their sum: by zero at 1 − 1
        composed = compose("average", request(backbone, folders, "pfeiffer"), weights=weights)
        averaged = trained(composed.body)
        assert averaged.keys() == first.keys() != set()
        for name, value in averaged.items():
            wanted = weights[0] * first[name] + weights[1] * second[name]
            torch.testing.assert_close(value, wanted, rtol=1e-6, atol=1e-6)
        assert (composed.method, composed.weights) == ("pfeiffer", weights)


def test_the_average_of_one_bottleneck_with_itself_answers_as_it_does(backbone: Backbone, tmp_path: Path) -> None:
    folder = bottleneck(backbone, tmp_path / "one", 1)
    library = Adaptation(backbone, "pfeiffer", METHODS.get("pfeiffer").settings(), "fp32").library
    composed = compose("average", request(backbone, [folder, folder], "pfeiffer"))
    alone = output(library.load(backbone.load(), folder, None).eval())
    torch.testing.assert_close(output(composed.body), alone)
    assert not alone.allclose(output(backbone.load()))


def test_bottlenecks_of_different_size_are_not_averaged(backbone: Backbone, tmp_path: Path) -> None:
    folders = [
        bottleneck(backbone, tmp_path / "wide", 1, reduction_factor=4),
        bottleneck(backbone, tmp_path / "slim", 1, reduction_factor=8),
    ]
    with pytest.raises(InputError, match=naming("wide and slim", "reduction_factor")):
        compose("average", request(backbone, folders, "pfeiffer"))
    with pytest.raises(InputError, match="no rank to cut"):
        compose("average", request(backbone, folders[:1] * 2, "pfeiffer"), rank=2)
