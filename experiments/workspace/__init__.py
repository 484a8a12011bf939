"""What is on disk: paths, typed documents, locks and claims, and what becomes of damaged things."""

from experiments.workspace.folder import StoredEvaluation, Workspace, find_workspace

__all__ = ["StoredEvaluation", "Workspace", "find_workspace"]
