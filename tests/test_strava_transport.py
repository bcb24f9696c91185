from __future__ import annotations

import gzip
import re
from contextlib import suppress

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from strava_backup import __version__, errors
from strava_backup.demo.account import Account
from strava_backup.demo.wire import Response
from strava_backup.strava import transport
from tests.conftest import Clock
from tests.faults import Fault
from tests.first_backups import copied_account
from tests.loopback_server import LoopbackServer
from tests.strava_proxy import StravaProxy
from tests.strava_wire import RIDE, Wire, asked, gaps, is_pause
from tests.wrong_answers import END, OK, WRONG_ANSWERS

SITE = "https://www.strava.com"
EXPORT = f"{SITE}/activities/{RIDE}/export_original"


@pytest.fixture
def account(clock):
    return copied_account(None, clock)


@pytest.fixture
def wire(account):
    return Wire(account)


@pytest.fixture
def http(account, wire, clock):
    """A session that is signed in to the website."""
    with transport.Session(adapter=wire, sleep=clock.sleep) as session:
        session.cookies.set("_strava4_session", account.issue_session(), domain=".strava.com")
        yield session


def original(account):
    return account.activity(RIDE).original


def body(response):
    return b"".join(response.read_chunks())


def test_requests_name_the_program_and_its_version(account, http):
    http.get(f"{SITE}/me")
    assert len(account.requests) == 1
    for request in account.requests:
        assert request.headers["user-agent"] == f"strava-backup/{__version__}"


def test_every_request_has_timeouts(account, wire, http):
    http.get(f"{SITE}/me")
    http.post(f"{SITE}/session")
    account.faults.append(Fault("dashboard", "503", times=1))
    http.get(f"{SITE}/dashboard", stream=True)
    assert wire.timeouts == [(10.0, 60.0)] * len(account.requests) == [(10.0, 60.0)] * 4


@pytest.mark.parametrize("what", ["500", "503", "dropped", "silent"])
def test_a_passing_fault_is_tried_three_times_with_pauses(account, http, clock, what):
    account.faults.append(Fault("dashboard", what, times=2))
    assert http.get(f"{SITE}/dashboard").status_code == 200
    assert asked(account) == ["dashboard"] * 3
    assert is_pause(clock.slept)


def test_a_body_that_breaks_before_it_is_read_is_a_passing_fault(account, http):
    account.faults.append(Fault("dashboard", "truncated", times=1))
    assert b"</html>" in http.get(f"{SITE}/dashboard").content
    assert asked(account) == ["dashboard"] * 2


def test_pauses_differ_from_time_to_time(account, http, clock):
    account.faults.append(Fault("dashboard", "500"))
    for _ in range(5):
        http.get(f"{SITE}/dashboard")
    assert len(set(clock.slept[::2])) > 1


@pytest.mark.parametrize("what", ["500", "503"])
def test_the_third_5xx_is_returned(account, http, what):
    account.faults.append(Fault("dashboard", what))
    assert http.get(f"{SITE}/dashboard").status_code == int(what)
    assert asked(account) == ["dashboard"] * 3


@pytest.mark.parametrize(
    ("what", "words"), [("dropped", "no connection"), ("silent", "no answer in time")]
)
def test_the_third_connection_error_is_raised(account, http, what, words):
    account.faults.append(Fault("dashboard", what))
    with pytest.raises(errors.Unreachable, match=f"^www.strava.com: {words}$"):
        http.get(f"{SITE}/dashboard")
    assert asked(account) == ["dashboard"] * 3


@pytest.mark.parametrize("what", ["401", "403", "404", "429", "html", "redirect-login"])
def test_a_permanent_answer_is_not_requested_again(account, http, clock, what):
    account.faults.append(Fault("dashboard", what))
    http.get(f"{SITE}/dashboard")
    assert asked(account) == ["dashboard"]
    assert clock.slept == []


@pytest.mark.parametrize("what", ["500", "dropped", "silent", "lost"])
def test_a_post_is_never_tried_again(account, http, clock, what):
    account.faults.append(Fault("login", what))
    try:
        assert http.post(f"{SITE}/session").status_code == 500
    except errors.Unreachable:
        assert what != "500"
    assert asked(account) == ["login"]
    assert clock.slept == []


