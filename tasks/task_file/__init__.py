"""What a task file says. Imports sources."""
