"""What a laboratory decided about codes: which LOINC a device's code is, or that it has none; pure."""

from gateway.mapping.decisions import Decision, Key, Kind, key_of, normal_unit
from gateway.mapping.overlay import Applied, Overlay

__all__ = ["Applied", "Decision", "Key", "Kind", "Overlay", "key_of", "normal_unit"]
