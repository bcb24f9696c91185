"""The command line: parses arguments, logs messages, and returns the exit code.

The only module that reads the environment. Imports slow modules only after the arguments are
parsed, so that --help and --version answer at once.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import logging
import os
import re
import shlex
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strava_backup import __version__, errors, process, streams

if TYPE_CHECKING:
    from strava_backup.config.browser import Browser
    from strava_backup.config.loader import Config
    from strava_backup.progress import Progress
    from strava_backup.report import Report
    from strava_backup.setup.browsers.stores import BrowserSession
    from strava_backup.setup.cookies import Cookies
    from strava_backup.setup.dialog import Dialog

_log = logging.getLogger("strava_backup")

_OBJECTS_BETWEEN_COLLECTIONS = 20_000

# A command that a message advises, and that reads or changes the config.
_ADVICE = re.compile(r"\bstrava-backup (?=--(?:authorize|check|login)\b)")

_EPILOG = """\
exit codes: 0 all done, 1 failed, 2 usage or config, 3 some items failed
(tried again next time), 4 a human must act (most often: log in again),
5 try again later, 6 --verify found damage, 130 interrupted
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    If standard output is a closed pipe, the command ends quietly with 130; if it cannot be written
    for another reason, with 1. A backup prints nothing there, and failures of standard error are
    ignored, so that neither can end a backup.
    """
    process.open_missing_descriptors()
    streams.prepare()
    try:
        return _main(_parse(argv))
    except streams.ReaderGone:
        return errors.INTERRUPTED
    except streams.OutputError as error:
        streams.show(f"strava-backup: error: {error}\n")
        return 1
    finally:
        streams.finish()


def _main(options: argparse.Namespace) -> int:
    # Modules, lists and the scan stay in memory to the end. Collecting garbage after every 700 new
    # objects, as Python does by default, takes a fifth of the time of a scan.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    _configure_logging(options)
    _log_versions()
    # stravalib warns of environment variables that are not set; the config has their values.
    os.environ.setdefault("SILENCE_TOKEN_WARNINGS", "1")
    from strava_backup.report import Report

    report = Report()
    code = errors.worst([_run_until_interrupted(options, report), report.exit_code])
    _log_summary(report, code)
    # Without this, the interpreter would collect garbage in all of the memory before it exits.
    gc.freeze()
    return code


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(argv)
    if options.repair and (options.dry_run or not options.verify):
        parser.error(
            "--repair works only together with --verify, and not with --dry-run: --verify alone "
            "changes nothing"
        )
    is_list = options.list is not None
    is_export = options.export_path is not None or options.zip_path is not None
    if (options.verify or is_list) and (
        options.authorize or options.login or options.check or options.import_path
    ):
        parser.error(
            "--verify and --list cannot be combined with --authorize, --login, --check and --import"
        )
    if is_export and (options.verify or options.dry_run):
        parser.error("--export and --zip cannot be combined with --verify and --dry-run")
    if is_list and (options.verify or options.dry_run or is_export):
        parser.error("--list cannot be combined with --verify, --dry-run, --export and --zip")
    if options.export_path is not None and options.export_path.suffix.lower() == ".zip":
        parser.error("--export writes a folder: for one ZIP use --zip FILE")
    if options.no_gzip and not is_export:
        parser.error("--no-gzip requires --export or --zip")
    if options.since and not (is_export or is_list):
        parser.error("--since requires --list, --export or --zip")
    if (options.until or options.incomplete or options.json) and not is_list:
        parser.error("--until, --incomplete and --json require --list")
    if options.cookies_from_browser and not options.login:
        parser.error("--cookies-from-browser requires --login")
    return options


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Wraps each line, also that of a group of options, which argparse does from Python 3.13 on."""

    def format_help(self) -> str:
        """Return the help, or the usage alone, in lines of the terminal's width."""
        return "\n".join(map(self._wrapped, super().format_help().split("\n")))

    def _wrapped(self, line: str) -> str:
        indent = " " * (len(line) - len(line.lstrip()))
        lines = textwrap.wrap(line, self._width, subsequent_indent=indent, break_on_hyphens=False)
        return "\n".join(lines)


