/* SPDX-License-Identifier: MIT */
#include "lib/proxy_command.h"

#include <stdio.h>
#include <string.h>

#include "lib/str.h"
#include "lib/tokens.h"

#define EXEC "exec "

int proxy_command_words(const struct connection_settings *c, struct strv *ret)
{
	char port[8];
	const struct token tokens[] = {
		{ 'h', c->host },
		{ 'p', port },
		{ 'r', c->user ? c->user : "" },
		{ 'n', c->original ? c->original : c->host },
	};

	snprintf(port, sizeof(port), "%u", c->port);
	for (size_t i = 0; i < c->proxy_command.count; i++) {
		CLEANUP(freep)
		char *word = tokens_expand(c->proxy_command.items[i], tokens, ARRAY_SIZE(tokens));

		if (!word || strv_add(ret, word) < 0) {
			strv_fini(ret);
			return -1;
		}
	}
	return 0;
}

char *proxy_command_name(char *out, size_t size, const struct connection_settings *c)
{
	const struct strv *words = &c->proxy_command;
	const char *name = words->count > 0 ? words->items[0] : "", *slash;
	size_t length;

	if (words->count == 3 && strcmp(name, PROXY_COMMAND_SHELL) == 0 &&
	    strncmp(words->items[2], EXEC, strlen(EXEC)) == 0)
		name = words->items[2] + strlen(EXEC);
	length = strcspn(name, " \t\n");
	slash = memrchr(name, '/', length);
	if (slash) {
		length -= (size_t)(slash + 1 - name);
		name = slash + 1;
	}
	return str_escape(out, size, name, length);
}
