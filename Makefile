# Bootstrap Makefile: enough to build every folder on its own.
CC ?= cc
B ?= build
CFLAGS ?= -O2 -g
WARN = -Wall -Wextra -Wshadow -Wconversion -Werror
CPPFLAGS += -Ilib -D_GNU_SOURCE
LIBS = -ljansson -lcrypto -ljwt -llmdb -lpcre2-8 -lyaml -lxxhash -lpthread
FOLDERS = base policy token route limit cache mirror config edge
all: lib
define FOLDER_RULE
$(B)/libae_$(1).a: $$(patsubst %.c,$(B)/%.o,$$(wildcard lib/$(1)/*.c))
	@rm -f $$@; ar rcs $$@ $$^
$(1): $(B)/libae_$(1).a
endef
$(foreach f,$(FOLDERS),$(eval $(call FOLDER_RULE,$(f))))
$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -fPIC $(CPPFLAGS) $(CFLAGS) $(WARN) -MMD -MP -c $< -o $@
# unit tests of a floor-1 folder link base and that folder only
$(B)/unit/%: tests/unit/%.c tests/unit/tap.h
	$(MAKE) --no-print-directory $(B)/libae_base.a $(B)/libae_$(firstword $(subst /, ,$*)).a
	@mkdir -p $(@D)
	$(CC) -std=c11 $(CPPFLAGS) -Itests/unit $(CFLAGS) $(WARN) $< $(B)/libae_$(firstword $(subst /, ,$*)).a $(B)/libae_base.a $(LIBS) -o $@
lib: $(foreach f,$(FOLDERS),$(B)/libae_$(f).a)
-include $(shell find $(B) -name '*.d' 2>/dev/null)
.PHONY: all lib $(FOLDERS)