class _Parser(argparse.ArgumentParser):
    """Prints by `streams`. Raises OutputError if --help cannot be printed."""

    def _print_message(self, message: str, file: Any = None) -> None:
        (streams.print_text if file is sys.stdout else streams.show)(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="strava-backup",
        description="Get your own data back from Strava, whole, and keep it current.",
        epilog=_EPILOG,
        formatter_class=_Formatter,
    )
    add = parser.add_argument
    add("--config", metavar="FILE", type=Path, help="the config to use (one for each account)")
    add("--output-dir", metavar="DIR", type=Path, help="the folder of the archive")
    add(
        "--source",
        choices=("auto", "api", "website"),
        help="the source of the list of activities (default: auto)",
    )
    add(
        "--limit",
        metavar="N",
        type=_positive,
        help="work on at most N incomplete activities",
    )
    add(
        "--full",
        action="store_true",
        help="fetch all metadata again, and retry items that were not available; "
        "files that are already stored are not fetched again",
    )
    add(
        "--no-meta",
        action="store_true",
        help="skip all requests that return only metadata (implies --no-gear)",
    )
    add("--no-gear", action="store_true", help="skip bikes and shoes")
    add("--no-photos", action="store_true", help="skip photos, their lists, and videos")
    add("--no-videos", action="store_true", help="skip videos, except their posters")
    add("--no-routes", action="store_true", help="skip routes")
    add(
        "--private-notes",
        action="store_true",
        help="also fetch private notes and perceived exertion: one slow request to the website "
        "for each activity",
    )
    add(
        "--comments",
        action="store_true",
        help="also fetch comments and kudos: up to two requests to the API for each activity",
    )
    add("-n", "--dry-run", action="store_true", help="list the items to fetch, and fetch none")
    add("--verify", action="store_true", help="check the archive for damage, offline")
    add(
        "--repair",
        action="store_true",
        help="with --verify: move damaged files to damaged/, so that the next run fetches them",
    )
    add(
        "--list",
        metavar="TEXT",
        nargs="?",
        const="",
        help="list the archived activities (offline), newest last; "
        "TEXT: only titles that contain it",
    )
    mode = parser.add_mutually_exclusive_group().add_argument
    mode("--demo", action="store_true", help="back up a made-up account, without network or config")
    mode("--authorize", action="store_true", help="get a refresh token for the API in the browser")
    mode("--login", action="store_true", help="store a web session, pasted or piped in")
    mode(
        "--check", action="store_true", help="check config, API, session and archive, on one screen"
    )
    mode(
        "--import",
        dest="import_path",
        metavar="PATH",
        type=Path,
        help="import Strava's bulk export, ZIP or folder, without network",
    )
    mode(
        "--export",
        dest="export_path",
        metavar="DIR",
        type=Path,
        help="write the archive into a folder in the form of Strava's bulk export, without network",
    )
    mode(
        "--zip",
        dest="zip_path",
        metavar="FILE",
        type=Path,
        help="the same as one ZIP",
    )
    add(
        "--since",
        metavar="DATE",
        type=_date,
        help="with --list, --export or --zip: only activities that start on YYYY-MM-DD or later",
    )
    add(
        "--until",
        metavar="DATE",
        type=_date,
        help="with --list: only activities that start on that day or earlier",
    )
    add(
        "--incomplete",
        action="store_true",
        help="with --list: only activities that lack an original or a photo",
    )
    add("--json", action="store_true", help="with --list: print one JSON object per line")
    add(
        "--no-gzip",
        action="store_true",
        help="with --export or --zip: leave FIT and TCX files as they are",
    )
    add(
        "--cookies-from-browser",
        metavar="BROWSER",
        help="with --login: read the session from a browser, "
        "NAME[+KEYRING][:PROFILE][::CONTAINER], for example firefox or chrome",
    )
    loudness = parser.add_mutually_exclusive_group()
    loudness.add_argument("-q", "--quiet", action="store_true", help="print nothing if all is well")
    loudness.add_argument(
        "-v",
        "--debug",
        action="store_true",
        help="log versions, and every request and wait; never secrets",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"must be a whole number, 1 or more, not {text!r}")
    return int(text)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a date like 2026-05-06, not {text!r}") from None


