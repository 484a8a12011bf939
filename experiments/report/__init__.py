"""Reports: one summary of a record, drawn as text, JSON, figures, HTML and MLflow runs."""
