/* SPDX-License-Identifier: MIT */
#include "daemon/worker/routes.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/worker/retry.h"
#include "lib/util.h"

#define RELAPSES_MAX 4 /* doublings of the patience with a better server */

void routes_init(struct routes *r, size_t count, enum prefer_mode prefer)
{
	*r = (struct routes){ .count = count, .prefer = prefer };
}

void routes_fini(struct routes *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->items[i].why);
	*r = (struct routes){ 0 };
}

/* ---- rounds ---- */

static void end_round(struct routes *r)
{
	for (size_t i = 0; i < r->count; i++)
		r->items[i].tried = false;
}

static bool is_open(const struct routes *r, size_t route)
{
	return !r->items[route].tried && !r->items[route].closed;
}

/* The first open one from there on, around the end of the list. */
static bool choose(struct routes *r, size_t from)
{
	for (size_t i = 0; i < r->count; i++) {
		size_t route = (from + i) % r->count;

		if (is_open(r, route)) {
			r->current = route;
			return true;
		}
	}
	return false;
}

void routes_begin(struct routes *r)
{
	end_round(r);
	choose(r, r->prefer == PREFER_ANY ? r->worked : 0);
}

bool routes_next(struct routes *r)
{
	return choose(r, r->prefer == PREFER_ANY ? r->current : 0);
}

void routes_forgive(struct routes *r)
{
	for (size_t i = 0; i < r->count; i++)
		r->items[i].closed = false;
	r->relapses = 0;
	r->went_back = false;
}

bool routes_reopen(struct routes *r, size_t route)
{
	struct route_result *item = &r->items[route];
	bool was_closed = item->closed && item->awaits_agent;

	item->closed &= !item->awaits_agent;
	item->awaits_agent = false;
	return was_closed;
}

/* ---- what happens to them ---- */

static void forget_why(struct route_result *item)
{
	free(item->why);
	item->why = NULL;
	item->code = ERR_NONE;
	item->awaits_agent = false;
}

void routes_failed(struct routes *r, size_t route, const struct err *why)
{
	struct route_result *item = &r->items[route];

	forget_why(item);
	item->code = why->code;
	item->why = strdup(why->msg);
	item->tried |= route == r->current; /* in the background it is in no round */
	item->closed = routes_need_person(r, route, why->code);
	if (route == r->current && r->went_back) {
		r->went_back = false;
		r->relapses = MIN(r->relapses + 1, (unsigned)RELAPSES_MAX);
	}
}

void routes_connected(struct routes *r, size_t route)
{
	r->items[route].was_known = true;
	r->worked = route;
	forget_why(&r->items[route]);
}

void routes_stable(struct routes *r)
{
	end_round(r);
	if (r->went_back)
		r->relapses = 0;
	r->went_back = false;
}

void routes_go_back(struct routes *r, size_t route)
{
	r->went_back = true;
	r->current = route;
}

/* ---- looking ---- */

bool routes_need_person(const struct routes *r, size_t route, enum err_code why)
{
	return err_needs_person(why) && !(why == ERR_AUTH && r->items[route].was_known);
}

bool routes_are_closed(const struct routes *r)
{
	for (size_t i = 0; i < r->count; i++) {
		if (!r->items[i].closed)
			return false;
	}
	return true;
}

bool routes_find_better(const struct routes *r, size_t from, size_t *ret_route)
{
	if (r->prefer != PREFER_FIRST)
		return false;
	for (size_t i = from; i < r->current; i++) {
		if (!r->items[i].closed) {
			*ret_route = i;
			return true;
		}
	}
	return false;
}

unsigned routes_patience_ms(const struct routes *r, unsigned failback_ms)
{
	return (unsigned)MIN((uint64_t)failback_ms << r->relapses, (uint64_t)UINT32_MAX / 2);
}

/* ---- why all have failed ---- */

/* How long the wait has to be for what the server said; 0: waiting does not help. */
static unsigned patience_for(const struct route_result *item)
{
	if (item->closed || item->code == ERR_NONE)
		return 0;
	if (item->code == ERR_AUTH || item->code == ERR_AGENT_LACKS)
		return 3;
	return retry_is_of_network(item->code) ? 1 : 2;
}

/* The best one's, unless another may get well and wants more patience. */
static const struct route_result *decisive(const struct routes *r)
{
	const struct route_result *found = NULL;

	for (size_t i = 0; i < r->count; i++) {
		const struct route_result *item = &r->items[i];

		if (item->code == ERR_NONE)
			continue;
		if (!found || patience_for(item) > patience_for(found))
			found = item;
	}
	return found;
}

/* The bytes each message may have, so that together they have no more than room: short ones leave
 * what they do not need to the others. */
static size_t fair_share(const struct routes *r, size_t messages, size_t room)
{
	size_t share = room / messages, next = share;

	do {
		size_t rest = room, longer = 0;

		share = next;
		for (size_t i = 0; i < r->count; i++) {
			size_t length = r->items[i].why ? strlen(r->items[i].why) : 0;

			longer += length > share;
			rest -= length > share ? 0 : length;
		}
		next = longer > 0 ? rest / longer : share;
	} while (next > share);
	return share;
}

/* At most size bytes of text, not cut inside a character; what does not fit says so. */
static size_t add_message(char *out, const char *text, size_t size)
{
	size_t length = strlen(text);

	if (length <= size) {
		memcpy(out, text, length);
		return length;
	}
	length = size > 3 ? size - 3 : 0;
	while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
		length--;
	memcpy(out, text, length);
	memcpy(out + length, "...", 3);
	return length + 3;
}

void routes_explain(const struct routes *r, struct err *ret)
{
	const struct route_result *reason = decisive(r);
	size_t messages = 0, share, used = 0;

	err_set(ret, reason ? reason->code : ERR_INTERNAL, "no server was tried");
	for (size_t i = 0; i < r->count; i++)
		messages += r->items[i].why != NULL;
	if (messages == 0)
		return;
	share = fair_share(r, messages, sizeof(ret->msg) - 1 - 2 * (messages - 1));
	for (size_t i = 0; i < r->count; i++) {
		if (!r->items[i].why)
			continue;
		if (used > 0) {
			memcpy(ret->msg + used, "; ", 2);
			used += 2;
		}
		used += add_message(ret->msg + used, r->items[i].why, share);
	}
	ret->msg[used] = '\0';
}
