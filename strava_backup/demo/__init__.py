"""A made-up Strava account, and the API and website that answer for it, in process.

What it does not simulate: photos, gear, the website's own list, comments, kudos, streams, routes.
"""
