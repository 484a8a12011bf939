"""What passes between rooms: frozen dataclasses, and the protocols that registry entries fulfil."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import pandas as pd
    from datasets import Dataset
    from torch import Tensor, nn
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from workbench.backbone import Backbone
    from workbench.model import TaskModel
    from workbench.settings import Budget, MethodSettings

SPLITS = ("train", "validation", "test")
GENERATED = ("causal-lm", "seq2seq")  # kinds whose answers are words that the backbone's own output layer generates


@dataclass(frozen=True)
class Task:
    """A named, labelled problem with its data in hand.

    Attributes:
        name: the registered name.
        kind: the name of a task kind (``classification``).
        labels: label names; a label in the data is an index into them. Empty where answers are free text.
        splits: ``train``, ``validation`` and ``test``. Each has the columns ``id`` (str, unique in the task), ``text``
            (str), ``text_pair`` (str, pairs only) and, called as the kind's ``target`` says, what is right: ``label``
            (int), ``labels`` (list of int, sorted), ``tags`` (list of int, one a word of ``text``, a class label
            feature that knows the names), ``value`` (float), or ``answer`` (str). A row brings along what its answer is
            read with, so that rows of several tasks can be mixed: an answer its ``metric`` (str: how it is judged) and
            ``max_new_tokens`` (int: how long one may be), a value the ``centre`` and ``spread`` (float: mean and
            standard deviation of the training values).
        fingerprint: SHA-256 over kind, labels and every row.
        origin: where the data come from, for people.
        license: the licence of the data, where known.
        hub_id: the data set on the Hugging Face hub that the rows come from, where it is one.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    splits: Mapping[str, Dataset]
    fingerprint: str
    origin: str
    license: str | None = None
    hub_id: str | None = None

    @property
    def pair(self) -> bool:
        """Whether each example is a pair of texts."""
        return "text_pair" in self.splits["train"].column_names

    @property
    def metric(self) -> str | None:
        """How free answers are judged (``exact-match``, ``numeric-match`` or ``rouge-l``); None with labels."""
        rows = self.splits["train"]
        return str(rows["metric"][0]) if "metric" in rows.column_names else None

    @property
    def max_new_tokens(self) -> int | None:
        """How many tokens a free answer may take; None with labels."""
        rows = self.splits["train"]
        return int(rows["max_new_tokens"][0]) if "max_new_tokens" in rows.column_names else None

    @property
    def scale(self) -> tuple[float, float] | None:
        """Mean and standard deviation of the training values; None where answers are no numbers."""
        rows = self.splits["train"]
        return (float(rows["centre"][0]), float(rows["spread"][0])) if "centre" in rows.column_names else None


