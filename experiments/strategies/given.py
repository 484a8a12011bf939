"""given: checkpoints and adapters that exist already, as the stages of a stream; nothing is trained.

All tasks are measured at all stages. A task is answered in one way at all of them: by generated answers; by the label
that a language model holds to be the most likely continuation; by heads that came with the checkpoints; or by a linear
head that is fitted, at each stage anew, on the features of its training rows.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, TypeAdapter
from torch import nn

from adapter_workbench.experiments.answers.task_reference import unknown_task
from adapter_workbench.experiments.strategies._checkpoints import BODY
from adapter_workbench.experiments.strategies._heads import FOLDER as HEADS
from adapter_workbench.experiments.strategies._ways import (
    CONTINUED,
    FITTABLE,
    SPOKEN,
    AnswerSettings,
    asked,
    spoken_kind,
)
from adapter_workbench.experiments.workspace.evaluating import evaluate_model
from adapter_workbench.fusion.target.target import head_fitted_on
from adapter_workbench.workbench.adapters.fit_record import FitRecord
from adapter_workbench.workbench.adapters.manifest import MANIFEST, FittedHead, read_manifest
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.answering.elsewhere.forms import read_folder
from adapter_workbench.workbench.answering.elsewhere.taking_in import ImportDetails, take_in
from adapter_workbench.workbench.answering.elsewhere.whole_model import SentModel
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files.digest import digest, key
from adapter_workbench.workbench.machine.stopwatch import Stopwatch
from adapter_workbench.workbench.methods.adaptation import HEAD_FILE, Adaptation, save_head
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.posed_head import posed
from adapter_workbench.workbench.methods.stored_model import open_adapter, open_head, pooling_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from adapter_workbench.experiments.scenarios import Scenario
    from adapter_workbench.experiments.strategies import Context, State
    from adapter_workbench.experiments.strategies._checkpoint import Checkpoint, GivenStage
    from adapter_workbench.workbench.answering.elsewhere.form import SentFolder
    from adapter_workbench.workbench.answering.evaluation import Evaluation
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.task import Task

ANSWERED_FILE = "answered.json"
ANSWERED = TypeAdapter(dict[str, str])
OPENED = "opened"
TAKEN_IN = ("folder", "model")  # forms whose heads are read with their own program
Stages = Annotated[tuple[str, ...], Field(min_length=1, max_length=1000)]
ADAPTER, CALLED = "adapter", "given"


class GivenSettings(AnswerSettings):
    """Which checkpoints, and how a language model is asked."""

    stages: Stages | Annotated[tuple[Stages, ...], Field(min_length=1, max_length=1000)] = Field(
        (),
        description="folders (that of a stored adapter, too) or hub ids in their order, the base model first; for "
        "several seeds a list for each",
    )
    head_labels: dict[str, Annotated[tuple[str, ...], Field(min_length=1, max_length=1000)]] = Field(
        {},
        description="task → its labels in the order of the logits, of heads that do not name them, as those of peft",
        exclude_if=lambda labels: not labels,  # keys of what was measured before this was there stay as they are
    )


class Given:
    """Its state is what a checkpoint lacks: the fitted heads, and an adapter of another program in the form of here.

    The weights of a whole model and of stored adapters stay where they are.
    """

    settings = GivenSettings
    disposable = ()
    stages: Literal["each", "last"] = "each"

    def objection(self, settings: GivenSettings, method: str, kinds: Sequence[str], scenario: Scenario) -> str | None:
        """Only that each task is named: heads that are fitted apart do not share labels."""
        if not settings.stages:
            return "needs stages: a list of checkpoints"
        if not (scenario.knows_task and scenario.announces_tasks) or scenario.shares_head:
            return "each task has a head of its own, which needs scenario: task-incremental"
        return None

    def fits(self, settings: GivenSettings, examples: Sequence[int]) -> list[int]:
        """None: the heads are fitted in closed form."""
        return []

    def learn(self, state: State, context: Context, folder: Path) -> FitRecord:
        """Take the checkpoint in, with its heads, and fit those that it lacks."""
        stage, clock = _stage(context), Stopwatch()
        with clock:
            if stage.checkpoint.form == "folder" or (stage.checkpoint.form == "model" and _own_heads(context)):
                take_in_given(stage.checkpoint, context, folder)
            if stage.checkpoint.form == "state":
                shutil.copytree(stage.checkpoint.folder / BODY, folder / BODY)
            if state.folder and (state.folder / HEADS).is_dir():
                shutil.copytree(state.folder / HEADS, folder / HEADS)
            for task in _own_heads(context):
                _copy_head(stage.checkpoint, task, folder)
            self._fit_heads(context, folder)
        answered = {name: way for name, way in stage.ways.items() if way != "own head" or _head(folder, name).is_dir()}
        (folder / ANSWERED_FILE).write_text(json.dumps(answered, indent=2), encoding="utf-8")
        return FitRecord((), 0, None, 0, clock.seconds, None, 0, validation_examples=0, spent=clock.spent)

    def answers(self, state: State, task: Task) -> bool:
        """Return whether a task can be answered after a stage: one whose head comes later cannot."""
        return task.name in state.document(ANSWERED, ANSWERED_FILE)

    def model_for(self, state: State, task: Task, context: Context) -> TaskModel:
        """Put the task's head on the checkpoint's body, which is opened once for all tasks."""
        body = state.once(OPENED, lambda: _opened(state.existing, context)).body
        if _stage(context).ways[task.name] in SPOKEN:
            return _speaking(body, task, context)
        return _under_head(body, _head(state.existing, task.name), task, context)

    def taught(self, task: Task, context: Context) -> Task:
        """Return the task."""
        return context.asked(task)

    def tested(self, state: State, task: Task, context: Context, model: Callable[[], TaskModel]) -> Evaluation:
        """Run the model over the test split."""
        reader = _stage(context).checkpoint.reader or context.adaptation.backbone
        return evaluate_model(model(), context.asked(task), reader, context.budget)

    def identity(self, state: State, task: Task, context: Context) -> str:
        """The checkpoint's weights, the task's head, and how the task is asked."""
        head, checkpoint = _head(state.existing, task.name), _stage(context).checkpoint
        own = digest(head) if head.is_dir() else None
        backbone = context.adaptation.backbone
        weights = [
            "given",
            checkpoint.digest,
            backbone.fingerprint,
            context.adaptation.precision,
            own,
            backbone.pooling,
        ]
        return key([*weights, *asked(_stage(context).ways[task.name], task, context.settings)])

    def kept(self, state: State, context: Context) -> list[Path]:
        """The state, and the checkpoint where it is no copy."""
        checkpoint = _stage(context).checkpoint
        elsewhere = checkpoint.form == "adapter" or checkpoint.backbone is not None
        return [state.existing, *([checkpoint.folder] if elsewhere else [])]

    def _fit_heads(self, context: Context, folder: Path) -> None:
        stage = _stage(context)
        fitted = [task for task in context.drawn if stage.ways[task.name] == "fitted head"]
        if not fitted:
            return
        reader = stage.checkpoint.reader or context.adaptation.backbone
        body = _opened(folder, context).body
        for task in fitted:
            context.listener.say(f"{context.label}: a head is fitted for {task.name}")
            shutil.rmtree(_head(folder, task.name), ignore_errors=True)
            _head(folder, task.name).mkdir(parents=True)
            bare = _bare(_backbone(context), context)
            model = TaskModel(body, nn.Identity(), KINDS.get(task.kind), bare.pooling, bare.precision).eval()
            head = head_fitted_on(task, model, reader, context.budget.max_length).head
            save_head(head, _head(folder, task.name) / HEAD_FILE)


def _stage(context: Context) -> GivenStage:
    assert context.given is not None
    return context.given


def _own_heads(context: Context) -> list[Task]:
    """Return the tasks that are answered by a head which comes with this checkpoint."""
    stage = _stage(context)
    own = (task for task in context.tasks if stage.ways[task.name] == "own head")
    return [task for task in own if task.name in stage.checkpoint.heads]


def _head(state: Path, task: str) -> Path:
    """Return the folder of a task's head: its weights, and a manifest where it came with an adapter."""
    return state / HEADS / task


