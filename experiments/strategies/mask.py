"""mask: each task learns which units of an adapter it answers with; weights between such units never change again.

HAT (Serrà et al. 2018, arXiv:1801.01423, § 2), on the units of adapters in a frozen backbone as PyContinual has it. A
unit is one output of either layer of a bottleneck adapter, or of a LoRA's A or B. While a task is learned, a unit's
output counts m = σ(s e) times, with e trained and s rising from 1 ÷ s_max to s_max in each epoch. Units that earlier
tasks answer with are claimed: a weight into one of them from another, or from the backbone, is held, and so is
the unit's bias. The loss gets λ Σ m (1 − claimed) ÷ Σ (1 − claimed), λ the strength, so that a task claims few new
units. The gradient of e is as it would be at s = 1, with |s e| cut at 50. Task j is answered with its own units and
head, so it has to be named; its answers stay to the last bit.

Differences from the authors' programs (HAT's, and PyContinual's for BERT):

- They answer with σ(s_max e), and multiply gradients by 1 − max σ(s_max e). Here a unit answers if e > 0, and else it
  is nothing: a mask is 0 or 1, as theirs nearly are.
- They change gradients alone, so that weight decay still moves what should stay. Here the optimiser may do what it
  likes: a held weight is read from a copy, its gradient is 0, and clipping counts free weights only.
- HAT trains e and weights with SGD alike. Here AdamW trains the weights, and e takes plain steps at HAT's ``rate``
  and s_max times the gradient: AdamW would move each e equally far, and turn off units that merely matter little yet.
  What clipping sees of e is without s_max, which would be most of it.
- Their s ends an epoch one step before s_max. Here, as in the paper, the last step has s_max.
- PyContinual trains BERT's layer norms with every task, and puts an activation after each adapter. Here the backbone is
  frozen, and adapters are those of the method.
- PyContinual's adapters have 2,000 units between their layers. Here ``rank`` or ``reduction_factor`` says how many.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from pydantic import Field, TypeAdapter
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from adapter_workbench.experiments.strategies import _gates
from adapter_workbench.experiments.strategies._heads import head_file, head_identity
from adapter_workbench.experiments.strategies._kept_rows import release
from adapter_workbench.experiments.strategies._shared import RemedySettings, SharedWeights, Strength
from adapter_workbench.workbench.files import checksummed
from adapter_workbench.workbench.files.digest import digest
from adapter_workbench.workbench.settings.bounds import LearningRate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from adapter_workbench.experiments.scenarios import Scenario
    from adapter_workbench.experiments.strategies import Context, State
    from adapter_workbench.experiments.strategies._gates import Gate
    from adapter_workbench.experiments.strategies._stage import Stage
    from adapter_workbench.workbench.methods.model import Correction, Penalty, TaskModel
    from adapter_workbench.workbench.methods.task import Task

MASKS = "masks.safetensors"  # task → which units it answers with
CLAIMS_FILE = "claims.json"
METHODS = ("lora", "pfeiffer", "houlsby")
GATES = "gates"  # a module of the model in training, beside body and head


@dataclass(frozen=True)
class Claim:
    """What a task took."""

    body: str  # digest of the body that it was learned on
    used: float  # share of all units that it or a task before it answers with


CLAIMS = TypeAdapter(dict[str, Claim])


class MaskSettings(RemedySettings):
    """``strength`` is λ; all are HAT's."""

    strength: Strength = 0.75
    hardness: float = Field(400.0, ge=1, le=1e6, description="s_max: how near to 0 or 1 gates come in an epoch")
    rate: LearningRate = Field(0.05, description="learning rate of the gates, without warm-up or decay")


