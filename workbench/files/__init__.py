"""Files that are whole or not there: atomic writing, locks, digests, caches, the hub, wheels. Imports machine."""
