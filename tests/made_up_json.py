"""All records that JSON can hold, for hypothesis."""

from __future__ import annotations

import json

from hypothesis import strategies as st

# A record as it comes out of a JSON parser; half an emoji is possible there, half of two is not.
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=())),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(), values, max_size=4),
    max_leaves=20,
)
RECORDS = st.dictionaries(
    st.text(st.characters(exclude_categories=())), JSON_VALUES, max_size=6
).map(lambda record: json.loads(json.dumps(record)))
