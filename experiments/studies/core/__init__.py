"""What all studies are made of: quantities, records and reports, learning rates that are tried, MLflow runs."""
