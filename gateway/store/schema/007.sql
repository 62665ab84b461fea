-- The last report kept when a statement about a device was recorded: the order of the two, whatever the clock does in between.
-- NULL: recorded before there was this column.
ALTER TABLE associations ADD COLUMN after_report INTEGER;
