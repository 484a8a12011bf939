"""What each command is asked for: a class a command, whose fields the command line, Python and the checks read."""
