"""The config file."""
