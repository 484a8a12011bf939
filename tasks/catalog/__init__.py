"""The shipped task files: one task, or one family of tasks, each."""
