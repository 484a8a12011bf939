"""Programs that write what this project reads, and programs that read what it writes: the real ones, on loopback."""
