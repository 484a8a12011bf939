"""Whether updates interfere more than by chance. Imports updates."""
