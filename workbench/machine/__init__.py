"""This machine: devices, processes, memory, versions of packages, what is heard of work. Imports errors."""
