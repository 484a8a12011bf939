"""Models that answer: evaluation, predicting, serving, merged models, what came from elsewhere. Imports methods."""
