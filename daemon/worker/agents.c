/* SPDX-License-Identifier: MIT */
#include "daemon/worker/agents.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/worker/agent.h"
#include "lib/util.h"

#define LOOK_MS 5000 /* somebody has just typed ssh-add, and looks whether it helps */
#define ANSWER_MS 2500
#define AGENTS_MAX 64 /* nobody waits for; what is forgotten costs one attempt more */

struct known_agent {
	struct list link; /* agents.all */
	struct agents *owner;
	char *path;
	bool is_known; /* what follows was seen */
	uint64_t keys; /* their fingerprint; 0: it has none, or does not answer */
	uint64_t changed_ms; /* when it was first seen to have these; 0: from the beginning */
	struct list watches; /* struct agent_watch */
	struct agent *asked; /* NULL: not at the moment */
	struct loop_timer look;
};

struct agents {
	struct loop *loop;
	struct list all; /* struct known_agent */
	size_t count;
};

/* ---- what it has ---- */

/* FNV-1a. */
static uint64_t hash_of(struct ssh_span bytes)
{
	uint64_t hash = 0xcbf29ce484222325U;

	for (size_t i = 0; i < bytes.size; i++)
		hash = (hash ^ bytes.data[i]) * 0x100000001b3U;
	return hash;
}

/* Whatever the order: an agent that shuffles its keys has no others. */
static uint64_t fingerprint(struct ssh_span answer)
{
	struct agent_keys keys = { 0 };
	uint64_t sum = 0;

	if (answer.size == 0 || agent_keys_parse(&keys, answer, NULL) < 0)
		return 0;
	for (size_t i = 0; i < keys.count; i++)
		sum += hash_of(keys.items[i].blob);
	sum = keys.count > 0 && sum == 0 ? 1 : sum;
	agent_keys_fini(&keys);
	return sum;
}

/* ---- telling ---- */

static void stop_looking(struct known_agent *k)
{
	loop_timer_stop(&k->look);
	agent_free(TAKE(k->asked));
}

static void look_again(struct known_agent *k)
{
	if (!list_is_empty(&k->watches) && !k->asked && !loop_timer_is_set(&k->look))
		loop_timer_set(&k->look, LOOK_MS);
}

static void tell_all(struct known_agent *k)
{
	struct agent_watch *w;

	while ((w = list_first(&k->watches, struct agent_watch, link))) {
		list_remove(&w->link);
		w->agent = NULL;
		w->on_change(w->data);
	}
	stop_looking(k);
}

static void learn(struct known_agent *k, struct ssh_span answer)
{
	uint64_t keys = fingerprint(answer);
	bool is_news = k->is_known && keys != 0 && keys != k->keys;

	k->is_known = true;
	k->keys = keys;
	if (!is_news)
		return;
	k->changed_ms = loop_now_ms(k->owner->loop);
	tell_all(k);
}

/* ---- looking ---- */

static void on_answer(void *data)
{
	struct known_agent *k = data;
	struct agent *asked = k->asked;
	struct ssh_span answer = { 0 };
	struct err err;

	switch (agent_step(asked, &err)) {
	case STEP_WAIT:
		return;
	case STEP_NEXT:
		answer = agent_answer(asked);
		break;
	case STEP_FAIL:
		break;
	}
	k->asked = NULL;
	agent_free(asked); /* at the end of the turn: until then the answer is there */
	look_again(k);
	learn(k, answer);
}

static void on_look(void *data)
{
	struct known_agent *k = data;

	k->asked = agent_new(k->owner->loop, k->path, on_answer, k, NULL);
	if (k->asked)
		agent_ask_keys(k->asked, ANSWER_MS);
	else
		look_again(k);
}

/* ---- which ---- */

static void forget(struct known_agent *k)
{
	stop_looking(k);
	loop_timer_close(&k->look);
	list_remove(&k->link);
	k->owner->count--;
	free(k->path);
	free(k);
}

/* The one that nobody has asked for the longest time. */
static void make_room(struct agents *as)
{
	struct known_agent *k;

	if (as->count < AGENTS_MAX)
		return;
	list_for_each (k, &as->all, link) {
		if (list_is_empty(&k->watches)) {
			forget(k);
			return;
		}
	}
}

static struct known_agent *add(struct agents *as, const char *path)
{
	struct known_agent *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->owner = as;
	k->path = strdup(path);
	if (!k->path || loop_timer_open(&k->look, as->loop, on_look, k) < 0) {
		free(k->path);
		free(k);
		return NULL;
	}
	list_init(&k->watches);
	list_append(&as->all, &k->link);
	as->count++;
	return k;
}

static struct known_agent *obtain(struct agents *as, const char *path)
{
	struct known_agent *k;

	list_for_each (k, &as->all, link) {
		if (strcmp(k->path, path) == 0) {
			list_remove(&k->link);
			list_append(&as->all, &k->link);
			return k;
		}
	}
	make_room(as);
	return add(as, path);
}

void agents_note(struct agents *as, const char *path, struct ssh_span answer)
{
	struct known_agent *k = obtain(as, path);

	if (k)
		learn(k, answer);
}

bool agents_watch(struct agents *as, struct agent_watch *w, const char *path, uint64_t since_ms)
{
	struct known_agent *k = obtain(as, path);

	agents_unwatch(w);
	if (!k)
		return false;
	if (k->changed_ms != 0 && k->changed_ms >= since_ms)
		return true;
	w->agent = k;
	list_append(&k->watches, &w->link);
	look_again(k);
	return false;
}

void agents_unwatch(struct agent_watch *w)
{
	struct known_agent *k = TAKE(w->agent);

	if (!k)
		return;
	list_remove(&w->link);
	if (list_is_empty(&k->watches))
		stop_looking(k);
}

/* ---- life ---- */

struct agents *agents_new(struct loop *loop)
{
	struct agents *as = calloc(1, sizeof(*as));

	if (!as)
		return NULL;
	as->loop = loop;
	list_init(&as->all);
	return as;
}

void agents_free(struct agents *as)
{
	struct known_agent *k;

	if (!as)
		return;
	list_for_each (k, &as->all, link)
		forget(k);
	free(as);
}
