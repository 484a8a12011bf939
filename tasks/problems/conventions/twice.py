"""twice: the words two times, a bar between: cow owl | cow owl."""

from adapter_workbench.tasks.problems.problem import Convention

CONVENTION = Convention(tag="vos", write=lambda steps: " | ".join(2 * [" ".join(steps[-1])]))
