"""A stream of tasks, learned by strategies: accuracy matrices, forgetting, probes."""
