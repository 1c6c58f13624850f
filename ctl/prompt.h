/* SPDX-License-Identifier: MIT */
/*
 * Answers of a person: typed on the terminal, unseen where they must not be seen, or, in a script,
 * the lines of standard input. The terminal is given back as it was, whatever signal comes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ctl/failure.h"
#include "lib/secret.h"

struct prompter {
	int tty; /* -1: answers are the lines of standard input */
	char lines[2 * (SECRET_MAX + 2)]; /* read from there and not used yet */
	size_t size;
};

/* program: whoever asks speaks JSON, so nothing may be shown. */
int prompter_open(struct prompter *p, bool program, struct failure *f);
void prompter_close(struct prompter *p); /* wipes what was read */

/* For what explains the prompt; not shown to a script. */
void prompter_say(struct prompter *p, const char *text);

/* 1: *ret is the answer; 0: watched became readable first; -1 with f filled: there is no answer. */
int prompter_ask(struct prompter *p, const char *text, bool echo, int watched, struct secret *ret,
		 struct failure *f);
