"""Fine-tuning methods beside each other on the same tasks: score and cost, measured with one budget for all."""
