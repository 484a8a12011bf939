"""MLflow brought up to the whole workspace: ``anew`` logs again what a moved or copied one has elsewhere."""
