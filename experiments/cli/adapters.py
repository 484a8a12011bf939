"""List, show, verify, test, export, convert, import, register, promote, roll back and remove stored adapters."""

from __future__ import annotations

import shlex
from collections import Counter
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapter_workbench.experiments.answers.foreign_sources import foreign_sources
from adapter_workbench.experiments.answers.naming import adapter_id
from adapter_workbench.experiments.cli import _champions, _comparing, _importing, _testing
from adapter_workbench.experiments.reporting.wording import DASH, megabytes, score
from adapter_workbench.experiments.requests.export import ExportRequest
from adapter_workbench.experiments.terminal import completion, next_steps
from adapter_workbench.experiments.terminal.asked import argument, option, options_of
from adapter_workbench.experiments.terminal.options import ADAPTER, Adapter, Folders, WorkspaceOption
from adapter_workbench.experiments.terminal.output import Json, emit, from_here, stderr, stdout, table
from adapter_workbench.experiments.terminal.progress import Messages
from adapter_workbench.experiments.workspace import find_workspace
from adapter_workbench.workbench.adapters.ids import certain_id, short_ids
from adapter_workbench.workbench.adapters.manifest import AGAIN
from adapter_workbench.workbench.adapters.name_resolution import readable
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.errors import InputError, IntegrityError, Problem, WorkbenchError
from adapter_workbench.workbench.methods.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.experiments.workspace.origins import Origin
    from adapter_workbench.workbench.adapters.manifest import Manifest

