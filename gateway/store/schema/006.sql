-- The order cache: what laboratory systems want done with specimens, so that an analyzer that asks is answered at once.
CREATE TABLE orders (
  id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  placer TEXT NOT NULL UNIQUE,      -- the number that the orderer gave it: the same number again is the same order
  specimen TEXT NOT NULL,
  device TEXT NOT NULL,             -- only for this analyzer; empty: for whichever asks
  payload TEXT NOT NULL,            -- gateway.model.WorkOrder as JSON
  status TEXT NOT NULL,             -- open, sent, cancelled
  waits INTEGER NOT NULL,           -- 1: there is something that an analyzer which is sent worklists was not told yet
  sent_to TEXT NOT NULL DEFAULT '', -- the device that was last told of it, at sent_at
  sent_at TEXT,
  stored_at TEXT NOT NULL,
  changed_at TEXT NOT NULL
) STRICT;
CREATE INDEX orders_specimen ON orders (specimen);
CREATE INDEX orders_stored ON orders (stored_at);
CREATE INDEX orders_waiting ON orders (device) WHERE waits;
