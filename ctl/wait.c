/* SPDX-License-Identifier: MIT */
/*
 * The daemon streams every change (`more`); we keep the last word about each tunnel and say on a
 * terminal what takes its time: a state is told when it has lasted TELL_AFTER_MS, so that a tunnel
 * that comes up at once takes one line. The verdict comes at the end, one line a tunnel: what is
 * well on standard output, what is not on standard error.
 */
#include "ctl/wait.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/auth.h"
#include "ctl/describe.h"
#include "ctl/human.h"
#include "lib/duration.h"
#include "lib/tunnel_state.h"
#include "lib/util.h"

#define TIMEOUT_DEFAULT_MS 30000
#define TELL_AFTER_MS 400

struct waited {
	json_t *tunnel; /* the last word about it; owned */
	uint64_t changed_ms;
	bool told;
};

struct wait {
	struct ctl *ctl;
	struct waited *items;
	size_t count;
	unsigned timeout_ms;
};

static void wait_fini(struct wait *w)
{
	for (size_t i = 0; i < w->count; i++)
		json_decref(w->items[i].tunnel);
	free(w->items);
}

static struct waited *find_or_add(struct wait *w, const char *name)
{
	struct waited *items;

	for (size_t i = 0; i < w->count; i++) {
		if (strcmp(get_text(w->items[i].tunnel, "name"), name) == 0)
			return &w->items[i];
	}
	items = reallocarray(w->items, w->count + 1, sizeof(*items));
	if (!items)
		return NULL;
	w->items = items;
	items[w->count] = (struct waited){ 0 };
	return &items[w->count++];
}

/* Something worth a line: another state, or another reason for the same one. */
static bool is_news(const json_t *before, const json_t *now)
{
	return !before || strcmp(get_text(before, "state"), get_text(now, "state")) != 0 ||
	       strcmp(error_message(before), error_message(now)) != 0;
}

static int take_news(struct wait *w, const json_t *reply, struct failure *f)
{
	json_t *tunnel;
	size_t i;

	json_array_foreach (json_object_get(reply, "tunnels"), i, tunnel) {
		struct waited *item = find_or_add(w, get_text(tunnel, "name"));

		if (!item)
			return failure_nomem(f);
		if (is_news(item->tunnel, tunnel)) {
			item->changed_ms = monotonic_ms();
			item->told = false;
		}
		json_decref(item->tunnel);
		item->tunnel = json_incref(tunnel);
	}
	return 0;
}

static int state_of(const struct waited *item)
{
	return tunnel_state_from_name(get_text(item->tunnel, "state"));
}

static bool is_settled(const struct waited *item)
{
	int state = state_of(item);

	return state >= 0 && tunnel_state_is_settled(state);
}

void wait_print_progress(const json_t *tunnel, FILE *to, const char *prefix)
{
	struct strbuf reason = { 0 };

	describe_reason(&reason, tunnel, 0);
	fprintf(to, "%s%s: %s%s%s\n", prefix, get_text(tunnel, "name"), get_text(tunnel, "state"),
		reason.length ? ": " : "", reason.length ? reason.data : "");
	strbuf_fini(&reason);
}

/* Tells what has lasted long enough; returns when to look again. */
static uint64_t tell(struct wait *w, uint64_t deadline_ms)
{
	uint64_t now = monotonic_ms(), next = deadline_ms;

	for (size_t i = 0; i < w->count && w->ctl->narrate; i++) {
		struct waited *item = &w->items[i];
		uint64_t due = item->changed_ms + TELL_AFTER_MS;

		if (item->told || is_settled(item))
			continue;
		if (due > now) {
			next = MIN(next, due);
			continue;
		}
		wait_print_progress(item->tunnel, stderr, "");
		item->told = true;
	}
	return next;
}

/* 0: all have settled, 1: the time is over, -1. */
static int follow(struct wait *w, struct failure *f)
{
	uint64_t start_ms = monotonic_ms(), deadline_ms = start_ms + w->timeout_ms;
	unsigned answer_ms = MIN(w->timeout_ms, CLIENT_ANSWER_MS);
	bool continues = true, answered = false;

	while (continues) {
		uint64_t next = answered ? tell(w, deadline_ms) : start_ms + answer_ms;
		json_t *reply = NULL;
		int rc = ctl_receive(w->ctl, next, &reply, &continues, f);

		if (rc == 0 && !answered)
			return client_no_answer(&w->ctl->client, answer_ms, f);
		if (rc == 0 && next == deadline_ms)
			return 1;
		if (rc > 0)
			rc = take_news(w, reply, f);
		json_decref(reply);
		if (rc < 0)
			return -1;
		answered = true;
	}
	return 0;
}

static void print_up(const json_t *tunnel)
{
	const json_t *rtt = json_object_get(tunnel, "rtt_ms");
	char text[HUMAN_MAX];

	printf("%s: up", get_text(tunnel, "name"));
	if (json_is_number(rtt))
		printf(" (%s)", human_rtt(text, json_number_value(rtt)));
	putchar('\n');
}

static void print_late(const struct wait *w, const struct waited *item)
{
	char prefix[64], text[HUMAN_MAX];

	snprintf(prefix, sizeof(prefix),
		 "tunctl: not up after %s: ", human_setting_ms(text, w->timeout_ms));
	wait_print_progress(item->tunnel, stderr, prefix);
}

