"""Building a model without drawing or counting out the numbers of its tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DRAWS = frozenset({"normal_", "uniform_", "trunc_normal_"})


class Undrawn(TorchFunctionMode):
    """Skips the initialisation of tensors; for the meta device, where tensors have no numbers.

    torch asks SymPy there what a number would be, which takes a second to be imported.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the tensor of a draw as it is, an unfilled one for ``arange``, and what any other function gives."""
        named = kwargs or {}
        if getattr(func, "__name__", "") in DRAWS:
            return args[0] if args else named["tensor"]
        if func is torch.arange and args and all(isinstance(number, int) for number in args):
            return torch.empty(len(range(*args)), **{"dtype": torch.int64, **named})
        return func(*args, **named)
