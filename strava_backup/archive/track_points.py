"""Pure: leaves out of XML the track points that cannot change whether it is well-formed.

Nearly all of a GPX or TCX file is track points that differ only in their digits. Expat needs four
times as long for all of them as it takes to find out which ones differ otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from xml.parsers import expat

_ENDS = (b"</trkpt>", b"</Trackpoint>")
_MOST_KINDS = 64
_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
# A comment or an instruction that ends within a point could have that point for the root element,
# which may not come twice. The digits matter in references to characters and in the names of end
# tags. Zeros are for UTF-16, in which the bytes of a point are none.
_IRREGULAR = re.compile(rb"<!|<\?(?!xml\s)|&#|</[^<>]*0|\0")


def shortened(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yields chunks that are together well-formed XML if, and only if, those given are.

    From the first chunk on that has something irregular, all are yielded as they are.
    """
    is_regular = True
    for chunk in chunks:
        short = _shortened(chunk) if is_regular else None
        is_regular = short is not None
        yield chunk if short is None else short


def _shortened(chunk: bytes) -> bytes | None:
    """One point of each kind, between all that comes before the first and after the last end of a
    point; None if that may not be well-formed although the chunk is, or the other way round."""
    end = next((end for end in _ENDS if end in chunk), None)
    if end is None:
        return None
    first, *points, last = chunk.translate(_TO_ZERO).split(end)
    kinds = dict.fromkeys(points)
    if len(kinds) > _MOST_KINDS:
        return None
    # The outer parts are as they were, digits included.
    start, rest = chunk[: len(first)], chunk[len(chunk) - len(last) :]
    short = end.join((start, *kinds, rest))
    if _IRREGULAR.search(short) or not all(_is_balanced(kind + end) for kind in kinds):
        return None
    return short


def _is_balanced(fragment: bytes) -> bool:
    """Whether it may stand any number of times where an element may."""
    try:
        expat.ParserCreate().Parse(b"<x>" + fragment + b"</x>", True)
    except expat.ExpatError:
        return False
    return True
