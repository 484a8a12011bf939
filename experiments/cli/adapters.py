"""List, show, verify, export, import, register and remove stored adapters."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from experiments.terminal import completion
from experiments.terminal.options import Workspace
from experiments.terminal.output import Json, emit, listing, stdout, table
from experiments.workspace import find_workspace
from workbench.errors import InputError
from workbench.store import StoredAdapter
from workbench.tracking import tracking_uri

app = typer.Typer(no_args_is_help=True, add_completion=False)

Id = Annotated[
    str,
    typer.Argument(metavar="ID", help="An adapter's id, or the beginning of it.", autocompletion=completion.adapter),
]


@app.command("list")
def list_(workspace: Workspace = None, as_json: Json = False) -> None:
    """List the adapters of the workspace."""
    store = find_workspace(workspace).adapters
    entries = [_entry(store.get(name)) for name in store.ids()]
    if as_json or entries:
        listing(entries, as_json)
    else:
        stdout.print("No adapters yet. Make one: workbench train bbc-news --method lora")


@app.command()
def show(adapter: Id, workspace: Workspace = None, as_json: Json = False) -> None:
    """Show where an adapter comes from: its manifest."""
    stored = find_workspace(workspace).adapters.get(adapter)
    manifest = stored.manifest.model_dump(mode="json")
    if as_json:
        emit({**manifest, "path": str(stored.folder)})
        return
    for nested in ("task", "backbone", "settings", "budget", "metrics", "versions"):
        manifest[nested] = ", ".join(f"{name} {value}" for name, value in manifest[nested].items() if value is not None)
    manifest["fit"] = f"{manifest['fit']['steps']} steps, best epoch {manifest['fit']['best_epoch']}"
    manifest["files"] = ", ".join(manifest["files"])
    table(["", ""], [*manifest.items(), ("path", stored.folder)])


@app.command()
def verify(
    adapter: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="An id; all adapters if left out.", autocompletion=completion.adapter),
    ] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Compare every file with the SHA-256 in the manifest."""
    store = find_workspace(workspace).adapters
    names = [store.resolve(adapter)] if adapter else store.ids()
    for name in names:
        store.verify(name)
    if as_json:
        emit([{"id": name, "sound": True} for name in names])
    else:
        stdout.print(f"{len(names)} adapter{'s' if len(names) != 1 else ''} verified: every file is as it was written.")


@app.command()
def export(
    adapter: Id,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    merge: Annotated[
        bool, typer.Option("--merge", help="Write the whole model, with the update in the backbone's weights.")
    ] = False,
    backbone: Annotated[
        str | None, typer.Option(help="With --merge: where its backbone is now, if it was trained by path.")
    ] = None,
    workspace: Workspace = None,
) -> None:
    """Write an adapter as a folder that is ready for the Hugging Face hub; nothing is uploaded.

    Its README is a model card, and shows how to open it without the workbench. Without --merge nothing of the
    backbone's weights is written, and `workbench adapters import` takes the folder back.
    """
    from experiments.api import Workbench

    if backbone and not merge:
        raise InputError("--backbone is for --merge", hint="An adapter alone is written without its backbone.")
    target = Workbench(workspace).export(adapter, folder, merge, backbone)
    stdout.print(f"Exported to {target}")
    stdout.print(f"Next: hf upload OWNER/NAME {target}")


@app.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `export` wrote.")],
    backbone: Annotated[
        str | None, typer.Option(help="Its backbone here: a name, hub id or folder; not needed where it is known.")
    ] = None,
    workspace: Workspace = None,
) -> None:
    """Verify an exported adapter and copy it into the workspace; nothing in it is run.

    The backbone that its sender names is opened only if you have it: under a registered name, or because another
    adapter of this workspace belongs to it. Else say which one it is with --backbone.
    """
    from experiments.api import Workbench

    stored = Workbench(workspace).import_adapter(folder, backbone)
    stdout.print(f"Imported {stored.id} on {stored.manifest.backbone.name}", markup=False)


@app.command()
def register(adapter: Id, workspace: Workspace = None, as_json: Json = False) -> None:
    """Enter an adapter into MLflow's model registry as TASK.METHOD; it is logged first where it was not.

    It becomes the champion of that name if there is none, or if it beats it on the same validation examples.
    """
    from experiments.api import Workbench
    from experiments.terminal.progress import progress

    bench = Workbench(workspace)
    with progress(adapter) as bench.listener:
        found = bench.register(adapter)
    if as_json:
        emit(asdict(found))
        return
    stdout.print(f"Registered as {found.name} version {found.version}; {found.decision}.")
    uri = shlex.quote(tracking_uri(bench.workspace.root))
    serve = f"mlflow models serve -m {found.uri} --env-manager local"
    stdout.print(f"Next: MLFLOW_TRACKING_URI={uri} {serve}", markup=False)


@app.command()
def remove(adapter: Id, workspace: Workspace = None) -> None:
    """Delete an adapter from the workspace."""
    stdout.print(f"Removed {find_workspace(workspace).adapters.remove(adapter)}")


def _entry(stored: StoredAdapter) -> dict[str, object]:
    manifest = stored.manifest
    description = f"{manifest.method} for {manifest.task.name} on {manifest.backbone.name}, seed {manifest.seed}"
    return {
        "id": manifest.id,
        "description": description,
        "validation": round(manifest.fit.validation, 4),
        "parameters": manifest.fit.trainable_parameters,
        "bytes": stored.bytes,
    }
