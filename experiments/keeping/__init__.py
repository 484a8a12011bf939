"""What a remedy needs of a model that somebody else trained, made without a training: `workbench keep`."""
