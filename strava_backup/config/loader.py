"""Reads the INI file into a frozen Config, and writes renewed secrets back, comments kept.

Knows the meaning of the keys. The environment is a parameter.
"""

from __future__ import annotations

import configparser
import difflib
import logging
import os
import re
import shlex
import subprocess
import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

import appdirs

from strava_backup import errors, secret_text
from strava_backup.archive import atomic
from strava_backup.config import ini_file, key_values
from strava_backup.config.browser import Browser, parse_browser

BASE_URL = "https://www.strava.com/api/v3"

_FILE_NAME = "strava-backup.conf"
_SAMPLE_NAME = "strava-backup.conf.sample"
_SECRETS = ("client_secret", "refresh_token", "jwt", "session", "password")
_PLAIN_KEYS = {
    "global": ("output_dir", "source", "delay", "warn_days"),
    "api": ("client_id", "client_secret", "refresh_token", "base_url"),
    "user": ("cookies_from_browser", "jwt", "session", "email", "password"),
}

_log = logging.getLogger(__name__)

# The API and the website may write to the same file concurrently.
_writing = threading.Lock()

T = TypeVar("T")


class Secret(NamedTuple):
    """A secret and its origin: `file` if it has a file of its own, else the config.

    A `read_only` secret cannot be written back, for example because a command printed it.
    """

    value: str
    file: Path | None = None
    read_only: bool = False

    def __repr__(self) -> str:
        return "Secret(...)"


@dataclass(frozen=True)
class Api:
    """The section [api]."""

    client_id: str
    client_secret: Secret
    refresh_token: Secret
    base_url: str = BASE_URL

    @property
    def is_complete(self) -> bool:
        """Return whether all values are set; only an unfinished config may lack some."""
        return bool(self.client_id and self.client_secret.value and self.refresh_token.value)


@dataclass(frozen=True)
class User:
    """The section [user]: at least one way to sign in to the website."""

    jwt: Secret | None = None
    session: Secret | None = None
    email: str | None = field(default=None, repr=False)
    password: Secret | None = None
    cookies_from_browser: Browser | None = None


