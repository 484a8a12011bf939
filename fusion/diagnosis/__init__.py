"""Whether updates get into each other's way, beside chance. Imports updates."""
