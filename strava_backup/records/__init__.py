"""Metadata records: the missing items, and the merge of new records into stored ones."""
