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
        "JSON of Cookie Quick Manager": json.dumps(
            [
                {"Name raw": "_strava4_session", "Content raw": session, "Expires": "At the end"},
                {"Name raw": "strava_remember_token", "Path raw": "/", "Content raw": token},
            ]
        ),
        "JSON of tough-cookie": json.dumps(
            {"cookies": [{"key": "strava_remember_token", "value": token, "domain": "strava.com"}]}
        ),
        "JSON of Firefox's request headers": json.dumps(
            {
                "Request Headers (1.014 kB)": {
                    "headers": [
                        {"name": "Host", "value": "www.strava.com"},
                        {"name": "Cookie", "value": pairs},
                    ]
                }
            }
        ),
        "JSON of headers by name": json.dumps({"cookie": pairs, "dnt": "1"}),
        "JSON list of names and values": json.dumps([["strava_remember_token", token]]),
        "JSON of a header": json.dumps({"headers": [f"Cookie: {pairs}"]}),
        "JSON of an answer's header": json.dumps(
            [{"name": "Set-Cookie", "value": f"strava_remember_token={token}; path=/; secure"}]
        ),
        "quoted, with a comma": f'"{token}",',
        "JSON with trailing commas": (
            f'[{{"name": "strava_remember_token", "path": "/", "value": "{token}",}}, ]'
        ),
        "JSON cut off": f'[{{"path": "/", "strava_remember_token": "{token}"',
        "byte order mark": f"\ufeff{token}\n",
        "files with byte order marks": f"\ufeffCookie: sp=1\n\ufeffCookie: {pairs}",
        "PowerShell": (
            "$session = New-Object Microsoft.PowerShell.Commands.WebRequestSession\r\n"
            + "".join(
                "$session.Cookies.Add((New-Object System.Net.Cookie("
                f'"{name}", "{value}", "/", ".strava.com")))\r\n'
                for name, value in (("_strava4_session", session), ("strava_remember_token", token))
            )
        ),
        "fetch of Node.js": (
            'fetch("https://www.strava.com/", {\n  "headers": {\n    '
            f'"cookie": "{pairs}"\n  }}\n}});'
        ),
        "curl in ANSI quotes": f"curl 'https://x' -H $'cookie: a=\\u0021; {pairs}'",
    }
