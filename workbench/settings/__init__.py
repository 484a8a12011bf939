"""What people write: documents, bounds, strict values, registries of files and of plugins. Imports files."""
