"""What people see of a report: tables, figures, sentences, MLflow runs. Imports results, work and plan."""
