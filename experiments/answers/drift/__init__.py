"""Whether new rows are still those of a task: held-out rows beside them, what is measured of both, and the verdict."""
