"""The command that comes next, as every command prints it: options that were given are repeated."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.terminal.output import stdout
from workbench.choosing import readable
from workbench.errors import InputError

if TYPE_CHECKING:
    from workbench.manifest import Manifest
    from workbench.store import AdapterStore
    from workbench.stored_adapter import StoredAdapter

BACKBONES = {"causal-lm": "smollm2", "seq2seq": "google/flan-t5-small"}  # for kinds that the default one cannot do
COMPANIONS = ("bbc-news", "20news-8", "election-tweets")  # tasks of the catalog that need no hub, for a first fusion
SOURCES = 3  # adapters that a first fusion is made of
COMPOSED = "classification"  # the kind whose adapters the companions go with
FUSION = "ties"


def options(
    workspace: Path | None = None, tasks: Sequence[Path] | None = None, assignments: Sequence[str] | None = None
) -> str:
    """Return ``--workspace``, ``--tasks`` and ``--set`` as they were given, with a space before each."""
    given: list[tuple[str, object]] = [("--set", assignment) for assignment in assignments or ()]
    given += [("--workspace", workspace), *(("--tasks", folder) for folder in tasks or ())]
    return "".join(f" {name} {shlex.quote(str(value))}" for name, value in given if value is not None)


def print_next(commands: Sequence[str]) -> None:
    """Print commands, one a line, the likeliest first."""
    lines = "\n      ".join(commands)
    stdout.print(f"\nNext: {lines}")


def training(task: str, kind: str, told: str) -> str:
    """Return the command that trains ``task``; ``told`` are further options."""
    backbone = f" --backbone {BACKBONES[kind]}" if kind in BACKBONES else ""
    return f"workbench train {task} --method lora{backbone}{told}"


def predicting(adapter: str, pair: bool, told: str) -> str:
    """Return the command that asks an adapter."""
    second = ' --pair "another"' if pair else ""
    return f'workbench predict {adapter} "some text"{second}{told}'


def predicting_file(adapter: str, pair: bool, told: str, among: str | None = None, backbone: str | None = None) -> str:
    """Return the command that asks an adapter, or a router, about all rows of a file."""
    given = [("--among", among), ("--backbone", backbone)]
    routed = "".join(f" {name} {shlex.quote(value)}" for name, value in given if value is not None)
    second = " --pair COLUMN" if pair else ""
    return f"workbench predict {adapter} --file FILE --column COLUMN{second} --out answers.csv{routed}{told}"


def towards_fusion(
    store: AdapterStore,
    trained: StoredAdapter,
    workspace: Path | None,
    tasks: Sequence[Path] | None,
    assignments: Sequence[str] | None,
) -> str | None:
    """Return the command that brings one more adapter, or where there are enough makes one of them; None if none would.

    The fusion is for a person's own task where there is one, and of the newest LoRA of each of three tasks that agree
    in backbone, method and kind.
    """
    newest = trained.manifest
    if newest.task.kind != COMPOSED or not _is_lora(trained):
        return None
    alike = {manifest.task.name: manifest for manifest in _alike(store, newest)}
    if len(alike) < SOURCES:
        name = next((name for name in COMPANIONS if name not in alike), None)
        backbone = "" if newest.backbone.name == "minilm" else f" --backbone {shlex.quote(newest.backbone.name)}"
        option_text = options(workspace, tasks, assignments)
        return name and f"workbench train {name} --method {newest.method}{backbone}{option_text}"
    from tasks import registry

    own = [name for name in alike if name not in registry.names()]
    target = own[-1] if own else newest.task.name
    chosen = [target, *[name for name in alike if name != target][-(SOURCES - 1) :]]
    ids = ",".join(alike[name].id for name in chosen)
    # the method's settings are its own
    budget = [assignment for assignment in assignments or () if assignment.startswith("budget")]
    return f"workbench fuse {target} --from {ids} --method {FUSION}{options(workspace, tasks, budget)}"


def _is_lora(adapter: StoredAdapter) -> bool:
    from fusion import lora

    try:
        lora.read(adapter.folder)
    except InputError:
        return False
    return adapter.manifest.library == "peft"


def _alike(store: AdapterStore, newest: Manifest) -> Iterator[Manifest]:
    """Yield the adapters that go with ``newest``, the oldest first."""
    for manifest in sorted(readable(store), key=lambda manifest: (manifest.created, manifest.id)):
        same = (manifest.task.kind, manifest.method, manifest.backbone.fingerprint) == (
            newest.task.kind,
            newest.method,
            newest.backbone.fingerprint,
        )
        if same and manifest.composition is None:
            yield manifest
