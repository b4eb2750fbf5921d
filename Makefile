# verad: see README.md. `make demo` and `make test` do everything from a clean clone, installing what is missing.
#
#   make            the program, build/verad         make layers           the include rules
#   make demo       what it does, in one run         make analysis         static analysis
#   make test       every test                       make format           clang-format over all sources
#   make asan tsan  every test under sanitizers      make check-format     is there anything to format?
#   make fuzz       every parser, FUZZ_SECONDS each  make bench-…          see tests/bench/README.md
#   make thorough   all of these
#   make paper      the paper's experiments           make V=1 …            with the commands
#   make install    PREFIX=/usr/local, DESTDIR=

ifeq ($(origin CC),default)
CC       := gcc
endif
BUILD    ?= build
OPT      ?= -O2 -g
WARN     := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
WERROR   ?=
SANITIZE ?=
PREFIX   ?= /usr/local
# No fused multiply-add behind the compiler's back, no fast-math: the same source gives the same bits everywhere. Nobody
# reads errno or traps of the mathematics; to say so lets square roots and choices be vectorised.
CFLAGS   += -std=c11 -D_GNU_SOURCE -I. -I$(BUILD) $(OPT) $(WARN) $(WERROR) $(SANITIZE) -ffp-contract=off -fno-math-errno \
	-fno-trapping-math -fvect-cost-model=dynamic -fopenmp -pthread -MMD -MP
LDFLAGS  += $(SANITIZE) -fopenmp -pthread
LDLIBS   := -lmicrohttpd -lgnutls -lsodium -lsystemd -lcjson -lsqlite3 -lcsv -lz -lzstd -lopenblas -lm

# make DNNL=1: training in bfloat16 (precision bf16) on processors with units for it, with libdnnl-dev. A build directory
# has it or not.
DNNL     ?=
ifneq ($(DNNL),)
CFLAGS   += -DVERAD_DNNL
LDLIBS   += -ldnnl
endif

ENGINE   := $(wildcard engine/*.c)
SOURCES  := $(ENGINE) $(wildcard schema/*.c) $(filter-out server/main.c,$(wildcard server/*.c))
EMBED    := $(wildcard migrations/*.sql) schema/openapi.json
OBJECTS  := $(SOURCES:%.c=$(BUILD)/%.o)

# Tests: one program per file; tests/support is linked to each. Those of DOUBLE_TESTS exist once more in double
# precision, where they hold the same engine sources against the golden numbers far more tightly.
DOUBLE_TESTS := attribution density golden golden_methods gradients mixture posterior
SUPPORT  := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/support/*.c))
TESTS    := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/test_*.c tests/api/test_*.c))
TESTS64  := $(patsubst %,$(BUILD)/tests/double/test_%,$(filter $(DOUBLE_TESTS),$(TESTS:$(BUILD)/tests/unit/test_%=%)))
FUZZERS  := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FORMATTED = $(wildcard engine/*.[ch] schema/*.[ch] server/*.[ch] tests/*.h tests/*/*.[ch])

Q := $(if $(V),,@)
# One job per processor, unless a make above this one has the say.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif

all: $(BUILD)/verad
tests: all $(TESTS) $(TESTS64)

$(BUILD)/verad: $(BUILD)/server/main.o $(BUILD)/libverad.a
	@echo "  LINK    $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/libverad.a: $(OBJECTS)
	@echo "  AR      $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# The files inside the program (server/embed): a new migration, or a changed byte of one, makes them anew.
$(BUILD)/migrations.h: migrations $(wildcard migrations/*.sql)
	@mkdir -p $(@D)
	$(Q)for f in migrations/*.sql; do b=$${f##*/}; echo "MIGRATION($${b%%_*}, \"$$f\")"; done > $@

$(BUILD)/server/embed.o: $(BUILD)/migrations.h $(EMBED)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(CFLAGS) -c -o $@ $<

$(BUILD)/libengine64.a: $(ENGINE:%.c=$(BUILD)/double/%.o)
	@echo "  AR      $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/double/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC64    $<"
	$(Q)$(CC) $(CFLAGS) -DVERAD_DOUBLE -c -o $@ $<

$(TESTS): %: %.o $(SUPPORT) $(BUILD)/libverad.a
	@echo "  LINK    $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LDLIBS) -lcmocka

$(BUILD)/tests/unit/test_allocation: $(BUILD)/tests/bench/allocations.o

$(BUILD)/tests/unit/test_paper: $(patsubst %,$(BUILD)/tests/bench/%.o,dataset gz originals page pixels plot) \
	| $(BUILD)/tests/bench/bench_paper

$(TESTS64): $(BUILD)/tests/double/%: $(BUILD)/double/tests/unit/%.o $(BUILD)/libengine64.a
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcjson -lopenblas -lm $(if $(DNNL),-ldnnl) -lcmocka

# What a fresh Debian 12 lacks, once per build directory.
SETUP := $(BUILD)/.setup
$(SETUP): deploy/setup.sh
	$(Q)deploy/setup.sh build test
	@mkdir -p $(@D) && touch $@

