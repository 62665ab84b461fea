-- Devices that nobody configured: who called, every byte of what was taken from them, and what a person decided (docs/unknown.md).

-- received = (messages of its parts that are kept) + assigned + dismissed + lost: the left side and the last three are counters.
CREATE TABLE unknown_peers (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  address TEXT NOT NULL,              -- who: an IP address, or the line
  door TEXT NOT NULL,                 -- where it called: a dial string
  protocol TEXT NOT NULL,             -- the driver whose generic codec it was spoken to with; raw: none
  says TEXT NOT NULL,                 -- what it says of itself; empty: nothing yet
  first_at TEXT NOT NULL,
  last_at TEXT NOT NULL,
  status TEXT NOT NULL,               -- open, assigned, dismissed
  device TEXT NOT NULL DEFAULT '',    -- the device that a person said it is
  reason TEXT NOT NULL DEFAULT '',    -- why it was dismissed
  received INTEGER NOT NULL DEFAULT 0,
  assigned INTEGER NOT NULL DEFAULT 0,
  dismissed INTEGER NOT NULL DEFAULT 0,
  lost INTEGER NOT NULL DEFAULT 0,
  refused INTEGER NOT NULL DEFAULT 0, -- messages that were not taken: no room, or dismissed
  bytes INTEGER NOT NULL DEFAULT 0,   -- taken, ever
  held INTEGER NOT NULL DEFAULT 0,    -- room that its parts take which wait for a person
  decided INTEGER NOT NULL DEFAULT 0  -- room that its other parts take
) STRICT;

-- What was read from it between two commits, in order: `call` tells connections apart; the bytes of a call, joined, are all it said.
CREATE TABLE unknown_parts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  peer INTEGER NOT NULL,
  call INTEGER NOT NULL,
  received_at TEXT NOT NULL,
  messages INTEGER NOT NULL,          -- whole messages that it completes
  status TEXT NOT NULL,               -- kept, assigned, dismissed
  raw BLOB NOT NULL,
  crc INTEGER NOT NULL                -- CRC-32 of (peer, call, received_at, messages, raw)
) STRICT;
-- Counting what is kept reads nothing but this.
CREATE INDEX unknown_parts_peer ON unknown_parts (peer, status, messages);
CREATE INDEX unknown_parts_decided ON unknown_parts (received_at) WHERE status <> 'kept';
