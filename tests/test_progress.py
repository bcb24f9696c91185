from __future__ import annotations

import subprocess
import sys

from strava_backup.progress import Progress


def test_progress_is_not_shown_without_a_bar(capfd):
    lines = []
    with Progress() as progress:
        progress.phase("Reading the list")
        progress.expect(3)
        progress.done()
        progress.waits("API until 10:15 UTC")
        progress.above(lines.append)("a line")
    assert capfd.readouterr() == ("", "")
    assert lines == ["a line"]


def test_tqdm_is_not_imported_if_no_bar_is_shown():
    code = "import sys, strava_backup.backup.run; sys.exit('tqdm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
