"""Adapters on disk: store, manifest, ids, and which adapter a name means. Imports backbone."""
