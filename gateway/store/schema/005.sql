-- The conservation statement by day: what was received on a day, and what became of it since.
-- A report's day is fixed when it is stored, so no clock step, time zone change or daylight saving moves it afterwards.

-- Reports from `first` on, up to the next row's, were received on `day`; none before the first row: before days were counted.
CREATE TABLE day_runs (
  first INTEGER NOT NULL PRIMARY KEY,
  day TEXT NOT NULL
) STRICT;

-- Tallies of the days that are not under way (meta 'day'); those of the day under way are tally.n - tally.elsewhere.
CREATE TABLE tally_days (
  day TEXT NOT NULL,
  destination TEXT NOT NULL,
  device TEXT NOT NULL,
  what TEXT NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (day, destination, device, what)
) STRICT, WITHOUT ROWID;

-- How much of n belongs to other days than the one under way.
ALTER TABLE tally ADD COLUMN elsewhere INTEGER NOT NULL DEFAULT 0;
