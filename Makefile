# argo-edge.  `make help` lists what there is to make.
#
#   B=DIR      build below DIR instead of build/ (several can stand side by
#              side; the configuration is always build/config.mk)
#   V=1        show commands in full
#   ASAN=1     with AddressSanitizer and UBSan, into build-asan/ if no B is
#              given; TSAN=1 with ThreadSanitizer, into build-tsan/

MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := all
CONFIG := build/config.mk

# ---- configuration -----------------------------------------------------------

# `make test` and `make demo` are for a machine that has nothing yet: there,
# what is missing is installed as well.
ifneq ($(filter-out clean help,$(or $(MAKECMDGOALS),all)),)
include $(CONFIG)
endif

$(CONFIG): configure
	@if [ -f $@ ]; then \
	    env CC='$(CC)' ./configure $(CONFIGURE_ARGS); \
	else \
	    env -u CC -u CFLAGS ./configure \
	        $(if $(filter test demo demo-up,$(MAKECMDGOALS)),--install-deps); \
	fi

ifeq ($(ASAN),1)
B ?= build-asan
else ifeq ($(TSAN),1)
B ?= build-tsan
else
B ?= build
endif

VERSION := $(shell sed -n 's/.*AE_VERSION "\(.*\)".*/\1/p' lib/argo_edge.h)
SOVERSION := 0
FOLDERS := base policy token route limit cache mirror config edge

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-6s %s\n' '$(1)' '$(2)')

# ---- flags ---------------------------------------------------------------------

WARN := -Wall -Wextra -Wshadow -Wconversion -Werror
HARDEN := -fstack-protector-strong -Wformat -Werror=format-security
LDHARDEN := -Wl,-z,relro,-z,now

ifeq ($(TSAN),1)
# gcc says that it does not follow fences: the copy of the SSO keys has one
override CFLAGS := -g -O1 -fsanitize=thread \
    $(if $(findstring clang,$(CC)),,-Wno-tsan)
endif
ifeq ($(ASAN),1)
override CFLAGS := -g -O1 -fsanitize=address,undefined \
    -fno-sanitize-recover=undefined -fno-omit-frame-pointer \
    -DAE_ARENA_EMULATE
endif
# glibc's checks want an optimiser, and step on the sanitizers' toes
ifneq ($(filter -O1 -O2 -O3 -Os,$(CFLAGS)),)
ifeq ($(findstring -fsanitize,$(CFLAGS)),)
HARDEN += -D_FORTIFY_SOURCE=2
endif
endif

# see configure; another compiler may not know it
ifneq ($(CC),$(TUNED_CC))
override TUNE :=
endif
ifneq ($(findstring -fsanitize,$(CFLAGS)),)
override TUNE :=
endif

AE_CPPFLAGS := -Ilib -D_GNU_SOURCE -include build/ae_config.h
AE_CFLAGS = -std=c11 $(AE_CPPFLAGS) $(CPPFLAGS) $(CFLAGS) $(TUNE) $(HARDEN) \
    $(WARN)
# one set of objects for archive, shared library and modules
PICFLAGS := -fPIC -fno-semantic-interposition
LIBS := -ljansson -lcrypto -ljwt -llmdb -lpcre2-8 -lyaml -lxxhash -lz \
    $(OPTIONAL_LIBS) -lpthread
LINK = $(CC) $(CFLAGS) $(LDFLAGS) $(LDHARDEN) -pie

# ---- sources -------------------------------------------------------------------