# The compiler may only exist once set-up is through, hence a second make.
demo: $(SETUP)
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/demo.sh $(BUILD)/verad

test: $(SETUP)
	$(Q)$(MAKE) --no-print-directory check

check: tests
	$(Q)VERAD_BIN=$(abspath $(BUILD)/verad) tests/run.sh tests/layers.sh tests/readme.sh tests/deploy.sh tests/examples.sh tests/contract.sh tests/export.sh \
		tests/ways.sh tests/browser.sh tests/lint.sh \
		$(TESTS) $(TESTS64)

asan: $(SETUP)
	$(Q)UBSAN_OPTIONS=print_stacktrace=1 TEST_TIMEOUT=3600 $(MAKE) --no-print-directory BUILD=build-asan \
		SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer" check

tsan: $(SETUP)
	$(Q)TEST_TIMEOUT=3600 $(MAKE) --no-print-directory BUILD=build-tsan SANITIZE="-fsanitize=thread" check

layers:
	$(Q)tests/layers.sh

# All that can be asked of a change: warnings as errors, format, analysis, every test plain and under the sanitizers, a
# little fuzzing, the demo. The last run of the tests has a browser, other readers of exported models, and a linter of the
# API's document, where they can be had.
NPM := $(BUILD)/npm
thorough: $(SETUP)
	$(Q)deploy/setup.sh build test dev
	$(Q)deploy/setup.sh browser || echo "  without a browser"
	$(Q)npm install --silent --prefix $(NPM) --ignore-scripts --no-audit --no-fund @stoplight/spectral-cli@6 \
		onnxruntime-node || echo "  without spectral and onnxruntime"
	$(Q)$(MAKE) --no-print-directory check-format
	$(Q)$(MAKE) --no-print-directory analysis
	$(Q)$(MAKE) --no-print-directory WERROR=-Werror asan
	$(Q)$(MAKE) --no-print-directory WERROR=-Werror tsan
	$(Q)FUZZ_SECONDS=30 $(MAKE) --no-print-directory fuzz
	$(Q)$(MAKE) --no-print-directory demo
	$(Q)PATH=$(abspath $(NPM))/node_modules/.bin:$$PATH NODE_PATH=$(abspath $(NPM))/node_modules \
		$(MAKE) --no-print-directory WERROR=-Werror test

# The clang analyzer, one process a file. It takes the sources without the clones of engine/simd.h, as sanitizers do.
analysis: $(BUILD)/migrations.h
	$(Q)printf '%s\n' $(filter-out engine/err.c,$(SOURCES)) server/main.c | xargs -P $$(nproc) -I@ \
		clang-tidy-14 --quiet @ -- -std=c11 -D_GNU_SOURCE -D__SANITIZE_THREAD__ -I. -I$(BUILD) \
		-include tests/analysis.h 2>&1 | { ! grep -v 'warnings\? generated'; }

# A fuzzer a parser, with libFuzzer. What they find stays in build/fuzz; so does what they have learnt to try.
FUZZ_SECONDS ?= 60
FUZZ_FLAGS := -g -pthread -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZED := $(ENGINE) $(wildcard schema/*.c) $(patsubst %,server/%.c,http_route inflate json log multipart)
fuzz: $(FUZZERS:%=$(BUILD)/fuzz/%)
	@mkdir -p $(^:%=%.corpus)
	$(Q)set -e; for t in $^; do \
		echo "  FUZZ    $${t##*/}"; \
		$$t -max_total_time=$(FUZZ_SECONDS) -timeout=20 -artifact_prefix=$$t- $$t.corpus >$$t.log 2>&1 || \
			{ tail -n 60 $$t.log; exit 1; }; \
		grep '^Done' $$t.log; \
	done

$(BUILD)/fuzz/%: $(BUILD)/fuzz/tests/fuzz/fuzz_%.o $(FUZZED:%.c=$(BUILD)/fuzz/%.o)
	@echo "  LINK    $@"
	$(Q)clang-14 $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^ -lcjson -lcsv -lz -lzstd -lopenblas -lm

$(BUILD)/fuzz/%.o: %.c
	@mkdir -p $(@D)
	@echo "  FUZZCC  $<"
	$(Q)clang-14 -std=c11 -D_GNU_SOURCE -D__SANITIZE_ADDRESS__ -I. -O1 -w -MMD -MP $(FUZZ_FLAGS) \
		-fsanitize=fuzzer-no-link -c -o $@ $<

format:
	$(Q)clang-format-14 -i $(FORMATTED)

check-format:
	$(Q)clang-format-14 --dry-run -Werror $(FORMATTED)

# How well it learns, on a folder of real tables: make bench-accuracy DATA=FOLDER; see tests/bench/README.md. Without a
# build id, equal code is an equal program, whose results are kept.
BENCH_ROOMS := $(patsubst %,$(BUILD)/tests/bench/%.o,dataset gz protocol runs)
$(BUILD)/tests/bench/bench_%: $(BUILD)/tests/bench/bench_%.o $(BENCH_ROOMS) $(BUILD)/libverad.a
	@echo "  LINK    $@"
	$(Q)$(CC) $(LDFLAGS) -Wl,--build-id=none -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LDLIBS)

