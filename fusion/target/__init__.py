"""What a composition is and works with: request, heads, features of the target, searches. Imports updates."""
