-- Columns of dates and of yes and no, which are kept as the texts that they are. The check on types is part of the
-- table, so the table is made anew.
CREATE TABLE dataset_column_new (
	part INTEGER NOT NULL REFERENCES dataset_part (seq),
	idx INTEGER NOT NULL,
	name TEXT NOT NULL,
	type TEXT NOT NULL CHECK (type IN ('number', 'text', 'date', 'boolean')),
	n_missing INTEGER NOT NULL,
	min REAL,                           -- NULL: not a number column, or no values
	max REAL,
	n_distinct INTEGER NOT NULL,
	n_numbers INTEGER NOT NULL,         -- of a text column: cells that are numbers all the same
	text_line INTEGER NOT NULL,         -- and where the first that is none is; 0: nowhere
	text_cell TEXT NOT NULL,
	role TEXT NOT NULL DEFAULT 'feature',
	n_na INTEGER NOT NULL DEFAULT 0,    -- cells taken as missing by their usual spelling
	PRIMARY KEY (part, idx)
) STRICT, WITHOUT ROWID;
INSERT INTO dataset_column_new (part, idx, name, type, n_missing, min, max, n_distinct, n_numbers, text_line, text_cell,
	role, n_na)
	SELECT part, idx, name, type, n_missing, min, max, n_distinct, n_numbers, text_line, text_cell, role, n_na
	FROM dataset_column;
DROP TABLE dataset_column;
ALTER TABLE dataset_column_new RENAME TO dataset_column;
