"""Tasks: YAML files that say where labelled texts come from and what they mean, and the code that loads them."""
