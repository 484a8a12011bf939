"""What passes between rooms: frozen dataclasses, and the protocols that registry entries fulfil."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import pandas as pd
    from datasets import Dataset
    from numpy.typing import NDArray
    from torch import Tensor, nn
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from workbench.settings import MethodSettings

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Task:
    """A named, labelled problem with its data in hand.

    Attributes:
        name: the registered name.
        kind: the name of a task kind (``classification``).
        labels: label names; a label in the data is an index into them.
        splits: ``train``, ``validation`` and ``test``. Each has the columns ``id`` (str, unique in the task), ``text``
            (str), ``text_pair`` (str, pairs only) and ``label`` (int).
        fingerprint: SHA-256 over kind, labels and every row.
        origin: where the data come from, for people.
        license: the licence of the data, where known.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    splits: Mapping[str, Dataset]
    fingerprint: str
    origin: str
    license: str | None = None

    @property
    def pair(self) -> bool:
        """Whether each example is a pair of texts."""
        return "text_pair" in self.splits["train"].column_names


class Kind(Protocol):
    """What differs between kinds of task: columns, head, collator, decoding, metric."""

    metric: str

    def head(self, hidden_size: int, task_labels: int) -> nn.Module:
        """Return a fresh head: features (batch, hidden_size) → logits (batch, task_labels)."""

    def encode(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[dict[str, Any]]:
        """Return ``rows`` as unpadded model inputs (``input_ids``, …, ``labels``), one dictionary a row."""

    def collate(self, tokenizer: PreTrainedTokenizerBase) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
        """Return a function that pads a list of encoded rows to one batch."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of a batch, a scalar."""

    def outcomes(self, rows: Dataset, logits: NDArray[Any]) -> pd.DataFrame:
        """Return one row per example: id, label, prediction, correct, confidence, log_likelihood."""

    def scores(self, outcomes: pd.DataFrame, task_labels: int) -> dict[str, float]:
        """Return named scores in [0, 1]; ``metric`` names the main one."""

    def majority(self, train_labels: Iterable[int], test_labels: Iterable[int]) -> float:
        """Return the test score of always answering the training split's most frequent label."""


class Library(Protocol):
    """How one package puts weights on a backbone, saves them, loads them and takes them off again."""

    def attach(self, body: nn.Module, config: Any) -> nn.Module:
        """Return ``body`` with fresh weights on it; only they (and nothing else) require gradients."""

    def save(self, body: nn.Module, folder: Path) -> None:
        """Write what was trained into ``folder``, in the package's own format, as safetensors."""

    def load(self, body: nn.Module, folder: Path, config: Any) -> nn.Module:
        """Return a bare ``body`` with the weights of ``folder`` on it, trainable as after :meth:`attach`."""

    def detach(self, body: nn.Module) -> nn.Module:
        """Return the bare backbone again; a method that trains the backbone itself returns it as trained."""


@dataclass(frozen=True)
class Method:
    """A fine-tuning method: a card that names its paper, its settings, and the library that does the work.

    Attributes:
        title: the name in the literature.
        paper: where it was introduced.
        library: a name in the registry of libraries (``plain``, ``peft``, ``adapters``).
        settings: the typed hyper-parameters.
        configure: settings and the backbone's config → the library's configuration object.
        trains_backbone: whether the backbone's own weights change.
    """

    title: str
    paper: str
    library: str
    settings: type[MethodSettings]
    configure: Callable[[Any, PretrainedConfig], Any]
    trains_backbone: bool = False


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
        epochs: one entry for each epoch that ran.
        best_epoch: the epoch (from 1) whose weights were kept.
        validation: that epoch's score of the task's main metric on the validation split, in [0, 1].
        steps: optimiser steps.
        seconds: wall time, validation included.
        peak_memory_mb: highest memory of the process (or the device) in this time, in MB; None where not measurable.
        trainable_parameters: how many numbers the optimiser changed, head included.
    """

    epochs: tuple[Epoch, ...]
    best_epoch: int
    validation: float
    steps: int
    seconds: float
    peak_memory_mb: float | None
    trainable_parameters: int


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
        train_seconds: wall time of the fit, validation included.
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
class StageOutcome:
    """What is known after one stage of one strategy with one seed."""

    strategy: str
    seed: int
    stage: int
    task: str
    cells: tuple[Cell, ...]
    cost: Cost
    validation: float
    probes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


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
