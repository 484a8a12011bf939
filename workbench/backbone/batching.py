"""Running a model over encoded rows: texts of like length share a batch, results come back in the rows' order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from adapter_workbench.workbench.errors import AnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

Owner = TypeVar("Owner", bound="Hashable")
BATCH_SIZE = 64
OVERFLOW = "Its weights are too large. Train it with a lower learning rate, or in fp32 (--set budget.precision=fp32)."
IGNORED = -100  # a label that torch's cross-entropy passes over


def in_batches(
    call: Callable[[list[int], dict[str, Tensor]], Iterable[Any]],
    model: nn.Module,
    encoded: list[dict[str, Any]],
    collate: Callable[[list[dict[str, Any]]], dict[str, Tensor]],
    size: int = BATCH_SIZE,
) -> list[Any]:
    """Return one result for each encoded row, in the rows' order; batches depend on the rows alone.

    Args:
        call: the places of a batch's rows in ``encoded``, and the batch on the model's device → one result a row.
        model: is in evaluation mode while it runs, and left in the mode that it was in.
        encoded: unpadded model inputs.
        collate: pads a list of rows to one batch.
        size: rows of a batch.
    """
    import torch

    by_length = sorted(range(len(encoded)), key=lambda index: -len(encoded[index]["input_ids"]))
    training, results = model.training, [None] * len(encoded)
    if training:
        model.eval()
    with torch.inference_mode():
        for start in range(0, len(by_length), size):
            indices = by_length[start : start + size]
            batch = to_device_of(model, collate([encoded[index] for index in indices]))
            for index, result in zip(indices, call(indices, batch), strict=True):
                results[index] = result
    if training:
        model.train()
    return results


def in_places(owners: Sequence[Owner], work: Callable[[Owner, Sequence[int]], Sequence[Any]]) -> list[Any]:
    """Return one result for each row, in the rows' order.

    Args:
        owners: of each row.
        work: an owner, and where its rows stand → their results; it does all rows of an owner at once.
    """
    results: list[Any] = [None] * len(owners)
    for owner in dict.fromkeys(owners):
        indices = [index for index, other in enumerate(owners) if other == owner]
        for index, result in zip(indices, work(owner, indices), strict=True):
            results[index] = result
    return results


def require_scores(scores: NDArray[np.floating[Any]] | Sequence[NDArray[np.floating[Any]]]) -> None:
    """Make sure that a model's scores are numbers.

    −∞ is one: the score of a label that cannot be the answer, where another has a finite one.

    Args:
        scores: for each text those of its answer, in any shape; a text may have none.

    Raises:
        AnswerError: a text has a score that is NaN or +∞, or −∞ alone.
    """
    import numpy as np

    highest = np.array([of_text.max() if of_text.size else 0.0 for of_text in scores])
    bad = np.flatnonzero(~np.isfinite(highest))
    if len(bad):
        which = f"{len(bad)} of {len(scores)} answers are" if len(scores) > 1 else "the answer is"
        first = f" (that to text {bad[0] + 1} first)" if len(scores) > 1 else ""
        raise AnswerError(f"{which} not a number{first}: the model computes NaN or infinity", hint=OVERFLOW)


def to_device_of(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    device = next(model.parameters()).device
    return {name: tensor.to(device) for name, tensor in batch.items()}


def pad_rows(rows: list[dict[str, Any]], pad: int, side: str) -> dict[str, Tensor]:
    """Return encoded rows of token ids as one batch (rows, tokens), filled up with ``pad`` on the ``side`` given.

    ``attention_mask`` is filled up with 0, and ``labels`` (of each token, where there are any) with :data:`IGNORED`.
    """
    import torch
    from torch.nn.utils.rnn import pad_sequence

    fillers = {"input_ids": pad, "attention_mask": 0, "labels": IGNORED}
    return {
        name: pad_sequence([torch.tensor(row[name]) for row in rows], True, filler, side)
        for name, filler in fillers.items()
        if name in rows[0]
    }
