"""Small problems on lists of words, made from a seed: skills, ways to write an answer, and the words."""
