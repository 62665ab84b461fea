-- Damage that the disk does not report: checksums of what was kept, epochs by run, and what was salvaged.

-- CRC-32. crc: (device, category, received_at, stored_at, identity, payload); raw_crc: raw. NULL: kept before there were any.
ALTER TABLE reports ADD COLUMN crc INTEGER;
ALTER TABLE reports ADD COLUMN raw_crc INTEGER;
-- The same of (device, subject, valid_from, valid_to, recorded_at): what decides whose a reading is.
ALTER TABLE associations ADD COLUMN crc INTEGER;

-- Message ids are epoch and report number. Every run of a gateway gives its reports an epoch of its own, so that an older copy of
-- this file that comes back, by whatever way, never gives out an id again.
CREATE TABLE epochs (
  first INTEGER PRIMARY KEY,
  epoch TEXT NOT NULL
) STRICT;
INSERT INTO epochs (first, epoch) SELECT 1, value FROM meta WHERE key = 'epoch';
DELETE FROM meta WHERE key = 'epoch';

-- Each time this journal was made anew out of a damaged one. found: JSON, table to rows; lost: JSON, what could not be read.
CREATE TABLE salvages (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  evidence TEXT NOT NULL,
  why TEXT NOT NULL,
  found TEXT NOT NULL,
  lost TEXT NOT NULL
) STRICT;
