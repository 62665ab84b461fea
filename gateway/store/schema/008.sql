-- The lists that point-of-care devices are told: who may use them, which patients there are, and what each device has of them.

CREATE TABLE operators (
  id TEXT NOT NULL PRIMARY KEY,     -- what the badge says
  payload TEXT NOT NULL,            -- gateway.rolls.Operator as JSON, password included: the file is its owner's alone
  changed_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Patients that somebody listed, and later those of a census. Who wears a device now is on the list without standing here.
CREATE TABLE patients (
  patient_id TEXT NOT NULL,
  assigner TEXT NOT NULL,           -- whose number it is; empty: the hospital's own
  source TEXT NOT NULL,             -- who says so: list (a person), adt (a census)
  subject TEXT NOT NULL,            -- gateway.model.Subject as JSON
  changed_at TEXT NOT NULL,
  PRIMARY KEY (patient_id, assigner, source)
) STRICT, WITHOUT ROWID;

-- What a device was last told of a list and has acknowledged.
CREATE TABLE lists_told (
  device TEXT NOT NULL,
  list TEXT NOT NULL,               -- operators, patients
  payload TEXT NOT NULL,            -- gateway.rolls.ListTold as JSON
  PRIMARY KEY (device, list)
) STRICT, WITHOUT ROWID;