def _backbone(context: Context) -> Backbone:
    """Return the backbone of the checkpoint: a whole model is its own."""
    return _stage(context).checkpoint.backbone or context.adaptation.backbone


def _bare(backbone: Backbone, context: Context) -> Adaptation:
    """Return a backbone with nothing on it, pooled as the stream's is."""
    pooled = replace(backbone, pooling=context.adaptation.backbone.pooling)
    defaults: Any = METHODS.get("head").settings
    return Adaptation(pooled, "head", defaults(), context.adaptation.precision, whole=True)


def _opened(state: Path, context: Context) -> TaskModel:
    """Return the checkpoint's body under a head that answers nothing."""
    checkpoint, kind, backbone = _stage(context).checkpoint, context.tasks[0].kind, _backbone(context)
    if checkpoint.form == "model":
        return _bare(backbone, context).load(backbone.folder, nn.Identity(), kind)
    if checkpoint.form == "state":
        return context.adaptation.load(state / BODY, nn.Identity(), kind)
    return open_adapter(_adapter(checkpoint, state), backbone)


def _adapter(checkpoint: Checkpoint, state: Path) -> StoredAdapter:
    if checkpoint.form in TAKEN_IN:
        return taken_in(state)
    return StoredAdapter(read_manifest(checkpoint.folder), checkpoint.folder)


