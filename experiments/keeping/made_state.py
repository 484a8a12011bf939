"""What a remedy keeps of a model that somebody else trained: made by the remedy's own end of a task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from adapter_workbench.experiments.keeping.encoded_rows import COLUMNS, EncodedRows, InColumns
from adapter_workbench.experiments.keeping.lora_rows import rows_of_lora
from adapter_workbench.experiments.keeping.own_texts import write_texts
from adapter_workbench.experiments.remedies.fitting_state import require_fitting, require_weights
from adapter_workbench.experiments.remedies.trainer_learner import learner_of
from adapter_workbench.experiments.requests.keep import LONGEST
from adapter_workbench.experiments.strategies.a_gem import Projected
from adapter_workbench.experiments.strategies.ewc import Ewc
from adapter_workbench.experiments.strategies.l2_to_start import L2ToStart
from adapter_workbench.workbench.backbone.batching import pad_rows
from adapter_workbench.workbench.training.remedy import tasks_after
from adapter_workbench.workbench.training.remedy_state import Origin, read_state

if TYPE_CHECKING:
    from torch import Tensor

    from adapter_workbench.experiments.keeping.given_model import GivenModel
    from adapter_workbench.experiments.keeping.given_rows import GivenRows, Row
    from adapter_workbench.experiments.requests.keep import KeepRequest
    from adapter_workbench.workbench.training.remedy import Learner, Remedy, RemedyState

Count = Callable[[int], None]
Progress = Callable[[str, int], AbstractContextManager[Count]]  # what is done, and how often → hears how often it was
REMEDIES: dict[str, Callable[[int], Remedy]] = {  # of how many rows; a strength is not part of a state
    "ewc": partial(Ewc, 1.0, 1.0),
    "a-gem": Projected,
    "l2-to-start": lambda rows: L2ToStart(1.0),
}


@dataclass(frozen=True)
class Kept:
    """A state, and of what it was made."""

    state: RemedyState
    origin: Origin


@dataclass(frozen=True)
class _Loader:
    """What a remedy reads of a Trainer's loader."""

    dataset: Sequence[Row]
    collate_fn: Callable[[list[Row]], dict[str, Tensor]]


@dataclass(frozen=True)
class _Arguments:
    """What a remedy reads of a Trainer's arguments."""

    seed: int
    bf16: bool = False
    per_device_train_batch_size: int = 1
    gradient_accumulation_steps: int = 1


def keep(request: KeepRequest, source: GivenModel | None, given: GivenRows | None, progress: Progress) -> Kept:
    """Return what a remedy keeps of a model.

    Args:
        request: for which remedy, and of how many rows; its fields go together.
        source: the model; None for o-lora, which reads the file of a LoRA alone.
        given: rows of what it has learned; None where it writes them itself, or none are needed.
        progress: shows how far it is.

    Raises:
        InputError: the model, a row, or the state of the tasks before cannot be used.
        UnsafeConfigError: a file of the model would run code.
        AssetError: the model cannot be fetched.
        IntegrityError: the state of the tasks before is damaged.
    """
    earlier = read_state(request.state, request.remedy) if request.state else None
    if source is None:
        state, count = rows_of_lora(request.base, earlier), 0
    else:
        state, count = _state(request, source, given, earlier, progress)
    origin = Origin(model=request.base, rows=count, written=request.write is not None, seed=request.seed)
    return Kept(replace(state, tasks=tasks_after(earlier)), origin)


def _state(
    request: KeepRequest,
    source: GivenModel,
    given: GivenRows | None,
    earlier: RemedyState | None,
    progress: Progress,
) -> tuple[RemedyState, int]:
    """Return a state, and how many rows were read for it."""
    remedy = REMEDIES[request.remedy](request.most_rows)
    is_rows_alone = isinstance(remedy, Projected)
    model = nn.Module() if is_rows_alone and request.write is None else source.open()
    rows = _rows(request, source, model, given, progress)
    if earlier and earlier.rows and {*earlier.rows[0]} < {*COLUMNS}:
        rows = InColumns(rows, tuple(earlier.rows[0]))  # as the trainer had them that kept the earlier ones
    pad = source.base.tokenizer.pad_token_id if rows else 0
    learner = learner_of(model, _Loader(rows, partial(pad_rows, pad=pad, side="right")), _Arguments(request.seed))
    if not is_rows_alone:
        require_weights(remedy, learner, request.base)
    if earlier:
        require_fitting(remedy, earlier, learner, "--state", begins=False)
    count = min(len(rows), request.most_rows) if rows else 0
    with progress("rows", count) as done:
        heard = replace(learner, evidence=partial(_evidence, learner, done))
        state = remedy.after_task(heard, remedy.before_task(heard, earlier))
    assert state is not None
    return state, count


def _rows(
    request: KeepRequest, source: GivenModel, model: nn.Module, given: GivenRows | None, progress: Progress
) -> Sequence[Row]:
    if given is None and request.write is None:
        return ()
    tokenizer, length = source.base.tokenizer, source.length(request.max_length, LONGEST)
    if given is not None:
        return EncodedRows(given, tokenizer, source.base.config.vocab_size, length)
    assert request.write is not None
    with progress("texts", request.write) as done:
        return write_texts(model, tokenizer, request.write, length, request.seed, done)


def _evidence(learner: Learner, done: Count, count: int) -> Iterable[Iterable[Tensor]]:
    for directions in learner.evidence(count):
        yield directions
        done(1)
