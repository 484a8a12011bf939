"""How a backbone is adapted: methods, libraries, kinds of task, heads, models. Imports adapters."""
