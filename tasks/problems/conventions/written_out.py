"""written-out: what each skill gave, with arrows between: cow owl -> owl cow."""

from adapter_workbench.tasks.problems.problem import Convention

CONVENTION = Convention(tag="rud", write=lambda steps: " -> ".join(" ".join(words) for words in steps))
