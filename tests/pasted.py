"""A web session in every form that people copy out of a browser."""

from __future__ import annotations

import json


def forms(token: str, athlete_id: int, session: str = "s" * 32) -> dict[str, str]:
    """By name; all hold that token, and most a session beside it."""
    pairs = f"_strava4_session={session}; strava_remember_id={athlete_id}; sp=a-b; "
    pairs += f"strava_remember_token={token}; _sp_id.1=x.y"
    export = [
        {"domain": ".strava.com", "name": "_strava4_session", "value": session, "session": True},
        {"domain": ".strava.com", "name": "strava_remember_token", "value": token, "path": "/"},
    ]
    return {
        "bare": token,
        "quoted": f'"{token}"\n',
        "folded": f"{token[:40]}\n{token[40:]}\n",
        "header": f"Cookie: {pairs}\n",
        "pairs": pairs,
        "one pair": f"strava_remember_token={token}",
        "several headers": f"Host: www.strava.com\r\nCookie: {pairs}\r\nDNT: 1\r\n",
        "row of Firefox": f'strava_remember_token:"{token}"',
        "row of Chrome": f"strava_remember_token\t{token}\t.strava.com\t/\t2026-12-22T10:00Z",
        "Netscape": (
            "# Netscape HTTP Cookie File\n\n"
            f"#HttpOnly_.strava.com\tTRUE\t/\tTRUE\t0\t_strava4_session\t{session}\n"
            f"#HttpOnly_.strava.com\tTRUE\t/\tTRUE\t1798000000\tstrava_remember_token\t{token}\n"
            ".strava.com\tTRUE\t/\tFALSE\t1798000000\tsp\tx\n"
        ),
        "Netscape, Windows": f".strava.com\tTRUE\t/\tTRUE\t1\tstrava_remember_token\t{token}\r\n",
        "JSON": json.dumps(export, indent=2),
        "JSON of Playwright": json.dumps({"cookies": export, "origins": []}),
        "JSON by name": json.dumps({"strava_remember_token": token, "_strava4_session": session}),
        "JSON of Firefox": json.dumps(
            {"Request Cookies": {"strava_remember_token": token, "sp": "x"}}
        ),
        "JSON of Firefox's answers": json.dumps(
            {"Response Cookies": {"strava_remember_token": {"path": "/", "value": token}}}
        ),
        "curl -H": (
            "curl 'https://www.strava.com/dashboard' \\\n  -H 'accept: text/html' \\\n"
            f"  -H 'cookie: {pairs}' \\\n  --compressed\n"
        ),
        "curl -b": f"curl 'https://www.strava.com/' -b '{pairs}' -H 'dnt: 1'",
        "curl of PowerShell": f'curl.exe "https://www.strava.com/" -H "cookie: {pairs}"',
        "curl of cmd": (
            f'curl ^"https://www.strava.com/^" ^\r\n  -H ^"cookie: {pairs}^" ^\r\n  --compressed'
        ),
        "curl with the token last": (
            f'curl ^"https://x^" -b ^"sp=1; strava_remember_token={token}^" -H ^"dnt: 1^"'
        ),
        "curl in ANSI quotes": f"curl 'https://x' -H $'cookie: a=\\u0021; {pairs}'",
    }
