"""What is on disk: paths, typed documents, locks and claims, and what becomes of damaged things."""

from adapter_workbench.experiments.workspace.evaluations import StoredEvaluation
from adapter_workbench.experiments.workspace.folder import Workspace, find_workspace
from adapter_workbench.experiments.workspace.records import PieceReference, RecordDocument

__all__ = ["PieceReference", "RecordDocument", "StoredEvaluation", "Workspace", "find_workspace"]