def _configure_logging(options: argparse.Namespace) -> None:
    """Send log messages to standard error, before stravalib's import configures logging itself.

    urllib3 and stravalib stay above DEBUG with --debug too, since they would log addresses.
    """
    handler = streams.Handler(with_time=options.debug, reword=_advice(options))
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.WARNING if options.debug else logging.ERROR)
    level = logging.DEBUG if options.debug else logging.INFO
    _log.setLevel(logging.WARNING if options.quiet else level)


def _advice(options: argparse.Namespace) -> Callable[[str], str]:
    """Return a function that puts --config into the commands that a message advises.

    Without it, they would read or change the config of another account.
    """
    if options.config is None:
        return str
    command = f"{_command(options)} "
    return lambda text: _ADVICE.sub(lambda _: command, text)


def _command(options: argparse.Namespace) -> str:
    """Return the command that runs a backup with the same config."""
    named = [] if options.config is None else ["--config", str(options.config)]
    return shlex.join(["strava-backup", *named])


def _log_versions() -> None:
    """Log the versions that a report of a bug needs, with --debug only."""
    if not _log.isEnabledFor(logging.DEBUG):
        return
    import platform
    from importlib import metadata

    def version(name: str) -> str:
        try:
            return f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            return f"{name} of an unknown version"

    _log.debug("strava-backup %s, Python %s", __version__, platform.python_version())
    _log.debug("%s", ", ".join(map(version, ("requests", "urllib3", "stravalib"))))
    _log.debug("%s", platform.platform())


def _run_until_interrupted(options: argparse.Namespace, report: Report) -> int:
    """Run the requested mode and return its exit code. Raises OutputError."""
    try:
        code = _run(options, report)
        process.ignore_interrupts()
        return code
    except KeyboardInterrupt:
        # The command is about to end; another ^C would only cut off its last message.
        process.ignore_interrupts()
        # An interrupt within an exec, which imports call, counts as unhandled for `python -m`,
        # which then ends by the signal instead of our exit code. The next exec resets that
        # (https://github.com/python/cpython/blob/3.11/Python/pythonrun.c, run_eval_code_obj).
        exec("")  # noqa: S102  # of nothing
        _log.error("%s", report.interrupted_line())
        return errors.INTERRUPTED


def _run(options: argparse.Namespace, report: Report) -> int:
    """Return an exit code; only interrupts and failures of standard output are raised."""
    try:
        mode, module = _mode(options)
        importlib.import_module(f"strava_backup.{module}")
        process.raise_interrupts()
        return mode(options, report)
    except streams.OutputError:
        raise
    except errors.Error as error:
        report.fatal.append(error)
    except Exception:
        if process.was_interrupted():
            raise KeyboardInterrupt from None
        _log.exception("this is a bug in strava-backup: please report it")
        return 1
    return errors.OK


def _mode(
    options: argparse.Namespace,
) -> tuple[Callable[[argparse.Namespace, Report], int], str]:
    """Return the function of the requested mode, and the module to import before it."""
    if options.verify:
        return _verify, "verify"
    if options.list is not None:
        return _list, "listing_text"
    if options.authorize:
        return _authorize, "setup.authorize"
    if options.login:
        return _log_in, "setup.login"
    if options.import_path is not None:
        return _import, "bulk_export.importing"
    if options.export_path is not None or options.zip_path is not None:
        return _export, "bulk_export.exporting"
    return (_check, "setup.check") if options.check else (_back_up, "backup.run")


def _authorize(options: argparse.Namespace, report: Report) -> int:
    from strava_backup.setup.authorize import authorize

    config = _load_unfinished(options, "refresh_token", "jwt", "session", "password")
    authorize(config, _dialog(options), _page_opener())
    return errors.OK


