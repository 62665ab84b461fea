"""The text: held against the examples of the format's own description, and against the parser of Prometheus' Python client."""

from __future__ import annotations

import pytest

from gateway.metrics.exposition import OPENMETRICS, TEXT, Family, negotiate, render


def requests() -> Family:
    made = Family("http_requests", "counter", "The total number of HTTP requests.")
    made.add(1027, method="post", code="200")
    made.add(3, method="post", code="400")
    return made


def durations() -> Family:
    """The histogram of the description; its buckets there are cumulative: 24054, 33444, 100392, 129389, 133988, 144320."""
    made = Family("http_request_duration_seconds", "histogram", "A histogram of the request duration.")
    apart = [24054, 33444 - 24054, 100392 - 33444, 129389 - 100392, 133988 - 129389, 144320 - 133988]
    made.observe([0.05, 0.1, 0.2, 0.5, 1.0], apart, 53423.0)
    return made


def escaped() -> Family:
    made = Family("msdos_file_access_time_seconds", "gauge", 'A "backslash" \\ and\na line end.')
    made.add(1.458255915e9, path="C:\\DIR\\FILE.TXT", error='Cannot find file:\n"FILE.TXT"')
    return made


def build() -> Family:
    made = Family("wardlink_build", "info", "What runs.")
    made.add(1, version="0.1.0")
    return made


# docs "Exposition formats", text format 0.0.4: the example at its end
EXAMPLES = {
    "a counter's lines bear _total, all of them": (
        requests,
        """\
# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027
http_requests_total{method="post",code="400"} 3
""",
    ),
    "a histogram's buckets add up, the last is +Inf": (
        durations,
        """\
# HELP http_request_duration_seconds A histogram of the request duration.
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="0.05"} 24054
http_request_duration_seconds_bucket{le="0.1"} 33444
http_request_duration_seconds_bucket{le="0.2"} 100392
http_request_duration_seconds_bucket{le="0.5"} 129389
http_request_duration_seconds_bucket{le="1.0"} 133988
http_request_duration_seconds_bucket{le="+Inf"} 144320
http_request_duration_seconds_sum 53423.0
http_request_duration_seconds_count 144320
""",
    ),
    "backslash, quote and line end are escaped": (
        escaped,
        """\
# HELP msdos_file_access_time_seconds A "backslash" \\\\ and\\na line end.
# TYPE msdos_file_access_time_seconds gauge
msdos_file_access_time_seconds{path="C:\\\\DIR\\\\FILE.TXT",error="Cannot find file:\\n\\"FILE.TXT\\""} 1458255915.0
""",
    ),
    "what is constant is a gauge of 1": (
        build,
        """\
# HELP wardlink_build_info What runs.
# TYPE wardlink_build_info gauge
wardlink_build_info{version="0.1.0"} 1
""",
    ),
}


@pytest.mark.parametrize(("made", "text"), EXAMPLES.values(), ids=EXAMPLES.keys())
def test_the_text_is_that_of_the_description(made: object, text: str) -> None:
    assert callable(made)
    assert render([made()], TEXT).decode() == text


def test_openmetrics_names_the_family_without_total_and_ends_with_eof() -> None:
    # OpenMetrics 1.0.0, 5.1 and 5.1.1
    assert render([requests(), build()], OPENMETRICS).decode().splitlines() == [
        "# HELP http_requests The total number of HTTP requests.",
        "# TYPE http_requests counter",
        'http_requests_total{method="post",code="200"} 1027',
        'http_requests_total{method="post",code="400"} 3',
        "# HELP wardlink_build What runs.",
        "# TYPE wardlink_build info",
        'wardlink_build_info{version="0.1.0"} 1',
        "# EOF",
    ]
    assert 'A \\"backslash\\"' in render([escaped()], OPENMETRICS).decode()


def test_a_family_without_samples_and_a_value_that_is_not_known_are_left_out() -> None:
    made = Family("x", "gauge", "x")
    made.add(None, device="a")
    assert render([made], TEXT) == b""
    assert render([made], OPENMETRICS) == b"# EOF\n"


def test_infinity_is_written_as_the_formats_want_it() -> None:
    made = Family("x", "gauge", "x")
    made.add(float("inf"))
    made.add(float("-inf"))
    assert render([made], TEXT).decode().splitlines()[2:] == ["x +Inf", "x -Inf"]


ACCEPTS = {
    "": TEXT,
    "*/*": TEXT,
    "text/html": TEXT,
    "application/openmetrics-text": OPENMETRICS,
    "application/openmetrics-text; version=1.0.0; charset=utf-8": OPENMETRICS,
    # what Prometheus 2.42 sends
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1": OPENMETRICS,
    "text/plain;version=0.0.4;q=1,application/openmetrics-text;q=0.5": TEXT,
    "application/openmetrics-text;q=0": TEXT,
    "application/openmetrics-text;q=much": TEXT,
}


@pytest.mark.parametrize(("accept", "kind"), ACCEPTS.items())
def test_openmetrics_only_where_it_is_liked_best(accept: str, kind: str) -> None:
    assert negotiate(accept) == kind
