"""Pure: the folders in which browsers keep their profiles, for each platform."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_Folders = dict[str, tuple[str, ...]]

# From https://github.com/yt-dlp/yt-dlp, cookies.py, and for the forks of Firefox from their
# packages; Firefox uses `$XDG_CONFIG_HOME` since version 147. The Flatpak of an application has
# its files in ~/.var/app/ID, and its `$XDG_CONFIG_HOME` is the folder "config" in there.
_LINUX: _Folders = {
    "firefox": (
        "{config}/mozilla/firefox",
        "{home}/.mozilla/firefox",
        "{home}/snap/firefox/common/.mozilla/firefox",
        "{home}/.var/app/org.mozilla.firefox/config/mozilla/firefox",
        "{home}/.var/app/org.mozilla.firefox/.mozilla/firefox",
    ),
    "librewolf": (
        "{config}/librewolf/librewolf",
        "{home}/.librewolf",
        "{home}/.var/app/io.gitlab.librewolf-community/config/librewolf/librewolf",
        "{home}/.var/app/io.gitlab.librewolf-community/.librewolf",
    ),
    "waterfox": (
        "{config}/waterfox",
        "{home}/.waterfox",
        "{home}/.var/app/net.waterfox.waterfox/.waterfox",
    ),
    "zen": (
        "{config}/zen",
        "{home}/.zen",
        "{home}/.var/app/app.zen_browser.zen/.zen",
        "{home}/.var/app/app.zen_browser.zen/config/zen",
    ),
    "brave": (
        "{config}/BraveSoftware/Brave-Browser",
        "{home}/snap/brave/current/.config/BraveSoftware/Brave-Browser",
        "{home}/.var/app/com.brave.Browser/config/BraveSoftware/Brave-Browser",
    ),
    "chrome": (
        "{config}/google-chrome",
        "{home}/.var/app/com.google.Chrome/config/google-chrome",
    ),
    "chromium": (
        "{config}/chromium",
        "{home}/snap/chromium/common/chromium",
        "{home}/.var/app/org.chromium.Chromium/config/chromium",
    ),
    "edge": (
        "{config}/microsoft-edge",
        "{home}/.var/app/com.microsoft.Edge/config/microsoft-edge",
    ),
    "opera": (
        "{config}/opera",
        "{home}/snap/opera/current/.config/opera",
        "{home}/.var/app/com.opera.Opera/config/opera",
    ),
    "vivaldi": (
        "{config}/vivaldi",
        "{home}/snap/vivaldi/current/.config/vivaldi",
        "{home}/.var/app/com.vivaldi.Vivaldi/config/vivaldi",
    ),
}
_MACOS: _Folders = {
    "firefox": ("{support}/Firefox",),
    "librewolf": ("{support}/librewolf",),
    "waterfox": ("{support}/Waterfox",),
    "zen": ("{support}/zen",),
    "brave": ("{support}/BraveSoftware/Brave-Browser",),
    "chrome": ("{support}/Google/Chrome",),
    "chromium": ("{support}/Chromium",),
    "edge": ("{support}/Microsoft Edge",),
    "opera": ("{support}/com.operasoftware.Opera",),
    "vivaldi": ("{support}/Vivaldi",),
}
# Without the relatives of Chrome, whose cookies cannot be decrypted there.
_WINDOWS: _Folders = {
    "firefox": (
        "{roaming}/Mozilla/Firefox",
        "{local}/Packages/Mozilla.Firefox_n80bbvh6b1yt2/LocalCache/Roaming/Mozilla/Firefox",
    ),
    "librewolf": ("{roaming}/librewolf",),
    "waterfox": ("{roaming}/Waterfox",),
    "zen": ("{roaming}/zen",),
}
_PLATFORMS = {"darwin": _MACOS, "win32": _WINDOWS}


def roots(name: str, home: Path, environ: Mapping[str, str], platform: str) -> list[Path]:
    """Return the folders of a browser's profiles on a platform (`sys.platform`)."""
    bases = {
        "home": home,
        "config": environ.get("XDG_CONFIG_HOME") or home / ".config",
        "support": home / "Library/Application Support",
        "roaming": environ.get("APPDATA") or home / "AppData/Roaming",
        "local": environ.get("LOCALAPPDATA") or home / "AppData/Local",
    }
    folders = _PLATFORMS.get(platform, _LINUX).get(name, ())
    return [Path(folder.format_map(bases)) for folder in folders]
