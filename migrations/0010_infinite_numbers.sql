-- Cells of a column of numbers that were taken as missing because they are infinite, and where the first of them is.
ALTER TABLE dataset_column ADD COLUMN n_infinite INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dataset_column ADD COLUMN infinite_line INTEGER NOT NULL DEFAULT 0; -- 0: nowhere
