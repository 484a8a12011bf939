"""Many adapters on one backbone in memory: switch between them, or let each row of a batch be answered by its own.

Two copies of a backbone cost twice its memory, and loading one takes seconds; an adapter beside those that are there
already takes a few MB, and switching to it milliseconds. Rows of different adapters go through the backbone together
where the library can (LoRAs of peft, and BatchSplit of the package adapters for bottlenecks), which is what
keeps batches full when requests for many tasks come in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from workbench.adapter_folder import check_adapter
from workbench.batching import in_batches
from workbench.device import Precision
from workbench.errors import InputError, opening
from workbench.half_width import shown_in_float32
from workbench.kinds import KINDS
from workbench.libraries import LIBRARIES
from workbench.library import Hosts
from workbench.model import TaskModel
from workbench.quantisation import keep_as_packed
from workbench.stored_model import open_adapter, open_head, require_backbone

if TYPE_CHECKING:
    from datasets import Dataset
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from workbench.backbone import Backbone
    from workbench.stored_adapter import StoredAdapter

Said = tuple[str, float | None]
Company = tuple[str, str, Precision]
Owner = TypeVar("Owner", str, Company)
MIXED_KIND = "classification"  # its answers are one head's logits of one feature vector a row


class Serving:
    """One backbone, and adapters of one method and precision on it.

    Attributes:
        body: the backbone with all of them.
        adapters: id → the stored adapter.
    """

    def __init__(self, adapters: Sequence[StoredAdapter], backbone: Backbone) -> None:
        """Load the backbone once, and every adapter onto it.

        Raises:
            InputError: no adapters, of several methods or precisions, of another backbone, or of a library that keeps
                one adapter at a time.
        """
        if len(kinds := {_company(each) for each in adapters}) != 1:
            told = "; ".join(" ".join(kind) for kind in sorted(kinds)) or "none"
            hint = "answers() serves adapters of any methods, one group after another."
            raise InputError(f"one backbone serves adapters of one method and precision, not {told}", hint=hint)
        (library, method, precision), *_ = kinds
        hosting = LIBRARIES.get(library)
        if not isinstance(hosting, Hosts):
            raise InputError(f"{library} keeps one adapter at a time, so {method} cannot be switched")
        self.adapters = {each.id: each for each in adapters}
        self._library: Hosts = hosting
        self._names = {name: f"adapter-{index:03d}" for index, name in enumerate(self.adapters)}  # ids may have dots
        body: nn.Module = backbone.load(precision=precision)
        for each in adapters:
            require_backbone(each, backbone)
            with opening("the adapter", str(each.folder)), shown_in_float32(body):
                check_adapter(each.folder)
                body = hosting.host(body, each.folder, self._names[each.id])
        self.body, self.backbone = (keep_as_packed(body) if backbone.quantization else body).eval(), backbone
        self._models = {each.id: self._model(each, open_head(each, backbone)) for each in adapters}

    @property
    def mixes(self) -> bool:
        """Whether the rows of one batch can be of different adapters."""
        served = {each.manifest.task.kind for each in self.adapters.values()}
        return served == {MIXED_KIND} and self._library.mixes(self.body)

    def switch(self, adapter: str) -> TaskModel:
        """Return the model of one adapter; the body is shared, so the one that was switched to before is no longer."""
        self._library.switch(self.body, self._names[adapter])
        return self._models[adapter]

    def answers(self, rows: Dataset, owners: Sequence[str]) -> list[Said]:
        """Return what ``owners[i]`` answers to row i and how sure it is: in one go where that can be, else in turns."""
        if not self.mixes:
            return _in_turns(self.switch, self.adapters, self.backbone, rows, owners)
        encoded = _in_places(owners, lambda adapter, places: self._questions(adapter, rows.select(places)))
        model = self._models[owners[0]]
        logits = in_batches(
            lambda places, batch: self._logits(model, [owners[place] for place in places], batch),
            model,
            encoded,
            model.kind.collate(self.backbone.tokenizer),
        )

        def say(adapter: str, places: Sequence[int]) -> list[Said]:
            labels = self.adapters[adapter].manifest.task.labels
            return model.kind.say(np.stack([logits[place] for place in places]), labels)

        return _in_places(owners, say)

    def _logits(self, model: TaskModel, owners: Sequence[str], batch: dict[str, Tensor]) -> list[NDArray[np.float32]]:
        """Return each row's logits by its own adapter and head, (labels of its task,)."""
        order = sorted(range(len(owners)), key=lambda row: owners[row])  # rows of one adapter follow each other
        beside = self._library.mix(self.body, [self._names[owners[row]] for row in order])
        features = model.features(**{name: each[order] for name, each in batch.items()}, **beside)
        where = {row: place for place, row in enumerate(order)}

        def head(adapter: str, rows: Sequence[int]) -> list[NDArray[np.float32]]:
            own = features[[where[row] for row in rows]]  # (rows of the adapter, hidden_size)
            return list(self._models[adapter].head(own).float().cpu().numpy())

        return _in_places(owners, head)

    def _questions(self, adapter: str, rows: Dataset) -> list[dict[str, Any]]:
        manifest = self.adapters[adapter].manifest
        return KINDS.get(manifest.task.kind).questions(rows, self.backbone.tokenizer, manifest.budget.max_length)

    def _model(self, adapter: StoredAdapter, head: nn.Module) -> TaskModel:
        kind, pooling = KINDS.get(adapter.manifest.task.kind), self.backbone.pooling
        return TaskModel(self.body, head, kind, pooling, adapter.manifest.precision).eval()


