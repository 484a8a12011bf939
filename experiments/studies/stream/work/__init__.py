"""What the pieces of a stream do, and what they leave on disk. Imports plan."""
