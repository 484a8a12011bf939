"""slashes: a slash after each word: cow / owl /."""

from adapter_workbench.tasks.problems.problem import Convention

CONVENTION = Convention(tag="hob", write=lambda steps: " ".join(f"{word} /" for word in steps[-1]))
