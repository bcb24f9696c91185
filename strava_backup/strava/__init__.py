"""The connections to Strava: the API, the website and the photo hosts. Knows no archive."""
