"""Runs of one experiment, earlier ones too; and what differs between two: settings, and scores of what both have."""
