"""A backup run: lists, plans, fetches and saves."""