def _copy_head(checkpoint: Checkpoint, task: Task, folder: Path) -> None:
    target = _head(folder, task.name)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    if checkpoint.form == "state":
        shutil.copyfile(checkpoint.folder / HEADS / f"{task.name}.safetensors", target / HEAD_FILE)
        return
    source = _adapter(checkpoint, folder).folder
    for name in (MANIFEST, HEAD_FILE):
        shutil.copyfile(source / name, target / name)


def _speaking(body: nn.Module, task: Task, context: Context) -> TaskModel:
    """Return the body under the output layer of its pretraining, asked as the entry says."""
    bare = _bare(_backbone(context), context)
    head = bare.fresh_head(CONTINUED if task.kind not in GENERATED else task.kind, 0, seed=0)
    kind = spoken_kind(_stage(context).ways[task.name], task, context.settings)
    return TaskModel(body, head, kind, bare.pooling, bare.precision).eval()


def _under_head(body: nn.Module, folder: Path, task: Task, context: Context) -> TaskModel:
    backbone = _backbone(context)
    bare = _bare(backbone, context)
    pooling, prompted, precision = bare.pooling, False, bare.precision
    if (folder / MANIFEST).is_file():
        stored = StoredAdapter(read_manifest(folder), folder)
        head = posed(open_head(stored, backbone), stored.manifest.task, task)
        pooling = pooling_of(stored.manifest, backbone)
        prompted = bool(stored.manifest.head and stored.manifest.head.virtual)
    else:
        head = bare.stored_head(folder / HEAD_FILE, task.kind, len(task.labels))
    model = TaskModel(body, head, KINDS.get(task.kind), pooling, precision).eval()
    if prompted:
        model.pool_prompt(True)
    return model


# An adapter that another program wrote, taken into the state of a stage in the form that is opened here.


def take_in_given(checkpoint: Checkpoint, context: Context, state: Path) -> None:
    """Write the adapter of another program's folder into a state; its answers are those of its own program.

    Of a whole model the head is written alone, and its weights stay where they are.

    Raises:
        InputError: the files do not fit the backbone, or the sender's answers cannot be repeated.
    """
    sent = read_folder(checkpoint.folder)
    if isinstance(sent, SentModel):
        sent = replace(sent, link=True)
        itself = replace(sent.itself, pooling=context.adaptation.backbone.pooling)
        options = replace(_options(sent, checkpoint, context), backbone=itself)
    else:
        options = _options(sent, checkpoint, context) if sent.kinds else _headless(checkpoint, context)
    take_in(sent, options, AdapterStore(state / ADAPTER))


def taken_in(state: Path) -> StoredAdapter:
    """Return the adapter that was taken into a state."""
    store = AdapterStore(state / ADAPTER)
    return store.get(store.ids()[0])


def _options(sent: SentFolder, checkpoint: Checkpoint, context: Context) -> ImportDetails:
    """Return how an adapter with a head, or of a language model, is taken in.

    Its labels are those of a task that it answers under its own head, else as its folder calls them.
    """
    backbone, ways = context.adaptation.backbone, context.given.ways if context.given else {}
    for task in context.tasks:
        if task.name in checkpoint.heads and ways[task.name] == "own head":
            return _meaning(context, task.kind, checkpoint.heads[task.name])
    kind = sent.kinds[0]
    outputs = sent.outputs(backbone, kind)
    numbered = tuple(f"LABEL_{number}" for number in range(outputs or 0))
    return _meaning(context, kind, (sent.labels or numbered) if outputs else ())


def _headless(checkpoint: Checkpoint, context: Context) -> ImportDetails:
    """Return how an adapter without a head is taken in; it needs one, and is given that of the first task."""
    for task in context.drawn:
        if task.kind in GENERATED:
            return _meaning(context, task.kind, ())
        if task.kind == FITTABLE:
            return _meaning(context, task.kind, task.labels, _fit(task, context), task.fingerprint)
    hint = f"Name a {FITTABLE} task, or an adapter that was saved with its head."
    raise InputError("there is no head in this folder, and for no task one is fitted", where=checkpoint.name, hint=hint)


def _meaning(
    context: Context, kind: str, labels: tuple[str, ...], fit: Any = None, examples: str = ""
) -> ImportDetails:
    reference = unknown_task(CALLED, kind, labels)
    length = context.budget.max_length
    return ImportDetails(context.adaptation.backbone, reference, labels, length, CALLED, fit, examples)


def _fit(task: Task, context: Context) -> Callable[[TaskModel, int], tuple[nn.Linear, FittedHead]]:
    def fit(model: TaskModel, max_length: int) -> tuple[nn.Linear, FittedHead]:
        fitted = head_fitted_on(task, model, context.adaptation.backbone, max_length)
        return fitted.head, FittedHead(
            task=task.name,
            fingerprint=task.fingerprint,
            origin=task.origin,
            examples=len(task.splits["train"]),
            inverse_regularisation=fitted.inverse_regularisation,
            validation=fitted.validation,
        )

    return fit


STRATEGY = Given()
