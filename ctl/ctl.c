/* SPDX-License-Identifier: MIT */
/*
 * Calls to the daemon as the verbs make them. What it answers goes through make_printable() here
 * and nowhere else, so that no verb can forget that host names and error texts come from strangers.
 */
#include "ctl/ctl.h"

#include <stdlib.h>

#include "lib/util.h"

/* Replaces every string by a form that is safe on a terminal, so that nobody has to think of it. */
static int make_printable(json_t *value)
{
	const char *key;
	json_t *part;
	size_t i;
	void *next;

	if (json_is_string(value)) {
		size_t length = json_string_length(value), size = length * 4 + 1;
		CLEANUP(freep) char *safe = malloc(size);

		if (!safe)
			return -1;
		str_escape(safe, size, json_string_value(value), length);
		return json_string_set(value, safe);
	}
	json_array_foreach (value, i, part) {
		if (make_printable(part) < 0)
			return -1;
	}
	json_object_foreach_safe (value, next, key, part) {
		if (make_printable(part) < 0)
			return -1;
	}
	return 0;
}

struct client *ctl_client(struct ctl *ctl, struct failure *f)
{
	const char *socket = args_value(&ctl->args, OPTION_SOCKET);

	if (!socket)
		socket = getenv("TUNNELD_SOCKET");
	if (ctl->client.fd < 0 &&
	    client_open(&ctl->client, socket && *socket ? socket : NULL, f) < 0)
		return NULL;
	return &ctl->client;
}

int ctl_send(struct ctl *ctl, const char *method, json_t *parameters, bool more, struct failure *f)
{
	if (!ctl_client(ctl, f)) {
		json_decref(parameters);
		return -1;
	}
	return client_send(&ctl->client, method, parameters, more, f);
}

int ctl_receive(struct ctl *ctl, uint64_t deadline_ms, json_t **ret, bool *ret_continues,
		struct failure *f)
{
	int rc = client_receive(&ctl->client, deadline_ms, ret, ret_continues, f);

	if (rc == 1 && !ctl->json && make_printable(*ret) < 0) {
		json_decref(TAKE(*ret));
		return failure_nomem(f);
	}
	return rc;
}

/* The next reply, or the failure that none came in time. */
static json_t *next_reply(struct ctl *ctl, bool *ret_continues, struct failure *f)
{
	json_t *reply = NULL;

	if (ctl_receive(ctl, monotonic_ms() + CLIENT_ANSWER_MS, &reply, ret_continues, f) == 0)
		client_no_answer(&ctl->client, CLIENT_ANSWER_MS, f);
	return reply;
}

json_t *ctl_call(struct ctl *ctl, const char *method, json_t *parameters, struct failure *f)
{
	bool continues;

	return ctl_send(ctl, method, parameters, false, f) < 0 ? NULL
							       : next_reply(ctl, &continues, f);
}

static int gather_items(struct ctl *ctl, const char *key, json_t *items, struct failure *f)
{
	bool continues = true;

	while (continues) {
		json_t *reply = next_reply(ctl, &continues, f);
		int rc = json_array_extend(items, json_object_get(reply, key));

		json_decref(reply);
		if (!reply)
			return -1;
		if (rc < 0)
			return failure_set(f, EXIT_FAILED, ERR_PROTOCOL,
					   "tunneld's answer names no %s", key);
	}
	return 0;
}

json_t *ctl_call_items(struct ctl *ctl, const char *method, json_t *parameters, const char *key,
		       bool more, struct failure *f)
{
	json_t *items;

	if (ctl_send(ctl, method, parameters, more, f) < 0)
		return NULL;
	items = json_array();
	if (!items)
		failure_nomem(f);
	else if (gather_items(ctl, key, items, f) < 0)
		json_decref(TAKE(items));
	return items;
}

void ctl_print_json(const struct ctl *ctl, const json_t *value)
{
	/* Terminals obey some characters that JSON need not escape. */
	size_t flags =
		JSON_INDENT(2) | JSON_REAL_PRECISION(6) | (ctl->out.tty ? JSON_ENSURE_ASCII : 0);

	json_dumpf(value, stdout, flags);
	putchar('\n');
}
