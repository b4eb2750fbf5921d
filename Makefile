# verad: see README.md. `make demo` and `make test` do everything from a clean clone, installing what is missing.

BUILD    ?= build
CC       ?= gcc
OPT      ?= -O2 -g
WARN     := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
SANITIZE ?=
# No fused multiply-add behind the compiler's back, no fast-math: the same source gives the same bits everywhere.
CFLAGS   += -std=c11 -D_GNU_SOURCE -I. -I$(BUILD) $(OPT) $(WARN) $(SANITIZE) -ffp-contract=off -fopenmp -pthread -MMD -MP
LDFLAGS  += $(SANITIZE) -fopenmp -pthread
LDLIBS   := -lmicrohttpd -lcjson -lsqlite3 -lcsv -lopenblas -lm

ENGINE   := $(wildcard engine/*.c)
SOURCES  := $(ENGINE) $(wildcard schema/*.c) $(filter-out server/main.c,$(wildcard server/*.c))
EMBED    := $(wildcard migrations/*.sql) schema/openapi.json
OBJECTS  := $(SOURCES:%.c=$(BUILD)/%.o)
DOUBLES  := $(ENGINE:%.c=$(BUILD)/double/%.o)
TESTS    := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/test_*.c tests/api/test_*.c))

Q := $(if $(V),,@)

all: $(BUILD)/verad
tests: all $(TESTS)

$(BUILD)/verad: $(BUILD)/server/main.o $(BUILD)/libverad.a
	@echo "  LINK    $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/libverad.a: $(OBJECTS)
	@echo "  AR      $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(CFLAGS) -c -o $@ $<

# The engine once more in double precision, for the golden tests.
$(BUILD)/libengine64.a: $(DOUBLES)
	@echo "  AR      $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/double/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC64    $<"
	$(Q)$(CC) $(CFLAGS) -DVERAD_DOUBLE -c -o $@ $<

$(BUILD)/tests/%: tests/%.c $(BUILD)/libverad.a
	@mkdir -p $(@D)
	@echo "  TEST    $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(BUILD)/libverad.a $(LDLIBS) -lcmocka

clean:
	rm -rf $(BUILD)

.PHONY: all tests clean
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
