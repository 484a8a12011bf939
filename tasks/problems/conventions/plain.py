"""plain: the words, nothing else."""

from tasks.problems.convention import Convention

CONVENTION = Convention(tag="sil", write=lambda steps: " ".join(steps[-1]))
