"""The labels of a head in the order of its logits, where a config names them: that of the folder, or of the base model.

transformers writes ``LABEL_0``, ``LABEL_1``, … where nobody has named the labels; those are numbers, and name nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.backbone.config import read_json
from adapter_workbench.workbench.backbone.model_folder import CONFIG
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kind import GENERATED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from adapter_workbench.workbench.answering.elsewhere.form import SentFolder
    from adapter_workbench.workbench.backbone.pretrained import Backbone

NUMBERED = re.compile(r"LABEL_\d+")
ON_BASE = "peft"  # the program that puts its head into the base model's class, whose config names the logits


def labels_of(config: Mapping[str, Any], where: str) -> tuple[str, ...] | None:
    """Return the names of ``id2label`` in the order of their numbers; None without it.

    Raises:
        InputError: it is not written as transformers does: number → name.
    """
    named = config.get("id2label")
    if named is None:
        return None
    if not _are_labels(named):
        hint = 'It needs a name for each number from 0, for example {"0": "negative", "1": "positive"}.'
        raise InputError("id2label names no labels", where=where, hint=hint)
    return tuple(named[str(number)] for number in range(len(named)))


def labels_beside(folder: Path) -> tuple[str, ...] | None:
    """Return the labels that the model's config in a folder names; None without a config, or where it names none.

    Raises:
        InputError: the config cannot be read.
    """
    return labels_of(config_beside(folder), str(folder / CONFIG))


def config_beside(folder: Path) -> dict[str, Any]:
    """Return the model's config that lies in a folder; empty where there is none.

    Raises:
        InputError: it cannot be read.
    """
    path = folder / CONFIG
    return read_json(path) if path.is_file() else {}


def named_labels(sent: SentFolder, backbone: Backbone, kind: str) -> tuple[str, ...] | None:
    """Return the labels of the head that came, as its own program calls them; None where they are numbers.

    peft's program puts the head into the class of the base model. Where the folder names no labels, the program answers
    with those of the base model's config, if there are as many.

    Args:
        sent: what lies in the folder.
        backbone: the base model.
        kind: of task, one of the kinds of ``sent``.

    Raises:
        InputError: as :meth:`SentFolder.outputs`, or a config cannot be read.
    """
    if own := _names(sent.labels):
        return own
    if sent.program != ON_BASE or kind in GENERATED:
        return None
    of_base = _names(labels_beside(backbone.folder))
    return of_base if of_base and len(of_base) == sent.outputs(backbone, kind) else None


def _names(labels: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return labels that are not numbers alone; None for others."""
    return None if not labels or all(map(NUMBERED.fullmatch, labels)) else tuple(labels)


def _are_labels(named: object) -> bool:
    if not isinstance(named, dict) or not named or not all(isinstance(name, str) for name in named.values()):
        return False
    return {*named} == {str(number) for number in range(len(named))}
