"""What a person does once: authorize, log in, check. Knows nothing of backing up."""