/* A degraded tunnel says which of its forwards do not work. */
static void print_not_up(const json_t *tunnel)
{
	bool forward_says = false;
	json_t *forward;
	size_t i;

	json_array_foreach (json_object_get(tunnel, "forwards"), i, forward) {
		struct strbuf text = { 0 };

		if (describe_failed_forward(&text, forward) && text.data) {
			fprintf(stderr, "tunctl: %s: %s: %s\n", get_text(tunnel, "name"),
				get_text(tunnel, "state"), text.data);
			forward_says = true;
		}
		strbuf_fini(&text);
	}
	if (!forward_says || strcmp(get_text(tunnel, "state"), "degraded") != 0)
		wait_print_progress(tunnel, stderr, "tunctl: ");
}

int wait_tell_end(const struct ctl *ctl, const json_t *tunnel)
{
	bool up = strcmp(get_text(tunnel, "state"), "up") == 0;

	if (ctl->json) {
		json_t *all = json_pack("[O]", tunnel);

		ctl_print_json(ctl, all);
		json_decref(all);
	} else if (up) {
		print_up(tunnel);
	} else {
		print_not_up(tunnel);
	}
	return up ? EXIT_OK : EXIT_FAILED;
}

/* A failure outweighs a timeout: waiting longer would not help. */
static int verdict(struct wait *w)
{
	bool failed = false, late = false;

	if (w->count == 0 && !w->ctl->json)
		puts("no tunnels");
	for (size_t i = 0; i < w->count; i++) {
		const struct waited *item = &w->items[i];
		bool up = state_of(item) == TUNNEL_UP, settled = is_settled(item);

		failed = failed || (settled && !up);
		late = late || !settled;
		if (w->ctl->json)
			continue;
		if (up)
			print_up(item->tunnel);
		else if (settled)
			print_not_up(item->tunnel);
		else
			print_late(w, item);
	}
	return failed ? EXIT_FAILED : late ? EXIT_TIMED_OUT : EXIT_OK;
}

/* What failed for want of a person's answers, while a person sits here. */
static int answer_questions(struct wait *w, struct failure *f)
{
	for (size_t i = 0; i < w->count; i++) {
		struct waited *item = &w->items[i];
		json_t *last;

		if (!auth_is_wanted(item->tunnel))
			continue;
		if (auth_attend(w->ctl, get_text(item->tunnel, "name"), w->timeout_ms, &last, f) <
		    0)
			return -1;
		json_decref(item->tunnel);
		item->tunnel = last;
	}
	return 0;
}

static int print_waited_json(const struct wait *w, struct failure *f)
{
	json_t *tunnels = json_array();
	int failed = 0;

	for (size_t i = 0; i < w->count; i++)
		failed |= json_array_append(tunnels, w->items[i].tunnel);
	if (tunnels && !failed)
		ctl_print_json(w->ctl, tunnels);
	else
		failed = failure_nomem(f);
	json_decref(tunnels);
	return failed;
}

static void print_states(const json_t *tunnels)
{
	json_t *tunnel;
	size_t i;

	if (json_array_size(tunnels) == 0)
		puts("no tunnels");
	json_array_foreach (tunnels, i, tunnel)
		printf("%s: %s\n", get_text(tunnel, "name"), get_text(tunnel, "state"));
}

int wait_timeout(const struct ctl *ctl, unsigned *ret_ms, struct failure *f)
{
	const char *text = args_value(&ctl->args, OPTION_TIMEOUT);
	struct err err = { 0 };

	*ret_ms = TIMEOUT_DEFAULT_MS;
	if (text && duration_parse(text, ret_ms, &err) < 0)
		return failure_set(f, EXIT_USAGE, ERR_USAGE, "--timeout: %s", err.msg);
	return 0;
}

static int call_without_waiting(struct ctl *ctl, const char *method, json_t *parameters,
				struct failure *f)
{
	json_t *tunnels = ctl_call_items(ctl, method, parameters, "tunnels", false, f);

	if (!tunnels)
		return -1;
	if (ctl->json)
		ctl_print_json(ctl, tunnels);
	else
		print_states(tunnels);
	json_decref(tunnels);
	return EXIT_OK;
}

int wait_for_tunnels(struct ctl *ctl, const char *method, json_t *names, struct failure *f)
{
	struct wait w = { .ctl = ctl };
	json_t *parameters = json_pack("{s:o}", "names", names);
	int rc;

	if (!parameters)
		return failure_nomem(f);
	if (args_has(&ctl->args, OPTION_NO_WAIT))
		return call_without_waiting(ctl, method, parameters, f);
	if (wait_timeout(ctl, &w.timeout_ms, f) < 0) {
		json_decref(parameters);
		return -1;
	}
	rc = ctl_send(ctl, method, parameters, true, f);
	if (rc == 0)
		rc = follow(&w, f);
	if (rc == 0 && ctl->narrate && isatty(STDIN_FILENO))
		rc = answer_questions(&w, f);
	if (rc >= 0) {
		rc = verdict(&w);
		if (ctl->json && print_waited_json(&w, f) < 0)
			rc = -1;
	}
	wait_fini(&w);
	return rc;
}
