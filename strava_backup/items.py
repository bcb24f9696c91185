"""The kinds of items that a run saves, and our key in metadata. Imports nothing."""

# The key that is ours in each metadata file; the others are Strava's.
OWN_KEY = "strava_backup"

ORIGINAL = "original"
GPX = "gpx"
DETAIL = "detail"
PHOTO_LIST = "photo list"
PHOTO = "photo"
VIDEO = "video"
GEAR = "gear"
COMPONENTS = "components"
PRIVATE_NOTE = "private note"
COMMENTS = "comments"
ROUTE = "route"
# Kinds that only an import counts.
METADATA = "metadata"
FILE = "file"


def shown_name(item: str) -> str:
    """Return the name of a kind in messages, where each of Strava's records is metadata."""
    return METADATA if item in (DETAIL, GEAR) else item
