"""Adapters composed and stored: which fit together, `fuse`, conversion to a LoRA. Imports methods."""
