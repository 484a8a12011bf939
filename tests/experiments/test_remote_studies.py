"""Experiments whose pieces change the machine each time: nothing is learned twice, and the report is the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adapter_workbench.experiments.engine.piece import Site
from adapter_workbench.experiments.engine.run import run
from adapter_workbench.experiments.engine.workers.inline import do_piece
from adapter_workbench.experiments.engine.workers.remote.backbone_files import fetch_backbone
from adapter_workbench.experiments.engine.workers.remote.packed_pieces import PackedPieces
from adapter_workbench.experiments.engine.workers.remote.remote_worker_actor import FileSync
from adapter_workbench.experiments.engine.workers.remote.remote_workers import WorkspaceServer
from adapter_workbench.experiments.studies import study_for
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.experiments.workspace.access import Access
from adapter_workbench.workbench.adapters.name_resolution import readable
from adapter_workbench.workbench.settings.base import read
from tests.ear import Ear
from tests.streams import write_tasks

if TYPE_CHECKING:
    from adapter_workbench.experiments.engine.piece import Piece

CHANGES = {"provenance", "cost", "costs", "identity", "adapter", "evaluation", "measured"}  # from run to run
MEASURED = ("seconds", "_a_text", "_ms", "_mb")  # ends of names of times and of memory
HEAD = "name: apart\nbackbone: {backbone}\nseeds: [0]\n"
BUDGET = "budget: {{train_examples: 32, epochs: 1, batch_size: 8, max_length: 16, precision: fp32}}\n"

STREAM = (
    BUDGET
    + """tasks: [animals, halves, fruits]
strategies:
  isolated: {{strategy: isolated, method: lora, learning_rate: 0.02}}
  sequential: {{strategy: sequential, method: full, learning_rate: 0.003}}
  replay: {{strategy: replay, method: lora, learning_rate: 0.02, memory: 8}}
reference: sequential
probes: [cka, agreement]
keep_states: last
"""
)
OTHERS = {
    "merged": BUDGET
    + """tasks: [animals, halves, fruits]
strategies:
  merged: {{strategy: merged, method: lora, learning_rate: 0.02, keep: 1}}
  isolated: {{strategy: isolated, method: lora, learning_rate: 0.02}}
  ewc: {{strategy: ewc, method: full, learning_rate: 0.003, strength: [1, 100]}}
tune: 2
frontier: tried
reference: merged
""",
    "routed": BUDGET
    + """tasks: [animals, fruits]
scenario: class-incremental
strategies:
  isolated: {{strategy: isolated, method: lora, learning_rate: 0.02, router: prototype}}
  joint: {{strategy: joint, method: lora, learning_rate: 0.02}}
reference: isolated
""",
    "methods": BUDGET
    + """tasks: [animals, halves]
methods:
  full: {{learning_rate: 0.003}}
  lora: {{learning_rate: 0.02}}
tune: 2
""",
    "compositions": """sources:
  tasks: [animals, halves]
  methods: {{lora: {{learning_rate: 0.02}}}}
  budget: {{epochs: 1, batch_size: 8, max_length: 16, precision: fp32}}
targets: [fruits]
shots: [8]
budget: {{epochs: 1, batch_size: 8, max_length: 16, precision: fp32}}
compositions:
  ties: {{method: ties, density: 0.5}}
""",
    "routing": BUDGET
    + """tasks: [animals, fruits]
sources: {{method: lora, learning_rate: 0.02}}
routers:
  nearest: {{router: prototype, level: task}}
joint:
  joint-lora: {{method: lora, learning_rate: 0.02}}
""",
}


class TwoMachines:
    """Workers that send each piece to another machine than the one before; each has a workspace of its own."""

    jobs = 1
    machines: tuple[str, ...] = ()

    def __init__(self, folder: Path, ear: Ear) -> None:
        self._folder, self._ear = folder, ear

    def do(self, pieces: Sequence[Piece], workspace: Workspace, listener: Any, done: Callable[[Piece], None]) -> None:
        packed = PackedPieces.of(pieces)
        server = WorkspaceServer(workspace.root, packed)
        machines = [self._machine(name, packed, server) for name in ("first", "second")]
        for number, piece in enumerate(pieces):
            sync, site, own = machines[number % 2]
            site.workspace.made_by = workspace.made_by  # as a worker is told when it starts
            assert own[number].key == piece.key
            sync.begin()
            do_piece(own[number], site)
            sync.send()
            assert piece.is_done(Workspace(workspace.root)), piece.label
            done(piece)

    def _machine(self, name: str, packed: PackedPieces, server: WorkspaceServer) -> tuple[FileSync, Site, list[Piece]]:
        sync = FileSync(server, self._folder / name, name)
        backbones = [fetch_backbone(backbone, number, server) for number, backbone in enumerate(packed.backbones)]
        assert all(backbone.folder.is_relative_to(self._folder / "cache") for backbone in backbones)
        workspace = Workspace(self._folder / name, Access(fetch=sync.fetch)).mending(self._ear)
        return sync, Site(workspace, self._ear), packed.unpack(backbones)


def test_a_stream_gives_the_same_report(bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _compare(STREAM, bert, tmp_path, monkeypatch)


@pytest.mark.acceptance
@pytest.mark.parametrize("recipe", OTHERS.values(), ids=OTHERS)
def test_other_experiments_do_too(recipe: str, bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _compare(recipe, bert, tmp_path, monkeypatch)


def _compare(recipe: str, bert: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tasks(folder)
    path = folder / "recipe.yaml"
    path.write_text((HEAD + recipe).format(backbone=bert))
    document = read(path)
    study = study_for(document.data)
    plan = study.plan(document, [folder / "tasks"])
    alone, together = (Workspace(folder / name) for name in ("alone", "together"))
    ears = Ear(), Ear()
    expected = study.report(plan.name, run(study, plan, alone, ears[0]), alone, brief=True).as_json()
    monkeypatch.setenv("WORKBENCH_CACHE", str(folder / "cache"))
    record = run(study, plan, together, ears[1], workers=TwoMachines(folder, ears[1]))
    report = study.report(plan.name, record, together, brief=True).as_json()
    assert _lasting(report) == _lasting(expected)
    assert ears[1].fits == ears[0].fits, "nothing is learned twice"
    made_by = {manifest.made_by for manifest in readable(together.adapters)}
    assert made_by <= {f"run {plan.name}"}, "adapters that were made elsewhere bring it home"
    assert _file_counts(together.root) == _file_counts(alone.root), "what is deleted on the way is deleted for all"


def _lasting(report: Any, path: str = "") -> dict[str, Any]:
    """Return the leaves of a report by their paths, but for what changes from run to run."""
    if not isinstance(report, dict | list | tuple) or not report:
        return {} if path.endswith(MEASURED) else {path: report}
    entries = report.items() if isinstance(report, dict) else enumerate(report)
    parts = [_lasting(value, f"{path}/{name}") for name, value in entries if name not in CHANGES]
    return {name: value for part in parts for name, value in part.items()}


def _file_counts(root: Path) -> Counter[tuple[str, ...]]:
    """Count files by their paths without the key in them: some keys are digests of files that hold seconds."""
    paths = [path.relative_to(root).parts for path in root.rglob("*") if path.is_file()]
    return Counter((parts[0], *parts[2:]) for parts in paths if len(parts) > 1 and parts[0] not in ("claims", "pieces"))
