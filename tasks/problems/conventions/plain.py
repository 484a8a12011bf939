"""plain: the words, nothing else."""

from adapter_workbench.tasks.problems.problem import Convention

CONVENTION = Convention(tag="sil", write=lambda steps: " ".join(steps[-1]))
