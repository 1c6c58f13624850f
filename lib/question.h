/* SPDX-License-Identifier: MIT */
/*
 * What has to be answered before a server lets us in: the passphrase of a key, a password, or what
 * the server asks by itself (keyboard-interactive, RFC 4256). Asked by a worker, answered from what
 * the supervisor keeps, or by a person at `tunctl auth`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
	QUESTION_PROMPTS_MAX = 16,
	QUESTION_SUBJECT_MAX = 1024,
	QUESTION_TEXT_MAX = 512, /* bytes of a text that is shown, with its NUL */
};

enum question_kind {
	QUESTION_PASSPHRASE,
	QUESTION_PASSWORD,
	QUESTION_INTERACTIVE,
	QUESTION_KIND_COUNT
};

struct question_prompt {
	char text[QUESTION_TEXT_MAX]; /* safe to print */
	bool echo; /* the answer may be seen */
};

struct question {
	enum question_kind kind;
	unsigned route, hop; /* whose: indices into the tunnel's configuration */
	bool again; /* the last answer was wrong */
	char subject[QUESTION_SUBJECT_MAX]; /* the path of the key as it was configured, or the
					     * connection_name() of the server; not yet safe to
					     * print */
	char name[QUESTION_TEXT_MAX],
		instruction[QUESTION_TEXT_MAX]; /* of the server; safe to print */
	struct question_prompt prompts[QUESTION_PROMPTS_MAX];
	size_t prompt_count; /* QUESTION_INTERACTIVE only; the others need one answer */
};

const char *question_kind_name(enum question_kind kind); /* "passphrase" */
int question_kind_from_name(const char *name); /* -1: none */
size_t question_answers(const struct question *q); /* how many it wants */
