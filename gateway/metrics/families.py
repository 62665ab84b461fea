"""The gateway's status document as metric families. Labels are configured names and fixed words, never patient data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from gateway.acquire.status import State
from gateway.metrics.exposition import Family

_Doc = Mapping[str, Any]


def families(status: _Doc, now: datetime) -> list[Family]:
    """All of them; `status` as the control socket gives it, `now` for ages."""
    return [
        *_devices(status["devices"], now),
        *_destinations(status, now),
        *_journal(status),
        *_unknown(status),
        *_process(status),
    ]


def _devices(devices: Iterable[_Doc], now: datetime) -> list[Family]:
    told = list(devices)

    def family(name: str, kind: Any, text: str, value: Callable[[_Doc], float | None]) -> Family:
        made = Family(f"wardlink_device_{name}", kind, text)
        for one in told:
            made.add(value(one), device=one["id"])
        return made

    return [
        family("up", "gauge", "1: the device is connected and speaks.", lambda one: int(one["state"] == State.UP)),
        _states(told),
        family("reports", "counter", "Reports kept since the start.", lambda one: one["reports"]),
        family("readings", "counter", "Single values in these reports.", lambda one: one.get("readings")),
        family("received_bytes", "counter", "Bytes read from the link since the start.", lambda one: one.get("bytes")),
        _counts("bad_frames", "Frames that were damaged, by reason.", told, "bad: "),
        _counts("incomplete", "Transmissions that broke off, by reason.", told, "incomplete: "),
        _counts("events", "What else happened on the line, by word.", told, ""),
        family(
            "data_age_seconds", "gauge", "Since the first byte of the last report.", lambda one: _age(one["last_report"], now)
        ),
        family(
            "clock_offset_seconds",
            "gauge",
            "Device clock minus gateway clock, as last measured.",
            lambda one: one["clock_offset_s"],
        ),
        family("unmapped_codes", "gauge", "Different codes without a term.", lambda one: _length(one.get("unmapped"))),
    ]


def _unknown(status: _Doc) -> list[Family]:
    """Devices that nobody configured, by what was decided; never by what they call themselves."""
    told = status["journal"].get("unknown", ())
    devices = Family("wardlink_unknown_devices", "gauge", "Devices that nobody configured, by what a person decided.")
    messages = Family("wardlink_unknown_messages", "gauge", "Messages of unknown devices, by what became of them.")
    for state in ("open", "assigned", "dismissed"):
        devices.add(sum(one["status"] == state for one in told), status=state)
    for fate in ("received", "quarantined", "assigned", "dismissed", "lost", "refused"):
        messages.add(sum(one[fate] for one in told), fate=fate)
    live = status.get("unknown") or {}
    open_ = Family("wardlink_unknown_connections", "gauge", "Connections of unknown devices.")
    open_.add(live.get("connections", 0))
    return [devices, messages, open_]


def _states(devices: Iterable[_Doc]) -> Family:
    made = Family("wardlink_device_state", "gauge", "1 for the state that the device is in.")
    for one in devices:
        for state in State:
            made.add(int(one["state"] == state), device=one["id"], state=state.value)
    return made


def _counts(name: str, text: str, devices: Iterable[_Doc], prefix: str) -> Family:
    """Counts whose word begins with `prefix`; with none, those that belong to no other family."""
    made = Family(f"wardlink_device_{name}", "counter", text)
    for one in devices:
        for what, n in sorted(one["counts"].items()):
            own = what.startswith(prefix) if prefix else not what.startswith(("bad: ", "incomplete: "))
            if own:
                made.add(n, device=one["id"], reason=what.removeprefix(prefix))
    return made


def _destinations(status: _Doc, now: datetime) -> list[Family]:
    queues, live = status["journal"]["destinations"], list(status["destinations"])

    def family(name: str, kind: Any, text: str, of: Iterable[_Doc], value: Callable[[_Doc], float | None]) -> Family:
        made = Family(f"wardlink_destination_{name}", kind, text)
        for one in of:
            made.add(value(one), destination=one["id"])
        return made

    return [
        *_account(status["journal"]["account"]),
        family("waiting", "gauge", "Reports to be sent, or sent again.", queues, lambda one: one["waiting"]),
        family(
            "held",
            "gauge",
            "Reports that wait for a patient, or for what a code means, to be known.",
            queues,
            lambda one: one["held"],
        ),
        family(
            "held_unmapped",
            "gauge",
            "Of these, results whose code nobody knows.",
            queues,
            lambda one: sum(one["held_unmapped"].values()),
        ),
        family("parked", "gauge", "Messages that wait for a person.", queues, lambda one: one["parked"]),
        family(
            "oldest_age_seconds",
            "gauge",
            "Age of the oldest waiting report; 0: none waits.",
            queues,
            lambda one: _age(one["oldest"], now) or 0,
        ),
        family(
            "last_ack_age_seconds", "gauge", "Since the last acknowledgement.", queues, lambda one: _age(one["last_ack_at"], now)
        ),
        family("connected", "gauge", "1: a connection is open.", live, lambda one: _truth(one.get("connected"))),
        family("refusals", "counter", "Messages refused since the start.", live, lambda one: one.get("refused")),
        _retries(live),
        _acks(live),
        _certificates(live, now),
    ]


def _account(lines: Iterable[_Doc]) -> list[Family]:
    received = Family("wardlink_destination_received", "counter", "Reports received for the destination, ever.")
    delivered = Family("wardlink_destination_delivered", "counter", "Reports that the receiver has taken, ever.")
    dropped = Family("wardlink_destination_dropped", "counter", "Reports dropped, by policy, or lost, by cause; ever.")
    open_ = Family(
        "wardlink_unaccounted", "gauge", "Conservation statement: received less all that is accounted for; 0 is right."
    )
    for line in lines:
        labels = {"destination": line["destination"], "device": line["device"]}
        received.add(line["received"], **labels)
        delivered.add(line["delivered"], **labels)
        gone = {**line["dropped"], **{f"lost: {cause}": n for cause, n in line.get("lost", {}).items()}}
        for policy, n in sorted(gone.items()):
            dropped.add(n, **labels, reason=policy)
        there = sum(line[what] for what in ("delivered", "waiting", "held", "parked")) + sum(gone.values())
        open_.add(line["received"] - there, **labels)
    return [received, delivered, dropped, open_]


def _retries(live: Iterable[_Doc]) -> Family:
    made = Family("wardlink_destination_retries", "counter", "Tries that have to be made again, by reason.")
    for one in live:
        for reason, n in sorted(one.get("retries", {}).items()):
            made.add(n, destination=one["id"], reason=reason)
    return made


def _acks(live: Iterable[_Doc]) -> Family:
    made = Family("wardlink_destination_ack_seconds", "histogram", "From sending a message to the receiver's answer.")
    for one in live:
        if acks := one.get("acks"):
            made.observe(acks["bounds_s"], acks["counts"], acks["sum_s"], destination=one["id"])
    return made


def _certificates(live: Iterable[_Doc], now: datetime) -> Family:
    made = Family("wardlink_certificate_left_seconds", "gauge", "Until a certificate expires: own, or the peer's as last seen.")
    for one in live:
        for whose, certificate in sorted(one.get("certificates", {}).items()):
            left_s = (_time(certificate["not_after"]) - now).total_seconds()
            made.add(round(left_s), destination=one["id"], whose=whose)
    return made


def _journal(status: _Doc) -> list[Family]:
    def gauge(name: str, text: str, value: float | None) -> Family:
        made = Family(f"wardlink_{name}", "gauge", text)
        made.add(value)
        return made

    disk, commits = status.get("disk", {}), status.get("commits")
    made = [
        gauge("journal_size_bytes", "The journal's file.", disk.get("size_bytes")),
        gauge("journal_wal_bytes", "The journal's write-ahead log.", disk.get("wal_bytes")),
        gauge("disk_free_bytes", "Free on the journal's disk.", disk.get("disk_free_bytes")),
        gauge("disk_size_bytes", "Size of the journal's disk.", disk.get("disk_size_bytes")),
        *_room(status.get("room") or {}),
    ]
    latency = Family("wardlink_journal_commit_seconds", "histogram", "A commit, from begin to durable.")
    if commits:
        latency.observe(commits["bounds_s"], commits["counts"], commits["sum_s"])
    kept = Family("wardlink_journal_reports", "counter", "Reports kept since the start, of all devices.")
    kept.add(sum(one["reports"] for one in status["devices"]))
    return [*made, latency, kept]


def _room(room: _Doc) -> list[Family]:
    """Headroom; +Inf: as things go, the room never ends. Nothing while too little was seen to tell."""
    made = []
    for key, name, text in (
        ("headroom", "headroom_seconds", "Until devices are not acknowledged any more, as things go now."),
        ("outage", "outage_headroom_seconds", "The same if no receiver took anything from now on."),
    ):
        family = Family(f"wardlink_{name}", "gauge", text)
        if room.get(key, "measuring") != "measuring":
            hours = room.get(f"{key}_hours")
            family.add(float("inf") if hours is None else 3600.0 * hours)
        made.append(family)
    return made


def _process(status: _Doc) -> list[Family]:
    used, made = status.get("process", {}), []
    for name, kind, key, text in (
        ("process_resident_memory_bytes", "gauge", "resident_bytes", "Resident memory size in bytes."),
        ("process_virtual_memory_bytes", "gauge", "virtual_bytes", "Virtual memory size in bytes."),
        ("process_cpu_seconds", "counter", "cpu_s", "Total user and system CPU time spent in seconds."),
        ("process_open_fds", "gauge", "fds", "Number of open file descriptors."),
        ("process_max_fds", "gauge", "fds_max", "Maximum number of open file descriptors."),
        ("process_start_time_seconds", "gauge", "start_s", "Start time of the process since unix epoch in seconds."),
    ):
        family = Family(name, kind, text)  # type: ignore[arg-type]
        family.add(used.get(key))
        made.append(family)
    build = Family("wardlink_build", "info", "What runs.")
    build.add(1, version=status["version"], gateway=status["gateway"], eui64=status["eui64"])
    running = Family("wardlink_config", "info", "The configuration that runs.")
    if digest := (status.get("config") or {}).get("sha256"):
        running.add(1, sha256=str(digest))
    return [*made, build, running]


def _time(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


def _age(at: Any, now: datetime) -> float | None:
    return None if at is None else max(0.0, (now - _time(at)).total_seconds())


def _length(value: Any) -> int | None:
    return None if value is None else len(value)


def _truth(value: bool | None) -> int | None:  # noqa: FBT001 - it is the value
    return None if value is None else int(value)
