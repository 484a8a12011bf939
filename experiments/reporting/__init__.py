"""Reports in whatever medium: wording, figures, pages, notebooks, MLflow."""
