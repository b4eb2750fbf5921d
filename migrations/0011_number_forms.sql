-- Of a column of numbers that are written with a unit, or with their thousands apart: which, and by what.
ALTER TABLE dataset_column ADD COLUMN unit TEXT NOT NULL DEFAULT '';
ALTER TABLE dataset_column ADD COLUMN grouping TEXT NOT NULL DEFAULT '';
