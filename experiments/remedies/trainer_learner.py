"""A model in somebody's Trainer as a remedy sees it: which weights are held, and what its training rows say of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from adapter_workbench.experiments.strategies._fisher import drawn, label_directions
from adapter_workbench.workbench.backbone.batching import IGNORED, in_batches, to_device_of
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.training.remedy import Learner, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

    from adapter_workbench.workbench.training.remedy import Row


def learner_of(model: nn.Module, loader: Any, args: Any) -> Learner:
    """Return what a remedy sees of a ``model`` that a Trainer trains on the rows of ``loader`` as ``args`` say."""

    def evidence(count: int) -> Iterator[Iterator[Tensor]]:
        model.eval()
        device = next(model.parameters()).device.type
        for index in drawn(len(loader.dataset), count, args.seed):
            batch = to_device_of(model, loader.collate_fn([loader.dataset[index]]))
            with torch.autocast(device, torch.bfloat16, enabled=args.bf16):
                directions = [*_directions(model, batch)]
            yield iter(directions)

    return Learner(model, evidence, _rows_of(model, loader, args), _held(model))


def _rows_of(model: nn.Module, loader: Any, args: Any) -> Rows:
    size = args.per_device_train_batch_size

    def loss(rows: Sequence[Row]) -> Iterator[Tensor]:
        device = next(model.parameters()).device.type
        for start in range(0, len(rows), size):
            part = [dict(row) for row in rows[start : start + size]]
            with torch.autocast(device, torch.bfloat16, enabled=args.bf16):
                yield model(**to_device_of(model, loader.collate_fn(part)))["loss"] * (len(part) / len(rows))

    def read(rows: Sequence[Row]) -> None:
        batch = to_device_of(model, loader.collate_fn([dict(row) for row in rows]))
        if (read := batch.get("attention_mask")) is not None and not read.all():
            hint = "Leave pad_to_multiple_of out of the collator."
            raise InputError("rows of one length are padded, and padding would count", where="data_collator", hint=hint)
        with torch.autocast(next(model.parameters()).device.type, torch.bfloat16, enabled=args.bf16):
            model(**batch)

    def call(_: list[int], batch: dict[str, Tensor]) -> Tensor:
        with torch.autocast(next(model.parameters()).device.type, torch.bfloat16, enabled=args.bf16):
            answers: Tensor = model(**batch)["logits"]
        return answers.float().cpu()

    def logits(rows: Sequence[Row]) -> Tensor:
        return torch.stack(in_batches(call, model, [dict(row) for row in rows], loader.collate_fn))

    def own() -> Sequence[Row]:
        return _PlainRows(loader.dataset)

    step = size * args.gradient_accumulation_steps
    return Rows(own, loss, step, args.seed, read, logits, lambda: len(loader))


class _PlainRows(Sequence["Row"]):
    """The rows of a data set as numbers, text and lists, which a file can hold; each is read when it is asked for."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: Any) -> Any:
        row = self._dataset[index]
        return {name: value.tolist() if hasattr(value, "tolist") else value for name, value in row.items()}


def require_rows(loader: Any, where: str) -> None:
    """Make sure that a training row can be read by itself, and that its batch has labels.

    Raises:
        InputError: it cannot, or has none.
    """
    dataset: Any = getattr(loader, "dataset", None)
    if not hasattr(dataset, "__len__"):
        hint = "Give the trainer a data set whose rows are numbered."
        message = "the remedy reads drawn rows, and these come as a stream"
        raise InputError(message, where=where, hint=hint)
    if "labels" not in loader.collate_fn([dataset[0]]):
        message = "the remedy reads rows with their labels, and this trainer's batches have none"
        raise InputError(message, where=where, hint="Use a remedy that reads no rows: L2ToStart.")


def predicts_next(model: Any) -> bool:
    """Return whether what a model says at a token is of the next one."""
    return not model.config.is_encoder_decoder and model.get_output_embeddings() is not None


def _held(model: Any) -> Callable[[str], bool]:
    """Return which names are kept: all of a language model, else those below the model's own prefix, not its head."""
    output = getattr(model, "get_output_embeddings", lambda: None)()
    prefix = getattr(model, "base_model_prefix", "") if output is None else ""
    if hasattr(model, "get_base_model") and output is None:  # a PeftModel, whose own prefix is another
        prefix = model.get_base_model().base_model_prefix
    return lambda name: not prefix or f".{prefix}." in f".{name}"


def _directions(model: Any, batch: dict[str, Tensor]) -> Iterator[Tensor]:
    """Yield the scalars whose squared gradients add up to the Fisher information of the one row of ``batch``."""
    output, labels = model(**batch), batch["labels"]
    logits = output["logits"]
    if logits.ndim == 2 and logits.shape[1] > 1 and labels.ndim == 1 and not labels.is_floating_point():
        yield from label_directions(logits.squeeze(0))
        return
    if labels.ndim > 1 and labels.is_floating_point():  # of several labels, each a decision
        decisions = torch.tensor(labels.shape[-1])
    elif labels.ndim > 1:
        decisions = (labels[:, 1:] if predicts_next(model) else labels).ne(IGNORED).sum()
    else:
        decisions = torch.tensor(1)
    yield -output["loss"] * decisions.to(output["loss"].device)  # the loss is their mean
