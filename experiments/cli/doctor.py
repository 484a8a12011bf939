"""Say what works on this machine: packages, devices, precision, quantisation, tracking, entries of other packages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from adapter_workbench.experiments.terminal.options import WorkspaceOption
from adapter_workbench.experiments.terminal.output import Json, emit, stdout, table
from adapter_workbench.experiments.terminal.registries import extendable

if TYPE_CHECKING:
    from adapter_workbench.experiments.engine.diagnosis import Finding
    from adapter_workbench.experiments.workspace import Workspace

app = typer.Typer(add_completion=False)


@app.command()
def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Use no network, except for the tracking server.")] = False,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
) -> None:
    """Check everything that the workbench needs, and say how to install what is missing.

    If MLflow's registry names another champion than the workspace, the registry is corrected.

    The exit code is 1 if something that every command needs does not work.
    """
    from adapter_workbench.experiments.engine.diagnosis import diagnose, plugin_findings
    from adapter_workbench.experiments.workspace import find_workspace

    chosen_workspace = find_workspace(workspace)
    own = [*diagnose(chosen_workspace, offline), _champions(chosen_workspace)]
    findings = [*own, *plugin_findings(extendable())]
    if as_json:
        emit([finding.as_json() for finding in findings])
    else:
        rows = [
            ("ok" if finding.works else "MISSING" if finding.needed else "no", finding.name, finding.detail)
            for finding in findings
        ]
        table(["", "what", "detail"], rows)
        for finding in findings:
            if finding.remedy:
                stdout.print(f"\n{finding.name}: {finding.remedy}.")
    if any(finding.needed and not finding.works for finding in findings):
        raise typer.Exit(1)


def _champions(workspace: Workspace) -> Finding:
    """Let MLflow's aliases follow the workspace's champions."""
    from adapter_workbench.experiments.engine.diagnosis import Finding
    from adapter_workbench.experiments.gating.registry import reconcile
    from adapter_workbench.workbench.errors import WorkbenchError

    if not workspace.root.is_dir():
        return Finding("champions", True, False, "none yet")
    lines: list[str] = []
    try:
        count = reconcile(workspace, lines.append)
    except WorkbenchError as error:
        return Finding("champions", False, False, error.what, (error.hint or "").rstrip("."))
    return Finding("champions", True, False, " ".join(lines) or f"{count}; MLflow's registry says the same")
