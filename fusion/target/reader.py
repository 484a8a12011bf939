"""What the frozen backbone computes for texts: features, and how well its modules' inputs match given vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from adapter_workbench.workbench.answering.evaluation import features
from adapter_workbench.workbench.backbone.network import features_kept
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.model import TaskModel

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset
    from numpy.typing import NDArray

    from adapter_workbench.workbench.backbone.pretrained import Backbone, Pooling
    from adapter_workbench.workbench.machine.device import Precision

KIND = "classification"
READS_FEATURES = "Routers that read features take all of them: prototype, mahalanobis, ranpac, learned."
Match = Callable[[Tensor, Tensor], Tensor]  # states (…, in) and vectors (adapters, in) → (…, adapters)


@dataclass(frozen=True)
class Reader:
    """The backbone without any adapter on it, and how it reads."""

    backbone: Backbone  # the pretrained model
    precision: Precision  # the arithmetic of its body
    max_length: int  # tokens; longer texts are cut
    body: nn.Module | None = None  # the model, where it is kept between readings; else it is opened for each
    # whether features are kept in the process, for rows that will be read again; what a server is asked is not
    keeps: bool = False

    def keeping(self) -> Reader:
        """Return the same reader for rows that will be read again, by other routers or for other seeds."""
        return replace(self, keeps=True)

    def opened_once(self) -> Reader:
        """Return the same reader, with its model opened once."""
        return replace(self, body=self._body())

    def features(self, rows: Dataset) -> NDArray[np.float32]:
        """Return one feature vector for each text, pooled as the backbone does it: (texts, hidden_size)."""
        return self._read(self._body(), self.backbone.pooling, rows)

    def matches(self, rows: Dataset, vectors: Mapping[str, Tensor], match: Match) -> NDArray[np.float32]:
        """Return how well each text matches each adapter: the mean over its tokens, and over modules, of ``match``.

        Args:
            rows: the texts.
            vectors: name of a module in the backbone → one vector for each adapter (adapters, in).
            match: compares what goes into a module (batch, tokens, in) with its vectors: (batch, tokens, adapters).

        Returns:
            (texts, adapters). Padding does not count.
        """
        matching = _Matching(self._body(), vectors, match)
        try:
            return self._read(matching, "mean", rows)
        finally:
            matching.leave()

    def _body(self) -> nn.Module:
        return self.backbone.load(precision=self.precision) if self.body is None else self.body

    def _read(self, body: nn.Module, pooling: Pooling, rows: Dataset) -> NDArray[np.float32]:
        model = TaskModel(body, nn.Identity(), KINDS.get(KIND), pooling, self.precision)
        is_bare = not isinstance(body, _Matching)
        with features_kept(model, self.backbone, is_bare=True) if self.keeps and is_bare else nullcontext():
            return features(model, rows, self.backbone.tokenizer, self.max_length)


def by_module(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return module → the adapters' vectors (adapters, in), of one mapping module → vector (in,) for each adapter.

    Raises:
        InputError: the adapters do not change the same modules, so that they cannot be compared there, or none that a
            token's state comes to.
    """
    names = [set(part) for part in parts]
    if not any(names):
        raise InputError("these adapters change no module that reads the states of tokens", hint=READS_FEATURES)
    if odd := sorted(set[str]().union(*names) - names[0].intersection(*names)):
        raise InputError(
            f"these adapters change different modules: only some of them change {', '.join(odd[:4])}",
            hint=f"Route among LoRAs of equal targets. {READS_FEATURES}",
        )
    return {module: torch.stack([part[module] for part in parts]) for module in sorted(names[0])}


class _Matching(nn.Module):
    """A body whose token states are the matches of its modules' inputs, averaged over modules."""

    def __init__(self, body: nn.Module, vectors: Mapping[str, Tensor], match: Match) -> None:
        super().__init__()
        self.body = body
        self.total: Tensor | None = None  # of the matches so far: with many adapters, those of a module fill memory
        self.calls = 0  # of modules; layers may share one
        self.hooks = [
            body.get_submodule(name).register_forward_pre_hook(self._hook(module_vectors, match))
            for name, module_vectors in vectors.items()
        ]

    def leave(self) -> None:
        """Leave the body as it was."""
        for hook in self.hooks:
            hook.remove()

    def forward(self, **inputs: Tensor) -> Any:
        self.total, self.calls = None, 0
        self.body(**inputs)
        assert self.total is not None
        return SimpleNamespace(last_hidden_state=self.total / self.calls)  # (batch, tokens, adapters)

    def _hook(self, vectors: Tensor, match: Match) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            with torch.autocast(inputs[0].device.type, enabled=False):
                matches = match(inputs[0].float(), vectors.to(inputs[0].device))
                self.total = matches if self.total is None else self.total.add_(matches)
                self.calls += 1

        return hook
