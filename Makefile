# SPDX-License-Identifier: GPL-2.0-or-later
# One Makefile for everything: make run, make test. See README.md and HACKING.md.

BUILD ?= release
O := build/$(BUILD)
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

VERSION := 0.1.0

# --- flags -------------------------------------------------------------------
STD := -std=gnu17 -D_GNU_SOURCE -I. -fno-common -include agent/base/banned.h -DCULVERT_VERSION='"$(VERSION)"'
WARN := -Wall -Wextra -Wshadow -Wundef -Wvla -Wpointer-arith -Wcast-qual -Wwrite-strings -Wformat=2 \
	-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wimplicit-fallthrough -Wno-unknown-warning-option -Wno-format-truncation -Werror
HARDEN := -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection
MODE.release := -O2 -g $(HARDEN) -D_FORTIFY_SOURCE=2
MODE.debug := -Og -g3 $(HARDEN)
MODE.asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
MODE.tsan := -O1 -g -fsanitize=thread
MODE.fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LINK.release := -pie -Wl,-z,relro,-z,now,-z,noexecstack
LINK.debug := $(LINK.release)
MODE := $(MODE.$(BUILD))
ifeq ($(MODE),)
$(error BUILD=$(BUILD) is not one of release debug asan tsan)
endif
ifeq ($(BUILD),fuzz)
CC := clang
else ifeq ($(origin CC),default)
CC := gcc
endif
ALL := $(STD) $(WARN) $(MODE) -MMD -MP
LDLIBS := -lmicrohttpd -lgnutls -ljansson -lcurl -lqrcodegen -lsqlite3 -lmnl -lnftables -lcrypto -lsodium -lIPSec_MB

# --- what is built -----------------------------------------------------------
LWIP := build/lwip
LWIP_NAMES := def inet_chksum init ip mem memp netif pbuf stats sys tcp tcp_in tcp_out timeouts \
	ipv4/ip4 ipv4/ip4_addr ipv6/ip6 ipv6/ip6_addr ipv6/icmp6 ipv6/nd6 ipv6/inet6
# lwIP shifts bytes into the sign bit (tcp_in.c), which every compiler takes as meant.
LWIP_UNSANITIZED := $(if $(filter asan fuzz,$(BUILD)),-fno-sanitize=shift)
LWIP_FLAGS := -std=gnu17 -D_GNU_SOURCE -Iforwarding/netstack -isystem $(LWIP)/src/include