class Kind(Protocol):
    """What differs between kinds of task: columns, head, what it reads, loss, how an answer is made and judged.

    Attributes:
        metric: the name of the main score, an entry of what :meth:`scores` returns.
        pipeline_tag: what transformers and the Hugging Face hub call such a task (``text-classification``).
        target: the column of a row that holds what is right (``label``, ``labels``, ``tags``, ``value``, ``answer``).
        usage: a Jinja template of the program in an adapter's README that answers without this package; see
            :mod:`workbench.card` for the names that it may use.
    """

    metric: str
    pipeline_tag: str
    target: str
    usage: str

    def objection(self, config: PretrainedConfig) -> str | None:
        """Return why a backbone cannot answer, as what would follow its name ("is no …"); None where it can.

        It reads the config alone, so that it can speak before weights are fetched.
        """

    def head(self, backbone: Backbone, task_labels: int) -> nn.Module:
        """Return a fresh head: what :meth:`read` gives (…, hidden_size) → logits.

        A head without a state (an empty ``state_dict``) is part of the backbone: not trained and not stored.
        """

    def questions(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[dict[str, Any]]:
        """Return ``rows`` as unpadded model inputs (``input_ids``, …) without their answers, one dictionary a row."""

    def lengths(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
        """Return how many tokens each question and each answer takes where nothing is cut (0 for a label)."""

    def encode(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[dict[str, Any]]:
        """Return ``rows`` as unpadded training examples (``input_ids``, …, ``labels``), one dictionary a row."""

    def collate(self, tokenizer: PreTrainedTokenizerBase) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
        """Return a function that pads a list of encoded rows, with labels or without, to one batch."""

    def read(self, model: TaskModel, inputs: dict[str, Tensor], labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return what the head sees of a batch (a feature vector a text, or token states), and the labels for it."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of what :meth:`read` gave, a scalar."""

    def answers(self, model: TaskModel, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Any:
        """Return what ``model`` answers to each row, in their order (logits, or generated text)."""

    def digest(self, answers: Any) -> str:
        """Return the SHA-256 of all the numbers that ``answers`` hang on: equal digests, equal to the last bit."""

    def outcomes(self, rows: Dataset, answers: Any) -> pd.DataFrame:
        """Return one row per example: id, prediction, correct, confidence, log_likelihood, and what the kind adds.

        ``log_likelihood`` is that of the right answer. Where ``correct`` is not the whole score, ``score`` tells it.
        A main score that is the mean of either is compared by a paired bootstrap over examples.
        """

    def scores(self, outcomes: pd.DataFrame, task_labels: int) -> dict[str, float]:
        """Return named scores, higher is better; ``metric`` names the main one.

        They lie in [0, 1], but for those of a regression: correlations and explained variance may be negative, and
        errors, where lower is better, have the unit of the values.
        """

    def say(self, answers: Any, labels: Sequence[str]) -> list[tuple[str, float | None]]:
        """Return each answer in words, and the model's confidence in it, in [0, 1]; None where it tells none."""

    def values(self, answers: Any, labels: Sequence[str]) -> list[Any]:
        """Return each answer as what stands under ``target`` in a person's own data, in plain Python values."""

    def majority(self, train: Dataset, test: Dataset) -> float:
        """Return the test score of always giving the training split's most frequent answer."""


class Library(Protocol):
    """How one package puts weights on a backbone, saves them, loads them and takes them off again."""

    def attach(self, body: nn.Module, config: Any) -> nn.Module:
        """Return ``body`` with fresh weights on it; only they (and nothing else) require gradients."""

    def save(self, body: nn.Module, folder: Path) -> None:
        """Write what was trained into ``folder``, in the package's own format, as safetensors."""

    def load(self, body: nn.Module, folder: Path, config: Any) -> nn.Module:
        """Return a bare ``body`` with the weights of ``folder`` on it, trainable as after :meth:`attach`."""

    def detach(self, body: nn.Module) -> nn.Module:
        """Return the bare backbone again, byte for byte; only one that was trained whole stays as it was trained."""


@runtime_checkable
class Merges(Protocol):
    """A library that can write an update into the backbone's weights, where the method is of that sort."""

    def merge(self, body: nn.Module) -> nn.Module | None:
        """Return the bare backbone with the update in its weights; None where the method's update is no such thing."""


@runtime_checkable
class Hosts(Protocol):
    """A library that can keep several stored adapters on one backbone, and switch between them."""

    def host(self, body: nn.Module, folder: Path, name: str) -> nn.Module:
        """Return the body, bare or hosting already, with the adapter stored in ``folder`` on it, frozen and named."""

    def switch(self, body: nn.Module, name: str) -> None:
        """Let the adapter hosted as ``name`` answer, and no other."""

    def mixes(self, body: nn.Module) -> bool:
        """Return whether the rows of one batch can be of different adapters."""

    def mix(self, body: nn.Module, names: Sequence[str]) -> Mapping[str, Any]:
        """Let each row of the next batch be answered by its own adapter; rows of one adapter follow each other.

        Returns what the forward pass has to be given beside the batch.
        """


@dataclass(frozen=True)
class Course:
    """How a method goes along with a fit, where it is more than gradient steps on fixed parameters.

    Attributes:
        before_step: called before each optimiser step with the number of steps done.
        after_step: called after each with the number of steps done; the gradients are still there.
        finish: called when the fit has ended and the best epoch's weights are back: leaves the body as it is stored.
        penalty: what is added to the loss of a training batch.
        settles: after how many steps the weights are such as may be kept; earlier epochs cannot be the best.
        resumable: whether a checkpoint of the weights is enough to go on from.
    """

    before_step: Callable[[int], None] = lambda done: None
    after_step: Callable[[int], None] = lambda done: None
    finish: Callable[[], None] = lambda: None
    penalty: Callable[[], Tensor] | None = None
    settles: int = 0
    resumable: bool = True


@dataclass(frozen=True)
class Steps:
    """How long a fit is: optimiser steps in all, and in an epoch."""

    total: int
    epoch: int


@dataclass(frozen=True)
class Method:
    """A fine-tuning method: a card that names its paper, its settings, and the library that does the work.

    Attributes:
        title: the name in the literature.
        paper: where it was introduced.
        library: a name in the registry of libraries (``plain``, ``peft``, ``adapters``).
        settings: the typed hyper-parameters.
        configure: settings and the backbone's config → the library's configuration object.
        objection: settings, the backbone's config and the name of a task's kind → why the method cannot work there, in
            a few words; None where it can. It reads the config alone, so that it can speak before weights are fetched.
        prepare: settings, a fresh model, the task, the backbone's tokenizer, the budget and the seed → what the method
            takes from the training examples before the first step is put into the model; None where that is nothing.
        course: settings, the body and how long the fit is → how the method goes along with it; called as it begins.
        trains_backbone: whether some of the backbone's own weights are trained in place.
        composed: whether it is made of other adapters (by ``workbench fuse``), never trained from nothing.
    """

    title: str
    paper: str
    library: str
    settings: type[MethodSettings]
    configure: Callable[[Any, PretrainedConfig], Any]
    objection: Callable[[Any, PretrainedConfig, str], str | None] = lambda settings, config, kind: None
    prepare: Callable[[Any, TaskModel, Task, PreTrainedTokenizerBase, Budget, int], None] | None = None
    course: Callable[[Any, Any, Steps], Course] = lambda settings, body, steps: Course()
    trains_backbone: bool = False
    composed: bool = False

    @property
    def trains_body(self) -> bool:
        """Whether anything below the head is trained: the backbone's own weights, or modules that a library adds."""
        return self.trains_backbone or self.library != "plain"


@dataclass(frozen=True)
class Epoch:
    """One pass over the training examples: mean loss, and the validation score after it."""

    epoch: int
    train_loss: float
    validation: float
    validation_log_likelihood: float


@dataclass(frozen=True)
class FitRecord:
    """How a fit went.

    Attributes:
        epochs: one entry for each epoch that ran; none where there is nothing to train.
        best_epoch: the epoch (from 1) whose weights were kept; 0 where they stayed as they were.
        validation: that epoch's score of the task's main metric on the validation split, in [0, 1].
        steps: optimiser steps.
        seconds: wall time, validation included; of a remedy also that of what it does beside the fit (Fisher
            information, a teacher's answers, comparing strengths).
        peak_memory_mb: highest memory of the process (or the device) in this time, in MB; None where not measurable.
        trainable_parameters: how many numbers the optimiser changed, head included.
        chosen: hyper-parameters that were chosen on validation data, by name; what that took is counted above.
        trials: how many fits were made to choose them, this one included.
    """

    epochs: tuple[Epoch, ...]
    best_epoch: int
    validation: float
    steps: int
    seconds: float
    peak_memory_mb: float | None
    trainable_parameters: int
    chosen: Mapping[str, float] = field(default_factory=dict)
    trials: int = 1


CellStatus = Literal["measured", "verified", "carried"]


@dataclass(frozen=True)
class Cell:
    """R[stage, task]: one entry of the accuracy matrix.

    Attributes:
        task: the task that was tested.
        stage: tested after this stage (0 = before any).
        score: the task's main metric in [0, 1].
        examples: size of the test split.
        status: ``measured`` (the test split was run and stored), ``verified`` (adapter reloaded, all logits
            recomputed and bit-identical to the measured ones) or ``carried`` (adapter, backbone and data have the
            fingerprints they had when the score was measured, so it was not run again).
        seconds: what it took.
        evaluation: key of the stored evaluation that holds the per-example outcomes behind the score.
    """

    task: str
    stage: int
    score: float
    examples: int
    status: CellStatus
    seconds: float
    evaluation: str = ""


@dataclass(frozen=True)
class Cost:
    """What learning one task took.

    Attributes:
        train_seconds: wall time of learning, see :attr:`FitRecord.seconds`.
        peak_memory_mb: highest resident (or device) memory of the process while it trained, in MB; None where the
            system does not tell.
        trainable_parameters: how many numbers the optimiser changed, head included.
        stored_bytes: what has to be kept to answer for all tasks learned so far.
    """

    train_seconds: float
    peak_memory_mb: float | None
    trainable_parameters: int
    stored_bytes: int


@dataclass(frozen=True)
class MeasuredCost:
    """What an adaptation takes to train and to answer, measured in this process and nothing else counted.

    Attributes:
        device: what it was measured on (``cpu``, ``cuda``).
        repetitions: of every timing; the median of them is told.
        tokens: in the batch that was trained on, padding not counted.
        before_mb: memory of the process (or the device) with the model in it, before the first step, in MB.
        peak_mb: the highest during the steps; None, as all that is not told, where nothing is trained.
        forward_seconds_per_token: of a training step.
        backward_seconds_per_token: of a training step.
        update_seconds: what clipping and the optimiser take, a step.
        inference_ms: the adapted model's forward pass, milliseconds an example.
        bare_inference_ms: the same of the pretrained backbone alone.
        merged_inference_ms: the same with the update written into the backbone's weights; None where that cannot be.
        texts: in the batch that was trained on; 0, as the next two, in a record of before this was kept.
        length: tokens of each, padding counted.
        said: tokens of the batch that are learned to be said; 0 also where there is a head of labels.
    """

    device: str
    repetitions: int
    tokens: int
    before_mb: float | None
    peak_mb: float | None
    forward_seconds_per_token: float | None
    backward_seconds_per_token: float | None
    update_seconds: float | None
    inference_ms: float
    bare_inference_ms: float
    merged_inference_ms: float | None
    texts: int = 0
    length: int = 0
    said: int = 0

    @property
    def step_mb(self) -> float | None:
        """What a training step needs beyond the model itself, in MB."""
        return None if self.peak_mb is None or self.before_mb is None else self.peak_mb - self.before_mb


@dataclass(frozen=True)
class StageOutcome:
    """What is known after one stage of one strategy in one replication.

    Attributes:
        seed: of the replication.
        order: of the replication: which order of the stream, 0 the recipe's own.
        task: the task learned at this stage.
        validation: its score on the validation split.
        probes: probe → quantity → value; a quantity of one task's model is called ``TASK/quantity``.
        probe_seconds: what the probes took.
        chosen: hyper-parameters that the strategy chose at this stage, by name.
        trials: from how many fits.
    """

    strategy: str
    seed: int
    stage: int
    task: str
    cells: tuple[Cell, ...]
    cost: Cost
    validation: float
    probes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    order: int = 0
    probe_seconds: float = 0.0
    chosen: Mapping[str, float] = field(default_factory=dict)
    trials: int = 1


class Listener(Protocol):
    """Hears how the work goes; the terminal draws it."""

    def say(self, message: str) -> None:
        """Say one line that stays on the screen."""

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        """Open a fit of ``steps`` optimiser steps; call what it yields with (step, epoch, loss)."""


class Silent:
    """A listener that says nothing."""

    def say(self, message: str) -> None:
        """Ignore the line."""

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        """Ignore the fit."""
        yield lambda step, epoch, loss: None
