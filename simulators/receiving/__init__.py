"""The parts of the receiver: what it does on command, what it keeps, and its two doors (MLLP, FHIR)."""
