"""A training in transformers' Trainer, watched: tasks measured on its model, a record written, the training stopped."""
