"""What a model has become, one file a probe: measured after a stage, on data that were fixed before stage 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from adapter_workbench.workbench.backbone.batching import BATCH_SIZE
from adapter_workbench.workbench.settings.registry import Modules

if TYPE_CHECKING:
    import pandas as pd
    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.workbench.answering.hidden_states import HiddenStates
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Settings

NEEDS = {"lm-eval": "lm-eval"}  # probe → the package of an extra that it works with


@dataclass(frozen=True)
class ProbeContext:
    """What a probe may read beside the model."""

    # the task that the model answers for; its ``train`` and ``validation`` splits are the probe's examples, few and
    # the same at every stage and for every strategy. The test split is not among them
    task: Task
    backbone: Backbone  # the pretrained model
    max_length: int  # tokens; longer texts are cut
    model: TaskModel  # what is measured
    # hidden states as they were right after the task was learned; None at that stage itself
    learned: HiddenStates | None
    # the model's answers to the task's test split, one row per example (``id``, ``prediction``, ``correct``,
    # ``confidence``), as they are stored
    outcomes: pd.DataFrame
    outcomes_learned: pd.DataFrame | None  # the same right after the task was learned; None at that stage itself
    text: tuple[str, ...]  # general text that no task uses; empty where there is none
    seed: int  # of whatever a probe draws
    batch_size: int = BATCH_SIZE  # the budget's, for probes that bring texts of their own
    # those of the probes that have some, by the probe's name
    settings: Mapping[str, Settings] = field(default_factory=dict)
    # a whole model that somebody trained, as a backbone of its own; None where the body is that of ``backbone``
    own: Backbone | None = None
    # whose tokenizer reads the texts that are put to the model; None: that of ``backbone``
    reader: Backbone | None = None

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """What reads the texts that are put to the model."""
        return (self.reader or self.backbone).tokenizer

    @cached_property
    def hidden(self) -> HiddenStates:
        """The model's hidden states on the probe's examples; one forward pass for all probes together."""
        from adapter_workbench.workbench.answering.hidden_states import hidden_states  # torch comes with it

        return hidden_states(self.model, self.task, self.tokenizer, self.max_length)


class Probe(Protocol):
    """A measurement of a model.

    Attributes:
        scope: ``task`` where a value belongs to one task's model, and every task learned so far is measured; ``model``
            where it is about the weights, and the model of the task learned last is measured.
        reads_hidden: whether it looks at hidden states; one of a ``task`` that does not may look at answers to test
            rows.
    """

    scope: Literal["task", "model"]
    reads_hidden: bool

    def objection(self, backbone: Backbone, kind: str) -> str | None:
        """Return why this cannot be measured on a backbone for a kind of task, or None."""

    def measure(self, model: TaskModel, context: ProbeContext) -> Mapping[str, float]:
        """Return finite numbers by quantity; what cannot be measured is left out, never 0.

        A quantity of a layer is called ``layer-0`` (the embeddings) … ``layer-L`` (the last).
        """


@dataclass(frozen=True)
class ProbeRequest:
    """What a recipe asks of a probe that has settings."""

    settings: Settings  # as the probe reads them when it measures
    identity: Any  # plain data: what the values depend on beside the model, such as questions and versions


@runtime_checkable
class Adjustable(Protocol):
    """What a probe has in addition where a recipe can say what it measures.

    Attributes:
        settings: the pydantic model of the entry in ``probe_settings`` that has the probe's name.
    """

    settings: type[Settings]

    def ask(self, settings: Any) -> ProbeRequest:
        """Return the request. Files that it needs are read now, before anything is trained.

        Raises:
            InputError: the settings name what is not there.
        """


PROBES: Modules[Probe] = Modules("probe", __name__, "PROBE", Probe)
