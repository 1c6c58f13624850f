/* SPDX-License-Identifier: MIT */
/*
 * Which of a tunnel's servers is the next to try. In a round each is tried once, without a pause
 * between them; it is over when all have failed, or when one has been connected for long enough. With
 * `prefer: first` a round begins with the best, and a better one than that in use is looked for from
 * time to time; with `prefer: any` it begins with the one that worked last. A server that only a person can
 * mend is left out until somebody asks for a fresh start. Pure policy: no clock, no sessions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/config.h"
#include "lib/err.h"

struct route_result {
	bool tried; /* in this round */
	bool closed; /* a person has to act; not knocked at */
	bool was_known; /* with these settings this server has accepted us before */
	bool awaits_agent; /* another key in the agent may be all it takes */
	enum err_code code; /* of the last failure; ERR_NONE: none since it worked */
	char *why; /* the message, which names the server; NULL: none, or out of memory */
};

struct routes {
	struct route_result items[CONFIG_ROUTES_MAX]; /* as in the configuration, best first */
	size_t count; /* at least 1 */
	size_t current; /* the one that is used or tried */
	size_t worked; /* the one that was connected last; the first, if none was */
	enum prefer_mode prefer;
	bool went_back; /* the current one was better, and has not proved itself yet */
	unsigned relapses; /* how many times in a row such a one broke early */
};

void routes_init(struct routes *r, size_t count, enum prefer_mode prefer);
void routes_fini(struct routes *r);

/* A new round; current is where it begins. */
void routes_begin(struct routes *r);
/* A person, or new settings: all may be tried again. */
void routes_forgive(struct routes *r);
/* The agent has other keys. True: this one was closed for want of one, and is not any more. */
bool routes_reopen(struct routes *r, size_t route);
/* After the current one failed: makes the next one of this round current. False: the round is over. */
bool routes_next(struct routes *r);

/* What happens to them. */
void routes_failed(struct routes *r, size_t route, const struct err *why);
void routes_connected(struct routes *r, size_t route);
void routes_stable(struct routes *r); /* the current one has been connected for long enough */
void routes_go_back(struct routes *r, size_t route); /* a better one, connected, is current now */

/* A refused key is for a person, unless this server took it before: then it is more likely ill (a
 * home directory that is not mounted, a directory service that is down) and gets well by itself. */
bool routes_need_person(const struct routes *r, size_t route, enum err_code why);
bool routes_are_closed(const struct routes *r); /* all of them */
/* The best that is better than the current one and not before from; false: there is none. */
bool routes_find_better(const struct routes *r, size_t from, size_t *ret_route);
/* How long the current one is used before a better one is looked for: longer each time the better
 * one breaks early. */
unsigned routes_patience_ms(const struct routes *r, unsigned failback_ms);

/* Why all have failed: what each said, as far as it fits into one line, under the code that decides
 * how long to wait. */
void routes_explain(const struct routes *r, struct err *ret);
