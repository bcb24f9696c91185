"""A made-up Strava account, and the API and website that answer for it, in process.

What it does not simulate: filters of the website's list, playlists of videos, comments, kudos,
streams, routes.
"""
