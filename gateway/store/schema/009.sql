-- What a laboratory decided about codes, and what makers suggest (LIVD). A message is rendered with the decisions of one moment,
-- and the moment is kept with it (`mapping`: the last act by which any decision was changed), so that it can be rendered again.

-- Rows are never changed but for until_*: a decision holds for [since_act, until_act) of the audit trail.
-- Empty selectors mean any; unit is UCUM where the terms know it. loinc empty: there is none, and nobody needs to be asked.
CREATE TABLE mappings (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  code TEXT NOT NULL,
  device TEXT NOT NULL,
  maker TEXT NOT NULL,
  model TEXT NOT NULL,
  unit TEXT NOT NULL,
  specimen TEXT NOT NULL,
  result TEXT NOT NULL,             -- number, words, or any
  loinc TEXT NOT NULL,
  name TEXT NOT NULL,               -- LOINC's, where the terms do not hold the code
  property TEXT NOT NULL,
  ucum TEXT NOT NULL,               -- what the device's unit means, where the terms do not know it
  override INTEGER NOT NULL,        -- 1: also where driver and terms say otherwise
  source TEXT NOT NULL,             -- by hand, or the file and row it came from
  reason TEXT NOT NULL,
  said_by TEXT NOT NULL,
  said_at TEXT NOT NULL,
  since_act INTEGER NOT NULL,
  crc INTEGER NOT NULL,             -- of what decides, code to override
  until_act INTEGER,
  until_by TEXT,
  until_at TEXT
) STRICT;
CREATE INDEX mappings_since ON mappings (since_act);
CREATE INDEX mappings_until ON mappings (until_act) WHERE until_act IS NOT NULL;

-- Rows of makers' LIVD files: suggestions until a person accepts them.
CREATE TABLE livd (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  file TEXT NOT NULL,
  place TEXT NOT NULL,              -- where in the file: row 12, element 3
  maker TEXT NOT NULL,
  model TEXT NOT NULL,
  code TEXT NOT NULL,
  analyte TEXT NOT NULL,            -- the maker's name of it
  specimen TEXT NOT NULL,
  result TEXT NOT NULL,             -- the maker's words of units or findings
  loinc TEXT NOT NULL,
  name TEXT NOT NULL,
  property TEXT NOT NULL,
  doubts TEXT NOT NULL,             -- JSON list
  state TEXT NOT NULL,              -- suggested, accepted, dismissed
  imported_by TEXT NOT NULL,
  imported_at TEXT NOT NULL,
  decided_by TEXT,
  decided_at TEXT,
  UNIQUE (maker, model, code, specimen, result, loinc)
) STRICT;
CREATE INDEX livd_code ON livd (code);

-- The moment of the decisions that a message was rendered with. NULL: before there were any; for an edit: a person wrote it.
ALTER TABLE attempts ADD COLUMN mapping INTEGER;
ALTER TABLE deliveries ADD COLUMN mapping INTEGER;
ALTER TABLE edits ADD COLUMN mapping INTEGER;
