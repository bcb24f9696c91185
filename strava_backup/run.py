"""One run: builds the rooms' objects from a config, signs in, and lets `backup` do the work.

Decides nothing about activities, and words no messages for the terminal.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from strava_backup import errors
from strava_backup.archive.directory import Archive
from strava_backup.backup import Backup, Ways
from strava_backup.config import Api, Config, User
from strava_backup.decide import Wanted
from strava_backup.report import Report
from strava_backup.strava import api, session, transport
from strava_backup.strava.photo_hosts import PhotoHosts
from strava_backup.strava.website import Website

if TYPE_CHECKING:
    from requests.adapters import BaseAdapter

_log = logging.getLogger(__name__)


class Options(NamedTuple):
    """What the command line asks of a run."""

    limit: int | None = None
    full: bool = False
    details: bool = True
    photos: bool = True
    gear: bool = True
    dry_run: bool = False


class Edges(NamedTuple):
    """Where a run meets the world: the network, the clock, and standard output."""

    out: Callable[[str], None]
    adapter: BaseAdapter | None = None
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


def back_up(config: Config, options: Options, report: Report, edges: Edges) -> None:
    """Back up once. What happened, errors that end the run included, is in the report."""
    report.archive = str(config.output_dir)
    report.dry_run = options.dry_run
    try:
        _back_up(config, options, report, edges)
    except errors.Error as error:
        report.fatal.append(error)


def _back_up(config: Config, options: Options, report: Report, edges: Edges) -> None:
    archive = Archive(config.output_dir)
    if not options.dry_run:
        archive.prepare(with_parents=config.makes_parents)
    with nullcontext() if options.dry_run else archive.locked():
        archive.read_marker()
        source = _source(config, edges)
        with _fatal_when_unreachable():
            athlete_id = source.sign_in()
        if archive.marker.athlete_id not in (None, athlete_id):
            raise errors.AccountMismatch(
                f"{archive.root} is the archive of athlete {archive.marker.athlete_id}, but [api] "
                f"belongs to athlete {athlete_id}: choose another output_dir for that one"
            )
        website = None
        if config.user is not None:
            website = _website(config, config.user, archive, athlete_id, options, report, edges)
        else:
            _log.info("original files are not asked for: there is no [user] in %s", config.path)
        wanted = Wanted(
            originals=config.user is not None,
            details=options.details,
            photos=options.photos,
            gear=options.gear,
            full=options.full,
        )
        pictures = PhotoHosts(transport.Session(adapter=edges.adapter, sleep=edges.sleep))
        ways = Ways(source, website, pictures)
        backup = Backup(ways, archive, athlete_id, wanted, report, clock=edges.clock)
        if options.dry_run:
            backup.dry_run(edges.out, options.limit)
        else:
            backup.run(options.limit)


def _source(config: Config, edges: Edges) -> api.ApiSource:
    if config.source == "website" or config.api is None:
        raise errors.ConfigError(
            f"{config.path}: [api] is missing; this version lists activities over the API only"
        )
    settings: Api = config.api
    config.check_storable("api", "refresh_token")
    return api.ApiSource(
        transport.Session(adapter=edges.adapter, sleep=edges.sleep),
        api.App(
            settings.client_id,
            settings.client_secret.value,
            settings.refresh_token.value,
            settings.base_url,
        ),
        store=lambda name, value: config.store("api", name, value),
        clock=edges.clock,
    )


def _website(
    config: Config,
    user: User,
    archive: Archive,
    athlete_id: int,
    options: Options,
    report: Report,
    edges: Edges,
) -> Website | None:
    """The signed-in website, or None; trouble with it does not keep back what the API brings."""
    pace = transport.Pace(config.delay, sleep=edges.sleep)
    web = session.WebSession(
        transport.Session(adapter=edges.adapter, pace=pace, sleep=edges.sleep),
        _credentials(user, may_log_in=not options.dry_run),
        store=lambda name, value: config.store("user", name, value),
        clock=edges.clock,
        sleep=edges.sleep,
    )
    try:
        with _fatal_when_unreachable():
            web_athlete_id = web.sign_in(archive.marker.login_refused_at)
    except errors.AccountMismatch:
        raise
    except errors.LoginPaused as error:
        if not options.dry_run:
            report.fatal.append(error)
        return None
    except (errors.HumanNeeded, errors.TryLater) as error:
        report.fatal.append(error)
        if isinstance(error, errors.LoginRefused):
            archive.save_marker(replace(archive.marker, login_refused_at=edges.clock()))
        return None
    if web_athlete_id != athlete_id:
        raise errors.AccountMismatch(
            f"[api] belongs to athlete {athlete_id}, [user] to athlete {web_athlete_id}: "
            "both must be one and the same"
        )
    return Website(web)


def _credentials(user: User, *, may_log_in: bool) -> session.Credentials:
    # A refused log-in is noted in the archive, where a dry run writes nothing; and tries that are
    # not counted lock accounts.
    password = user.password.value if user.password and may_log_in else None
    return session.Credentials(
        user.jwt.value if user.jwt else None,
        user.session.value if user.session else None,
        user.email,
        password,
    )


@contextmanager
def _fatal_when_unreachable() -> Iterator[None]:
    """Without a log-in there are no items: what would fail one ends the whole."""
    try:
        yield
    except errors.ItemError as error:
        raise errors.TryLater(f"{error}: try again later") from error