@dataclass(frozen=True)
class Config:
    """A whole config; `delay` is in seconds, `warn_days` in days."""

    path: Path
    output_dir: Path
    makes_parents: bool
    source: str = "auto"
    delay: float = 2.0
    warn_days: int = 7
    api: Api | None = None
    user: User | None = None

    def check_source(self) -> None:
        """Raise ConfigError if the requested source is not set up."""
        if self.source == "api" and self.api is None:
            raise errors.ConfigError(
                f"{self.path}: the source api needs the section [api]: run strava-backup "
                "--authorize, or use the source auto"
            )
        if self.source == "website" and self.user is None:
            raise errors.ConfigError(
                f"{self.path}: the source website needs the section [user]: run strava-backup "
                "--login, or use the source auto"
            )

    def open_files(self) -> dict[Path, str]:
        """Return the files that other users can access, each with "read", "change" or both.

        Others may read a config without secrets, but not change it, since it can name commands.
        """
        secret_files = self._secret_files()
        accesses = {
            path: ini_file.access_of_others(path, is_secret=path in secret_files)
            for path in sorted({self.path, *secret_files})
        }
        return {path: access for path, access in accesses.items() if access}

    def warn_of_open_files(self) -> None:
        """Log a warning for each file that only its owner should read and change."""
        secret_files = self._secret_files()
        for path, access in self.open_files().items():
            reason = "has secrets" if path in secret_files else "can name commands to run"
            message = "%s %s, and others can %s it: chmod 600 %s"
            _log.warning(message, path, reason, access, shlex.quote(str(path)))

    def _secret_files(self) -> set[Path]:
        sections = [section for section in (self.api, self.user) if section is not None]
        values = [value for section in sections for value in vars(section).values()]
        secrets = [one for one in values if isinstance(one, Secret) and not one.read_only]
        files = {secret.file or self.path for secret in secrets}
        if self.user and self.user.cookies_from_browser and not _is_read_only(self.user.jwt):
            # A run stores the browser's session there.
            files.add(self.place("user", "jwt"))
        return files

    def place(self, section: str, name: str) -> Path:
        """Return the file of a secret: one of its own, or the config."""
        secret = self._secret(section, name)
        return secret.file if secret is not None and secret.file else self.path

    def store(self, section: str, name: str, value: str) -> None:
        """Write a renewed secret back to its origin, except a read-only one.

        Raises ConfigError, which names the secret's place if it had to be saved elsewhere.
        """
        if not _is_read_only(self._secret(section, name)):
            self._put(section, {name: value}, "renewed")

    def store_cookie(self, name: str, value: str) -> None:
        """Write a renewed cookie back; log a failure, since the old cookie is still valid."""
        try:
            self.store("user", name, value)
        except errors.ConfigError as error:
            _log.warning("%s", error)

    def check_storable(self, section: str, name: str) -> None:
        """Raise ConfigError if `store` could not store a new secret.

        Called before a token or a code is spent on the new secret. A read-only secret passes,
        since `store` skips it.
        """
        if _is_read_only(self._secret(section, name)):
            return
        path = self.place(section, name)
        try:
            with _writing:
                if path == self.path:
                    ini_file.with_values(self._source("new"), section, {name: "new"})
                ini_file.check_savable(path)
        except (ValueError, configparser.Error) as error:
            raise errors.ConfigError(
                f"{path}: a new [{section}] {name} could not be written into it: {_reason(error)}"
            ) from None
        except OSError as error:
            raise errors.ConfigError(
                f"{path} and its folder must be writable, so that a new [{section}] {name} can be "
                f"stored: {_reason(error)}"
            ) from error

    def check_writable(self, section: str, name: str) -> None:
        """Raise ConfigError if `write` could not store a new secret, or if it is read-only."""
        if _is_read_only(self._secret(section, name)):
            raise errors.ConfigError(
                f"{self.path}: [{section}] {name}_command is there, and nothing can be stored in a "
                "command: put the new one where the command reads it, or remove the line"
            )
        self.check_storable(section, name)

    def write(self, section: str, values: Mapping[str, str]) -> None:
        """Write new values, a secret to its own file if it has one; clear empty values.

        Creates a missing config from the sample. Raises ConfigError; the config is then as it was.
        """
        self._put(section, values, "new")
        secrets = [name for name, value in values.items() if value and name in _SECRETS]
        for path in {self.place(section, name) for name in secrets}:
            if access := ini_file.access_of_others(path, is_secret=True):
                _log.warning("others can %s %s: chmod 600 %s", access, path, shlex.quote(str(path)))

    def write_output_dir(self, folder: Path) -> None:
        """Write the archive's folder as `write` does. Raises ConfigError."""
        check_folder(folder)
        self._save_in_thread("global", {"output_dir": str(folder)}, "new")

    def stored_secret(self, section: str, name: str) -> str:
        """Return a secret as it is stored now; empty if it cannot be read, or a command has it."""
        secret = self._secret(section, name)
        if secret is None or secret.read_only:
            return ""
        try:
            if secret.file:
                return _sendable(name, ini_file.read(secret.file))
            text = _text(ini_file.parse(ini_file.read(self.path)), section, name)
            return _sendable(name, key_values.unfolded(text or ""))
        except (OSError, ValueError, configparser.Error):
            return ""

    def _put(self, section: str, values: Mapping[str, str], kind: str) -> None:
        for name, value in values.items():
            if value and not secret_text.is_storable(value):
                raise errors.ConfigError(
                    f"the {kind} [{section}] {name} is not one line of plain text, so nothing was "
                    "changed"
                )
        self._save_in_thread(section, values, kind)

    def _save_in_thread(self, section: str, values: Mapping[str, str], kind: str) -> None:
        # In a thread, since ^C interrupts only the main thread: a new token must reach the disk.
        # Not by an executor: interrupted as it starts a thread, it never ends that thread.
        saved: Future[list[str]] = Future()

        def save() -> None:
            try:
                saved.set_result(self._save_all(section, values, kind))
            except BaseException as error:
                saved.set_exception(error)

        threading.Thread(target=save).start()
        if saved.result():
            raise errors.ConfigError(*saved.result())

    def _save_all(self, section: str, values: Mapping[str, str], kind: str) -> list[str]:
        own: dict[str, str] = {}
        problems: list[str] = []
        for name, value in values.items():
            secret = self._secret(section, name)
            if secret is not None and secret.file and value:
                problems += self._save(secret.file, section, {name: value}, kind)
            elif secret is not None or value:
                own[_form(name, secret)] = value
        if own:
            problems += self._save(self.path, section, own, kind)
        return problems

    def _save(self, path: Path, section: str, values: Mapping[str, str], kind: str) -> list[str]:
        """Write values into the config or a secret's own file, else into a file next to the config.

        Returns a problem in the latter case, which names that file.
        """
        try:
            with _writing:
                if path != self.path:
                    data = "".join(f"{value}\n" for value in values.values()).encode()
                else:
                    data = ini_file.with_values(self._source(kind), section, values)
                    _check_forms(data, section, values)
                (ini_file.save if kind == "new" else ini_file.replace)(path, data)
        except (OSError, ValueError, configparser.Error) as error:
            names = f"the {kind} {' and '.join(values)}"
            aside = self._save_aside(path, section, values)
            return [f"cannot write {names} into {path}: {_reason(error)}. {aside}"]
        return []

    def _source(self, kind: str) -> Path:
        return sample_path() if kind == "new" and not exists(self.path) else self.path

    def _save_aside(self, path: Path, section: str, values: Mapping[str, str]) -> str:
        """Save values next to the config; return a message with their place and the next step."""
        try:
            with _writing:
                aside = ini_file.save_aside(self.path, section, values)
        except OSError as error:
            command = "--authorize" if section == "api" else "--login"
            return (
                f"Nor can it be saved in a file next to {self.path} ({_reason(error)}), so it is "
                f"lost: free some space or correct permissions, then run strava-backup {command}"
            )
        place = f"[{section}] of {path}" if path == self.path else str(path)
        return f"It is in {aside} instead: copy it into {place}, then delete {aside}"

    def _secret(self, section: str, name: str) -> Secret | None:
        value = getattr(getattr(self, section, None), name, None)
        return value if isinstance(value, Secret) else None