def test_another_programs_netrc_is_not_used(account, http, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login ada password ada\n")
    monkeypatch.setenv("NETRC", str(netrc))
    http.get(f"{SITE}/dashboard")
    assert "authorization" not in account.requests[-1].headers


def test_starts_are_never_closer_than_the_delay(account, wire, clock):
    pace = transport.Pace(2.0, sleep=clock.sleep, clock=clock)
    http = transport.Session(adapter=wire, pace=pace, sleep=clock.sleep)
    for _ in range(50):
        http.get(f"{SITE}/about")
    assert all(2.0 <= gap <= 3.0 for gap in gaps(account))
    assert len(set(gaps(account))) > 10


def test_the_first_request_need_not_wait(account, wire, clock):
    pace = transport.Pace(2.0, sleep=clock.sleep, clock=clock)
    transport.Session(adapter=wire, pace=pace, sleep=clock.sleep).get(f"{SITE}/about")
    assert clock.slept == []


def test_time_spent_otherwise_is_no_longer_waited_for(account, wire, clock):
    pace = transport.Pace(2.0, sleep=clock.sleep, clock=clock)
    http = transport.Session(adapter=wire, pace=pace, sleep=clock.sleep)
    http.get(f"{SITE}/about")
    clock.now += 3600
    http.get(f"{SITE}/about")
    assert clock.slept == []


def test_repeated_requests_keep_the_pace_too(account, wire, clock):
    account.faults.append(Fault("about", "500"))
    pace = transport.Pace(20.0, sleep=clock.sleep, clock=clock)
    transport.Session(adapter=wire, pace=pace, sleep=clock.sleep).get(f"{SITE}/about")
    assert len(gaps(account)) == 2
    assert min(gaps(account)) >= 20


@pytest.mark.parametrize("announced", [True, False])
def test_a_whole_body_comes_byte_for_byte(account, http, announced):
    account.announce_lengths = announced
    assert body(http.get(EXPORT, stream=True)) == original(account)


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("what", ["truncated", "stalled"])
def test_a_body_cut_short_raises_after_the_bytes_received(account, http, what, announced):
    account.announce_lengths = announced
    account.faults.append(Fault("original", what))
    came = []
    with pytest.raises(errors.CutShort):
        came.extend(http.get(EXPORT, stream=True).read_chunks())
    assert original(account).startswith(b"".join(came))
    assert asked(account) == ["original"]


def test_a_body_cut_short_is_detected_even_if_urllib3_accepts_it(account, http):
    account.faults.append(Fault("original", "truncated"))
    response = http.get(EXPORT, stream=True)
    # the default of urllib3 1.26
    response.raw.enforce_content_length = False
    size = len(original(account))
    with pytest.raises(errors.CutShort, match=f"ended after {size // 2} of {size} bytes"):
        body(response)


def test_a_clean_end_without_announced_length_is_an_end(account, http):
    account.faults.append(Fault("original", "truncated-unframed"))
    assert body(http.get(EXPORT, stream=True)) == original(account)[: len(original(account)) // 2]


def test_an_empty_body_is_no_body_cut_short(account, http):
    account.faults.append(Fault("original", "empty"))
    assert body(http.get(EXPORT, stream=True)) == b""


def test_the_announced_length_is_that_on_the_wire(wire, http):
    packed = gzip.compress(b"a long ride " * 1000)
    wire.instead["GET /about"] = Response(200, (("Content-Encoding", "gzip"),), packed)
    assert body(http.get(f"{SITE}/about", stream=True)) == b"a long ride " * 1000


def test_a_body_that_cannot_be_unpacked_is_cut_short(wire, http):
    wire.instead["GET /about"] = Response(200, (("Content-Encoding", "gzip"),), b"no gzip")
    with pytest.raises(errors.CutShort):
        body(http.get(f"{SITE}/about", stream=True))


class OneAnswer(LoopbackServer):
    """A server on loopback that sends these bytes to its first client, and then closes or waits."""

    def __init__(self, answer: bytes, *, waits: bool) -> None:
        self._answer = answer
        self._waits = waits
        super().__init__()

    def _serve(self) -> None:
        visitor, _ = self._socket.accept()
        with visitor:
            visitor.recv(1 << 16)
            visitor.sendall(b"HTTP/1.1 200 OK\r\n" + self._answer)
            if self._waits:
                self._over.wait(10)


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(
    "answer",
    [
        b"Content-Length: 10\r\n\r\n12345",
        b"Transfer-Encoding: chunked\r\n\r\na\r\n12345",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
    ],
)
def test_on_real_sockets_too_a_body_cut_short_raises(answer, waits):
    with OneAnswer(answer, waits=waits) as server, transport.Session() as http:
        response = http.get(server.url, stream=True, timeout=(5, 0.3))
        with pytest.raises(errors.CutShort):
            body(response)


@pytest.mark.parametrize(
    "answer",
    [
        b"Content-Length: 5\r\n\r\n12345",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n",
        b"Connection: close\r\n\r\n12345",
    ],
)
def test_on_real_sockets_too_a_whole_body_comes(answer):
    with OneAnswer(answer, waits=False) as server, transport.Session() as http:
        assert body(http.get(server.url, stream=True, timeout=(5, 5))) == b"12345"


SECRET = "https://www.strava.com/?token=s3cret"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (requests.exceptions.SSLError(SECRET), "TLS"),
        (requests.exceptions.ProxyError(SECRET), "proxy"),
        (requests.exceptions.ConnectTimeout(SECRET), "no answer in time"),
        (requests.exceptions.ReadTimeout(SECRET), "no answer in time"),
        (requests.exceptions.ConnectionError(SECRET), "no connection"),
        (requests.exceptions.TooManyRedirects(SECRET), "TooManyRedirects"),
    ],
)
def test_a_fault_has_a_short_description_without_addresses(error, words):
    text = transport.describe(error)
    assert words in text
    assert "s3cret" not in text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("answer", WRONG_ANSWERS)
