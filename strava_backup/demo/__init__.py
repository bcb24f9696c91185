"""A made-up Strava account, with an API and a website that answer for it in process.

Not simulated: filters of the website's list, playlists of videos, comments, kudos, streams, routes.
"""
