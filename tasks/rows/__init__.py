"""Raw tables to rows of a task: labels, values, splits, duplicates, fingerprint. Imports task_file."""