def test_a_wrong_answer_raises_nothing_but_our_errors(wire, http, answer, stream):
    wire.instead["GET /about"] = Response(0, raw=WRONG_ANSWERS[answer])
    check_body(http, stream)


# Each example asks it for one page.
BARE = Account.of(1, Clock())


@given(
    st.lists(
        st.sampled_from(
            [
                *(b"HTTP/1.1 ", b"200", b"302", b" ", b"OK", b"\r\n", b":", b"\xff", b"\0", b"-5"),
                *(b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: "),
                *(b"Location: https://[", b"Set-Cookie: a=b; Expires=", b"gzip", b"{}", b"0", b"5"),
                *(b"HTTP/1.1 200 OK\r\n", b"\r\n\r\n", gzip.compress(b"{}")),
            ]
        )
        | st.binary(max_size=4)
    ).map(b"".join)
)
def test_any_bytes_raise_nothing_but_our_errors(raw):
    wire = Wire(BARE)
    wire.instead["GET /about"] = Response(0, raw=raw)
    with transport.Session(adapter=wire, sleep=lambda seconds: None) as http:
        check_body(http, stream=False)
        check_body(http, stream=True)


def check_body(http, stream):
    try:
        response = http.get(f"{SITE}/about", stream=stream)
        assert isinstance(
            b"".join(response.read_chunks()) if stream else response.text, (str, bytes)
        )
    except errors.ItemError:
        return
    with suppress(ValueError):
        response.json()


@pytest.mark.parametrize(
    "url",
    [
        "https://", "https://[", "https://a:b/", "https://a..b/", f"https://{'a' * 99}.com/",
        "ftp://www.strava.com/", "https://\ud800.com/", "https://www.strava.com:99999/", "", None,
    ],
)  # fmt: skip
def test_an_address_that_is_none_fails_one_item(url):
    with transport.Session(sleep=lambda seconds: None) as http, pytest.raises(errors.ItemError):
        http.get(url)


@pytest.mark.parametrize("header", ["a\nb", "a\r\nb: c"])
def test_a_header_that_cannot_be_sent_fails_one_item(http, header):
    with pytest.raises(errors.ItemError):
        http.get(f"{SITE}/about", headers={"Authorization": header})


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"\xff\x00"])
def test_certificates_that_are_none_are_named(monkeypatch, tmp_path, name, content):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    bundle = tmp_path / "ca.pem"
    if content is not None:
        bundle.write_bytes(content)
    monkeypatch.setenv(name, str(bundle))
    with (
        StravaProxy(Account.sample()) as proxy,
        transport.Session(sleep=lambda seconds: None) as http,
    ):
        http.proxies = {"https": proxy.url}
        with pytest.raises(errors.ConfigError, match=f"{bundle}.*{name}") as caught:
            http.get(f"{SITE}/about")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "proxy", ["http://[", "http://:80", "socks9://x:1", "http://a:b", "http://"]
)
def test_a_proxy_that_is_none_is_unreachable(monkeypatch, proxy):
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with transport.Session(sleep=lambda seconds: None) as http, pytest.raises(errors.ItemError):
        http.get(f"{SITE}/about")


def test_the_environment_is_read_once_for_each_host(monkeypatch, http):
    def settings(host):
        return http.merge_environment_settings(f"https://{host}/a", {}, None, None, None)

    with monkeypatch.context() as patch:
        patch.setenv("HTTPS_PROXY", "http://proxy:1")
        patch.setenv("NO_PROXY", "www.strava.com")
        patch.setenv("REQUESTS_CA_BUNDLE", "/ca.pem")
        direct, through = settings("www.strava.com"), settings("d1.cloudfront.net")
    assert [one["proxies"].get("https") for one in (direct, through)] == [None, "http://proxy:1"]
    assert [one["verify"] for one in (direct, through)] == ["/ca.pem"] * 2
    assert settings("www.strava.com") == direct
    assert settings("d1.cloudfront.net") == through
    assert settings("m.strava.com")["verify"] is True


