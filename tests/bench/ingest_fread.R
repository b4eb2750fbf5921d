# R's data.table::fread, one thread, as bench_ingest's yardstick: a path a line on standard input, an answer a line:
# seconds by the clock, of the processor, rows, columns. The first line is the version.
suppressPackageStartupMessages(library(data.table))
setDTthreads(1)
cat(as.character(packageVersion("data.table")), "\n", sep = "")
input <- file("stdin", "r")
while (length(path <- readLines(input, n = 1)) == 1) {
	took <- system.time(table <- fread(path, showProgress = FALSE))
	cat(sprintf("%.6f %.6f %d %d\n", took[["elapsed"]], took[["user.self"]] + took[["sys.self"]], nrow(table),
		ncol(table)))
	rm(table)
	invisible(gc())
}