def _log_in(options: argparse.Namespace, report: Report) -> int:
    from strava_backup.config.browser import parse_browser
    from strava_backup.setup import login

    text = options.cookies_from_browser
    browser = parse_browser(text) if text is not None else None

    def cookies() -> Cookies:
        assert browser is not None
        return login.choose_cookies(config, browser, _read_browser, time.time())

    config = _load_unfinished(options, "jwt", "session", "password")
    login.log_in(
        config,
        _dialog(options),
        cookies if browser else None,
        browser=browser,
        stores_folder=options.output_dir is not None,
        next_command=_command(options),
    )
    return errors.OK


def _read_browser(browser: Browser, now: float) -> list[BrowserSession]:
    from strava_backup.config import loader
    from strava_backup.setup.browsers import stores

    places = stores.Places(loader.home(), os.environ, sys.platform)
    return stores.read_sessions(browser, places, now)


def _check(options: argparse.Namespace, report: Report) -> int:
    from strava_backup.setup.check import Level, check

    def load() -> Config:
        return _with_overrides(_load_config(options), options)

    findings = check(load, read_browser=_read_browser)
    advice = _advice(options)
    for finding in findings:
        streams.print_line(advice(str(finding)))
    failed = sum(finding.level is Level.FAIL for finding in findings)
    if failed:
        _log.error("%d of %d checks failed", failed, len(findings))
    return errors.worst(finding.exit_code for finding in findings)


def _load_unfinished(options: argparse.Namespace, *unread: str) -> Config:
    from strava_backup.config import loader

    path = _config_path(options)
    return _with_overrides(loader.load_unfinished(path, os.environ, unread), options)


def _dialog(options: argparse.Namespace) -> Dialog:
    from strava_backup.setup.dialog import Dialog

    advice = _advice(options)
    descriptor = sys.stdin.fileno() if sys.stdin else None
    return Dialog(descriptor, lambda text: streams.show(advice(text)))