def _is_read_only(secret: Secret | None) -> bool:
    return secret is not None and secret.read_only


def _check_forms(data: bytes, section: str, keys: Collection[str]) -> None:
    """Raise ValueError if a secret was added in another form since the config was read.

    A run refuses a secret in two forms.
    """
    parser = ini_file.parse(data.decode())
    for key in keys:
        name = key.removesuffix("_file").removesuffix("_command")
        forms = [form for form in _forms(name) if _text(parser, section, form)]
        if len(forms) > 1:
            raise ValueError(f"it now has {' and '.join(forms)}")


def _reason(error: Exception) -> str:
    """Return why a file could not be written, without quoting its lines."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "it is no longer a config" if isinstance(error, configparser.Error) else str(error)


def home() -> Path:
    """Return the user's home folder. Raises ConfigError if it is not known."""
    try:
        return Path.home()
    except RuntimeError as error:
        raise errors.ConfigError(
            "your home folder is not known: set HOME, or give --config and --output-dir"
        ) from error


def check_folder(folder: Path) -> None:
    """Raise ConfigError if a config cannot name this folder."""
    try:
        key_values.path_text(str(folder))
    except ValueError:
        # Without the text, which may be a token that was pasted at the wrong question.
        raise errors.ConfigError(
            "a config cannot name this folder: its path must have no quotes at its ends, no ' #' "
            "or ' ;', and no control characters"
        ) from None


def exists(path: Path) -> bool:
    """Return whether there is a config at `path`. Raises ConfigError if that cannot be read."""
    try:
        return atomic.exists(path)
    except OSError as error:
        raise errors.ConfigError(f"cannot read {path}: {error.strerror or error}") from error


def places(environ: Mapping[str, str]) -> list[Path]:
    """Return the places of a config that is not named, the preferred one first.

    Raises ConfigError.
    """
    folders = [home() / ".config", Path(appdirs.user_config_dir("strava-backup", False))]
    if environ.get("XDG_CONFIG_HOME"):
        folders.insert(0, Path(environ["XDG_CONFIG_HOME"]))
    return [folder / _FILE_NAME for folder in folders]


