"""The commands that come next for what was imported: test it, ask it, judge it on a file, fuse it with its like."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from adapter_workbench.experiments.terminal import next_steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from adapter_workbench.workbench.adapters.manifest import Manifest
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter

MOST = 3  # adapters or tasks that are named
TOGETHER = {"lora": "ties", "rslora": "ties", "pfeiffer": "adapterfusion", "houlsby": "adapterfusion"}
FUSED = ("classification", "causal-lm", "seq2seq")  # kinds of targets


def commands(
    imported: Sequence[StoredAdapter],
    here: Sequence[Manifest],
    known: Sequence[str],
    workspace: Path | None,
    tasks: Sequence[Path] | None,
) -> list[str]:
    """Return the commands, the likeliest first.

    Args:
        imported: the adapters.
        here: the manifests of all adapters of the workspace.
        known: names of tasks that are seen from here.
        workspace: as it was given.
        tasks: folders, as they were given.
    """
    options, all_options = next_steps.options(workspace), next_steps.options(workspace, tasks)
    unknown = sorted({adapter.manifest.task.name for adapter in imported} - {*known})
    drafts = [f"workbench tasks new {shlex.quote(name)} --from FILE   (labelled texts)" for name in unknown[:MOST]]
    tests = [f"workbench adapters test {adapter.id}{all_options}" for adapter in imported[:MOST]]
    if len(imported) != 1:
        return [*drafts, *tests]
    (stored,) = imported
    asked = next_steps.predicting(stored.id, stored.manifest.task.pair, options)
    judged = f"workbench evaluate {stored.id} --file FILE{all_options}"
    return [*drafts, *tests, asked, judged, *_fused(stored.manifest, here, all_options)]


def _fused(manifest: Manifest, here: Sequence[Manifest], options: str) -> Iterator[str]:
    """Yield how it is fused with adapters of the same method, kind of task and backbone, where there are any."""
    like = [other.id for other in here if other.id != manifest.id and _is_like(other, manifest)]
    if like and manifest.method in TOGETHER and manifest.task.kind in FUSED:
        names = ",".join([manifest.id, *like[: MOST - 1]])
        yield f"workbench fuse TASK --from {names} --method {TOGETHER[manifest.method]}{options}"


def _is_like(candidate: Manifest, manifest: Manifest) -> bool:
    same = candidate.method == manifest.method and candidate.task.kind == manifest.task.kind
    return same and candidate.composition is None and candidate.backbone.fingerprint == manifest.backbone.fingerprint
