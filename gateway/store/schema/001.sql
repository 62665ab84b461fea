-- The journal's first schema. Times are UTC text of one width ("2026-11-21T08:15:30.123456Z"), so text order is time order.
-- docs/journal.md explains every table to a person with any SQLite tool.

CREATE TABLE meta (
  key TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What devices said: append-only. AUTOINCREMENT, because a number must never be used again (message ids derive from it).
CREATE TABLE reports (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  device TEXT NOT NULL,
  category TEXT NOT NULL,
  received_at TEXT NOT NULL,
  stored_at TEXT NOT NULL,
  identity TEXT,
  payload TEXT NOT NULL,
  raw BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX reports_identity ON reports (device, identity) WHERE identity IS NOT NULL;
CREATE INDEX reports_category ON reports (category, id, device);

-- Acknowledged parts of transmissions that are still under way.
CREATE TABLE fragments (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  device TEXT NOT NULL,
  received_at TEXT NOT NULL,
  raw BLOB NOT NULL
) STRICT;
CREATE INDEX fragments_device ON fragments (device);

-- Transmissions that ended before they were whole: evidence for a person.
CREATE TABLE incomplete (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  device TEXT NOT NULL,
  received_at TEXT NOT NULL,
  stored_at TEXT NOT NULL,
  reason TEXT NOT NULL,
  raw BLOB NOT NULL
) STRICT;

-- What happened on a device's line, by reason.
CREATE TABLE counters (
  device TEXT NOT NULL,
  what TEXT NOT NULL,
  n INTEGER NOT NULL,
  last_at TEXT NOT NULL,
  PRIMARY KEY (device, what)
) STRICT, WITHOUT ROWID;

-- A destination is a cursor: everything it takes with id <= cursor is dealt with or stands in `behind`.
-- until: the last report that was meant for it when it left the configuration; NULL while it is in use.
CREATE TABLE destinations (
  id TEXT NOT NULL PRIMARY KEY,
  takes TEXT NOT NULL,
  cursor INTEGER NOT NULL,
  until INTEGER,
  created_at TEXT NOT NULL,
  last_code TEXT,
  last_ack_at TEXT,
  trouble TEXT,
  trouble_at TEXT
) STRICT, WITHOUT ROWID;

-- Kept apart from the rows they count, so that the conservation statement can fail.
-- what: received | delivered | dropped:POLICY
CREATE TABLE tally (
  destination TEXT NOT NULL,
  device TEXT NOT NULL,
  what TEXT NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (destination, device, what)
) STRICT, WITHOUT ROWID;

-- held: no patient yet. due: to be sent (again). retry: the receiver said not now; blocks its device. parked: a person decides.
CREATE TABLE behind (
  destination TEXT NOT NULL,
  report INTEGER NOT NULL,
  device TEXT NOT NULL,
  received_at TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('held', 'due', 'retry', 'parked')),
  since TEXT NOT NULL,
  not_before TEXT,
  code TEXT NOT NULL DEFAULT '',
  reason TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (destination, report)
) STRICT, WITHOUT ROWID;
CREATE INDEX behind_state ON behind (destination, state, report);

-- The exact bytes (zlib) of what may have been sent and is not yet acknowledged or refused. spent_s: pauses that its own refusals cost.
CREATE TABLE attempts (
  destination TEXT NOT NULL,
  report INTEGER NOT NULL,
  message_id TEXT NOT NULL,
  body BLOB NOT NULL,
  pinned_at TEXT NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0,
  spent_s REAL NOT NULL DEFAULT 0,
  PRIMARY KEY (destination, report)
) STRICT;

-- Who wore what: [valid_from, valid_to) in the world, [recorded_at, superseded_at) in our knowledge. Rows are never changed but
-- for superseded_at. subject is a Subject as JSON.
CREATE TABLE associations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  device TEXT NOT NULL,
  patient_id TEXT NOT NULL,
  subject TEXT NOT NULL,
  valid_from TEXT NOT NULL,
  valid_to TEXT,
  recorded_at TEXT NOT NULL,
  superseded_at TEXT,
  source TEXT NOT NULL,
  by_whom TEXT NOT NULL,
  reason TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX associations_device ON associations (device, valid_from);

-- What people did; the highest id is also how the gateway notices that another process changed something.
CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  by_whom TEXT NOT NULL,
  act TEXT NOT NULL,
  object TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;