objs = $(patsubst %.c,$(B)/obj/%.o,$(1))
LIB_SRC := $(sort $(foreach f,$(FOLDERS),$(wildcard lib/$(f)/*.c)))
CLI_SRC := $(sort $(wildcard cli/*.c cli/agent/*.c))
DEMO_SRC := $(sort $(wildcard demo/*.c))
RUNNER_MAIN := tests/runner/vectors.c tests/runner/replay.c
RUNNER_SRC := $(sort $(filter-out $(RUNNER_MAIN),$(wildcard tests/runner/*.c)))
BENCH_SRC := $(sort $(wildcard tests/bench/*.c))
UNIT_SRC := $(sort $(wildcard tests/unit/*/*.c))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/*.c))
NGX_SRC := $(sort $(wildcard ngx_module/*.c ngx_module/*.h ngx_module/config))
HTTPD_SRC := $(sort $(wildcard httpd_module/*.c))

ALL_OBJ := $(call objs,$(LIB_SRC) $(CLI_SRC) $(DEMO_SRC) $(RUNNER_MAIN) \
    $(RUNNER_SRC) $(BENCH_SRC))
UNITS := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRC))
ARCHIVE := $(B)/libargoedge.a
SHARED := $(B)/libargoedge.so.$(VERSION)
CLI := $(B)/argo-edge
NGX_SO := $(B)/nginx/ngx_http_argo_edge_module.so
HTTPD_SO := $(B)/httpd/mod_argo_edge.so

PROGRAMS := $(CLI) $(B)/demo-backend
TEST_PROGRAMS := $(B)/tests/vectors $(B)/tests/replay $(B)/tests/bench
MODULES := $(if $(NGINX_SRC),$(if $(NGX_SRC),$(NGX_SO))) \
    $(if $(APXS),$(if $(HTTPD_SRC),$(HTTPD_SO)))

# ---- goals ---------------------------------------------------------------------

.PHONY: all lib help units fuzzers programs asan tsan demo demo-up test check bench fuzz lint \
    install deb clean $(FOLDERS)
.DELETE_ON_ERROR:

all: lib $(PROGRAMS) $(MODULES)

lib: $(ARCHIVE) $(SHARED) $(B)/libargoedge.so $(B)/argoedge.pc

help:
	@echo 'make            library, command, modules (in build/)'
	@echo 'make demo       a small Argo CD look-alike with the edge in front;'
	@echo '                make demo SERVER=httpd takes Apache httpd for it'
	@echo 'make demo-up    the same, left running'
	@echo 'make test       everything that can be tested; the first run on a'
	@echo '                new machine installs what is missing'
	@echo 'make check      the fast part of it'
	@echo 'make bench      measure; make fuzz SECONDS=60  search for crashes'
	@echo 'make lint       warnings of clang, and the rules of the house'
	@echo 'make install    below PREFIX (DESTDIR is honoured)'
	@echo 'make deb        a Debian package in build/'
	@echo 'make clean      remove build/, build-asan/ and build-tsan/'

programs: $(PROGRAMS) $(TEST_PROGRAMS)
units: $(UNITS)
fuzzers: $(FUZZ_SRC:tests/fuzz/%.c=$(B)/fuzz/%)

demo: all
	BUILD=$(abspath $(B)) SERVER=$(or $(SERVER),nginx) sh demo/demo.sh walk

# leaves it running, for trying things out
demo-up: all
	BUILD=$(abspath $(B)) SERVER=$(or $(SERVER),nginx) sh demo/demo.sh up

# everything that tests/t runs under the sanitizers
asan:
	+$(MAKE) --no-print-directory ASAN=1 B=build-asan units fuzzers \
	    build-asan/tests/vectors build-asan/tests/replay \
	    $(patsubst $(B)/%,build-asan/%,$(MODULES))

# what several threads drive at once, under ThreadSanitizer
tsan:
	+$(MAKE) --no-print-directory TSAN=1 B=build-tsan \
	    build-tsan/unit/edge/threads build-tsan/unit/edge/dead

PROVE ?= prove
# Scenarios, whose limits and leases run by the clock, have the machine for
# themselves; the rest shares its cores.
SCENARIOS := $(sort $(wildcard tests/t/[0-9]*.t)) tests/t/mpms.t
OTHERS := $(filter-out $(SCENARIOS),$(sort $(wildcard tests/t/*.t)))

test: all programs units asan tsan
	@rc=0; \
	$(PROVE) $(PROVEFLAGS) $(SCENARIOS) || rc=1; \
	$(PROVE) -j$$(nproc) $(PROVEFLAGS) $(OTHERS) || rc=1; \
	exit $$rc

check: lib programs units
	$(PROVE) $(PROVEFLAGS) tests/t/unit.t tests/t/vectors.t tests/t/style.t

# The whole bench writes docs/performance.md; BENCH="--quick decide" does not.
bench: all programs
	$(B)/tests/bench $(BENCH) | tee $(B)/bench.out
	$(if $(BENCH),,tests/tools/performance <$(B)/bench.out \
	    >docs/performance.md)

lint: all
	$(PROVE) $(PROVEFLAGS) tests/t/style.t tests/t/clang.t

clean:
	rm -rf build build-asan build-tsan

# ---- objects, library ------------------------------------------------------------

$(B)/obj/%.o: %.c $(CONFIG)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(AE_CFLAGS) $(PICFLAGS) -MMD -MP -c $< -o $@

# A list that changes (a source came or went) makes its archive anew.
$(B)/%.list: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(LIST)' | cmp -s - $@ || printf '%s\n' '$(LIST)' >$@
.PHONY: FORCE

define FOLDER_RULE
$(B)/libae_$(1).list: LIST = $(filter lib/$(1)/%,$(LIB_SRC))
$(B)/libae_$(1).a: $(call objs,$(filter lib/$(1)/%,$(LIB_SRC))) \
    $(B)/libae_$(1).list
	@rm -f $$@
	$$(call say,AR,$$@)
	$$(Q)ar rcs $$@ $$(filter %.o,$$^)
$(1): $(B)/libae_$(1).a
endef
$(foreach f,$(FOLDERS),$(eval $(call FOLDER_RULE,$(f))))

$(B)/libargoedge.list: LIST = $(LIB_SRC)
$(ARCHIVE): $(call objs,$(LIB_SRC)) $(B)/libargoedge.list
	@rm -f $@
	$(call say,AR,$@)
	$(Q)ar rcs $@ $(filter %.o,$^)

$(SHARED): $(call objs,$(LIB_SRC)) lib/argo_edge.map $(B)/libargoedge.list
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(LDHARDEN) -shared $(if \
	    $(findstring -fsanitize,$(CFLAGS)),,-Wl,-z,defs) \
	    -Wl,-soname,libargoedge.so.$(SOVERSION) \
	    -Wl,--version-script=lib/argo_edge.map $(filter %.o,$^) $(LIBS) -o $@

$(B)/libargoedge.so: $(SHARED)
	@ln -sf $(notdir $(SHARED)) $(B)/libargoedge.so.$(SOVERSION)
	@ln -sf $(notdir $(SHARED)) $@

$(B)/argoedge.pc: Makefile lib/argo_edge.h $(CONFIG)
	@mkdir -p $(@D)
	@{ echo 'prefix=$(PREFIX)'; \
	echo 'libdir=$(LIBDIR)'; \
	echo 'includedir=$${prefix}/include'; \
	echo; \
	echo 'Name: argoedge'; \
	echo 'Description: decides requests for the API server of Argo CD'; \
	echo 'Version: $(VERSION)'; \
	echo 'Requires.private: jansson libcrypto libjwt lmdb libpcre2-8' \
	    'yaml-0.1 libxxhash zlib'; \
	echo 'Libs: -L$${libdir} -largoedge'; \
	echo 'Libs.private: -lpthread $(OPTIONAL_LIBS)'; \
	echo 'Cflags: -I$${includedir} -I$${includedir}/argo-edge'; } >$@

# ---- programs --------------------------------------------------------------------

$(CLI): $(call objs,$(CLI_SRC)) $(ARCHIVE)
	$(call say,LINK,$@)
	$(Q)$(LINK) $(filter %.o,$^) $(ARCHIVE) $(LIBS) -lhiredis -lcurl -o $@

$(B)/demo-backend: $(call objs,$(DEMO_SRC)) $(ARCHIVE)
	$(call say,LINK,$@)
	$(Q)$(LINK) $(filter %.o,$^) $(ARCHIVE) $(LIBS) -o $@

# What both runners share: checkers, worlds, messages.
$(B)/librunner.list: LIST = $(RUNNER_SRC)
$(B)/librunner.a: $(call objs,$(RUNNER_SRC)) $(B)/librunner.list
	@rm -f $@
	$(call say,AR,$@)
	$(Q)ar rcs $@ $(filter %.o,$^)

$(B)/tests/vectors: $(call objs,tests/runner/vectors.c) $(B)/librunner.a
$(B)/tests/replay: $(call objs,tests/runner/replay.c) $(B)/librunner.a
$(B)/tests/bench: $(call objs,$(BENCH_SRC))
$(B)/tests/vectors $(B)/tests/replay $(B)/tests/bench: $(ARCHIVE)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(LINK) $(filter %.o %/librunner.a,$^) $(ARCHIVE) $(LIBS) -o $@

# A unit test sees the ground floor and its own folder, edge sees them all.
UNIT_HDR := $(wildcard tests/unit/*.h tests/unit/*/*.h)
UNIT_LIBS := $(if $(filter -lbrotlienc,$(OPTIONAL_LIBS)),-lbrotlidec)
define UNIT_RULE
$(B)/unit/$(1)/%: tests/unit/$(1)/%.c $(UNIT_HDR) $(2)
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)
	$$(Q)$$(CC) $$(AE_CFLAGS) -fPIE -Itests/unit -MMD -MP -MF $$@.d -MT $$@ $$< \
	    $(2) $$(LDFLAGS) $$(LDHARDEN) -pie $$(LIBS) $$(UNIT_LIBS) -o $$@
