/* SPDX-License-Identifier: MIT */
#include "lib/tokens.h"

#include <stdio.h>
#include <string.h>

#include "lib/str.h"

/* "%h, %p and %%" */
static char *list(const char *letters, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (const char *c = letters; *c && used < size; c++)
		used += (size_t)snprintf(out + used, size - used, "%s%%%c",
					 c == letters ? "" : ", ", *c);
	if (used < size)
		snprintf(out + used, size - used, "%s%%%%", *letters ? " and " : "");
	return out;
}

int tokens_check(const char *text, const char *letters, struct err *err)
{
	char known[96], shown[8];

	for (const char *percent = strchr(text, '%'); percent; percent = strchr(percent, '%')) {
		char letter = percent[1];

		if (letter == '\0')
			return err_set(err, ERR_CONFIG, "ends in a single '%%'; write '%%%%'");
		if (letter != '%' && !strchr(letters, letter)) {
			str_escape(shown, sizeof(shown), &letter, 1);
			return err_set(err, ERR_CONFIG,
				       "'%%%s' stands for nothing here; there are %s", shown,
				       list(letters, known, sizeof(known)));
		}
		percent += 2;
	}
	return 0;
}

static const char *value_of(char letter, const struct token *tokens, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (tokens[i].letter == letter)
			return tokens[i].value;
	}
	return NULL;
}

char *tokens_expand(const char *text, const struct token *tokens, size_t count)
{
	struct strbuf out = { 0 };

	while (*text) {
		size_t plain = strcspn(text, "%");
		const char *value;

		strbuf_add_bytes(&out, text, plain);
		text += plain;
		if (*text == '\0')
			break;
		value = value_of(text[1], tokens, count);
		if (value)
			strbuf_add(&out, value);
		else
			strbuf_add_bytes(&out, text, text[1] && text[1] != '%' ? 2 : 1);
		text += text[1] ? 2 : 1;
	}
	return strbuf_take(&out);
}
