# libtzram: build, install, check. `make help` lists the targets and the variables.
#
# Needs GNU make, cargo, a C compiler and GNU binutils. Paths must not contain spaces.

# ---- variables of the caller -------------------------------------------------------------------------------------------
PREFIX     ?= /usr/local
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR     ?= $(PREFIX)/bin
MANDIR     ?= $(PREFIX)/share/man
DESTDIR    ?=
CARGO      ?= cargo
CFLAGS     ?= -O2
OBJCOPY    ?= objcopy
NM         ?= nm
INSTALL    ?= install
# LIBZSTD=0 leaves out libzstd (driver zstd-libzstd); FEATURES adds cargo features.
LIBZSTD    ?= 1
FEATURES   ?=
CARGO_FLAGS ?= --locked

# ---- what follows from them --------------------------------------------------------------------------------------------
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
SONAME  := libtzram.so.$(firstword $(subst ., ,$(VERSION)))
SOFILE  := libtzram.so.$(VERSION)
B       := build

TARGET_DIR  := $(abspath $(or $(CARGO_TARGET_DIR),target))
CARGO_OUT   := $(TARGET_DIR)/$(if $(CARGO_BUILD_TARGET),$(CARGO_BUILD_TARGET)/)release
NATIVE_LIBS := $(CARGO_OUT)/libtzram.native-libs
features    := $(if $(filter 0,$(LIBZSTD)),--no-default-features) $(if $(FEATURES),--features "$(FEATURES)")
export CARGO_TARGET_DIR := $(TARGET_DIR)

# gcc_s and c are the compiler driver's business: it picks libgcc_eh instead where the whole program is static.
libs_private = $(filter-out -lgcc_s -lc,$(shell cat $(NATIVE_LIBS)))

