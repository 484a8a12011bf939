"""The results of an import: a table for people, a document for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.terminal.output import stdout, table
from adapter_workbench.tasks.rows.hidden_characters import hidden_in, sentence
from adapter_workbench.tasks.rows.label_spellings import alike, spellings_of_one

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.experiments.answers.importing import ImportResult
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.errors import WorkbenchError


def document(results: Sequence[ImportResult]) -> dict[str, Any]:
    """Return what `adapters import --json` prints: what came in, what was refused; a single adapter also by itself."""
    imported = [_imported(result, result.stored) for result in results if result.stored]
    refused = [_refusal(result.source.name, result.error) for result in results if result.error]
    single = imported[0] if len(results) == 1 and imported else {}
    return {**single, "adapters": imported, "refused": refused}


def show_single(stored: StoredAdapter, was_here: bool, derived: Sequence[str] = ()) -> None:
    """Print what came in, or that it was there, and what was told from data, a line each."""
    manifest = stored.manifest
    if was_here:
        stdout.print(f"{stored.id} came in before, and stays as it is{_linked(stored)}")
    else:
        stdout.print(f"Imported {stored.id}{_backbone(stored)}")
    for line in derived:
        stdout.print(line)
    if manifest.elsewhere:
        labels = f": {', '.join(manifest.task.labels)}" if manifest.task.labels else ""
        program = manifest.elsewhere.program
        stdout.print(f"Trained elsewhere ({program}), for {manifest.task.name} ({manifest.task.kind}{labels}).")
        if head := manifest.elsewhere.head:
            examples = f"{head.examples:,} training examples of {head.task}"
            stdout.print(f"Its head was fitted here, on the frozen features of {examples}.")
    for line in _looks(stored):
        stdout.print(line)
    if manifest.imported is None:
        return
    foreign = bool(manifest.elsewhere)
    scores = "It has no score that counts" if foreign else "Its scores are its sender's, and count nowhere"
    stdout.print(f"{scores} until {'it is' if foreign else 'they are'} measured here.")


def _looks(stored: StoredAdapter) -> list[str]:
    """Return a line about labels that a person may take for one another, and one about characters that are not seen."""
    labels = stored.manifest.task.labels
    groups, hidden = spellings_of_one(dict.fromkeys(labels, 1)), hidden_in(labels)
    return [
        *([f"Look at this: {alike(groups)}; one may be taken for the other."] if groups else []),
        *([f"Look at this: {sentence(hidden)}."] if hidden else []),
    ]


def _backbone(stored: StoredAdapter) -> str:
    """Return what an adapter stands on, as the end of a sentence."""
    manifest = stored.manifest
    if not manifest.is_whole:
        return f" on {manifest.backbone.name}"
    return f", a whole model that is its own backbone{_linked(stored)}"


def _linked(stored: StoredAdapter) -> str:
    """Return where the files of a linked model are; nothing for one that was copied."""
    linked = stored.manifest.linked
    return f"; its files stay in {linked.folder}" if linked else ""


def show_many(results: Sequence[ImportResult]) -> None:
    """Print a table of what came in, then one of what did not and why."""
    imported = [result for result in results if result.stored]
    refused = [(result.source.name, result.error) for result in results if result.error]
    earlier = sum(result.was_here for result in imported)
    if imported:
        rows = [_row(result.source.name, result.stored, result.was_here) for result in imported if result.stored]
        columns = ["from", "id", "task", "kind", "method", *[""] * bool(earlier)]
        table(columns, [row[: len(columns)] for row in rows])
        stdout.print()
        lines = [
            f"{result.source.name}: {line}"
            for result in imported
            for line in (*result.derived.lines, *(_looks(result.stored) if result.stored else ()))
        ]
        if lines:
            stdout.print("\n".join([*lines, ""]))
    if refused:
        table(["refused", "why"], [[name, _why(name, error)] for name, error in refused])
        stdout.print()
    counts = ((len(imported) - earlier, "came in"), (earlier, "came in before"), (len(refused), "refused"))
    stdout.print(f"{', '.join(f'{count} {what}' for count, what in counts if count)}.")


def _row(name: str, stored: StoredAdapter, was_here: bool) -> list[object]:
    manifest = stored.manifest
    note = "came in before" if was_here else ""
    return [name, stored.id, manifest.task.name, manifest.task.kind, manifest.method, note]


def _why(name: str, error: WorkbenchError) -> str:
    """Return why something was refused; the location is relative to its folder."""
    inside = (error.where or "").removeprefix(name).lstrip("/")
    where = f"{inside}: " if inside else ""
    return "\n".join(part for part in (f"{where}{error.what}", error.hint) if part)


def _imported(result: ImportResult, stored: StoredAdapter) -> dict[str, Any]:
    manifest = stored.manifest
    return {
        "from": result.source.name,
        "adapter": stored.id,
        "path": str(stored.folder),
        "task": manifest.task.name,
        "kind": manifest.task.kind,
        "labels": list(manifest.task.labels),
        "labels_alike": [list(group) for group in spellings_of_one(dict.fromkeys(manifest.task.labels, 1))],
        "labels_hidden": hidden_in(manifest.task.labels),
        "method": manifest.method,
        "backbone": manifest.backbone.name,
        "linked": manifest.linked.folder if manifest.linked else None,
        "program": manifest.elsewhere.program if manifest.elsewhere else "workbench",
        "was_here": result.was_here,
        **result.derived.as_json(),
    }


def _refusal(name: str, error: WorkbenchError) -> dict[str, Any]:
    from adapter_workbench.experiments.answers.found_order import UndecidedOrderError  # numpy comes with it

    orders = {"labels_found": error.orders.as_json()} if isinstance(error, UndecidedOrderError) else {}
    return {"from": name, "what": error.what, "where": error.where, "hint": error.hint, **orders}
