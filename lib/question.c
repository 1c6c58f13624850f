/* SPDX-License-Identifier: MIT */
#include "lib/question.h"

#include <string.h>

static const char *const kinds[QUESTION_KIND_COUNT] = {
	[QUESTION_PASSPHRASE] = "passphrase",
	[QUESTION_PASSWORD] = "password",
	[QUESTION_INTERACTIVE] = "keyboard-interactive",
};

const char *question_kind_name(enum question_kind kind)
{
	return kinds[kind];
}

int question_kind_from_name(const char *name)
{
	for (int kind = 0; kind < QUESTION_KIND_COUNT; kind++) {
		if (strcmp(kinds[kind], name) == 0)
			return kind;
	}
	return -1;
}

size_t question_answers(const struct question *q)
{
	return q->kind == QUESTION_INTERACTIVE ? q->prompt_count : 1;
}
