/* SPDX-License-Identifier: MIT */
/*
 * Forget: what people told us for some tunnels is wiped, or all there is. A secret belongs to a server
 * or a key and not to a tunnel, so others may have used it too; how many is part of the answer. Nothing
 * else changes: who is logged in stays so, and is asked when it has to log in again.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/common/log.h"
#include "daemon/supervisor/commands.h"
#include "daemon/supervisor/wanted_secrets.h"
#include "lib/str.h"
#include "lib/util.h"

struct tally {
	struct kept_secret *secret;
	uint64_t last; /* tunnel that was counted */
	size_t tunnels; /* that would use it */
	bool is_meant; /* one of them was named */
};

/* Sorted, because thousands of tunnels may be looked up in it while the loop waits. */
struct forgetting {
	struct tally items[SECRETS_MAX];
	size_t count;
	uint64_t tunnel; /* that is looked at */
	bool is_named;
};

static int compare(enum question_kind kind, const char *subject, const struct kept_secret *k)
{
	return kind != k->kind ? (kind < k->kind ? -1 : 1) : strcmp(subject, k->subject);
}

static int by_subject(const void *a, const void *b)
{
	const struct kept_secret *x = ((const struct tally *)a)->secret;

	return compare(x->kind, x->subject, ((const struct tally *)b)->secret);
}

static struct tally *find(struct forgetting *f, enum question_kind kind, const char *subject)
{
	size_t low = 0, high = f->count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = compare(kind, subject, f->items[middle].secret);

		if (order == 0)
			return &f->items[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

static bool count_use(void *data, enum question_kind kind, const char *subject)
{
	struct forgetting *f = data;
	struct tally *tally = find(f, kind, subject);

	if (!tally)
		return false;
	tally->is_meant |= f->is_named;
	tally->tunnels += tally->last != f->tunnel;
	tally->last = f->tunnel;
	return false;
}

/* named: in the order of their ids; none: all that is kept is meant, also what no tunnel uses any more. */
static void count_uses(struct forgetting *f, const struct tunnels *ts, struct tunnel *const *named,
		       size_t count)
{
	size_t next = 0;

	for (size_t i = 0; i < ts->count && f->count > 0; i++) {
		struct tunnel *t = ts->by_id[i];

		f->tunnel = t->id;
		f->is_named = next < count && named[next] == t;
		next += f->is_named;
		wanted_secrets_any(t->spec, count_use, f);
	}
	for (size_t i = 0; i < f->count && count == 0; i++)
		f->items[i].is_meant = true;
}

static void begin(struct forgetting *f, struct secrets *s)
{
	struct kept_secret *k;

	*f = (struct forgetting){ 0 };
	list_for_each (k, &s->kept, link)
		f->items[f->count++].secret = k;
	qsort(f->items, f->count, sizeof(f->items[0]), by_subject);
}

static json_t *describe(const struct tally *tally)
{
	const struct kept_secret *k = tally->secret;
	char shown[QUESTION_SUBJECT_MAX];

	return json_pack("{s:s, s:s, s:I}", "kind", question_kind_name(k->kind), "subject",
			 str_escape(shown, sizeof(shown), k->subject, strlen(k->subject)),
			 "tunnels", (json_int_t)tally->tunnels);
}

static json_t *wipe(struct forgetting *f, struct secrets *s)
{
	json_t *forgotten = json_array();

	for (size_t i = 0; i < f->count; i++) {
		if (!f->items[i].is_meant)
			continue;
		json_array_append_new(forgotten, describe(&f->items[i]));
		secrets_drop(s, f->items[i].secret);
	}
	return forgotten;
}

void command_forget(struct supervisor *s, struct call *call)
{
	size_t named = json_array_size(json_object_get(call->request.parameters, "names"));
	struct secrets *secrets = &s->questions.secrets;
	size_t count, before = secrets->count;
	CLEANUP(freep) struct tunnel **found = commands_named_tunnels(s, call, true, &count);
	struct forgetting f;
	json_t *forgotten;

	if (!found)
		return;
	begin(&f, secrets);
	count_uses(&f, &s->tunnels, found, named > 0 ? count : 0);
	forgotten = wipe(&f, secrets);
	if (secrets->count < before)
		log_info("control: uid %u has %zu of the kept secrets forgotten",
			 (unsigned)call->uid, before - secrets->count);
	call_reply(call, json_pack("{s:o}", "forgotten", forgotten));
}
