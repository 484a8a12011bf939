"""What `workbench examine` and ``Workbench.examination_plan`` are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Annotated

from pydantic import Field

from adapter_workbench.experiments.requests.fields import Assignments
from adapter_workbench.experiments.requests.request import Request

ROWS = 800  # docs/examine-errors.md says what they find


@dataclass(frozen=True)
class ExamineRequest(Request):
    """Which checkpoints are to be measured against which model, and on what."""

    base: Annotated[str, Field(description="The model before training: registered name, hub id or folder.")]
    checkpoints: Annotated[
        Sequence[str],
        Field(
            description="In the order of training: folders of models, of a Trainer's checkpoints, of peft adapters; "
            "stored adapters; hub ids."
        ),
    ]
    tasks: Annotated[
        Sequence[str],
        Field(description="Tasks; if left out, five that need no hub, others for language models than for encoders."),
    ] = ()
    probes: Annotated[
        Sequence[str] | None,
        Field(description="Probes, see `workbench probes list`; `none` for no probe."),
    ] = None  # those that suit the model
    rows: Annotated[
        int,
        Field(
            ge=16,
            le=100_000,
            description="Test rows of each task; as many train a head where one is fitted. 800 find a loss of 5 points "
            "in four of five cases.",
        ),
    ] = ROWS
    name: Annotated[str | None, Field(description="Name of the experiment.")] = None
    assignments: Assignments = ()  # settings of the recipe, as ``budget.max_length=64``
    _: KW_ONLY
    labels: Annotated[
        str,
        Field(
            description="How a language model answers a classification: `head`, `likelihood` of the labels as "
            "continuations, or `likelihood-per-character`."
        ),
    ] = ""
    shots: Annotated[
        int,
        Field(ge=0, le=1000, description="Solved training examples before every question to a language model."),
    ] = 0
    harness: Annotated[
        Sequence[str],
        Field(description="Tasks of EleutherAI's harness, by name or as paths of task files (….yaml)."),
    ] = ()
    head_labels: Annotated[
        Mapping[str, Sequence[str]] | None,
        Field(
            description="The labels of a task in the order of the outputs of the checkpoints' heads, where those do "
            "not name them; may be given several times."
        ),
    ] = None
