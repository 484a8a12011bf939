"""What makes a remedy impossible in a training, found before the first step."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from adapter_workbench.workbench.training.remedy import Learner, Remedy, RemedyState, Shape

NEAR = 0.01  # ‖θ − θ*‖ ÷ ‖θ*‖: what rounding to bfloat16 changes is a fifth of it


def require_possible(args: Any, where: str, passes: bool = False) -> None:
    """Make sure that a trainer's steps are those that a callback can join, and its forward ``passes`` too if need be.

    Raises:
        InputError: they are not.
    """
    why = None
    if args.deepspeed or args.fsdp:
        why = "the weights are dealt out over processes"
    elif args.fp16:
        why = "fp16 scales the loss, and with it all gradients"
    elif args.n_gpu > 1:
        why = "one process shares a step out over several GPUs"
    elif passes and args.torch_compile:
        why = "a compiled model's forward pass cannot be added to"
    if why:
        hint = "Train in bf16 or fp32, with a process for each GPU that holds all weights."
        raise InputError(f"gradients cannot be joined here: {why}", where=where, hint=hint)


def require_weights(remedy: Remedy, learner: Learner, where: str) -> None:
    """Make sure that there is something to hold.

    Raises:
        InputError: the model trains nothing that the remedy is for.
    """
    if not remedy.shapes(learner):
        hint = "Train an adapter of the sort that this remedy is for: LoRA where it says so."
        raise InputError("this model trains no weights that the remedy could hold", where=where, hint=hint)


def in_columns_of(state: RemedyState, learner: Learner) -> RemedyState:
    """Return a state whose rows have the columns of those that are trained on, where they have all of these.

    A trainer that reads fewer columns than were kept reads kept rows as it reads its own.
    """
    if not state.rows:
        return state
    names = learner.rows.own()[0].keys()
    if not names < state.rows[0].keys():
        return state
    return replace(state, rows=[{name: row[name] for name in names} for row in state.rows])


def require_begin(remedy: Remedy, state: RemedyState | None, learner: Learner, where: str, begins: bool) -> None:
    """Make sure that a training can be had with a remedy, and with the state that it is given.

    Raises:
        InputError: it cannot, see :func:`require_fitting` for the arguments and for what has to fit.
    """
    if why := remedy.objection(learner, None):
        raise InputError(why, where=where)
    require_weights(remedy, learner, where)
    if state:
        require_fitting(remedy, state, learner, where, begins)
        if begins and (why := remedy.objection(learner, state)):
            raise InputError(why, where=where)


def require_fitting(remedy: Remedy, state: RemedyState, learner: Learner, where: str, begins: bool) -> None:
    """Make sure that a state is of the weights that are trained.

    Args:
        remedy: whose state it is.
        state: what the training before kept.
        learner: the model that is trained.
        where: what to call the callback.
        begins: whether the training begins; one that goes on has left its first weights.

    Raises:
        InputError: it is of other weights.
    """
    if state.rows and (first := learner.rows.own()[0]).keys() != state.rows[0].keys():
        here, kept = (", ".join(sorted(row)) for row in (first, state.rows[0]))
        hint = "Tokenize both tasks' rows in one way, and give the trainer the same columns."
        raise InputError(f"rows here have {here}; those that were kept have {kept}", where=where, hint=hint)
    for sort, tensors in state.tensors.items():
        expected = remedy.shapes_of(sort, learner)
        shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        names = sorted(shapes.keys() | expected.keys())
        if other := [name for name in names if not _agree(shapes.get(name), expected.get(name))]:
            name = other[0]
            message = f"the state is of other weights: {len(other)} differ, {name!r} among them"
            hint = (
                f"There it has the shape {shapes.get(name)}, here {expected.get(name)}; None where it is not trained."
            )
            raise InputError(message, where=where, hint=hint)
    if begins and remedy.begins_at and not _are_near(learner.weights, state.tensors[remedy.begins_at]):
        hint = "Load the weights or the adapter that the training before has left, and go on with them."
        raise InputError("the model does not begin where the training before ended", where=where, hint=hint)


def _agree(shape: Shape | None, expected: Shape | None) -> bool:
    if shape is None or expected is None or len(shape) != len(expected):
        return False
    return all(open_size in (None, size) for size, open_size in zip(shape, expected, strict=True))


@torch.no_grad()
def _are_near(weights: Mapping[str, Tensor], start: Mapping[str, Tensor]) -> bool:
    gap = sum(float((weights[name].cpu().float() - tensor.float()).square().sum()) for name, tensor in start.items())
    return gap <= NEAR**2 * sum(float(tensor.float().square().sum()) for tensor in start.values())
