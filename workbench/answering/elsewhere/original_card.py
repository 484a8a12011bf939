"""The README of a folder that was written as it came: what it is, and how its own program opens it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jinja2

from adapter_workbench.workbench.adapters.stored_adapter import README
from adapter_workbench.workbench.measures.markdown import code, escape

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.workbench.adapters.manifest import Manifest

CARD = """\
# {{ id }}

{{ method }} for the task **{{ task }}** ({{ kind }}), trained elsewhere, and written by {{ program }}; its files are
as they came.

- Base model: {{ base }}
{% if labels %}- Labels, in the order of its numbers: {{ labels }}
{% endif %}- Data: unknown, and so is whether texts that it is tested on were among them

## Use

`backbone` is the folder or hub id of the base model, `folder` is this folder, `texts` a list of strings
(of pairs of strings, where the task has pairs).

```python
{{ usage }}```
"""


def write_card(manifest: Manifest, usage: str, folder: Path, front_matter: str) -> None:
    """Write the README.

    Args:
        manifest: of the adapter.
        usage: a program that opens the folder, with a line end.
        folder: where to.
        front_matter: what the hub reads, put before the text.
    """
    came, backbone = manifest.elsewhere, manifest.backbone
    text = jinja2.Template(CARD, keep_trailing_newline=True).render(
        id=manifest.id,
        method=escape(manifest.method),
        task=escape(manifest.task.name),
        kind=escape(manifest.task.kind),
        program=escape(came.program if came else ""),
        base="itself" if manifest.is_whole else code(backbone.hub_id or (came and came.base) or backbone.name),
        labels=escape(", ".join(came.labels if came else ())),
        usage=usage,
    )
    (folder / README).write_text(front_matter + text, encoding="utf-8")


def class_options(manifest: Manifest) -> str:
    """Return what ``from_pretrained`` of a class with labels is given behind the base model, with a comma before it."""
    labels = manifest.elsewhere.labels if manifest.elsewhere else ()
    if not labels:
        return ", num_labels=1" if manifest.task.kind == "regression" else ""
    return f", num_labels={len(labels)}, id2label={dict(enumerate(labels))!r}"
