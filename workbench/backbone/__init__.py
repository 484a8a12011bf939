"""The pretrained transformer: name, config, checkpoint, tokenizer, shared weights, states. Imports settings."""
