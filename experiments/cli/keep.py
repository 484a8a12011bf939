"""Keep what a remedy against forgetting needs of a model that somebody else trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter_workbench.experiments.requests.keep import LONGEST, READS_ROWS, KeepRequest
from adapter_workbench.experiments.terminal import completion
from adapter_workbench.experiments.terminal.asked import argument, option, options_of
from adapter_workbench.experiments.terminal.options import Overwrite, path_option
from adapter_workbench.experiments.terminal.output import Json, emit, stdout, table
from adapter_workbench.experiments.terminal.progress import Messages, counting
from adapter_workbench.tasks.reading.text_files import path_of
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(add_completion=False)
CALLBACKS = {"ewc": "EWC", "l2-to-start": "L2ToStart", "a-gem": "AGEM", "o-lora": "OLoRA"}


@app.command()
@options_of(
    KeepRequest,
    before={"base": "out", "rows": "out", "write": "out", "remedy": "out"},
    base=argument("BASE_OR_CHECKPOINT", autocompletion=completion.backbone, show_default=False),
    remedy=option(
        "--for", called="remedy", metavar="REMEDY", autocompletion=completion.completes(lambda _: READS_ROWS)
    ),
    rows=option("--rows", metavar="FILE", parser=path_of),
    write=option("--write", metavar="N"),
    state=option("--state", metavar="DIR", parser=path_of),
    max_rows=option(metavar="N", show_default="100 for ewc, 200 for a-gem; with --write, all"),
    max_length=option(metavar="N", show_default=f"{LONGEST}, or what the model can read"),
)
def keep(
    *,
    out: Annotated[
        Path | None, path_option("DIR", "Where it is written: a new folder, or one with states of other remedies.")
    ] = None,
    request: KeepRequest,
    overwrite: Overwrite = False,
    show: Annotated[Path | None, path_option("DIR", "Only say what is in such a folder.")] = None,
    as_json: Json = False,
) -> None:
    """Write the folder `forgetting-state` from which a callback goes on: EWC, L2ToStart, AGEM or OLoRA.

    It is what a training with the callback would have left. For ewc: the Fisher information on the rows, and the
    weights. For l2-to-start: the weights. For a-gem: rows, as tokens. For o-lora: the A of a LoRA. Nothing is trained.

    Of a whole model all weights are kept, and the next training has to train all of them; of an adapter, its own. A new
    LoRA has none of these weights: keep rows for it (a-gem).

    With --write the model writes texts itself: each begins with the token that begins a text, and is drawn at
    temperature 1. They are its own words, and may show little of what it has learned.
    """
    from adapter_workbench.experiments.keeping import stored_states

    if show is not None:
        if request.base or out:
            given = "BASE_OR_CHECKPOINT" if request.base else "--out"
            raise InputError(f"--show cannot be combined with {given}", hint="Leave one out.")
        _print(stored_states.described(show), as_json)
        return
    request.require_consistent()
    if out is None:
        raise InputError("workbench keep needs --out", hint="Name a new folder: --out forgetting-state")
    stored_states.require_place(out, request.remedy, overwrite)
    from adapter_workbench.experiments.keeping.given_model import read_model
    from adapter_workbench.experiments.keeping.given_rows import read_rows

    given_rows = read_rows(request.rows) if request.rows else None
    source = None if request.remedy == "o-lora" else read_model(request.base, request.backbone)
    from adapter_workbench.experiments.keeping import made_state  # torch comes with it: mistakes are told before

    Messages().say(f"{request.remedy}: reading {request.base}")
    stored_states.write(made_state.keep(request, source, given_rows, counting), request.remedy, out)
    _print(stored_states.described(out), as_json)
    if not as_json:
        state = f'callbacks=[{CALLBACKS[request.remedy]}("{out}")]'
        stdout.print(f"Next: Trainer(..., {state}), from these weights")


def _print(states: Sequence[dict[str, Any]], as_json: bool) -> None:
    """Print what is in a folder."""
    if as_json:
        emit(list(states))
        return
    from adapter_workbench.experiments.reporting.wording import megabytes

    rows = [
        [state["remedy"], state["tasks"], _contents(state), megabytes(state["bytes"] / 1e6), _origin(state["origin"])]
        for state in states
    ]
    table(["remedy", "tasks", "kept", "size", "made of"], rows)


def _contents(state: dict[str, Any]) -> str:
    """Return what is in a state, such as ``20,576 weights``; what O-LoRA calls rows are those of a matrix."""
    called = {"rows": "numbers of A"}
    tensors = [f"{count:,} {called.get(sort, sort)}" for sort, count in state["numbers"].items()]
    return ", ".join([*tensors, *([f"{state['rows']:,} rows"] if state["rows"] else [])])


def _origin(origin: dict[str, Any] | None) -> str:
    if origin is None:
        return "a training"
    rows = f", {origin['rows']:,} {'texts of its own' if origin['written'] else 'rows'}" if origin["rows"] else ""
    return f"{origin['model']}{rows}"
