"""Weights that somebody trained, and these as a stage of a stream."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from adapter_workbench.workbench.answering.elsewhere.model_files import has_tokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from adapter_workbench.experiments.strategies._ways import Way
    from adapter_workbench.workbench.backbone.pretrained import Backbone

Labels = tuple[str, ...]


@dataclass(frozen=True)
class Checkpoint:
    """Weights that somebody trained.

    Attributes:
        name: what people see.
        form: ``model``: all weights of a model; ``adapter``: stored here, a whole model too; ``state``: what a stream
            left after a stage, here; ``folder``: an adapter that another program wrote.
        folder: where it is.
        digest: equal digests, equal answers: of the weights and the heads that came, and for models that are not
            registered also of the config and of the files that texts are read with.
        heads: task of the stream → labels of the head that it brings for that, in the order of its logits.
        lacking: task whose labels a person has named → why it brings no head with these.
        backbone: of a whole model, as a backbone of its own.
    """

    name: str
    form: Literal["model", "adapter", "state", "folder"]
    folder: Path
    digest: str
    heads: Mapping[str, Labels] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)
    backbone: Backbone | None = None

    @property
    def reader(self) -> Backbone | None:
        """Whose tokenizer reads the texts: its own, where it has one; else None, and that of the stream does."""
        return self.backbone if self.backbone and has_tokenizer(self.backbone.folder) else None


@dataclass(frozen=True)
class GivenStage:
    """A checkpoint as a stage of a stream.

    Attributes:
        number: of the stage; 0 before any task.
        checkpoint: the weights.
        ways: how each task is answered, at all stages of the stream alike.
        learned: names of the tasks that count from this stage on.
    """

    number: int
    checkpoint: Checkpoint
    ways: Mapping[str, Way] = field(default_factory=dict)
    learned: tuple[str, ...] = ()