def _page_opener() -> Callable[[str], object] | None:
    """Return a function that shows a page in a browser window; None without a screen."""
    import webbrowser

    on_screen = {"BROWSER", "DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys()
    has_screen = on_screen or sys.platform in ("darwin", "win32")
    return webbrowser.open if has_screen and sys.stdin and sys.stdin.isatty() else None


def _back_up(options: argparse.Namespace, report: Report) -> int:
    from strava_backup.backup import run

    if options.demo:
        from strava_backup.demo import account, setting

        made_up = account.Account.sample()
        config = setting.config(made_up, _demo_folder())
        environment = setting.environment(made_up, streams.print_line)
    else:
        config = _load_config(options)
        environment = run.Environment(streams.print_line, read_browser=_read_browser)
        config.warn_of_open_files()
    config = _with_overrides(config, options)
    run_options = run.Options(
        options.limit,
        options.full,
        details=not options.no_meta,
        photos=not options.no_photos,
        videos=not options.no_videos,
        gear=not options.no_gear,
        routes=not options.no_routes,
        dry_run=options.dry_run,
        private_notes=options.private_notes,
        comments=options.comments,
    )
    with _progress(options) as progress:
        out = progress.above(environment.out)
        environment = environment._replace(out=out, progress=progress)
        run.back_up(config, run_options, report, environment)
    return errors.OK


def _progress(options: argparse.Namespace) -> Progress:
    """Return a progress bar if standard error is a terminal and shows no log."""
    if options.quiet or options.debug or not sys.stderr.isatty():
        from strava_backup.progress import Progress

        return Progress()
    from strava_backup.progress_bar import Bar

    return Bar()


def _verify(options: argparse.Namespace, report: Report) -> int:
    from strava_backup import verify

    folder = _archive_folder(options)
    with _progress(options) as progress:
        return verify.verify(
            folder,
            progress.above(streams.print_line),
            repairs=options.repair,
            quiet=options.quiet,
            progress=progress,
        )


def _list(options: argparse.Namespace, report: Report) -> int:
    from strava_backup import listing, listing_text

    folder = _archive_folder(options)
    rows = listing.read_rows(folder, time.time)
    query = listing.Query(options.list, options.since, options.until, options.incomplete)
    selected = listing.select(rows, query)
    if options.json:
        streams.print_table(map(listing_text.json_line, selected))
    elif sys.stdout.isatty():
        import shutil

        streams.print_table(listing_text.table(selected, shutil.get_terminal_size().columns))
    else:
        streams.print_table(map(listing_text.tabbed_line, selected))
    if not selected:
        _log.info("no activity in %s%s", folder, " matches" if rows else "")
    return errors.OK


def _archive_folder(options: argparse.Namespace) -> Path:
    """Return the archive's folder without reading secrets."""
    if options.output_dir is not None:
        return _absolute(options.output_dir)
    if options.demo:
        return _demo_folder()
    from strava_backup.config import loader

    found = options.config or next(filter(loader.exists, loader.places(os.environ)), None)
    _log.debug("config: %s", found)
    return loader.output_dir(found, os.environ)


def _import(options: argparse.Namespace, report: Report) -> int:
    from strava_backup.bulk_export import importing
    from strava_backup.config import loader

    folder = _archive_folder(options)
    with _progress(options) as progress:
        importing.import_export(
            _absolute(options.import_path, errors.ConfigError),
            folder,
            importing.Options(
                options.limit,
                photos=not options.no_photos,
                videos=not options.no_videos,
                dry_run=options.dry_run,
            ),
            report,
            with_parents=options.output_dir is None
            and folder == loader.default_output_dir(os.environ),
            out=progress.above(streams.print_line),
            clock=time.time,
            progress=progress,
        )
    return errors.OK


def _export(options: argparse.Namespace, report: Report) -> int:
    from strava_backup.bulk_export import exporting

    chosen = exporting.Options(
        options.since,
        packs=not options.no_gzip,
        photos=not options.no_photos,
        videos=not options.no_videos,
    )
    folder = _archive_folder(options)
    if options.zip_path is not None:
        path = _absolute(options.zip_path, errors.ConfigError)
        exporting.export_zip(folder, path, chosen, report, time.time())
    else:
        path = _absolute(options.export_path, errors.ConfigError)
        exporting.export_folder(folder, path, chosen, report)
    return errors.OK


def _with_overrides(config: Config, options: argparse.Namespace) -> Config:
    from dataclasses import replace

    if options.source is not None:
        config = replace(config, source=options.source)
    if options.output_dir is not None:
        config = replace(config, output_dir=_absolute(options.output_dir), makes_parents=False)
    return config


def _absolute(path: Path, error_class: type[errors.Error] = errors.Error) -> Path:
    try:
        return path.expanduser().absolute()
    except RuntimeError as error:
        raise error_class(f"{path} does not exist: its home folder is not known") from error
    except OSError as error:
        raise error_class(
            f"cannot find {path}, since the current folder was deleted: change to another one"
        ) from error


def _demo_folder() -> Path:
    return _absolute(Path("strava-backup-demo"))


def _load_config(options: argparse.Namespace) -> Config:
    from strava_backup.config import loader

    path = _config_path(options)
    if not loader.exists(path):
        raise errors.ConfigError(
            f"there is no config at {path}: strava-backup --login creates one (to try it: --demo)"
        )
    return loader.load(path, os.environ)


def _config_path(options: argparse.Namespace) -> Path:
    """Return the named config, else the first that exists, else the path for a new one."""
    from strava_backup.config import loader

    path: Path | None = options.config
    if path is None:
        places = loader.places(os.environ)
        path = next(filter(loader.exists, places), places[0])
    _log.debug("config: %s", path)
    return path


def _log_summary(report: Report, code: int) -> None:
    """Log the summary; problems also with --quiet."""
    has_begun = report.listed or report.listed_saved or report.saved or report.is_finished
    if report.archive and code != errors.INTERRUPTED and has_begun:
        for line in report.lines():
            _log.info("%s", line)
    for text in report.problem_lines():
        # Mark each line of an error of several lines as an error.
        for line in text.split("\n"):
            _log.error("%s", line)