def sample_path() -> Path:
    """Return the path of the sample config.

    It is in the installed package; in a checkout (an editable install) at the top level.
    """
    package = Path(__file__).parent.parent
    installed = package / _SAMPLE_NAME
    return installed if installed.exists() else package.with_name(_SAMPLE_NAME)


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Read a config. Raises ConfigError with every problem found.

    The environment (`XDG_DATA_HOME`) determines the archive's default folder.
    """
    parser = _parse(path)
    config = _Reader(path, parser, environ).config()
    _warn_of_doubled_percents(path, parser)
    aside = ini_file.aside_path(path)
    if os.path.exists(aside):
        _log.warning(
            "%s has newer values, which could not be written into %s: copy them there, then "
            "delete it",
            aside,
            path,
        )
    return config


def output_dir(path: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the archive's folder by the config at `path`, or by default; read no other value.

    Raises ConfigError if the config cannot be read.
    """
    if path is None:
        return default_output_dir(environ)
    return _Reader(path, _parse(path), environ).output_dir_alone()


def load_unfinished(path: Path, environ: Mapping[str, str], unread: Collection[str]) -> Config:
    """Read a config that still lacks values, or does not exist yet. Raises ConfigError.

    Missing values of [api] are empty, and so are the secrets named in `unread`: no command is run
    for them, and only their place is read.
    """
    parser = _parse(path if exists(path) else sample_path())
    return _Reader(path, parser, environ, unread).config()


def _parse(path: Path) -> configparser.RawConfigParser:
    try:
        return ini_file.parse(ini_file.read(path))
    except OSError as error:
        raise errors.ConfigError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise errors.ConfigError(f"{path} is {error}") from None
    except configparser.Error as error:
        raise errors.ConfigError(_syntax_problem(path, error)) from None


def _warn_of_doubled_percents(path: Path, parser: configparser.RawConfigParser) -> None:
    """Warn of `%%`, which versions up to 0.4 read as one `%`, and which now stays as it is."""
    for section in parser.sections():
        for key, value in parser.items(section):
            if "%%" in value:
                _log.warning(
                    "%s: [%s] %s contains %%%%, which versions up to 0.4 read as one %%: "
                    "write a single one if that is meant",
                    path,
                    section,
                    key,
                )


def default_output_dir(environ: Mapping[str, str]) -> Path:
    """Return the folder in `$XDG_DATA_HOME`, else in `~/.local/share`, else the system's own.

    Raises ConfigError.
    """
    if environ.get("XDG_DATA_HOME"):
        return Path(environ["XDG_DATA_HOME"]) / "strava-backup"
    customary = home() / ".local" / "share" / "strava-backup"
    return (
        customary
        if os.path.isdir(customary)
        else Path(appdirs.user_data_dir("strava-backup", False))
    )