def answers(adapters: Sequence[StoredAdapter], backbone: Backbone, rows: Dataset, owners: Sequence[str]) -> list[Said]:
    """Return what ``owners[i]``, the id of one of ``adapters``, answers to row i; they may be of any methods.

    Adapters that can share a backbone do; the others are opened one after another.

    Raises:
        InputError: an adapter of another backbone.
    """
    asked = [each for each in adapters if each.id in set(owners)]
    company = {each.id: _company(each) for each in asked}

    def answer(own: Company, places: Sequence[int]) -> list[Said]:
        group = {each.id: each for each in asked if company[each.id] == own}
        part, names = rows.select(places), [owners[place] for place in places]
        if len(group) > 1 and isinstance(LIBRARIES.get(own[0]), Hosts):
            return Serving(list(group.values()), backbone).answers(part, names)
        return _in_turns(lambda name: open_adapter(group[name], backbone), group, backbone, part, names)

    return _in_places([company[owner] for owner in owners], answer)


def _in_turns(
    model_of: Callable[[str], TaskModel],
    adapters: Mapping[str, StoredAdapter],
    backbone: Backbone,
    rows: Dataset,
    owners: Sequence[str],
) -> list[Said]:
    """Return the answers of one adapter after another, in the rows' order."""

    def answer(adapter: str, places: Sequence[int]) -> list[Said]:
        model, manifest = model_of(adapter), adapters[adapter].manifest
        found = model.kind.answers(model, rows.select(places), backbone.tokenizer, manifest.budget.max_length)
        return model.kind.say(found, manifest.task.labels)

    return _in_places(owners, answer)


def _in_places(owners: Sequence[Owner], work: Callable[[Owner, Sequence[int]], Sequence[Any]]) -> list[Any]:
    """Return one result a row, in the rows' order; ``work`` does all rows of one owner at once, given their places."""
    found: list[Any] = [None] * len(owners)
    for owner in dict.fromkeys(owners):
        places = [place for place, each in enumerate(owners) if each == owner]
        for place, result in zip(places, work(owner, places), strict=True):
            found[place] = result
    return found


def _company(adapter: StoredAdapter) -> Company:
    """Return what adapters on one body have in common: library, method and precision."""
    manifest = adapter.manifest
    return manifest.library, manifest.method, manifest.precision
