"""Steps that a person does once: authorize, log in, check. Independent of backups."""