class _Reader:
    """Reads sections into values and collects every problem."""

    def __init__(
        self,
        path: Path,
        parser: configparser.RawConfigParser,
        environ: Mapping[str, str],
        unread: Collection[str] | None = None,
    ) -> None:
        self._path = path
        self._parser = parser
        self._environ = environ
        self._is_finished = unread is None
        self._unread = unread or ()
        self._problems: list[str] = []

    def config(self) -> Config:
        self._refuse_unknown()
        config = Config(
            path=self._path,
            output_dir=self._output_dir(),
            makes_parents=self._text("global", "output_dir") is None,
            source=self._value("global", "source", key_values.source, "auto"),
            delay=self._value("global", "delay", key_values.seconds, 2.0),
            warn_days=self._value("global", "warn_days", key_values.days, 7),
            api=self._api(),
            user=self._user(),
        )
        is_empty = config.api is None and config.user is None
        if self._is_finished and is_empty and not self._problems:
            self._problems.append(
                "neither [api] nor [user] is filled in: run strava-backup --login"
            )
        self._raise_problems()
        return config

    def output_dir_alone(self) -> Path:
        folder = self._output_dir()
        self._raise_problems()
        return folder

    def _output_dir(self) -> Path:
        if self._text("global", "output_dir") is None:
            return default_output_dir(self._environ)
        return self._value("global", "output_dir", self._file_path, self._path.parent)

    def _raise_problems(self) -> None:
        if self._problems:
            raise errors.ConfigError(*(f"{self._path}: {problem}" for problem in self._problems))

    def _refuse_unknown(self) -> None:
        for section in self._parser.sections():
            if section not in _PLAIN_KEYS:
                similar = _similar(section, _PLAIN_KEYS, "[{}]")
                self._problems.append(f"unknown section [{self._quoted(section)}]{similar}")
                continue
            for key in self._parser.options(section):
                if key not in _keys(section):
                    similar = _right_section(key) or _similar(key, _keys(section), "{}")
                    self._problems.append(f"[{section}] {self._quoted(key)}: unknown key{similar}")

    def _quoted(self, text: str) -> str:
        return secret_text.quoted(text, self._known_secrets())

    def _known_secrets(self) -> set[str]:
        return {
            line
            for section in self._parser.sections()
            for key, value in self._parser.items(section)
            if key in _SECRETS
            for line in (value, *value.split("\n"))
            if line
        }

    def _api(self) -> Api | None:
        client_id = self._value("api", "client_id", key_values.number, None)
        client_secret = self._secret("api", "client_secret")
        refresh_token = self._secret("api", "refresh_token")
        base_url = self._value("api", "base_url", key_values.https_url, BASE_URL)
        values = {
            "client_id": client_id,
            "client_secret": client_secret,
            "refresh_token": refresh_token,
        }
        if not self._is_finished:
            missing = Secret("")
            return Api(
                client_id or "", client_secret or missing, refresh_token or missing, base_url
            )
        if not any(values.values()):
            return None
        for name, value in values.items():
            if not value and not self._has_problem("api", name):
                advice = "run strava-backup --authorize, or remove [api]"
                self._problems.append(f"[api] {name}: missing; {advice}")
        if client_id is None or client_secret is None or refresh_token is None:
            return None
        return Api(client_id, client_secret, refresh_token, base_url)

    def _user(self) -> User | None:
        email = self._value("user", "email", key_values.one_line, None)
        password = self._secret("user", "password")
        for name, value, other in (("password", password, email), ("email", email, password)):
            if self._is_finished and other and not value and not self._has_problem("user", name):
                self._problems.append(f"[user] {name}: missing")
        user = User(
            self._secret("user", "jwt"),
            self._secret("user", "session"),
            email,
            password,
            self._value("user", "cookies_from_browser", self._browser, None),
        )
        return None if user == User() else user

    def _browser(self, text: str) -> Browser:
        try:
            return parse_browser(text)
        except errors.ConfigError as error:
            # The message may quote a part of the text.
            is_shown = secret_text.is_quotable(text, self._known_secrets())
            raise ValueError(str(error) if is_shown else "is not the name of a browser") from None

    def _has_problem(self, section: str, key: str) -> bool:
        return any(problem.startswith(f"[{section}] {key}") for problem in self._problems)

    def _text(self, section: str, key: str) -> str | None:
        return _text(self._parser, section, key)

    def _value(self, section: str, key: str, parse: Callable[[str], T], default: T) -> T:
        text = self._text(section, key)
        if text is None:
            return default
        try:
            self._refuse_swallowed(section, key)
            if "\n" in text:
                raise ValueError(key_values.SEVERAL_LINES)
            return parse(text)
        except ValueError as error:
            # Other sections have secrets, so that a value there may be one.
            is_shown = section == "global" and secret_text.is_quotable(text, self._known_secrets())
            shown = f", not {text!r}" if is_shown else ""
            self._problems.append(f"[{section}] {key}: {error}{shown}")
            return default

    def _secret(self, section: str, name: str) -> Secret | None:
        given = [form for form in _forms(name) if self._text(section, form)]
        if len(given) > 1:
            self._problems.append(f"[{section}] {name}: given as {' and '.join(given)}")
        if not given:
            return None
        text = self._text(section, given[0]) or ""
        try:
            self._refuse_swallowed(section, given[0])
            return self._secret_from(name, given[0].removeprefix(name), text)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            reason = _without_output(error)
            if isinstance(error, OSError) and secret_text.is_quotable(text, self._known_secrets()):
                reason = f"{error.filename}: {reason}"
            self._problems.append(f"[{section}] {given[0]}: {reason}")
            return None

    def _refuse_swallowed(self, section: str, key: str) -> None:
        """Raise ValueError if an indented section or key became part of the value above it."""
        if _KEY_BELOW.search(self._parser.get(section, key)):
            raise ValueError(key_values.SEVERAL_LINES)

    def _secret_from(self, name: str, form: str, text: str) -> Secret:
        """Return a secret, without its value if it is one of the unread."""
        is_read = name not in self._unread
        if form == "_file":
            file = self._file_path(text)
            return Secret(_sendable(name, ini_file.read(file)) if is_read else "", file)
        if form == "_command":
            return Secret(_sendable(name, _output(text)) if is_read else "", read_only=True)
        value = key_values.unfolded(text)
        return Secret(_sendable(name, value) if is_read else "")

    def _file_path(self, text: str) -> Path:
        expanded = os.path.expanduser(key_values.path_text(text))
        if expanded.startswith("~"):
            raise ValueError("must not begin with the ~ of an unknown home folder")
        return Path(os.path.abspath(self._path.parent / expanded))


