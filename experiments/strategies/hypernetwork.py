"""hypernetwork: one network makes each task's LoRA from an embedding; a penalty keeps the LoRAs of earlier tasks.

Loss + λ/(t−1) Σᵢ ‖h(eᵢ) − h*(eᵢ)‖² at stage t, λ the strength, h(eᵢ) all numbers that the network makes of the
embedding of an earlier task i, h* the network after the stage before (von Oswald et al. 2020, arXiv:1906.00695, eq. 2,
where λ is called β). Their look-ahead, which applies the penalty at the weights after the next step, is left out.
Embeddings of earlier tasks do not change after their task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from adapter_workbench.experiments.strategies._heads import head_file, head_identity, stored_head
from adapter_workbench.experiments.strategies._shared import RemedySettings, SharedWeights, Strength
from adapter_workbench.workbench.files.digest import digest
from adapter_workbench.workbench.methods.libraries.hypernetwork import generate, generator_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from adapter_workbench.experiments.scenarios import Scenario
    from adapter_workbench.experiments.strategies import Context, State
    from adapter_workbench.experiments.strategies._stage import Stage
    from adapter_workbench.workbench.methods.model import Batch, Penalty, TaskModel
    from adapter_workbench.workbench.methods.task import Task

NETWORK, EMBEDDINGS = "network.safetensors", "embeddings.safetensors"
OWN = "task"  # the network's one parameter that tasks do not share


class HypernetworkSettings(RemedySettings):
    """``strength`` is λ."""

    strength: Strength = 0.01
    trains: Literal["network", "embedding"] = Field(
        "network", description="embedding: after the first task the network is frozen, so no penalty is needed"
    )


class Hypernetwork(SharedWeights):
    """Its state is the network (``body``), an embedding of each task (``embeddings.safetensors``), and the heads."""

    settings = HypernetworkSettings
    method = "hypernetwork"

    def objection(
        self, settings: HypernetworkSettings, method: str, kinds: Sequence[str], scenario: Scenario
    ) -> str | None:
        """It needs somebody who names the task; what is frozen needs no strength."""
        if objection := super().objection(settings, method, kinds, scenario):
            return objection
        if settings.trains == "embedding" and "strength" in settings.model_fields_set:
            return "with trains: embedding nothing moves that a strength could hold: leave 'strength' out"
        return None if scenario.knows_task else "each task has a LoRA of its own, and nobody names the task here"

    def begin(self, context: Context, state: State, head: nn.Module) -> TaskModel:
        """Return the network as it was left, and a fresh embedding."""
        model = _open(context, state, context.posed[-1], head, context.stage_seed)  # no two embeddings begin alike
        if state.folder and context.settings.trains == "embedding":
            for name, parameter in generator_of(model.body).named_parameters():
                parameter.requires_grad = name == OWN
        return model

    def strengths(self, settings: HypernetworkSettings, stage: int) -> Sequence[float | None]:
        """Nothing holds a network that is frozen."""
        return [None] if settings.trains == "embedding" else super().strengths(settings, stage)

    def penalty(self, stage: Stage, strength: float) -> Penalty:
        """Return λ/(t−1) Σ ‖h(eᵢ) − h*(eᵢ)‖²."""
        embeddings, generator = _embeddings(stage.state), generator_of(stage.model.body)
        with torch.no_grad():
            held = [(embedding, _flat(generator(embedding))) for embedding in embeddings.values()]

        def of(batch: Batch) -> Tensor:
            network = generator_of(batch.model.body)
            moved = [_flat(network(embedding)) - made.to(network.task.device) for embedding, made in held]
            return strength * torch.stack([change.square().sum() for change in moved]).mean()

        return of

    def body_for(self, stage: Stage, task: Task) -> nn.Module:
        """Return the body, answering by what the network now makes for ``task``."""
        generator_of(stage.model.body).asked = _embeddings(stage.state).get(task.name)
        return stage.model.body

    def save(self, stage: Stage, folder: Path) -> None:
        """Write the network, which all LoRAs can be made from."""
        state = generator_of(stage.model.body).state_dict()
        save_file({name: tensor for name, tensor in state.items() if name != OWN}, folder / NETWORK)

    def remember(self, stage: Stage, folder: Path) -> None:
        """Add the embedding that was just learned, with the digest of the network that it was learned for."""
        learned = generator_of(stage.model.body).task.detach().clone()
        metadata = {NETWORK: digest(folder / "body" / NETWORK)}
        save_file({**_embeddings(stage.state), stage.task.name: learned}, folder / EMBEDDINGS, metadata)

    def model_for(self, state: State, task: Task, context: Context) -> TaskModel:
        """Put the task's head on the body with the LoRA that the network makes for it."""
        model = _open(context, state, task, stored_head(state, task, context), context.seed)
        generator = generator_of(model.body)
        with torch.no_grad():
            generator.task.copy_(_embeddings(state)[task.name])
        generate(model.body)
        return model

    def identity(self, state: State, task: Task, context: Context) -> str:
        """The state; where the network is frozen, all that the task's LoRA and head are made of: these stay."""
        if context.settings.trains == "network":
            return super().identity(state, task, context)
        with safe_open(state.existing / EMBEDDINGS, "pt") as stored:
            own = stored.metadata()[NETWORK], stored.get_tensor(task.name).tolist()
        return head_identity(context, head_file(state, task, context), *own)


def _open(context: Context, state: State, task: Task, head: nn.Module, seed: int) -> TaskModel:
    """Return the stored network, or before the first task a fresh one, with an embedding drawn from ``seed``."""
    model = context.adaptation.fresh(task.kind, len(context.asked(task).labels), seed).under(head)
    if state.folder:
        generator = generator_of(model.body)
        generator.load_state_dict({**load_file(state.folder / "body" / NETWORK), OWN: generator.task})
    return model


def _embeddings(state: State) -> dict[str, Tensor]:
    """Return those of the tasks learned so far, (embedding_size,) each."""
    return load_file(state.folder / EMBEDDINGS) if state.folder else {}


def _flat(matrices: Sequence[Tensor]) -> Tensor:
    return torch.cat([matrix.flatten() for matrix in matrices])


STRATEGY = Hypernetwork()
