"""What the scanner of an ASTM line looks for in its bytes."""

from __future__ import annotations

import re

IN_FRAME = re.compile(rb"[\x02\x03\x04\x05\x17]")
PLAIN_FRAME = re.compile(rb"\x02([0-7][^\x02-\x05\x17]*)([\x03\x17])([0-9A-Fa-f]{2})\r\n")
"""A frame as the standard has it, whole, with nothing in it that could mean anything else: nearly all of them."""

IN_BARE = re.compile(rb"[\x02-\x05\x17\r\n]")
CONTROL = re.compile(rb"[\x02\x04\x05]")

HEADER = re.compile(rb"H[!-/:-@\[-`{-~]")
"""An H record: H and a delimiter."""

FRAME_H = re.compile(rb"[0-7]?(?:H|MSH)[!-/:-@\[-`{-~]")
H_SIZE = 5
"""Bytes behind an STX that tell whether a transmission begins: number, H or MSH (HL7 in frames), delimiter."""

CONTROL_OR_H = re.compile(
    rb"[\x02\x04\x05]|(?:[\r\n\x00][ \t]{0,32}|(?<=\xef\xbb\xbf)|(?<=[\x01\x0b]))H[!-/:-@\[-`{-~]|(?<![0-7])H\|\\\^&"
)
"""What ends a noise. An H record begins a line, follows SOH (Radiometer ABL9: SOH records EOT) or VT, or declares the usual
delimiters; not behind a frame number: then it is what is left of a frame that lost its STX."""

LOOK_BACK = 40
"""Bytes scanned again when more come, so that a header split over two reads is found: longer than CONTROL_OR_H can match."""

GAP = re.compile(rb"[\r\n\x00 \t]*")
"""What may stand between bare messages."""

PAUSE = re.compile(rb"[\r\n\x00 \t\x02\x06\x15]*")
"""What may stand between transmissions: line ends, heartbeats, and in a recording the receiver's ACK and NAK."""

BEAT = re.compile(rb"\x02[\x02\r\n\x00]")
BEAT_IDLE = re.compile(rb"\x02[\x02\r\n\x00\x04\x05]")
BEAT_BARE = re.compile(rb"\x02(?:[\x02\r\n\x00\x04\x05]|H[!-/:-@\[-`{-~])")
"""A 0x02 that begins no frame: some analyzers send runs of it as a heartbeat. In a transfer, outside one, and where records may
come bare: there it is one before an H record without a frame number too."""
