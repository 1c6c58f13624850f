/* SPDX-License-Identifier: MIT */
/*
 * A method of authentication asks for what it does not know. Made for steps: the first call asks, the
 * next ones wait, and the one after the answer has it.
 */
#pragma once

#include "daemon/worker/attempt.h"
#include "daemon/worker/inquiry.h"

/* In whose name, and who hears of it. */
struct auth_asker {
	struct inquiries *inquiries;
	const struct attempt_for *purpose; /* borrowed. Of a jump that tunnels share, the tunnel may
					    * go and another take its place at any time */
	/* A person may be thinking (true), or no longer: time does not count meanwhile. */
	void (*on_asking)(void *data, bool is_asking);
	void *data;
};

enum auth_reply {
	AUTH_REPLY_WAIT,
	AUTH_REPLY_HERE,
	AUTH_REPLY_NOBODY, /* nobody is there who could say */
};

/* {0} is one that asks nothing. */
struct auth_question {
	const struct auth_asker *asker; /* set while it is under way */
	uint64_t tunnel; /* in whose name it was asked, */
	unsigned route; /* and which of its servers it was about */
	struct inquiry inquiry;
	struct wire_answers answers; /* once they are there */
	bool is_answered;
};

/* q matters in the first call only; route and hop of it are filled in. *ret: of AUTH_REPLY_HERE, as many
 * as the question wants; wire_answers_fini() by the caller. */
enum auth_reply auth_question_step(struct auth_question *aq, const struct auth_asker *asker,
				   struct question *q, struct wire_answers *ret);
/* A person should read what the server says, if there is one. */
void auth_question_tell(const struct auth_asker *asker, struct question *q);
/* The secret that was given last is wrong, and nobody is asked for another one now. */
void auth_question_wrong(const struct auth_asker *asker, enum question_kind kind,
			 const char *subject);
bool auth_question_is_pending(const struct auth_question *aq); /* asked, and not answered */
void auth_question_fini(struct auth_question *aq); /* whatever comes is not wanted any more */

/* The same for one secret: the passphrase of a key, a password. again: the last one was wrong. */
enum auth_reply auth_ask_secret(struct auth_question *aq, const struct auth_asker *asker,
				enum question_kind kind, const char *subject, bool again,
				struct secret *ret);
