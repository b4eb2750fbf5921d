# A table of numbers and texts for tests/export.sh, some cells missing: awk -v ROWS=N -v SEED=N -v WIDE=N -v FOREIGN=0|1
# WIDE: further columns of numbers. FOREIGN: rows to predict, with texts and numbers that training never saw.
function normal() { return sqrt(-2 * log(1 - rand())) * cos(6.283185307 * rand()) }
function maybe(text, share) { return rand() < share ? "" : text }
BEGIN {
	srand(SEED)
	split("1e300 -1e300 1e-300 0 -0 12345678901234567 -7.5 1e9", odd, " ")
	# Names that an export must keep apart from its own.
	printf "verad.threshold,is_ood,höhe in m,code,stamp,heavy,flat,gaps,colour,place,sometimes,when,member"
	for (i = 0; i < WIDE; i++)
		printf ",w%d", i
	print ",kind"
	for (row = 0; row < ROWS; row++) {
		k = int(3 * rand())
		strange = FOREIGN && rand() < 0.3
		cell[1] = sprintf("%.9g", normal() + 2 * k)
		cell[2] = int(6 * rand()) + k
		cell[3] = maybe(sprintf("%.6f", 3 * normal() - k), 0.1)
		cell[4] = sprintf("%.0f", 1000000000000 + 40 * k + int(100 * rand()))
		cell[5] = sprintf("%.3f", 1700000000 + 3600 * (k + rand()))
		cell[6] = sprintf("%.12g", exp(3 * normal()) * (k + 1))
		cell[7] = FOREIGN ? 6 : 5
		cell[8] = maybe(1, 0.5)
		cell[9] = substr("redgrnblu", 3 * (rand() < 0.7 ? k : int(3 * rand())) + 1, 3)
		cell[10] = "place " int(exp(5 * rand()))
		cell[11] = maybe("yes" int(2 * rand()), 0.4)
		cell[12] = maybe(sprintf("20%02d-%02d-%02dT%02d:%02d", 18 + 2 * k + int(2 * rand()), 1 + int(12 * rand()), \
			1 + int(28 * rand()), int(24 * rand()), int(60 * rand())), 0.1)
		cell[13] = maybe(rand() < (k + 1) / 4 ? "yes" : "no", 0.1)
		if (FOREIGN && rand() < 0.2)
			cell[13] = rand() < 0.5 ? "TRUE" : "f"
		for (i = 0; i < WIDE; i++)
			cell[14 + i] = sprintf("%.5f", normal() + (i % 3 == k))
		if (strange)
			for (i = 1; i < 14 + WIDE; i++) {
				u = rand()
				if (u < 0.1)
					cell[i] = ""
				else if (u < 0.25)
					cell[i] = i == 12 ? "1901-02-03" : i >= 9 && i <= 13 ? "ünseen " row : odd[1 + int(8 * rand())]
			}
		for (i = 1; i < 14 + WIDE; i++)
			printf "%s,", cell[i]
		print FOREIGN || rand() < 0.8 ? "" : "kind " k
	}
}