def _text(parser: configparser.RawConfigParser, section: str, key: str) -> str | None:
    """Return a value; None if it is missing, empty, or a placeholder of the sample."""
    text = parser.get(section, key, fallback="").strip()
    return None if not text or secret_text.is_placeholder(text) else text


def _output(command: str) -> str:
    # In a shell, since such a command may have pipes; the config is the user's own.
    result = subprocess.run(command, shell=True, check=True, stdout=subprocess.PIPE)  # noqa: S602
    return ini_file.decode(result.stdout)


def _sendable(name: str, text: str) -> str:
    """Return a secret without surrounding space. Raises ValueError if it cannot be sent."""
    value = text.removeprefix("\ufeff").strip()
    if not value:
        raise ValueError("empty")
    # Headers carry all secrets except the password, and they accept nothing else.
    if not value.isprintable() or (name != "password" and not value.isascii()):
        raise ValueError("not one line of plain text")
    return value


def _forms(key: str) -> tuple[str, ...]:
    """Return the keys that can set a value."""
    if key not in _SECRETS:
        return (key,)
    forms = (key, f"{key}_file", f"{key}_command")
    # Strava may send a new token, which cannot be written back to a command.
    return forms[:2] if key == "refresh_token" else forms


def _keys(section: str) -> set[str]:
    """Return all keys that a section may have."""
    return {form for key in _PLAIN_KEYS[section] for form in _forms(key)}


def _similar(name: str, names: Collection[str], form: str) -> str:
    """Return a question that proposes the most similar name; empty if none is similar."""
    found = difflib.get_close_matches(name.lower(), sorted(names), n=1)
    return f", did you mean {form.format(found[0])}?" if found else ""


def _right_section(key: str) -> str:
    sections = [section for section in _PLAIN_KEYS if key in _keys(section)]
    return f", it belongs in [{sections[0]}]" if sections else ""


_ALL_KEYS = sorted(key for section in _PLAIN_KEYS for key in _keys(section))
_KEY_BELOW = re.compile(
    rf"\n(\[\w+\]$|({'|'.join(_ALL_KEYS)})\s*[=:])",
    re.MULTILINE | re.IGNORECASE,
)


def _form(name: str, secret: Secret | None) -> str:
    """Return the key that sets a secret."""
    if secret is not None and (secret.file or secret.read_only):
        return f"{name}_file" if secret.file else f"{name}_command"
    return name


def _without_output(error: Exception) -> str:
    """Return the reason of a failure without the command's output, which may be a secret."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, subprocess.CalledProcessError):
        return f"the command ended with status {error.returncode}"
    return str(error)


def _shown(section: str, *key: str) -> str:
    return " ".join([f"[{secret_text.quoted(section)}]", *map(secret_text.quoted, key)])


def _syntax_problem(path: Path, error: configparser.Error) -> str:
    """Return the problem of a file without quoting its lines, which may contain secrets."""
    if isinstance(error, configparser.DuplicateOptionError):
        return f"{path}, line {error.lineno}: {_shown(error.section, error.option)} is set twice"
    if isinstance(error, configparser.DuplicateSectionError):
        return f"{path}, line {error.lineno}: {_shown(error.section)} is set twice"
    if isinstance(error, configparser.MissingSectionHeaderError):
        return f"{path}, line {error.lineno}: a [section] must come first"
    if isinstance(error, configparser.ParsingError):
        lines = ", ".join(str(number) for number, _ in error.errors)
        return f"{path}, line {lines}: neither a [section] nor a key = value"
    return f"{path}: not a config file"
