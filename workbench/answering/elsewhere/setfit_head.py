"""The head that SetFit fits on the vectors of a sentence-transformers model (Tunstall et al. 2022, arXiv:2209.11055).

SetFit saves it as a pickle, ``model_head.pkl``, which is not read. Three lines of Python turn a logistic regression
into ``model_head.safetensors``, which is: ``weight`` (labels, width), ``bias`` (labels,), and under ``labels`` in its
metadata the classes in the order of the rows, as JSON.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.answering.elsewhere.weight_files import require_floats
from adapter_workbench.workbench.backbone.config import read_json
from adapter_workbench.workbench.backbone.finite_weights import require_finite
from adapter_workbench.workbench.backbone.model_folder import numbers_in
from adapter_workbench.workbench.errors import InputError, opening

if TYPE_CHECKING:
    from torch import Tensor, nn

PICKLED, WEIGHTS, CONFIG = "model_head.pkl", "model_head.safetensors", "config_setfit.json"
FILES = (WEIGHTS, CONFIG)
OF_TRANSFORMER = "sentence_*_config.json"
NORMALIZES = "normalize_embeddings"
LINES = """\
If you trust its sender, turn it into safetensors with these three lines, in an environment with SetFit:
  import json, joblib, numpy, safetensors.numpy; head = joblib.load({pickled!r})
  weight, bias = (numpy.ascontiguousarray(numpy.concatenate([0 * part, part][len(head.classes_) > 2 :]), "float32") \
for part in (head.coef_, head.intercept_))
  safetensors.numpy.save_file({{"weight": weight, "bias": bias}}, {target!r}, \
{{"labels": json.dumps([str(label) for label in head.classes_])}})"""
HINT = f"Make {WEIGHTS} again of {PICKLED}."


@dataclass(frozen=True)
class SetFitHead:
    """A linear layer on the vectors of texts."""

    weight: Tensor  # (labels, width)
    bias: Tensor  # (labels,)
    labels: tuple[str, ...] | None  # in the order of the rows; None where they are numbers that nobody has named
    is_on_unit: bool  # whether the vectors are made as long as 1 before

    def layers(self) -> dict[str, nn.Module]:
        """Return the layers between what is pooled and the logits."""
        from torch import nn

        from adapter_workbench.workbench.methods.layered_head import ACTIVATIONS, UNIT

        rows, columns = self.weight.shape
        linear = nn.Linear(columns, rows)
        linear.load_state_dict({"weight": self.weight.float(), "bias": self.bias.float()})
        return {**({UNIT: ACTIVATIONS[UNIT]()} if self.is_on_unit else {}), "head": linear}


def read_head(folder: Path, normalizes: bool) -> SetFitHead:
    """Return the head in a folder of SetFit.

    Args:
        folder: of SetFit, with a head in safetensors.
        normalizes: whether the last of the folder's modules makes vectors as long as 1.

    Raises:
        InputError: the file is not what the three lines write, or the config beside it cannot be read.
    """
    from safetensors import safe_open

    path = folder / WEIGHTS
    numbers_in(path)
    require_floats(path)
    require_finite(path)
    with opening("the head", where=str(path), hint=HINT), safe_open(path, framework="pt") as tensors:
        names, metadata = {*tensors.keys()}, tensors.metadata() or {}
        if names != {"weight", "bias"}:
            raise InputError(
                f"its tensors are not weight and bias: {', '.join(sorted(names))}", where=str(path), hint=HINT
            )
        weight, bias = (tensors.get_tensor(name) for name in ("weight", "bias"))
    if weight.dim() != 2 or bias.shape != weight.shape[:1] or len(bias) < 2:
        shapes = " and ".join(str([*tensor.shape]) for tensor in (weight, bias))
        raise InputError(f"weight and bias are not (labels, width) and (labels): {shapes}", where=str(path), hint=HINT)
    stated = read_json(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    labels = _labels(metadata.get("labels"), stated.get("labels"), len(bias), str(path))
    return SetFitHead(weight, bias, labels, normalizes or bool(stated.get(NORMALIZES)))


def unread_head(folder: Path) -> str | None:
    """Return the lines that make a head readable which SetFit has saved as a pickle; None where there is no such head.

    Of the hub a pickle is not fetched, and only SetFit's config tells of it.
    """
    if (folder / WEIGHTS).is_file() or not any((folder / name).is_file() for name in (PICKLED, CONFIG)):
        return None
    return LINES.format(pickled=str(folder / PICKLED), target=str(folder / WEIGHTS))


def longest_text(folder: Path) -> int | None:
    """Return after how many tokens sentence-transformers cuts a text; None where a transformer's folder says nothing.

    Raises:
        InputError: a config cannot be read.
    """
    stated = [read_json(path).get("max_seq_length") for path in sorted(folder.glob(OF_TRANSFORMER))]
    return min((count for count in stated if type(count) is int and count > 0), default=None)


def _labels(classes: str | None, named: Any, count: int, where: str) -> tuple[str, ...] | None:
    """Return the labels of the rows: the classes, or the names that SetFit's config has for their numbers."""
    with opening("the labels of the head", where, HINT):
        rows = json.loads(classes) if classes is not None else [str(number) for number in range(count)]
    if not isinstance(rows, list) or len(rows) != count or not all(isinstance(row, str) for row in rows):
        raise InputError(f"labels: {classes!r} names no {count} classes", where=where, hint=HINT)
    numbers = [int(row) if row.isascii() and row.isdigit() and len(row) < 10 else None for row in rows]
    if any(number is None for number in numbers):
        return tuple(rows)
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        return None
    if (largest := max(number for number in numbers if number is not None)) >= len(named):
        message = f"labels: there is a class {largest}, and {CONFIG} names {len(named)}"
        raise InputError(message, where=where, hint=HINT)
    return tuple(named[number] for number in numbers if number is not None)