endef
UNIT_OTHER := $(filter-out $(FOLDERS),$(notdir $(wildcard tests/unit/*)))
$(foreach f,$(filter-out edge,$(FOLDERS)),$(eval $(call \
    UNIT_RULE,$(f),$(if $(filter base,$(f)),,$(B)/libae_$(f).a) \
    $(B)/libae_base.a)))
$(foreach f,edge $(filter-out %.h,$(UNIT_OTHER)),$(eval $(call \
    UNIT_RULE,$(f),$(ARCHIVE))))

# ---- fuzzing -----------------------------------------------------------------------

SECONDS ?= 60
FUZZ := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(FUZZ_SRC))
LIBFUZZ := $(patsubst tests/fuzz/%.c,$(B)/libfuzz/%,$(FUZZ_SRC))

# Seeds and a few mutations of them, with any compiler: part of the tests.
$(B)/fuzz/%: tests/fuzz/%.c tests/fuzz/fuzz.h tests/fuzz/driver/main.c \
    $(ARCHIVE)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(AE_CFLAGS) -fPIE $< tests/fuzz/driver/main.c $(ARCHIVE) \
	    $(LDFLAGS) $(LDHARDEN) -pie $(LIBS) -o $@

# The search for more: clang's libFuzzer (package libclang-rt-14-dev).
$(B)/libfuzz/%: tests/fuzz/%.c tests/fuzz/fuzz.h $(LIB_SRC) $(CONFIG)
	@mkdir -p $(@D)
	$(call say,CLANG,$@)
	$(Q)clang -std=c11 $(AE_CPPFLAGS) -g -O1 -DAE_ARENA_EMULATE \
	    -fsanitize=fuzzer,address,undefined $< $(LIB_SRC) $(LIBS) -o $@

fuzz: $(LIBFUZZ) $(FUZZ)
	@for f in $(notdir $(FUZZ)); do \
	    mkdir -p $(B)/corpus/$$f && \
	    $(B)/fuzz/$$f --seeds $(B)/corpus/$$f && \
	    $(B)/libfuzz/$$f -max_total_time=$(SECONDS) $(B)/corpus/$$f \
	        || exit 1; \
	done

# ---- modules -----------------------------------------------------------------------

# nginx's own build, out of its tree.  Its make must not inherit our variables.
NGX_OUT := $(abspath $(B))/nginx
NGX_CC := -g -O2 $(TUNE) -fPIC -fstack-protector-strong -Wformat \
    -Werror=format-security -Wdate-time -D_FORTIFY_SOURCE=2
NGX_LD := -Wl,-z,relro -Wl,-z,now -fPIC
ifeq ($(ASAN),1)
# the pools of nginx are its own: only what is ours is instrumented
NGX_CC := -g -O1 -fPIC -fsanitize=address,undefined \
    -fno-sanitize-recover=undefined -fno-omit-frame-pointer \
    -DAE_ARENA_EMULATE
NGX_LD := -fPIC -fsanitize=address,undefined
endif

$(B)/nginx/Makefile: ngx_module/config $(filter %.h,$(NGX_SRC)) $(CONFIG) \
    | $(ARCHIVE)
	@mkdir -p $(@D)
	$(call say,CONF,$@)
	$(Q)cd '$(NGINX_SRC)' && \
	    env -u MAKEFLAGS -u MFLAGS ASAN_OPTIONS=detect_leaks=0 AE_LIB_DIR='$(abspath $(B))' \
	    AE_LIBS='$(LIBS)' bash -c 'if [ -f ./conf_flags ]; then \
	    . ./conf_flags; else NGX_CONF_FLAGS=(--with-compat); fi; \
	    ./configure "$${NGX_CONF_FLAGS[@]}" --builddir="$(NGX_OUT)" \
	    --with-cc-opt="$(NGX_CC)" --with-ld-opt="$(NGX_LD)" \
	    --add-dynamic-module="$(CURDIR)/ngx_module"' \
	    >'$(NGX_OUT)/configure.log' 2>&1 \
	    || { tail -n 20 '$(NGX_OUT)/configure.log'; exit 1; }

$(NGX_SO): $(NGX_SRC) $(ARCHIVE) $(B)/nginx/Makefile
	$(call say,NGINX,$@)
	$(Q)env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u CFLAGS make --silent \
	    -f '$(NGX_OUT)/Makefile' -C '$(NGINX_SRC)' modules

# apxs knows the flags; its own build wants libtool and writes beside sources.
$(HTTPD_SO): $(HTTPD_SRC) $(wildcard httpd_module/*.h) $(ARCHIVE)
	@mkdir -p $(@D)
	$(call say,HTTPD,$@)
	$(Q)$(CC) -shared -fPIC -Ilib \
	    $$($(APXS) -q EXTRA_CPPFLAGS) -D_GNU_SOURCE \
	    -isystem $$($(APXS) -q INCLUDEDIR) \
	    -isystem $$($(APXS) -q APR_INCLUDEDIR) $(CFLAGS) $(HARDEN) -Wall \
	    -Wextra -Wshadow -Werror $(LDHARDEN) -Wl,--exclude-libs,ALL \
	    $(HTTPD_SRC) $(ARCHIVE) $(LIBS) -o $@

# ---- installing ------------------------------------------------------------------

INSTALL ?= install
NGX_MODDIR ?= /usr/lib/nginx/modules
NGX_CONFDIR ?= /usr/share/nginx/modules-available
HTTPD_MODDIR ?= /usr/lib/apache2/modules
HTTPD_CONFDIR ?= /etc/apache2/mods-available
INC := $(DESTDIR)$(PREFIX)/include

install: all
	$(INSTALL) -d '$(DESTDIR)$(PREFIX)/bin' '$(DESTDIR)$(LIBDIR)/pkgconfig' \
	    '$(INC)/argo-edge/base' '$(INC)/argo-edge/config'
	$(INSTALL) -m 755 $(CLI) '$(DESTDIR)$(PREFIX)/bin/'
	$(INSTALL) -m 644 $(ARCHIVE) $(SHARED) '$(DESTDIR)$(LIBDIR)/'
	ln -sf $(notdir $(SHARED)) \
	    '$(DESTDIR)$(LIBDIR)/libargoedge.so.$(SOVERSION)'
	ln -sf libargoedge.so.$(SOVERSION) '$(DESTDIR)$(LIBDIR)/libargoedge.so'
	$(INSTALL) -m 644 $(B)/argoedge.pc '$(DESTDIR)$(LIBDIR)/pkgconfig/'
	$(INSTALL) -m 644 lib/argo_edge.h '$(INC)/'
	$(INSTALL) -m 644 lib/base/base.h lib/base/inputs.h \
	    '$(INC)/argo-edge/base/'
	$(INSTALL) -m 644 lib/config/config.h '$(INC)/argo-edge/config/'
ifneq ($(filter $(NGX_SO),$(MODULES)),)
	$(INSTALL) -d '$(DESTDIR)$(NGX_MODDIR)' '$(DESTDIR)$(NGX_CONFDIR)'
	$(INSTALL) -m 644 $(NGX_SO) '$(DESTDIR)$(NGX_MODDIR)/'
	echo 'load_module modules/ngx_http_argo_edge_module.so;' \
	    >'$(DESTDIR)$(NGX_CONFDIR)/mod-http-argo-edge.conf'
endif
ifneq ($(filter $(HTTPD_SO),$(MODULES)),)
	$(INSTALL) -d '$(DESTDIR)$(HTTPD_MODDIR)' '$(DESTDIR)$(HTTPD_CONFDIR)'
	$(INSTALL) -m 644 $(HTTPD_SO) '$(DESTDIR)$(HTTPD_MODDIR)/'
	printf '%s\n' '# Depends: proxy proxy_http headers' \
	    'LoadModule argo_edge_module $(HTTPD_MODDIR)/mod_argo_edge.so' \
	    >'$(DESTDIR)$(HTTPD_CONFDIR)/argo_edge.load'
	[ -e '$(DESTDIR)$(HTTPD_CONFDIR)/argo_edge.conf' ] || \
	    $(INSTALL) -m 644 httpd_module/argo_edge.conf \
	        '$(DESTDIR)$(HTTPD_CONFDIR)/'
endif

DEB := $(B)/deb
DEB_ARCH = $(shell dpkg --print-architecture)
COMMA := ,
DEB_OPTIONAL = $(if $(filter -lbrotlienc,$(OPTIONAL_LIBS)),$(COMMA) \
    libbrotli1)$(if $(filter -lzstd,$(OPTIONAL_LIBS)),$(COMMA) libzstd1)
deb: all
	rm -rf $(DEB)
	+$(MAKE) --no-print-directory install DESTDIR='$(abspath $(DEB))' \
	    PREFIX=/usr
	mkdir -p $(DEB)/DEBIAN $(DEB)/usr/share/doc/argo-edge
	cp LICENSE $(DEB)/usr/share/doc/argo-edge/copyright
	printf '%s\n' 'Package: argo-edge' 'Version: $(VERSION)' \
	    'Architecture: $(DEB_ARCH)' 'Section: httpd' 'Priority: optional' \
	    'Maintainer: argo-edge maintainers <argo-edge@localhost>' \
	    'Depends: libc6, libssl3, libjansson4, liblmdb0, libpcre2-8-0, libyaml-0-2, libxxhash0, libjwt0, zlib1g, libhiredis0.14, libcurl4$(DEB_OPTIONAL)' \
	    'Suggests: nginx | apache2' \
	    'Description: edge in front of the API server of Argo CD' \
	    ' Library, command and modules for nginx and Apache httpd that' \
	    ' decide requests by the policy of Argo CD and answer from a' \
	    ' cache.' \
	    >$(DEB)/DEBIAN/control
	(cd $(DEB) && find etc -type f | sed 's|^|/|') >$(DEB)/DEBIAN/conffiles \
	    2>/dev/null || true
	dpkg-deb --root-owner-group --build $(DEB) \
	    $(B)/argo-edge_$(VERSION)_$(DEB_ARCH).deb

# ---- dependencies on headers ---------------------------------------------------------

-include $(ALL_OBJ:.o=.d) $(UNITS:=.d)
