"""The front matter of a model card on the Hugging Face hub: what an adapter is, what it is made of, how it did.

What belongs there: https://huggingface.co/docs/hub/model-cards. Only what is known is stated.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter_workbench.workbench.adapters.manifest import Manifest

LIBRARY = {
    **dict.fromkeys(("peft", "prompts", "hypernetwork"), "peft"),
    **dict.fromkeys(("adapters", "adapterfusion"), "adapters"),
}  # the library that opens the folder, where the hub knows it; transformers otherwise
STATES = "feature-extraction"
TAGS = {"peft": ["peft"], "adapters": ["adapter-transformers"]}  # by which the hub finds them
LICENSES = frozenset(
    {
        *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "mpl-2.0", "isc", "unlicense", "gpl-3.0", "lgpl-3.0"),
        *("cc0-1.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0"),
        *("odbl", "odc-by", "pddl", "cdla-permissive-2.0", "openrail", "bigscience-openrail-m", "gemma"),
        *("llama2", "llama3", "llama3.1", "llama3.2", "llama3.3"),
    }
)  # names that the hub has, of licences that models and data of texts come under


def front_matter(manifest: Manifest, test: Mapping[str, float], merged: bool = False, standard: bool = False) -> str:
    """Return the YAML block, with its fences.

    Args:
        manifest: the adapter's.
        test: its scores on the test split, where it has been tested.
        merged: whether the card is that of a whole model that the adapter was written into.
        standard: whether a pipeline of transformers answers with that by itself.
    """
    from huggingface_hub import ModelCardData

    task, backbone = manifest.task, manifest.backbone
    library = "transformers" if merged else LIBRARY.get(manifest.library, "transformers")
    fields: dict[str, Any] = {"license": license_of(manifest)}
    if fields["license"] == "other":
        fields |= {"license_name": "see-the-card", "license_link": "README.md"}
    if backbone.hub_id:
        relation = "finetune" if library == "transformers" else "adapter"
        fields |= {"base_model": backbone.hub_id, "base_model_relation": relation}
    data = ModelCardData(
        **fields,
        library_name=library,
        pipeline_tag=_pipeline(manifest, library, standard),
        tags=[*TAGS.get(library, []), manifest.method, task.kind, "adapter-workbench"],
        datasets=[task.hub_id] if task.hub_id else None,
        model_name=manifest.id,
        eval_results=_results(manifest, test) or None,
    )
    return f"---\n{data.to_yaml()}\n---\n"


def _pipeline(manifest: Manifest, library: str, standard: bool) -> str:
    """Return the pipeline that the hub offers: transformers' own would put a random head on a model without one."""
    kind = manifest.task.kind
    whole = standard or kind in GENERATED or library != "transformers"
    return KINDS.get(kind).pipeline_tag if whole else STATES


def license_of(manifest: Manifest) -> str | None:
    """Return the licence that the hub shows: that of backbone and data where both have the same.

    Where they differ, or the hub has no name for one, it is ``other``, and the text of the card tells both; where one
    is not known, None.
    """
    stated = manifest.backbone.license, manifest.task.license
    if None in stated:
        return None
    named = {licence.lower() for licence in stated if licence}
    return named.pop() if len(named) == 1 and named <= LICENSES else "other"


def _results(manifest: Manifest, test: Mapping[str, float]) -> list[Any]:
    """Return each measured number: of validation, by which the epoch was chosen, and of test, which chose nothing.

    Of an adapter from elsewhere only what was measured here: it is not known whether its validation score is true.
    """
    from huggingface_hub import EvalResult

    task = manifest.task
    claims = manifest.metrics if manifest.imported is None else {}
    scored = [(name.removeprefix("validation_"), "validation", value) for name, value in claims.items()]
    scored += [(name, "test", value) for name, value in test.items()]
    return [
        EvalResult(
            task_type=KINDS.get(task.kind).pipeline_tag,
            dataset_type=task.hub_id or task.name,
            dataset_name=task.name,
            dataset_split=split,
            metric_type=name,
            metric_name=f"{name} ({split})",
            metric_value=value,
        )
        for name, split, value in scored
        if math.isfinite(value)
    ]
