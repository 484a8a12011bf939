"""Weight updates as data: low-rank algebra, LoRAs as stored, dense updates, pruning. Imports workbench alone."""
