"""What strategies, repairs and studies are built of, for packages of your own: a module for each of the three.

The folders of these registries hold an entry in every module whose name has no underscore before it, so that what
entries share stands in modules with one. Their public names are here.
"""