$(BUILD)/.setup-bench: deploy/setup.sh
	$(Q)deploy/setup.sh build bench
	@mkdir -p $(@D) && touch $@

bench-accuracy bench-ood: bench-%: $(BUILD)/.setup-bench
	$(Q)$(MAKE) --no-print-directory $(BUILD)/tests/bench/bench_$*
	$(Q)mkdir -p $(BUILD)/bench && OUT=$(BUILD)/bench $(BUILD)/tests/bench/bench_$*

# The experiments of the paper: make paper, make paper PROFILE=full; a report in build/paper.
PAPER_ROOMS := $(patsubst %,$(BUILD)/tests/bench/%.o,originals page paper_estimator paper_jem paper_likelihood paper_modes \
	paper_tables pixels plot stepper toys)
$(BUILD)/tests/bench/bench_paper: $(PAPER_ROOMS)

paper: $(SETUP)
	$(Q)deploy/setup.sh paper || echo "  without Fashion-MNIST"
	$(Q)$(MAKE) --no-print-directory $(BUILD)/tests/bench/bench_paper
	$(Q)mkdir -p $(BUILD)/paper && OUT=$(BUILD)/paper $(BUILD)/tests/bench/bench_paper

# How fast it learns, beside PyTorch, and what size costs: make bench-train bench-scale.
TIMING_ROOMS := $(patsubst %,$(BUILD)/tests/bench/%.o,allocations stepper plot)
$(BUILD)/tests/bench/bench_train $(BUILD)/tests/bench/bench_scale: %: %.o $(TIMING_ROOMS) $(BUILD)/libverad.a
	@echo "  LINK    $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

bench-train bench-scale: bench-%: $(SETUP)
	$(Q)$(if $(filter train,$*),deploy/setup.sh torch || echo "  without PyTorch")
	$(Q)$(MAKE) --no-print-directory $(BUILD)/tests/bench/bench_$*
	$(Q)mkdir -p $(BUILD)/bench && OUT=$(BUILD)/bench $(BUILD)/tests/bench/bench_$*

# How fast it answers, beside FastAPI and scikit-learn: make bench-serve.
$(BUILD)/tests/bench/bench_serve: %: %.o $(BUILD)/tests/bench/load.o $(BUILD)/tests/bench/requests.o \
		$(patsubst %,$(BUILD)/tests/support/%.o,daemon http_client scratch) $(BUILD)/libverad.a
	@echo "  LINK    $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

bench-serve: $(SETUP)
	$(Q)deploy/setup.sh serve || echo "  without FastAPI"
	$(Q)$(MAKE) --no-print-directory all $(BUILD)/tests/bench/bench_serve
	$(Q)mkdir -p $(BUILD)/bench && VERAD_BIN=$(abspath $(BUILD)/verad) OUT=$(BUILD)/bench $(BUILD)/tests/bench/bench_serve

# How fast a table is read, beside data.table and pandas; with DATA=FOLDER the mixed table of kddcup99_10pct, too.
$(BUILD)/tests/bench/bench_ingest: %: %.o $(patsubst %,$(BUILD)/tests/support/%.o,daemon http_client scratch) $(BUILD)/libverad.a
	@echo "  LINK    $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

KDD := $(BUILD)/bench/ingest_kddcup99.csv
bench-ingest: $(SETUP)
	$(Q)deploy/setup.sh readers || echo "  without data.table or pandas"
	$(Q)$(MAKE) --no-print-directory all $(BUILD)/tests/bench/bench_ingest
	$(Q)mkdir -p $(BUILD)/bench $(if $(DATA),&& gzip -dc $(DATA)/kddcup99_10pct/all.csv.gz >$(KDD))
	$(Q)VERAD_BIN=$(BUILD)/verad OUT=$(BUILD)/bench $(if $(DATA),KDD=$(KDD)) $(BUILD)/tests/bench/bench_ingest

install: all
	install -D -m 755 $(BUILD)/verad $(DESTDIR)$(PREFIX)/bin/verad
	install -D -m 644 deploy/verad.service $(DESTDIR)$(PREFIX)/lib/systemd/system/verad.service
	install -D -m 644 deploy/verad.8 $(DESTDIR)$(PREFIX)/share/man/man8/verad.8
	install -D -m 644 deploy/verad.socket $(DESTDIR)$(PREFIX)/lib/systemd/system/verad.socket
	sed -i 's|/usr/local/bin|$(PREFIX)/bin|' $(DESTDIR)$(PREFIX)/lib/systemd/system/verad.service

clean:
	rm -rf $(BUILD) build-asan build-tsan build-analysis

.PHONY: fuzz paper bench-ingest bench-serve bench-accuracy bench-ood bench-train bench-scale all tests demo test check thorough asan tsan layers analysis format check-format install clean
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
