"""What a stream's recipe asks: names resolved, data read, every step with its key. Imports no other room."""
