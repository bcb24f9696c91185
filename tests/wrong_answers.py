"""Answers on the wire that no well-behaved server sends."""

from __future__ import annotations

import gzip

OK = b"HTTP/1.1 200 OK\r\n"
END = b"Content-Length: 2\r\n\r\n{}"
WRONG_ANSWERS = {
    "nothing": b"",
    "no HTTP": b"\x00\xff\xfe\r\n\r\n",
    "status of letters": b"HTTP/1.1 abc OK\r\n\r\n",
    "status of one digit": b"HTTP/1.1 2 OK\r\n\r\n",
    "status below 0": b"HTTP/1.1 -20 OK\r\n\r\n",
    "status of 5000 digits": b"HTTP/1.1 " + b"2" * 5000 + b" OK\r\n\r\n",
    "protocol of its own": b"HTTP/9.9 200 OK\r\n\r\n{}",
    "header without colon": OK + b"no colon\r\n" + END,
    "header without name": OK + b": x\r\n" + END,
    "header of bytes": OK + b"X-\xff\x00: \xfe\r\n" + END,
    "header too long": OK + b"X: " + b"y" * 70_000 + b"\r\n" + END,
    "too many headers": OK + b"X: y\r\n" * 200 + END,
    "length of letters": OK + b"Content-Length: abc\r\n\r\n{}",
    "length below 0": OK + b"Content-Length: -5\r\n\r\n{}",
    "length of 5000 digits": OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}",
    "length of Arabic digits": OK + "Content-Length: \u0662\r\n\r\n{}".encode(),
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "chunk of -5": OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n0\r\n\r\n",
    "chunk of -1": OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n0\r\n\r\n",
    "chunk of letters": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "chunk without size": OK + b"Transfer-Encoding: chunked\r\n\r\n\r\n{}\r\n0\r\n\r\n",
    "chunk of 5000 digits": OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 5000 + b"\r\n{}",
    "unknown transfer": OK + b"Transfer-Encoding: zzz\r\n\r\n{}",
    "gzip that is none": OK + b"Content-Encoding: gzip\r\n" + END,
    "half a gzip": OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"{}" * 99)[:15],
    "brotli": OK + b"Content-Encoding: br\r\n" + END,
    "gzip in gzip": OK + b"Content-Encoding: gzip, gzip\r\n" + END,
    "unknown compression": OK + b"Content-Encoding: \xff\x00\r\n" + END,
    "charset zzz": OK + b"Content-Type: text/html; charset=zzz\r\n" + END,
    "charset utf-7": OK + b"Content-Type: text/html; charset=utf-7\r\n" + END,
    "charset with NUL": OK + b'Content-Type: text/html; charset="\x00"\r\n' + END,
    "charset undefined": OK + b"Content-Type: text/html; charset=undefined\r\n" + END,
    "text that is not UTF-8": OK + b"Content-Length: 3\r\n\r\n\xff\xfe{",
    "location not UTF-8": b"HTTP/1.1 302 Found\r\nLocation: /\xff\xfe\r\n" + END,
    "location of no address": b"HTTP/1.1 302 Found\r\nLocation: https://[\r\n" + END,
    "location with a bad port": b"HTTP/1.1 302 Found\r\nLocation: https://a:b/\r\n" + END,
    "location of a long label": b"HTTP/1.1 302 F\r\nLocation: https://"
    + b"a" * 99
    + b"/\r\n"
    + END,
    "location to itself": b"HTTP/1.1 302 Found\r\nLocation: /about\r\n" + END,
    "redirect to nowhere": b"HTTP/1.1 302 Found\r\n" + END,
    "cookie of nothing": OK + b"Set-Cookie:\r\nSet-Cookie: ;;;=\r\n" + END,
    "cookie of bytes": OK + b"Set-Cookie: \xff=\xfe\x00; Max-Age=zz; Expires=\xff\r\n" + END,
    "cookie of digits": OK + b"Set-Cookie: a=b; Max-Age=" + b"9" * 5000 + b"\r\n" + END,
    "cookie of a wrong port": OK + b'Set-Cookie2: a=b; Port="z"; Version=z\r\n' + END,
    "switching protocols": b"HTTP/1.1 101 Switching\r\n\r\n",
    "early hints": b"HTTP/1.1 103 Early\r\n\r\n",
    "no content": b"HTTP/1.1 204 No\r\nContent-Length: 7\r\n\r\n",
    "partial": b"HTTP/1.1 206 Partial\r\nContent-Range: bytes z\r\n" + END,
    "not modified": b"HTTP/1.1 304 Same\r\n\r\n",
    "a teapot": b"HTTP/1.1 418 Teapot\r\n" + END,
    "status 999": b"HTTP/1.1 999 What\r\n" + END,
}
