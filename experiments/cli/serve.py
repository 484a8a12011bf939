"""Answer over HTTP: one backbone in memory, and any adapters of it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapter_workbench.experiments.answers.http_server.limits import Limits
from adapter_workbench.experiments.terminal import completion
from adapter_workbench.experiments.terminal.asked import option, options_of
from adapter_workbench.experiments.terminal.options import (
    Assignments,
    Folders,
    MaxFalseRejections,
    MinRoutingScore,
    WorkspaceOption,
)
from adapter_workbench.experiments.terminal.output import stderr, stdout
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.batch_queue import Batching
from adapter_workbench.workbench.settings.base import Document

if TYPE_CHECKING:
    from adapter_workbench.experiments.answers.http_server.selection import Selection
    from adapter_workbench.workbench.backbone.pretrained import Backbone

app = typer.Typer(add_completion=False)


@app.command()
@options_of(
    Limits,
    before={"seconds": "workspace"},
    only=["texts", "characters", "connections", "seconds"],
    texts=option("--max-texts", called="max_texts"),
    characters=option("--max-characters", called="max_characters"),
    seconds=option("--timeout", called="timeout"),
    connections=option("--max-connections", called="max_connections"),
)
def serve(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ID",
            help="Adapters: ids, the names of tasks, or the beginnings of ids. Without any: one for each task.",
            autocompletion=completion.adapter,
        ),
    ] = None,
    *,
    router: Annotated[
        str | None, typer.Option(help="Let this router choose where a request names neither task nor adapter.")
    ] = None,
    min_routing_score: MinRoutingScore = None,
    max_false_rejections: MaxFalseRejections = None,
    assignments: Assignments = None,
    host: Annotated[str, typer.Option(help="Address to listen at; by default only this machine reaches it.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8080,
    api_key_file: Annotated[
        Path | None, typer.Option(help="File with the key that requests have to bring: Authorization: Bearer KEY.")
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="The adapters' backbone: its name, or where it is now if it was given by path.")
    ] = None,
    max_batch: Annotated[
        int, typer.Option(min=1, help="Texts that are answered together; 1 answers each request by itself.")
    ] = Batching.rows,
    max_wait_ms: Annotated[
        float, typer.Option(min=0, max=60_000, help="Milliseconds that a text waits for others.")
    ] = 1000 * Batching.seconds,
    max_waiting: Annotated[
        int, typer.Option(min=1, help="Texts that may wait; then requests are refused.")
    ] = Batching.waiting,
    limits: Limits,
    lora_memory: Annotated[
        int | None,
        typer.Option(min=0, help="Megabytes of LoRAs of one precision in memory; others answer from their files."),
    ] = None,
    workspace: WorkspaceOption = None,
    tasks: Folders = None,
) -> None:
    """Answer over HTTP what `workbench predict` answers, with one backbone in memory, until Ctrl-C.

    Without ID, one adapter a task is served: its champion, else the best or newest. POST /predict answers texts, GET
    /adapters lists what is served, POST /reload looks for new and removed adapters, and GET / lists all paths. --set
    changes the router's settings. With --min-routing-score or --max-false-rejections, a router gives no answer to a
    text that fits none of the tasks.
    """
    from adapter_workbench.experiments.answers.http_server import address
    from adapter_workbench.experiments.answers.http_server.selection import select
    from adapter_workbench.experiments.terminal.progress import Messages
    from adapter_workbench.experiments.workspace import find_workspace
    from adapter_workbench.fusion.routing.rejection import rejection
    from adapter_workbench.fusion.routing.routers import ROUTERS
    from adapter_workbench.tasks.loading import registry
    from adapter_workbench.workbench.machine.listener import Changed

    rejected = rejection(min_routing_score, max_false_rejections)
    if not router and (option := "--set" if assignments else rejected and rejected.option):
        raise InputError(f"{option} needs a router", hint="Add --router NAME.")
    if router:
        ROUTERS.require(router, "--router")
    key = address.read_key(api_key_file) if api_key_file else None
    chosen_workspace, folders, listener = find_workspace(workspace), registry.user_folders(tasks), Messages()
    changed = Changed(listener)

    def selected(served: Backbone | None = None) -> Selection:
        return select(chosen_workspace, names or [], backbone, folders, changed.again(), served)

    first = selected()
    batching = Batching(max_batch, max_wait_ms / 1000, max_waiting)
    with address.bind(host, port) as bound:
        if key is None and not address.is_this_machine_alone(bound):
            stderr.print(f"Warning: everybody who reaches {address.url(bound)} can ask: there is no --api-key-file.")
        stderr.print(f"Opening {_adapter_count(first)} …")
        from adapter_workbench.experiments.answers.http_server.current import Routing  # torch comes with it
        from adapter_workbench.experiments.answers.http_server.metrics import Metrics
        from adapter_workbench.experiments.answers.http_server.server import serve as answer
        from adapter_workbench.experiments.answers.http_server.service import Service
        from adapter_workbench.workbench.machine.lazy_imports import import_models
        from adapter_workbench.workbench.machine.memory import MB, objects_set_aside

        settings = Document({}, "command line").set(assignments or [])
        routing = (
            Routing(router, settings.parse(ROUTERS.get(router).settings), chosen_workspace, folders, listener, rejected)
            if router
            else None
        )
        bank_bytes = None if lora_memory is None else int(lora_memory * MB)
        line = f"serving {_adapter_count(first)} at {address.url(bound)} (Ctrl-C stops it)"
        import_models()  # they are needed in a moment, and would not be set aside then
        with objects_set_aside():  # what is imported by now, which each reload would search for garbage; no adapter
            service = Service(first, partial(selected, first.backbone), routing, batching, Metrics(), bank_bytes)
            del first  # else the adapters of now would be kept as long as the server runs, also those that are replaced
            finished = answer(service, bound, limits, key, lambda: stdout.print(line))
    rest = "All accepted requests were answered." if finished else "Requests without an answer were dropped."
    stdout.print(f"Stopped. {rest}")


def _adapter_count(selection: Selection) -> str:
    count = len(selection.adapters)
    return f"{count} adapter{'s' if count > 1 else ''} on {selection.backbone.name}"