OWN_ROWS = {
    "id",
    "fit",
    "files",
    "metrics",
    "config",
    "elsewhere",
    "linked",
    "made_by",
    "choice",
}  # of a manifest's parts, by `adapters show`

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.command("list")
def list_(
    task: Annotated[
        str | None,
        typer.Option("--task", metavar="TASK", help="Only adapters of this task.", autocompletion=completion.task),
    ] = None,
    made_by: Annotated[
        str | None,
        typer.Option(
            "--made-by", metavar="X", help="Only what this made: train, add, update, fuse, import, run, or 'run NAME'."
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
) -> None:
    """List the adapters of the workspace, the newest of each task last; ★ marks the champions.

    `made by` says which command made an adapter, or which experiment left it. Those of experiments do not answer under
    the name of their task; `workbench adapters promote ID` takes one over.
    """
    chosen_workspace = find_workspace(workspace)
    champions = {champion.adapter for champion in chosen_workspace.champions.current().values()}
    adapters = [
        StoredAdapter(manifest, chosen_workspace.adapters.root / manifest.id)
        for manifest in readable(chosen_workspace.adapters)
    ]
    adapters.sort(key=lambda adapter: (adapter.manifest.task.name, adapter.manifest.since, adapter.id))
    if damaged := sorted({*chosen_workspace.adapters.ids()} - {adapter.id for adapter in adapters}):
        stderr.print(f"Not readable: {', '.join(damaged)}; `workbench adapters verify` says what is wrong.")
    origins = chosen_workspace.origins.of(adapter.manifest for adapter in adapters)
    short = dict(zip(origins, short_ids([*origins]), strict=True))  # among all, whichever are shown
    shown = [
        adapter
        for adapter in adapters
        if (task is None or adapter.manifest.task.name == task)
        and (made_by is None or origins[adapter.id].is_of(made_by))
    ]
    if as_json:
        emit([_as_json(chosen_workspace, adapter, origins[adapter.id], adapter.id in champions) for adapter in shown])
        return
    if not adapters:
        stdout.print("No adapters yet. Make one: workbench train bbc-news --method lora")
        return
    if not shown:
        tasks, makers = {adapter.manifest.task.name for adapter in adapters}, {*map(str, origins.values())} - {""}
        made = f" They were made by {', '.join(sorted(makers))}." if makers else ""
        stdout.print(f"None is like that. The adapters here are of {', '.join(sorted(tasks))}.{made}")
        return
    table(
        ["id", "task", "method", "seed", "validation", "size", "made", "made by"],
        [
            [
                *_table_row(chosen_workspace, adapter, short[adapter.id], adapter.id in champions),
                str(origins[adapter.id]) or None,
            ]
            for adapter in shown
        ],
    )
    _print_notes(chosen_workspace, shown, origins, champions)


def _print_notes(
    chosen_workspace: Workspace,
    adapters: Sequence[StoredAdapter],
    origins: Mapping[str, Origin],
    champions: Collection[str],
) -> None:
    """Print what the signs and words in a list of adapters mean, as far as they are in it."""
    stdout.print("\nA task's name stands for its champion ★, else for the best of its adapters on validation.")
    if any(not origins[adapter.id].in_service for adapter in adapters):
        taking_over = "To take it over: workbench adapters promote ID"
        stdout.print(f"“run …” alone: an experiment left it, and it does not answer under the name. {taking_over}")
    crowned = Counter(adapter.manifest.task.name for adapter in adapters if adapter.id in champions)
    if several := [task for task, number in crowned.items() if number > 1]:
        stdout.print(
            f"Where there are several ★ ({', '.join(several)}), for the best of them on the same validation examples, "
            "else for the newest."
        )
    uncounted = [adapter.manifest for adapter in adapters if chosen_workspace.score(adapter.manifest) is None]
    if any(manifest.fit for manifest in uncounted):
        stdout.print("“sender: …” was not measured here and does not count. To measure it: workbench adapters test ID")
    if any(manifest.fit is None for manifest in uncounted):
        stdout.print("“not measured” does not count. To measure it here: workbench adapters test ID")
    if any(adapter.manifest.elsewhere for adapter in adapters):
        stdout.print("“elsewhere”: trained by another program; on which data is not known.")


@app.command()
def show(adapter: Adapter, workspace: WorkspaceOption = None, as_json: Json = False) -> None:
    """Show an adapter's scores, and its manifest: where it comes from."""
    chosen_workspace = find_workspace(workspace)
    stored = chosen_workspace.adapters.get(adapter_id(chosen_workspace, adapter, Messages()))
    manifest = stored.manifest.model_dump(mode="json")
    tested, failure = _test_scores(chosen_workspace, stored)
    counted = chosen_workspace.score(stored.manifest)
    origin = chosen_workspace.origins.of([stored.manifest])[stored.id]
    foreign = foreign_sources(stored.manifest, chosen_workspace.adapters)
    if as_json:
        known = {"test": tested, "learned_nothing": failure, "validation": counted and asdict(counted)}
        known |= {"sources_elsewhere": foreign} if foreign else {}
        emit({**manifest, **_origin_as_json(origin), **known, "path": str(stored.folder)})
        return
    from adapter_workbench.experiments.reporting.learned_nothing import advice

    rows = [(name, _in_words(value)) for name, value in manifest.items() if name not in OWN_ROWS]
    rows += _origin_rows(stored.manifest) + _choice_rows(stored.manifest)
    sources = ", ".join(f"{source} ({program})" for source, program in foreign.items())
    rows.append(("made of", f"{sources}: trained elsewhere, their data are not known" if foreign else ""))
    whose = "" if stored.manifest.imported is None else "sender's "
    scores = [(f"{whose}{name.replace('_', ' ')}", score(name, value)) for name, value in manifest["metrics"].items()]
    if whose:
        here = f"{counted.validation:.4f} on {counted.examples}" if counted else "not yet: workbench adapters test ID"
        scores.append(("measured here", here))
    scores += [(f"test {name.replace('_', ' ')}", score(name, value)) for name, value in (tested or {}).items()]
    fit = stored.manifest.fit
    took = f"{fit.steps} steps, best epoch {fit.best_epoch}" if fit else ""
    rest = [("fit", took), ("files", ", ".join(manifest["files"])), ("path", from_here(stored.folder))]
    if linked := stored.manifest.linked:
        rest.append(("linked", f"{', '.join(linked.files)} in {linked.folder}"))
    made = str(origin) if origin.in_service else f"{origin}; to take it over: workbench adapters promote {stored.id}"
    table(["", ""], [row for row in [*scores, ("made by", made), *rows, *rest] if row[1]], stored.id)
    if failure is not None:
        stdout.print(f"\n{advice(stored.manifest, failure)}")


def _test_scores(chosen_workspace: Workspace, stored: StoredAdapter) -> tuple[dict[str, float] | None, str | None]:
    """Return an adapter's test scores, None where it was not tested yet; and why it has learned nothing, if so."""
    from adapter_workbench.experiments.reporting.learned_nothing import learned_nothing_in
    from adapter_workbench.experiments.workspace.evaluating import known_evaluation, known_evaluation_key

    evaluation = known_evaluation(chosen_workspace, stored)
    if evaluation is None:
        return None, None
    key, main = (
        known_evaluation_key(chosen_workspace, stored),
        evaluation.scores.get(KINDS.get(stored.manifest.task.kind).metric),
    )
    failure = (
        None if main is None or key is None else learned_nothing_in(chosen_workspace.evaluations.outcomes(key), main)
    )
    return dict(evaluation.scores), failure


@app.command()
def verify(
    adapter: Annotated[
        str | None,
        typer.Argument(metavar="ID", help=f"{ADAPTER} All adapters if left out.", autocompletion=completion.adapter),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
) -> None:
    """Compare every file with its SHA-256 in the manifest, and name every damaged adapter."""
    chosen_workspace = find_workspace(workspace)
    store = chosen_workspace.adapters
    names = [adapter_id(chosen_workspace, adapter, Messages())] if adapter else store.ids()
    damage = {name: error for name in names if (error := store.damage(name))}
    if as_json:
        emit([{"id": name, "sound": name not in damage} for name in names])
    if len(names) == 1:
        for error in damage.values():
            raise error
    if damage:
        for error in damage.values():
            stderr.print(str(Problem(error.what, error.where)))
        stderr.print(f"Error: {len(damage)} of {len(names)} adapters are damaged.\n  {AGAIN}")
        raise typer.Exit(IntegrityError.exit_code)
    if not as_json:
        stdout.print(f"{len(names)} adapter{'s' if len(names) != 1 else ''} verified: every file is as it was written.")


@app.command()
@options_of(
    ExportRequest,
    before={"original": "workspace", "backbone": "workspace"},
    adapter=Adapter,
    folder=argument("DIR", typed=Path),
    merge=option("--merge"),
    form=option("--as", metavar="FORM"),
    original=option("--original"),
)
def export(
    request: ExportRequest,
    vllm: Annotated[
        bool, typer.Option("--vllm", help="Write a language model's LoRA as vLLM, SGLang and LoRAX load it.")
    ] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Write an adapter as a folder that is ready for the Hugging Face hub; nothing is uploaded.

    Its README is a model card, and shows how to open the adapter without the workbench: one of peft with two lines, on
    the class of transformers that answers its task. `workbench adapters import` takes the folder back, with task,
    labels and head. Three options write something else:

    --merge writes the whole model; with --as FORM, transformers' `pipeline` answers with it. An architecture that
    cannot express the adapter's head is refused. --vllm writes a causal language model's LoRA alone, for servers of
    language models. --original writes an adapter that another program trained as it came: that program opens it, with
    the same numbers.
    """
    from adapter_workbench.experiments.api import Workbench

    if request.original and (request.merge or request.form or vllm):
        hint = "--original writes the files as they came in; the others write another form. Leave one out."
        raise InputError("--original cannot be combined with --merge, --as or --vllm", hint=hint)
    if vllm and (request.merge or request.form):
        hint = "--vllm writes the LoRA alone: the server adds it to the backbone itself. Leave one out."
        raise InputError("--vllm cannot be combined with --merge or --as", hint=hint)
    if vllm:
        asked = request.adapter, request.folder, request.backbone
        written = Workbench(workspace, listener=Messages()).exchange.export_for_servers(*asked)
        stdout.print(f"Exported to {written.folder}")
        model = shlex.quote(written.backbone)
        stdout.print(
            f"Next: vllm serve {model} --enable-lora --max-lora-rank {written.rank_to_ask_for} "
            f"--lora-modules NAME={shlex.quote(str(request.folder))}"
        )
        return
    if request.form and not request.merge:
        raise InputError("--as needs --merge", hint="It says as which class the whole model is written.")
    target = Workbench(workspace, listener=Messages()).exchange.export(**request.given)
    stdout.print(f"Exported to {target}")
    stdout.print(f"Next: hf upload OWNER/NAME {shlex.quote(str(target))}")


@app.command()
def convert(
    adapter: Adapter,
    rank: Annotated[
        int, typer.Option(min=1, max=4096, help="Rank of the LoRA; a higher rank keeps more of the update.")
    ] = 8,
    backbone: Annotated[str | None, typer.Option(help="Where the backbone is now, if it was given by path.")] = None,
    workspace: WorkspaceOption = None,
    tasks: Folders = None,
    as_json: Json = False,
) -> None:
    """Store an adapter of another method of peft as a LoRA, which `fuse`, routers and mixed batches can use.

    The update of each matrix is cut to --rank, so its answers may differ: both validation scores are printed.
    """
    from adapter_workbench.experiments.api import Workbench

    workbench = Workbench(workspace, tasks, Messages())
    source = workbench.workspace.adapters.get(workbench.chosen(adapter))
    stored = workbench.exchange.convert(source.id, rank, backbone)
    of_source, of_lora = (_validation_or_senders(workbench.workspace, item.manifest) for item in (source, stored))
    if as_json:
        emit({"adapter": stored.id, "path": str(stored.folder), "validation": {"before": of_source, "after": of_lora}})
        return
    description = f"{stored.id}, a LoRA of rank {rank}"
    if of_source is None or of_lora is None:
        stdout.print(f"{description}. It has no score that counts until it is measured here.")
        next_steps.print_next([f"workbench adapters test {stored.id}{next_steps.options(workspace, tasks)}"])
        return
    whose = "" if workbench.workspace.score(source.manifest) else ", as its sender says"
    stdout.print(f"{description}: validation {of_source:.4f} before{whose}, {of_lora:.4f} after")


app.command("import")(_importing.import_)
app.command("test")(_testing.test)
app.command()(_comparing.compare)
app.command()(_champions.register)
app.command()(_champions.promote)
app.command()(_champions.rollback)


@app.command()
def remove(
    adapter: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="An id, a short id, or the beginning of an id that includes some of its short id.",
            autocompletion=completion.adapter_id,
        ),
    ],
    workspace: WorkspaceOption = None,
) -> None:
    """Delete an adapter from the workspace, by its id; the name of a task is not enough.

    It cannot be undone, but the command that trained it makes the same adapter again. MLflow keeps its copy.
    """
    chosen_workspace = find_workspace(workspace)
    adapter = certain_id(adapter, chosen_workspace.adapters.ids())
    with chosen_workspace.origins.forgotten(adapter):
        removed = chosen_workspace.adapters.remove(adapter)
    stdout.print(f"Removed {removed}")
    with suppress(WorkbenchError, OSError):  # it is removed, whether or not its registered name can be said
        for name, champion in chosen_workspace.champions.current().items():
            if champion.adapter == removed:
                stdout.print(f"It was the champion of {name}: another adapter answers from now on, if there is one.")


def _validation_or_senders(chosen_workspace: Workspace, manifest: Manifest) -> float | None:
    """Return the validation score that counts, else the sender's; None where nobody has one."""
    counted = chosen_workspace.score(manifest)
    if counted is not None:
        return counted.validation
    return None if manifest.fit is None else manifest.fit.validation


def _in_words(value: object) -> str:
    """Return a value of a manifest as text, without what is None."""
    if isinstance(value, dict):
        texts = [(name, _in_words(inner)) for name, inner in value.items()]
        return ", ".join(f"{name} {text}" for name, text in texts if text)
    if isinstance(value, list):
        return ", ".join(map(_in_words, value))
    return "" if value is None else str(value)


def _origin_rows(manifest: Manifest) -> list[tuple[str, str]]:
    """Return rows about the sender of an adapter that another program trained; none for one that the workbench made."""
    sender = manifest.elsewhere
    if sender is None:
        return []
    order = ", ".join(sender.labels) if sender.labels != manifest.task.labels else ""
    rows = [("trained", f"elsewhere, by {sender.program}: data, seed and scores are not known")]
    return [*rows, ("sender's base model", sender.base or ""), ("sender's label order", order)]


def _origin_as_json(origin: Origin) -> dict[str, object]:
    return {"made_by": origin.made_by, "asked_by": origin.asked_by, "in_service": origin.in_service}


def _choice_rows(manifest: Manifest) -> list[tuple[str, str]]:
    """Return rows about why a fuse kept this adapter, and why ``auto:K`` took its sources; none for any other."""
    choice = manifest.choice
    if choice is None:
        return []
    by = ", ".join(f"{label} {100 * score:.1f} %" for label, score in choice.validation.items())
    why = "a person named it" if choice.by == "a person" else "validation puts it first"
    rows = [("kept of a fuse", f"{choice.label}: {why}{f' ({by})' if by else ''}")]
    if choice.ranking:
        scores = [f"{name} {DASH if value is None else f'{value:.4g}'}" for name, value in choice.ranked.items()]
        rows.append(("candidates as sources", f"{', '.join(scores)} (by {choice.ranking})"))
    return rows


def _as_json(chosen_workspace: Workspace, stored: StoredAdapter, origin: Origin, champion: bool) -> dict[str, object]:
    manifest, counted = stored.manifest, chosen_workspace.score(stored.manifest)
    fit = manifest.fit
    made = f"trained elsewhere ({manifest.elsewhere.program})" if manifest.elsewhere else f"seed {manifest.seed}"
    description = f"{manifest.method} for {manifest.task.name} on {manifest.backbone.name}, {made}"
    return {
        "id": manifest.id,
        "description": description,
        "task": manifest.task.name,
        "method": _method(stored),
        "seed": manifest.seed,
        "created": manifest.created,
        "imported": manifest.imported,
        "trained_by": manifest.elsewhere and manifest.elsewhere.program,
        **_origin_as_json(origin),
        "champion": champion,
        "validation": counted and round(counted.validation, 4),
        "sender_validation": None
        if manifest.imported is None or fit is None or fit.validation is None
        else round(fit.validation, 4),
        "parameters": fit and fit.trainable_parameters,
        "bytes": stored.bytes,
        "linked": manifest.linked.folder if manifest.linked else None,
    }


def _table_row(chosen_workspace: Workspace, stored: StoredAdapter, name: str, champion: bool) -> list[object]:
    manifest, counted = stored.manifest, chosen_workspace.score(stored.manifest)
    sent = manifest.fit and manifest.fit.validation
    senders = "not measured" if sent is None else f"sender: {sent:.4f}"
    validation = f"{counted.validation:.4f}" if counted else senders
    facts = [manifest.task.name, _method(stored), manifest.seed, f"{validation}{' ★' if champion else ''}"]
    made = (manifest.created or "")[:10] if manifest.elsewhere is None else "elsewhere"
    return [name, *facts, _size(stored), made]


def _size(stored: StoredAdapter) -> str:
    return f"{megabytes(stored.bytes / 1e6)}{', linked' if stored.manifest.linked else ''}"


def _method(stored: StoredAdapter) -> str:
    composed = stored.manifest.composition
    return composed.method if composed else stored.manifest.method
