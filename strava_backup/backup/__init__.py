"""One run: lists, plans, fetches and saves."""
