"""The questions of a batch in which each row has its own adapter, as the model reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.backbone.batching import in_places

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.methods.kind import Kind


def questions_of_owners(
    kind: Kind,
    rows: Dataset,
    owners: Sequence[str],
    adapters: Mapping[str, StoredAdapter],
    tokenizer: PreTrainedTokenizerBase,
) -> list[dict[str, Any]]:
    """Return the model's inputs for each row, not padded; each is as long as the budget of its own adapter allows.

    Raises:
        InputError: an adapter cannot read a row.
    """
    limits = [adapters[owner].manifest.budget.max_length for owner in owners]
    return in_places(limits, lambda limit, own: kind.questions(rows.select(own), tokenizer, limit))
