-- What a person may do about messages, and what is needed to answer for one after it was delivered.

-- The latest acknowledgement of each report by each destination; goes with its report. message_id: NULL where it is the report's own
-- (epoch and number), else an edit's. association: whose it was said to be. again: how often it was replayed since, again_at: last.
CREATE TABLE deliveries (
  report INTEGER NOT NULL,
  destination TEXT NOT NULL,
  message_id TEXT,
  sha256 BLOB NOT NULL,
  code TEXT NOT NULL,
  acked_at TEXT NOT NULL,
  tries INTEGER NOT NULL,
  late INTEGER NOT NULL,
  association INTEGER,
  again INTEGER NOT NULL DEFAULT 0,
  again_at TEXT,
  PRIMARY KEY (report, destination)
) STRICT, WITHOUT ROWID;

-- Reports beyond the cursor that are dealt with all the same: fresh ones that went past a backlog. Gone once the cursor is past.
CREATE TABLE ahead (
  destination TEXT NOT NULL,
  report INTEGER NOT NULL,
  device TEXT NOT NULL,
  category TEXT NOT NULL,
  PRIMARY KEY (destination, report)
) STRICT, WITHOUT ROWID;

CREATE INDEX ahead_report ON ahead (report);

-- Messages that a person wrote in the place of one of ours: a new id, the exact bytes (zlib), and what they take the place of.
CREATE TABLE edits (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  destination TEXT NOT NULL,
  report INTEGER NOT NULL,
  message_id TEXT NOT NULL UNIQUE,
  replaces TEXT NOT NULL,
  at TEXT NOT NULL,
  by_whom TEXT NOT NULL,
  reason TEXT NOT NULL,
  patient_changed TEXT NOT NULL,
  diff TEXT NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE INDEX edits_report ON edits (report);

-- Which reports an act of a person concerned, one by one.
CREATE TABLE acted (
  report INTEGER NOT NULL,
  destination TEXT NOT NULL,
  act INTEGER NOT NULL,
  PRIMARY KEY (report, destination, act)
) STRICT, WITHOUT ROWID;

-- again: it was delivered before and is sent once more, so it counts as delivered all the while. patient: whom the message is for.
ALTER TABLE behind ADD COLUMN again INTEGER NOT NULL DEFAULT 0;
ALTER TABLE behind ADD COLUMN patient TEXT NOT NULL DEFAULT '';
-- The edit that stands for the report, if there is one.
ALTER TABLE behind ADD COLUMN edit INTEGER;
-- What the bytes were made with.
ALTER TABLE attempts ADD COLUMN association INTEGER;
ALTER TABLE attempts ADD COLUMN late INTEGER NOT NULL DEFAULT 0;

CREATE TRIGGER reports_forgotten AFTER DELETE ON reports BEGIN
  DELETE FROM deliveries WHERE report = OLD.id;
  DELETE FROM edits WHERE report = OLD.id;
  DELETE FROM acted WHERE report = OLD.id;
END;