class Mask(SharedWeights):
    """Its state is that of sequential, the units of each task (``masks.safetensors``), and ``claims.json``."""

    settings = MaskSettings

    def objection(self, settings: MaskSettings, method: str, kinds: Sequence[str], scenario: Scenario) -> str | None:
        """It needs units, and somebody who names the task."""
        if method not in METHODS:
            return f"needs method {', '.join(METHODS[:-1])} or {METHODS[-1]}, not {method}"
        return None if scenario.knows_task else "each task has units of its own, and nobody names the task here"

    def strengths(self, settings: MaskSettings, stage: int) -> Sequence[float | None]:
        """The first task has to leave units free, too."""
        return settings.strengths

    def begin(self, context: Context, state: State, head: nn.Module) -> TaskModel:
        """Return the weights as they were left, those of claimed units held, under gates that begin anew."""
        model = super().begin(context, state, head)
        layers, settings = _gates.layers(model.body), context.settings
        units = sum(layer.linear.out_features for layer in layers.values())
        masks = [torch.zeros(units, dtype=torch.bool), *_masks(state).values()]
        drawn = torch.randn(units, generator=torch.Generator().manual_seed(context.stage_seed))
        gates = _gates.gate(layers, drawn, torch.stack(masks).any(dim=0), 1 / settings.hardness)
        model.add_module(GATES, nn.ModuleList(gates).to(next(model.body.parameters()).device))
        return model

    def penalty(self, stage: Stage, strength: float) -> Penalty:
        """Return λ R, R the attention to free units."""
        gates = _gates_of(stage)
        return lambda batch: strength * _gates.used(gates)

    def correction(self, stage: Stage) -> Correction:
        """Return what moves the gates, and makes them harder from step to step; other gradients are left alone."""
        gates, budget, settings = _gates_of(stage), stage.context.budget, stage.context.settings
        steps = budget.updates(len(stage.task.splits["train"])) // budget.epochs

        def correct(step: int) -> None:
            for gate in gates:
                gate.move(settings.rate * settings.hardness)
                gate.slope = _gates.annealed(step + 1, steps, settings.hardness)

        return correct

    def body_for(self, stage: Stage, task: Task) -> nn.Module:
        """Return the body, answering with the units of ``task``."""
        layers, stored = _gates.layers(stage.model.body), _masks(stage.state).get(task.name)
        asked = dict.fromkeys(layers) if stored is None else _gates.split(layers, stored)
        for gate, mask in zip(_gates_of(stage), asked.values(), strict=True):
            gate.asked = mask
        return stage.model.body

    def save(self, stage: Stage, folder: Path) -> None:
        """Write the weights of all units, claimed or not."""
        for layer in _gates.layers(stage.model.body).values():
            release(layer.linear)
        super().save(stage, folder)

    def remember(self, stage: Stage, folder: Path) -> None:
        """Add which units the task answers with, on which body it learned to, and how many are claimed by now."""
        self.body_for(stage, stage.task)
        before, name = stage.state.folder, stage.task.name
        masks = {**_masks(stage.state), name: torch.cat([gate.mask() for gate in _gates_of(stage)]).cpu()}
        claims = stage.state.document(CLAIMS, CLAIMS_FILE) if before else {}
        used = float(torch.stack([*masks.values()]).any(dim=0).float().mean())
        save_file(masks, folder / MASKS)
        claims = {**claims, name: Claim(digest(folder / "body"), used)}
        (folder / CLAIMS_FILE).write_text(checksummed.text_of(CLAIMS, claims), encoding="utf-8")

    def model_for(self, state: State, task: Task, context: Context) -> TaskModel:
        """Put the task's head on the weights, of which its own units alone answer."""
        model = super().model_for(state, task, context)
        _gates.answer_with(_gates.layers(model.body), _masks(state)[task.name])
        return model

    def identity(self, state: State, task: Task, context: Context) -> str:
        """The body that the task was learned on, of which the weights it answers with stay; its units; its head."""
        with safe_open(state.existing / MASKS, "pt") as stored:  # of all tasks: one is read
            own = hashlib.sha256(stored.get_tensor(task.name).numpy().tobytes()).hexdigest()
        claim = state.document(CLAIMS, CLAIMS_FILE)[task.name]
        return head_identity(context, head_file(state, task, context), claim.body, own)


def _masks(state: State) -> dict[str, Tensor]:
    """Return which units each task learned so far answers with, (units of all layers,) each."""
    return load_file(state.folder / MASKS) if state.folder else {}


def _gates_of(stage: Stage) -> list[Gate]:
    gates: Any = stage.model.get_submodule(GATES)
    return list(gates)


STRATEGY = Mask()
