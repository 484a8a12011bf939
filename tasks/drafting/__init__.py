"""A task file from somebody's data, and what is wrong with data. Imports loading."""
