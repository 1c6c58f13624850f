/* SPDX-License-Identifier: MIT */
/*
 * A host of ~/.ssh/config, and those it is reached through. Each becomes an entry of `hosts`; the
 * forwards of the first a tunnel.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "ctl/import.h"
#include "lib/capture.h"
#include "lib/end_signals.h"
#include "lib/endpoint.h"
#include "lib/json_put.h"
#include "lib/paths.h"
#include "lib/ssh_ask.h"
#include "lib/str.h"

enum { JUMPS_MAX = 16 };

static const char *const forward_keys[] = { "local", "remote", "dynamic" };

/* One host that is asked about. */
struct asked {
	json_t *entry, *forwards;
	struct strv comments;
};

static int on_put(void *data, const char *key, json_t *value)
{
	struct asked *a = data;

	for (size_t i = 0; i < ARRAY_SIZE(forward_keys); i++) {
		if (strcmp(forward_keys[i], key) == 0)
			return json_put(a->forwards, key, value, NULL);
	}
	return json_put(a->entry, key, value, NULL);
}

static int on_note(void *data, const char *text)
{
	struct asked *a = data;

	return strv_add(&a->comments, text);
}

static void asked_fini(struct asked *a)
{
	json_decref(a->entry);
	json_decref(a->forwards);
	strv_fini(&a->comments);
}

static int ask(struct ssh_ask *ssh, const char *host, struct asked *a, struct failure *f)
{
	const struct ssh_sink sink = { on_put, on_note, a };
	struct ssh_question q = { .host = host, .sink = &sink };
	int rc = 0;

	*a = (struct asked){ .entry = json_object(), .forwards = json_object() };
	if (!a->entry || !a->forwards)
		return failure_nomem(f);
	ssh_ask_hosts(ssh, &q, 1);
	if (q.rc < 0 && q.err.at.file)
		rc = failure_set(f, EXIT_FAILED, q.err.code, "%s:%u: %s", q.err.at.file,
				 q.err.at.line, q.err.msg);
	else if (q.rc < 0)
		rc = failure_set(f, EXIT_FAILED, q.err.code, "%s", q.err.msg);
	ssh_question_fini(&q);
	return rc;
}

/* The names of the jump hosts of entry, without users and ports, in the order they are new in. */
static int add_jumps(const json_t *entry, struct strv *names)
{
	const json_t *jump = json_object_get(entry, "jump");
	size_t count = json_is_array(jump) ? json_array_size(jump) : 1;
	struct endpoint endpoint;

	for (size_t i = 0; jump && i < count; i++) {
		const json_t *item = json_is_array(jump) ? json_array_get(jump, i) : jump;
		const char *text = json_string_value(item);

		if (!text || endpoint_parse(text, &endpoint, NULL) < 0 ||
		    strv_contains(names, endpoint.host) || names->count == JUMPS_MAX)
			continue;
		if (strv_add(names, endpoint.host) < 0)
			return -1;
	}
	return 0;
}

/* Whether an entry says more than its name does. */
static bool says_something(const json_t *entry, const char *name)
{
	const char *address = json_string_value(json_object_get(entry, "address"));

	return json_object_size(entry) > 1 || (address && strcasecmp(address, name) != 0);
}

/* The tunnel with the forwards of host, if it has any. */
static int add_tunnel(struct import *import, struct asked *a, const char *host, const char *name,
		      struct failure *f)
{
	struct strv comments = { 0 };
	json_t *tunnel;
	int rc;

	if (json_object_size(a->forwards) == 0)
		return strv_add(&import->left_out, "the host has no LocalForward, RemoteForward or "
						   "DynamicForward; write the tunnels") < 0
			       ? failure_nomem(f)
			       : 0;
	tunnel = json_pack("{s:s}", "host", host);
	rc = tunnel && json_object_update(tunnel, a->forwards) == 0 ? 0 : failure_nomem(f);
	if (rc == 0)
		rc = import_check(tunnel, &comments, f);
	if (rc == 0 &&
	    import_add(import, import->tunnels, name, json_incref(tunnel), &comments) < 0)
		rc = failure_nomem(f);
	json_decref(tunnel);
	strv_fini(&comments);
	return rc;
}

static int add_host(struct import *import, struct ssh_ask *ssh, struct strv *names, size_t index,
		    const char *tunnel, struct failure *f)
{
	const char *name = names->items[index];
	struct asked a;
	int rc = ask(ssh, name, &a, f);

	if (rc == 0 && add_jumps(a.entry, names) < 0)
		rc = failure_nomem(f);
	/* A jump host that is just an address needs no entry. */
	if (rc == 0 && (index == 0 || says_something(a.entry, name))) {
		rc = import_check_host(a.entry, &a.comments, f);
		if (rc == 0 &&
		    import_add(import, import->hosts, name, json_incref(a.entry), &a.comments) < 0)
			rc = failure_nomem(f);
	}
	if (rc == 0 && index == 0)
		rc = add_tunnel(import, &a, name, tunnel ? tunnel : name, f);
	asked_fini(&a);
	return rc;
}

/* Asks about host, and about those it is reached through. */
static int add_hosts(struct import *import, struct ssh_ask *ssh, const char *host, const char *name,
		     struct failure *f)
{
	struct strv names = { 0 };
	int rc = strv_add(&names, host) < 0 ? failure_nomem(f) : 0;

	for (size_t i = 0; rc == 0 && i < names.count; i++)
		rc = add_host(import, ssh, &names, i, name, f);
	strv_fini(&names);
	return rc;
}

/* A signal that ends us ends first what ssh may be waiting for. */
int import_host(struct import *import, const char *host, const char *name, struct failure *f)
{
	sigset_t before;
	CLEANUP(closep) int leash = -1;
	struct paths paths;
	struct ssh_ask ssh;
	int rc;

	if (paths_init(&paths, false, NULL) < 0)
		return failure_nomem(f);
	ssh_ask_init(&ssh, capture_run, NULL, paths.home, paths.user);
	leash = end_signals_hold(&before);
	if (leash < 0) {
		rc = failure_set(f, EXIT_FAILED, ERR_IO, "cannot keep ssh on a leash: %s",
				 strerror(errno));
	} else {
		ssh.limits.has_leash = true;
		ssh.limits.leash_fd = leash;
		rc = add_hosts(import, &ssh, host, name, f);
		end_signals_release(&before);
	}
	ssh_ask_fini(&ssh);
	paths_fini(&paths);
	return rc;
}
