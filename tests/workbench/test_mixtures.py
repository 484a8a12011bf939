"""Several methods on one backbone at the same time: ``a+b``."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from adapter_workbench.workbench.backbone.fingerprints import fingerprint
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import SettingsError, UnknownNameError
from adapter_workbench.workbench.machine.extras import require_installed
from adapter_workbench.workbench.methods.libraries import LIBRARIES
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.methods._mixture import mixture
from adapter_workbench.workbench.methods.methods.s4 import group
from adapter_workbench.workbench.settings.base import Document, MethodSettings


class Settings(MethodSettings):
    learning_rate: float = 1e-2


BIASES = Method(
    title="Biases of the queries",
    paper="made in tests",
    library="plain",
    settings=Settings,
    configure=lambda settings, config: lambda name: name.endswith("query.bias"),
    trains_backbone=True,
)


def last_states(body: nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        states: torch.Tensor = body.eval()(input_ids=torch.tensor([[2, 5, 6, 3]])).last_hidden_state
    return states


def disturb(body: nn.Module) -> None:
    torch.manual_seed(0)
    for parameter in body.parameters():
        if parameter.requires_grad:
            parameter.data.add_(torch.randn_like(parameter), alpha=0.3)


@pytest.mark.parametrize("names", [("lora", "biases"), ("biases", "pfeiffer"), ("pfeiffer", "lora", "biases")])
def test_plain_weights_live_below_those_of_the_packages(
    names: tuple[str, ...], backbone: Backbone, tmp_path: Path
) -> None:
    if "pfeiffer" in names:
        require_installed("adapters")
    card = mixture(tuple((name, BIASES if name == "biases" else METHODS.get(name)) for name in names))
    config, library = card.configure(card.settings(), backbone.config), LIBRARIES.get(card.library)
    body = library.attach(backbone.load(), config)
    disturb(body)
    trained = {name: parameter for name, parameter in body.named_parameters() if parameter.requires_grad}
    assert sum("query" in name and name.endswith("bias") for name in trained) == backbone.config.num_hidden_layers
    library.save(body, tmp_path)

    again = library.load(backbone.load(), tmp_path, config)

    assert torch.equal(last_states(again), last_states(body))
    assert {name for name, parameter in again.named_parameters() if parameter.requires_grad} == set(trained)
    packages = {"lora": "peft", "biases": "plain", "pfeiffer": "adapters"}
    assert {path.name for path in tmp_path.iterdir()} == {packages[name] for name in names}
    bare = library.detach(body)
    assert fingerprint(bare.named_parameters()) == backbone.fingerprint, "and the biases are what they were"


def test_what_is_stored_is_what_each_package_stores_alone(backbone: Backbone, tmp_path: Path) -> None:
    require_installed("adapters")
    card = METHODS.get("lora+pfeiffer")
    body = LIBRARIES.get("mixture").attach(backbone.load(), card.configure(card.settings(), backbone.config))
    disturb(body)
    LIBRARIES.get("mixture").save(body, tmp_path)
    alone = {}
    for method, library in (("lora", "peft"), ("pfeiffer", "adapters")):
        part = METHODS.get(method)
        config = part.configure(part.settings(), backbone.config)
        alone[library] = LIBRARIES.get(library).load(backbone.load(), tmp_path / library, config)
    together = {name: parameter for name, parameter in body.named_parameters() if parameter.requires_grad}
    for library, other in alone.items():
        for name, parameter in other.named_parameters():
            if parameter.requires_grad:
                inside = name if library == "peft" else f"base_model.model.{name}"
                assert torch.equal(parameter, together.pop(inside))
    assert not together
    bare = LIBRARIES.get("mixture").detach(body)
    assert fingerprint(bare.named_parameters()) == backbone.fingerprint


def test_settings_of_a_part_stand_under_its_name_and_the_rate_is_one() -> None:
    settings = METHODS.get("lora+compacter-plus-plus").settings
    given = settings.model_validate({"lora": {"rank": 2}, "compacter-plus-plus": {"phm_dim": 2}, "warmup": 0.0})
    assert settings.model_validate(given.model_dump(mode="json")) == given
    assert given.learning_rate == min(METHODS.get(name).settings().learning_rate for name in ("lora", "compacter"))
    for wrong in ({"lora": {"learning_rate": 1e-3}}, {"lora": {"rank": 0}}, {"pfeiffer": {}}):
        with pytest.raises(ValidationError):
            settings.model_validate(wrong)


def test_a_part_s_settings_reach_its_package(backbone: Backbone) -> None:
    require_installed("adapters")
    card = METHODS.get("lora+pfeiffer")
    settings = card.settings.model_validate({"lora": {"rank": 2}, "pfeiffer": {"reduction_factor": 8}})
    parts = card.configure(settings, backbone.config).parts
    assert parts["peft"].r == 2
    assert parts["adapters"].reduction_factor == 8


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("lora+lora", "twice"),
        ("full+lora", "full trains every weight"),
        ("lora+head", "head trains nothing"),
        ("lora+adapterfusion", "adapterfusion"),
        ("pfeiffer+houlsby", "the same places"),
        ("mam+loreft", "a mixture itself"),
        ("unipelt+lora", "the same matrices"),
        ("lora-plus+bitfit", "lora-plus does more"),
        ("bitfit+eva", "eva does more"),
        ("prefix+pfeiffer", None),
        ("loreft+parallel+lora", None),
    ],
)
def test_what_cannot_live_together_is_told(name: str, reason: str | None, backbone: Backbone) -> None:
    card = METHODS.get(name)
    objection = card.objection(card.settings(), backbone.config, "classification")
    if reason is None:
        assert objection is None
    else:
        assert reason in str(objection)


@pytest.mark.parametrize(
    ("name", "assignment", "reason"),
    [
        ("lora+pfeiffer", "lora.targets=((", "'lora.targets': not a regular expression"),
        ("partial+lora", "partial={last_k: 1, freeze_below: 1}", "give last_k or freeze_below, not both"),
        ("gralora+bitfit", "gralora.gralora_k=3", "gralora_k has to divide rank"),
        ("vblora+bitfit", "vblora={topk: 3, num_vectors: 2}", "topk may be at most num_vectors"),
    ],
)
def test_a_part_s_settings_are_as_strict_as_its_own(name: str, assignment: str, reason: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Document({}, "command line").set([assignment]).parse(METHODS.get(name).settings)
    assert reason in str(caught.value) and f"--set {assignment}" in str(caught.value)


def test_unfreezing_gradually_is_for_partial_alone(backbone: Backbone) -> None:
    card = METHODS.get("partial+lora")
    gradual = card.settings.model_validate({"partial": {"unfreeze": "gradual"}})
    assert card.objection(gradual, backbone.config, "classification") == "partial unfreezes gradually only alone"
    assert card.objection(card.settings(), backbone.config, "classification") is None


def test_a_part_s_objection_is_the_mixture_s(llama: Path) -> None:
    card = METHODS.get("lora+unipelt")
    objection = card.objection(card.settings(), open_backbone(str(llama)).config, "causal-lm")
    assert objection is not None and objection.startswith("unipelt: ")


def test_an_unknown_part_is_named() -> None:
    with pytest.raises(UnknownNameError, match="pfeifer"):
        METHODS.get("lora+pfeifer")


@pytest.mark.parametrize(
    ("layers", "sizes"), [(2, [0, 1, 1, 0]), (6, [1, 2, 2, 1]), (12, [2, 4, 4, 2]), (24, [4, 8, 8, 4])]
)
def test_the_groups_of_s4_are_a_spindle(layers: int, sizes: list[int]) -> None:
    groups = [group(layer, layers) for layer in range(layers)]
    assert [groups.count(number) for number in range(4)] == sizes
    assert groups == sorted(groups)