SCAN_SOURCES := $(wildcard examples/tzram_scan/*.c)
SCAN_HEADERS := $(wildcard examples/tzram_scan/*.h)

TESTS  := test-rust test-rust-without-libzstd test-boundary test-cuda test-c test-readme
CHECKS := check-fmt check-clippy check-doc check-header check-symbols check-archive check-layers check-words \
          check-cubins check-footprint check-conformance check-demo check-asan

.DELETE_ON_ERROR:
.PHONY: all header test bench bench-phases bench-cuda demo install uninstall dist clean check test-emulated help FORCE \
        library list-checks $(TESTS) $(CHECKS)

all: library $(B)/tzram-scan ## build the libraries, tzram.pc and tzram-scan into build/

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16
	@echo
	@echo 'Variables: PREFIX LIBDIR INCLUDEDIR BINDIR MANDIR DESTDIR CARGO CC CFLAGS CARGO_TARGET_DIR FEATURES LIBZSTD=0'

# ---- libraries ---------------------------------------------------------------------------------------------------------
library: $(B)/libtzram.a $(B)/libtzram.so $(B)/tzram.pc

$(B):
	@mkdir -p $@

# Cargo knows what is out of date; the copy changes only when its bytes do, so nothing is linked again without need.
$(B)/cargo.a: FORCE | $(B)
	@mkdir -p $(CARGO_OUT)
	$(CARGO) rustc --release --lib --crate-type staticlib $(CARGO_FLAGS) $(features) -- \
	    --print native-static-libs=$(NATIVE_LIBS)
	@cmp -s $(CARGO_OUT)/libtzram.a $@ || cp $(CARGO_OUT)/libtzram.a $@

# One object with all that the tzram_* functions reach, and no other global name: a program may link another Rust library,
# libzstd or liblz4 beside it. Section groups are dissolved, since the linker folds those by name, local or not, and would take
# another library's for ours. The Rust runtime's load-time constructor only saves argv, which nothing here reads.
$(B)/tzram.o: $(B)/cargo.a Makefile
	@$(NM) -g --defined-only $< 2>/dev/null | sed -n 's/.* T \(tzram_[a-z0-9_]*\)$$/-Wl,-u,\1/p' | sort -u > $(B)/roots
	@test -s $(B)/roots || { echo 'no tzram_* functions in $<' >&2; exit 1; }
	$(CC) -r -nostdlib -o $@ -Wl,--gc-sections -Wl,--force-group-allocation @$(B)/roots $<
	$(OBJCOPY) --wildcard --keep-global-symbol='tzram_*' --strip-debug \
	    --remove-section='.init_array*' --remove-section='.rela.init_array*' $@

$(B)/libtzram.a: $(B)/tzram.o
	@rm -f $@
	$(AR) rcsD $@ $<

# rustc's own cdylib link cannot take a version script of ours, hence this second link.
$(B)/$(SOFILE): $(B)/tzram.o tzram.map
	$(CC) -shared -o $@ $< $(CFLAGS) $(LDFLAGS) -s -Wl,--version-script=tzram.map -Wl,-soname,$(SONAME) -Wl,-z,defs \
	    -Wl,-z,relro -Wl,-z,now -Wl,--gc-sections -Wl,--as-needed $(libs_private)

$(B)/libtzram.so: $(B)/$(SOFILE)
	@ln -sf $(SOFILE) $(B)/$(SONAME)
	@ln -sf $(SONAME) $@

$(B)/tzram.pc: pkgconfig/tzram.pc.in $(B)/cargo.a FORCE
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(LIBDIR))|' \
	    -e 's|@INCLUDEDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(INCLUDEDIR))|' -e 's|@VERSION@|$(VERSION)|' \
	    -e 's|@LIBS_PRIVATE@|$(libs_private)|' $< > $@

# Linked with the archive, so that an installed copy runs before any ldconfig.
$(B)/tzram-scan: $(SCAN_SOURCES) $(SCAN_HEADERS) include/tzram.h $(B)/libtzram.a
	$(CC) -std=c99 -Wall -Wextra $(CPPFLAGS) $(CFLAGS) -Iinclude -o $@ $(SCAN_SOURCES) $(B)/libtzram.a $(LDFLAGS) $(libs_private)

header: ## write include/tzram.h again from src/abi (installs cbindgen into build/tools once)
	tools/make-header

# ---- use ---------------------------------------------------------------------------------------------------------------
bench-phases: ## print where the time of the Zstandard codec goes
	$(CARGO) bench $(CARGO_FLAGS) --bench phases --features "phases $(FEATURES)" $(if $(filter 0,$(LIBZSTD)),--no-default-features)

bench-cuda: ## print what a batch costs on a CUDA device, part by part
	$(CARGO) bench $(CARGO_FLAGS) --bench cuda --features "cuda testing $(FEATURES)" $(if $(filter 0,$(LIBZSTD)),--no-default-features)

demo: all ## compress and restore the memory of a live process with every driver
	$(B)/tzram-scan $(DEMO_FLAGS)

bench: library ## run the benchmarks and print the footprint
	$(CARGO) bench $(CARGO_FLAGS) $(features)
	tools/footprint

install: all ## install under PREFIX, below DESTDIR if given
	$(INSTALL) -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR) $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man1
	$(INSTALL) -m 644 $(B)/libtzram.a $(DESTDIR)$(LIBDIR)/libtzram.a
	$(INSTALL) -m 755 $(B)/$(SOFILE) $(DESTDIR)$(LIBDIR)/$(SOFILE)
	ln -sf $(SOFILE) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libtzram.so
	$(INSTALL) -m 644 $(B)/tzram.pc $(DESTDIR)$(LIBDIR)/pkgconfig/tzram.pc
	$(INSTALL) -m 644 include/tzram.h $(DESTDIR)$(INCLUDEDIR)/tzram.h
	$(INSTALL) -m 755 $(B)/tzram-scan $(DESTDIR)$(BINDIR)/tzram-scan
	$(INSTALL) -m 644 docs/tzram-scan.1 $(DESTDIR)$(MANDIR)/man1/tzram-scan.1
	@test -n '$(DESTDIR)' || ldconfig 2>/dev/null || echo 'Run ldconfig as root if $(LIBDIR) is on its path.'

uninstall: ## remove what install put there
	rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,libtzram.a libtzram.so $(SONAME) $(SOFILE) pkgconfig/tzram.pc) \
	    $(DESTDIR)$(INCLUDEDIR)/tzram.h $(DESTDIR)$(BINDIR)/tzram-scan $(DESTDIR)$(MANDIR)/man1/tzram-scan.1

dist: | $(B) ## write build/tzram-VERSION.tar.gz from the last commit
	git archive --format=tar.gz --prefix=tzram-$(VERSION)/ -o $(B)/tzram-$(VERSION).tar.gz HEAD
	@echo $(B)/tzram-$(VERSION).tar.gz

clean: ## remove what was built (build/tools stays)
	$(CARGO) clean --quiet -p tzram
	@test ! -d $(B) || find $(B) -mindepth 1 -maxdepth 1 ! -name tools -exec rm -rf {} +

# ---- tests and checks --------------------------------------------------------------------------------------------------
test: all ## run every test: Rust with and without libzstd, C programs, the README's example
	@for t in $(TESTS); do echo "== $$t"; $(MAKE) --no-print-directory $$t || exit 1; done

check: all ## run the checks on style, header, symbols, layers, size, install and demo
	@for t in $(CHECKS); do echo "== $$t"; $(MAKE) --no-print-directory $$t || exit 1; done

test-emulated: ## run the tests on CPUs that this machine does not have
	tools/emulation/test-emulated
	tools/check-conformance --neon

list-checks:
	@echo $(CHECKS)

# --show-output: a test that cannot run here says so on a line SKIPPED NAME: WHY, which .ci/run compares with .ci/skips-allowed.
test-rust:
	$(CARGO) test $(CARGO_FLAGS) -- --show-output
test-rust-without-libzstd:
	$(CARGO) test $(CARGO_FLAGS) --no-default-features -- --show-output
test-boundary:
	$(CARGO) test $(CARGO_FLAGS) --features testing --test boundary
test-cuda:
	$(CARGO) test $(CARGO_FLAGS) --features "cuda testing" --test cuda_kernels --test cuda_device --test cuda_queue \
	    --test cuda_gpu -- --show-output
test-c: all
	c_tests/run
test-readme: all
	tools/with-install tools/check-readme

check-fmt:
	$(CARGO) fmt --check
check-clippy:
	$(CARGO) clippy $(CARGO_FLAGS) --all-targets -- -D warnings
	$(CARGO) clippy $(CARGO_FLAGS) --all-targets --no-default-features -- -D warnings
	$(CARGO) clippy $(CARGO_FLAGS) --all-targets --features cuda -- -D warnings
	$(CARGO) clippy $(CARGO_FLAGS) --lib --tests --features "cuda testing" -- -D warnings
check-doc:
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc $(CARGO_FLAGS) --no-deps --document-private-items --features cuda
check-header:
	tools/make-header --check
check-symbols: library
	tools/check-symbols
check-archive: library
	tools/check-archive '$(libs_private)'
check-cubins:
	tools/make-cubins --check
check-layers:
	tools/check-layers --self-test
	tools/check-layers
check-words:
	tools/check-words
# The other builds get their own folders, so that build/ keeps what the caller made.
check-footprint: library
	tools/footprint --limit 1872 $(B)/$(SOFILE)
	$(MAKE) --no-print-directory B=$(B)/without-libzstd LIBZSTD=0 $(B)/without-libzstd/$(SOFILE)
	tools/footprint --limit 1216 $(B)/without-libzstd/$(SOFILE)
	$(MAKE) --no-print-directory B=$(B)/with-cuda FEATURES='$(strip $(FEATURES) cuda)' $(B)/with-cuda/$(SOFILE)
	tools/footprint --limit 3536 $(B)/with-cuda/$(SOFILE)
check-asan:
	tools/check-asan
check-conformance: all
	tools/with-install tools/check-conformance
check-demo: all
	tools/check-demo $(B)/tzram-scan
