#!/usr/bin/python3
"""pandas.read_csv as bench_ingest's yardstick: a path a line on standard input, an answer a line: seconds by the clock,
of the processor, rows, columns. The first line is the version."""
import sys
import time

import pandas

print(pandas.__version__, flush=True)
for line in sys.stdin:
    clock, processor = time.perf_counter(), time.process_time()
    table = pandas.read_csv(line.rstrip("\n"))
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    print(f"{clock:.6f} {processor:.6f} {len(table)} {len(table.columns)}", flush=True)
    del table
