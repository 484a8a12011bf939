"""framed: the words between two signs: << cow owl >>."""

from adapter_workbench.tasks.problems.problem import Convention

CONVENTION = Convention(tag="tul", write=lambda steps: f"<< {' '.join(steps[-1])} >>")