def test_cookies_are_bounded_in_size_and_number(wire, http):
    kept = {cookie.name: cookie.value for cookie in http.cookies}
    for number in range(40):
        lines = (f"c{number}x{one}=y" for one in range(90))
        huge = f"huge{number}={'z' * 5000}"
        headers = tuple(("Set-Cookie", f"{line}; Domain=.strava.com") for line in (*lines, huge))
        wire.instead["GET /about"] = Response(200, headers, b"")
        http.get(f"{SITE}/about")
    found = {cookie.name: cookie.value for cookie in http.cookies}
    assert len(found) == 50
    assert kept.items() <= found.items()
    assert not any(name.startswith("huge") for name in found)


def test_a_cookie_that_is_known_is_renewed_among_too_many(wire, http):
    lines = ("_strava4_session=new; Domain=.strava.com; Path=/", *(f"c{n}=y" for n in range(90)))
    wire.instead["GET /about"] = Response(200, tuple(("Set-Cookie", one) for one in lines), b"")
    http.get(f"{SITE}/about")
    assert "new" in {one.value for one in http.cookies if one.name == "_strava4_session"}


@pytest.mark.parametrize(
    "line",
    [
        "a=b; Domain=example.org",
        "a=b; Domain=.com",
        "a=b; Domain=cloudfront.net",
        "a=\u00ff; Domain=.strava.com",
        "a=b\r\n c=d",
        "a=\x01",
    ],
)
def test_a_cookie_for_others_or_that_cannot_be_sent_is_not_kept(wire, http, line):
    known = len(http.cookies)
    raw = OK + f"Set-Cookie: {line}\r\n".encode("latin-1") + END
    wire.instead["GET /about"] = Response(0, raw=raw)
    http.get(f"{SITE}/about")
    assert len(http.cookies) == known
    del wire.instead["GET /about"]
    assert http.get(f"{SITE}/about").status_code == 200


def test_a_slow_body_is_found_out_without_a_connection_too(wire, clock):
    class SlowWire(Wire):
        def send(self, request, **kwargs):
            clock.now += 100
            return super().send(request, **kwargs)

    limits = transport.Limits(head_seconds=99)
    slow = SlowWire(wire.account)
    with transport.Session(adapter=slow, clock=clock, limits=limits) as http:
        with pytest.raises(errors.TooSlow):
            http.get(f"{SITE}/about")
        http.limits = transport.Limits(head_seconds=101)
        assert http.get(f"{SITE}/about").status_code == 200


@pytest.mark.parametrize(
    ("address", "logged"),
    [
        (
            f"{SITE}/athlete/activities?page=2&per_page=200",
            "/athlete/activities?page=2&per_page=200",
        ),
        (f"{SITE}/oauth/token?code=secret&page=sec", "/oauth/token"),
        ("https://user:secret@www.strava.com/me", "/me"),
        (f"{SITE}/a.jpg?Signature=secret&size=5000", "/a.jpg?size=5000"),
    ],
)
def test_the_request_log_has_only_parameters_that_cannot_be_secret(address, logged):
    assert transport._logged_address(address) == f"www.strava.com{logged}"


def test_an_address_that_is_none_is_not_logged():
    assert transport._logged_address("https://[secret") == "an unknown address"


def test_each_try_is_logged_with_its_result_and_each_wait(account, http, caplog):
    caplog.set_level("DEBUG", "strava_backup.strava.transport")
    account.faults += [Fault("me", "dropped", times=1), Fault("me", "500", times=1)]
    http.get(f"{SITE}/me?secret=1")
    messages = [re.sub(r"\d+\.\d+ s", "T", message) for message in caplog.messages]
    assert messages == [
        "GET www.strava.com/me: Unreachable in T",
        "wait of T before the next try",
        "GET www.strava.com/me: 500, 0 bytes in T",
        "wait of T before the next try",
        "GET www.strava.com/me: 302, 0 bytes in T",
    ]


def test_a_request_is_logged_with_the_size_of_its_body(http, caplog, account):
    caplog.set_level("DEBUG", "strava_backup.strava.transport")
    with http.get(EXPORT, stream=True) as response:
        assert caplog.messages == []
        body(response)
    (message,) = caplog.messages
    assert f": 200, {len(original(account))} bytes in" in message
