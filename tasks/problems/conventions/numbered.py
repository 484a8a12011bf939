"""numbered: a number before each word: 1 cow 2 owl."""

from adapter_workbench.tasks.problems.problem import Convention

CONVENTION = Convention(tag="lom", write=lambda steps: " ".join(f"{n} {word}" for n, word in enumerate(steps[-1], 1)))
