"""Models whose examination is measured: the pretrained one, damaged ones, several trainings; what each answers by row.

The answers are those of `workbench examine` without heads that came with a checkpoint: linear heads fitted on the
features of each model. The features of a row are computed once; heads of several sizes are fitted on them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from adapter_workbench.experiments.studies.stream.plan.examination import HELD
from adapter_workbench.fusion.target.fitted_head import fit_head
from adapter_workbench.workbench.answering.evaluation import features
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.sampling import draw, stratified_sample
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import teach

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from adapter_workbench.experiments.api import Workbench
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.training import Lesson

Right = NDArray[np.bool_]  # of each test row, (n,)
BASE, SEED = "base", "seed"
KEPT = "examine-errors"  # folder of answers in the workspace
NOISE = (0.2, 0.3, 0.35, 0.4, 0.45, 0.5)  # standard deviations of a weight matrix that are added to it
SCALES = (0.0, 0.5, 2.0)  # of all weights of the middle layer
AGAINST = (1e-4, 2e-4, 4e-4)  # learning rates of trainings on shuffled labels
EXAMPLES = 128  # that a model is trained on
RATE = 1e-4  # at which the seeds are trained


@dataclass(frozen=True)
class Circumstances:
    """How the models are made and asked.

    Attributes:
        workbench: finds backbone and tasks.
        backbone: name or folder.
        tasks: that are examined, whole.
        trained_on: name of the task that the seeds are trained on.
        sizes: training rows of the fitted heads; the largest is the number of test rows too.
        max_length: of a text, in tokens.
    """

    workbench: Workbench
    backbone: str
    tasks: tuple[Task, ...]
    trained_on: str
    sizes: tuple[int, ...]
    max_length: int

    @property
    def key(self) -> str:
        """What determines the answers of a model of one name."""
        data = [task.fingerprint for task in self.tasks]
        model = open_backbone(self.backbone).fingerprint
        return key([model, data, self.trained_on, self.sizes, self.max_length, EXAMPLES, RATE])[:12]

    def lesson(self, task: str, seed: int, learning_rate: float) -> Lesson:
        """Return a short full fine-tuning on a task."""
        budget = {
            "train_examples": EXAMPLES,
            "validation_examples": 16,
            "eval_examples": 16,
            "epochs": 2,
            "batch_size": 16,
            "max_length": self.max_length,
            "precision": "fp32",
        }
        return self.workbench.lesson(task, "full", self.backbone, seed, learning_rate=learning_rate, budget=budget)


def models(circumstances: Circumstances, seeds: int) -> dict[str, Callable[[], TaskModel]]:
    """Return what makes each model, by its name: of ``seeds`` trainings, of the pretrained one and of damaged ones."""
    return {
        **{f"{SEED}-{seed}": partial(_trained, circumstances, seed) for seed in range(seeds)},
        BASE: partial(_pretrained, circumstances),
        **{f"noise-{size}": partial(noised, circumstances, size) for size in NOISE},
        **{f"scaled-{factor}": partial(_scaled, circumstances, factor) for factor in SCALES},
        **{f"against-{rate:g}": partial(_against, circumstances, rate) for rate in AGAINST},
    }


def _pretrained(circumstances: Circumstances) -> TaskModel:
    """Return a copy of the pretrained model, whose weights may be changed."""
    lesson = circumstances.lesson(circumstances.trained_on, 0, RATE)
    return lesson.adaptation.fresh(lesson.task.kind, len(lesson.task.labels), lesson.seed)


def _trained(circumstances: Circumstances, seed: int) -> TaskModel:
    return teach(circumstances.lesson(circumstances.trained_on, seed, RATE), Silent(), f"{SEED} {seed}")[0]


def noised(circumstances: Circumstances, size: float) -> TaskModel:
    """Return the pretrained model with noise on each weight matrix of its layers: ``size`` × its own deviation."""
    model, generator = _pretrained(circumstances), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for layer in _layers(model):
            for matrix in _matrices(layer):
                matrix.add_(size * matrix.std() * torch.randn(matrix.shape, generator=generator))
    return model


def _scaled(circumstances: Circumstances, factor: float) -> TaskModel:
    """Return the pretrained model with the weight matrices of its middle layer times ``factor``."""
    model = _pretrained(circumstances)
    layers = _layers(model)
    with torch.no_grad():
        for matrix in _matrices(layers[len(layers) // 2]):
            matrix.mul_(factor)
    return model


def _against(circumstances: Circumstances, rate: float) -> TaskModel:
    """Return a model that learned one of the examined tasks with its training labels in another order."""
    lesson = circumstances.lesson(circumstances.tasks[-1].name, 0, rate)
    rows = lesson.task.splits["train"]
    labels = np.random.default_rng(0).permutation(rows["label"][:])
    shuffled = rows.remove_columns("label").add_column("label", labels.tolist(), feature=rows.features["label"])
    task = replace(lesson.task, splits={**lesson.task.splits, "train": shuffled})
    return teach(replace(lesson, task=task), Silent(), f"against {task.name}")[0]


def _layers(model: TaskModel) -> Sequence[nn.Module]:
    """Return the layers of the body: its longest list of modules."""
    lists = [module for module in model.body.modules() if isinstance(module, nn.ModuleList)]
    return [*max(lists, key=len)]


def _matrices(layer: nn.Module) -> Iterator[nn.Parameter]:
    return (parameter for parameter in layer.parameters() if parameter.ndim == 2)


def answers(model: TaskModel, circumstances: Circumstances) -> dict[str, Right]:
    """Return for each task and size of head, as ``TASK/SIZE``, which test rows are answered right (n,)."""
    asked = model.under(nn.Identity())
    right: dict[str, Right] = {}
    for task in circumstances.tasks:
        for size, of_task in _under_heads(asked, task, circumstances):
            right[f"{task.name}/{size}"] = of_task
    return right


def _under_heads(model: TaskModel, task: Task, circumstances: Circumstances) -> Iterator[tuple[int, Right]]:
    most = max(circumstances.sizes)
    budget = Budget(train_examples=most, eval_examples=most, validation_examples=min(HELD, most))
    drawn = draw(task, budget, seed=0).splits
    tokenizer = open_backbone(circumstances.backbone).tokenizer
    made = {split: features(model, rows, tokenizer, circumstances.max_length) for split, rows in drawn.items()}
    rows = drawn["train"].add_column("at", np.arange(len(drawn["train"])).tolist())
    for size in circumstances.sizes:
        picked = stratified_sample(rows, size, seed=0)
        train = made["train"][picked["at"][:]], picked["label"][:]
        head = fit_head(*train, made["validation"], drawn["validation"]["label"][:], len(task.labels)).head
        with torch.no_grad():
            logits = head(torch.from_numpy(made["test"]))  # (n, labels)
        yield size, logits.argmax(dim=1).numpy() == np.asarray(drawn["test"]["label"][:])


def measured(circumstances: Circumstances, seeds: int) -> Iterator[tuple[str, dict[str, Right]]]:
    """Yield each model's name and answers; those that are in the workspace already are read from there."""
    folder = circumstances.workbench.workspace.root / KEPT / circumstances.key
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in models(circumstances, seeds).items():
        path = folder / f"{name}.npz"
        if not path.is_file():
            whole = path.with_name(f"{name}.part.npz")
            right: dict[str, Any] = {**answers(make(), circumstances)}
            np.savez_compressed(whole, **right)
            whole.rename(path)
        with np.load(path, allow_pickle=False) as stored:
            yield name, {column: stored[column] for column in stored.files}