base := $(wildcard agent/base/*.c)
schema := $(wildcard schema/*.c)
store := $(wildcard store/*.c store/*.S)
fwd := $(wildcard forwarding/*.c forwarding/*/*.c)
agent := $(filter-out agent/main.c,$(wildcard agent/*.c))
api := $(wildcard api/*.c api/*.S api/client/*.c)

objects = $(patsubst %,$O/%.o,$(basename $(1)))
# Link order is include order, top first; main.o sees all of it.
LAYERS := api agent fwd store schema base
LIBS := $(LAYERS:%=$O/lib%.a) $O/liblwip.a

all: build/culvert

build/culvert: build/release/culvert
	@ln -sf release/culvert $@
ifneq ($(BUILD),release)
build/release/culvert: FORCE | build/packages.ok $(LWIP)/.unpacked
	@$(MAKE) BUILD=release $@
all: $O/culvert
endif

$O/culvert: $O/agent/main.o $(LIBS)
	@echo "  link $@"
	@$(CC) $(MODE) $(LINK.$(BUILD)) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS)

define layer
$O/lib$(1).a: $(call objects,$($(1)))
	@mkdir -p $$(@D) && rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call layer,$l)))

$O/liblwip.a: $(LWIP_NAMES:%=$O/lwip/%.o)
	@mkdir -p $(@D) && rm -f $@ && ar rcs $@ $^

# The sources need the packages; lwIP must be there before anything includes it.
$O/%.o: %.c | build/packages.ok
	@mkdir -p $(@D) && echo "  cc $<"
	@$(CC) $(ALL) $(EXTRA_FLAGS) -c -o $@ $<
$O/%.o: %.S | build/packages.ok
	@mkdir -p $(@D) && echo "  as $<"
	@$(CC) $(MODE) -I. -MMD -MP -c -o $@ $<
$O/lwip/%.o: $(LWIP)/.unpacked forwarding/netstack/lwipopts.h forwarding/netstack/arch/cc.h
	@mkdir -p $(@D) && echo "  cc lwip/$*.c"
	@$(CC) $(LWIP_FLAGS) $(MODE) $(LWIP_UNSANITIZED) -w -c -o $@ $(LWIP)/src/core/$*.c
# Sixteen vectors are an array in C, and registers only where its loops are unrolled.
$O/forwarding/wg/chapoly.o: EXTRA_FLAGS = -O3
$O/forwarding/netstack/%.o: EXTRA_FLAGS = -Iforwarding/netstack -isystem $(LWIP)/src/include
$(call objects,$(wildcard forwarding/netstack/*.c)): | $(LWIP)/.unpacked

# gcc does not see .incbin: what the assembler files embed.
$O/store/embed.o: $(wildcard schema/*.sql)
$O/api/embed.o: openapi.yaml $(wildcard api/dashboard/*)

-include $(shell test -d $O && find $O -name '*.d')

# --- packages and lwIP -------------------------------------------------------
BUILD_PACKAGES := gcc make libc6-dev dpkg-dev ca-certificates libmicrohttpd-dev libgnutls28-dev libjansson-dev libsodium-dev \
	libmnl-dev libnftables-dev libsqlite3-dev libssl-dev libipsec-mb-dev libqrcodegen-dev \
	libcurl4-openssl-dev iputils-ping
TEST_PACKAGES := sqlite3 iptables nftables clang clang-format libclang-rt-dev python3 python3-pytest python3-yaml python3-jsonschema \
	python3-cryptography python3-nacl curl jq iproute2 iputils-ping wireguard-go wireguard-tools iperf3 nmap ncat socat \
	procps util-linux libcap2-bin zbar-tools imagemagick librsvg2-bin libusrsctp-dev ufw firewalld dbus-daemon ethtool strace crun

build/packages.ok: Makefile
	@mkdir -p build && tests/packages.sh $(BUILD_PACKAGES) && touch $@
build/test-packages.ok: Makefile build/packages.ok
	@tests/packages.sh $(TEST_PACKAGES) && touch $@
$(LWIP)/.unpacked: forwarding/netstack/fetch-lwip.sh | build/packages.ok
	@forwarding/netstack/fetch-lwip.sh $(LWIP) && touch $@

# --- run and install ---------------------------------------------------------
ARGS ?=
run: build/culvert
	@exec build/culvert run $(ARGS)

PREFIX ?= /usr/local
install: build/culvert
	install -D -m 0755 build/culvert $(DESTDIR)$(PREFIX)/bin/culvert

clean:
	rm -rf build

# --- tests -------------------------------------------------------------------
# A unit test links with its layer and the layers below it only.
BELOW.agent/base := base
BELOW.schema := schema base
BELOW.store := store schema base
BELOW.forwarding := fwd schema base
BELOW.agent := agent fwd store schema base
BELOW.api := api agent fwd store schema base
below = $(BELOW.$(firstword $(filter-out .,$(foreach f,agent/base api agent forwarding schema store,$(if $(filter $f/%,$(1)),$f)))))

below_libs = $(patsubst %,$O/lib%.a,$(call below,$(patsubst unit/%,%,$(patsubst scenario/%,forwarding/%,$(1)))))

UNIT := $(patsubst tests/%.c,$O/tests/%,$(shell find tests/unit tests/scenario -name '*_test.c' 2>/dev/null))
.SECONDEXPANSION:
$O/tests/%: tests/%.c tests/test.h $$(call below_libs,$$*) $O/liblwip.a
	@mkdir -p $(@D) && echo "  cc $<"
	@$(CC) $(ALL) -Iforwarding/netstack -isystem $(LWIP)/src/include -o $@ $< \
		-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS)

MICRO := $(patsubst tests/%.c,$O/tests/%,$(wildcard tests/bench/micro/*.c))
$(MICRO): $O/tests/bench/%: tests/bench/%.c tests/test.h $(call below_libs,forwarding/) $O/liblwip.a
	@mkdir -p $(@D) && echo "  cc $<"
	@$(CC) $(ALL) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS)

FUZZ := $(patsubst tests/fuzz/%.c,%,$(filter-out tests/fuzz/replay.c,$(wildcard tests/fuzz/*.c)))
$O/fuzz/%: tests/fuzz/%.c tests/fuzz/replay.c $(LIBS)
	@mkdir -p $(@D) && echo "  cc $<"
	@$(CC) $(ALL) -Iforwarding/netstack -isystem $(LWIP)/src/include $(if $(filter fuzz,$(BUILD)),-fsanitize=fuzzer) -o $@ $< \
		$(if $(filter fuzz,$(BUILD)),,tests/fuzz/replay.c) -Wl,--start-group $(LIBS) -Wl,--end-group $(LDLIBS)

unit: $(UNIT)
libs: $(LIBS)
fuzz-targets: $(FUZZ:%=$O/fuzz/%)

test: build/test-packages.ok $(LWIP)/.unpacked
	@tests/run all
check: build/test-packages.ok $(LWIP)/.unpacked
	@tests/run check
lint: build/test-packages.ok $(LWIP)/.unpacked
	@tests/lint/run
# What make bench loads the router with: release builds, linked with the packet path.
BENCH := $(patsubst tests/bench/%.c,build/release/bench/%,$(wildcard tests/bench/*.c))
build/release/bench/%: tests/bench/%.c $(addprefix $O/lib,fwd.a schema.a base.a lwip.a)
	@mkdir -p $(@D) && echo "  cc $<"
	@$(CC) $(ALL) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS)
bench-tools: $(BENCH) $(MICRO)
bench: build/test-packages.ok build/culvert
	@$(MAKE) BUILD=release bench-tools
	@tests/bench/run
bench-path: build/test-packages.ok build/culvert
	@tests/bench/run path/path.py
bench-micro: $(MICRO)
	@tests/bench/micro/run $^
FUZZ_SECONDS ?= 60
fuzz: build/test-packages.ok
	@$(MAKE) BUILD=fuzz fuzz-targets
	@tests/fuzz/run $(FUZZ_SECONDS) $(FUZZ)

FORCE:
.PHONY: all run install clean unit libs fuzz-targets test check lint bench bench-micro bench-path bench-tools fuzz FORCE
.SECONDARY:
