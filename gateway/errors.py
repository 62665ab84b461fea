"""The error tree, split by who must act.

WardlinkError
├── ConfigError         the administrator: a file, a key, a driver or profile name
├── LinkError           cable, port, network: retried with backoff
├── LocalProtocolError  we broke the protocol: our bug
├── ActError            the person acting: what was asked for cannot be so
└── StoreError          the journal cannot write: stop acknowledging devices
    └── DamagedError    it is damaged: start anew, so that it is salvaged

A message says what was got, what was expected, where, and what to do next. It never holds patient data.
"""


def place(error: BaseException) -> str:
    """An unexpected error for the log: its kind and where it was raised. Its words may quote a device or a patient."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
    return f"{type(error).__name__}{where}"


class WardlinkError(Exception):
    """Anything wardlink says on purpose; its text is fit to be shown to a person."""


class ConfigError(WardlinkError):
    """A setting is wrong; the text names file, line, key, what was expected."""


class LinkError(WardlinkError):
    """The way to a peer is not there: port absent or busy, connection refused or lost, certificate not accepted."""


class LocalProtocolError(WardlinkError):
    """We asked a codec or a store for something its contract does not allow."""


class ActError(WardlinkError):
    """A person asked for what cannot be: a time that has not come, a device that nobody wears, a message that is not parked."""


class StoreError(WardlinkError):
    """The journal could not make something durable; the device must not be acknowledged."""


class DamagedError(StoreError):
    """The journal gave back what was never written; opening it again looks into that, and salvages what can be read."""
