/* SPDX-License-Identifier: MIT */
/*
 * The verbs that change what runs: up, down, restart, drop, reload; and version, which asks who
 * runs.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/describe.h"
#include "ctl/human.h"
#include "ctl/wait.h"
#include "lib/util.h"

static int start(struct ctl *ctl, const char *method, struct failure *f)
{
	json_t *names = ctl_names(ctl, f);

	return names ? wait_for_tunnels(ctl, method, names, f) : -1;
}

int run_up(struct ctl *ctl, struct failure *f)
{
	return start(ctl, MANAGER_METHOD("Up"), f);
}

int run_restart(struct ctl *ctl, struct failure *f)
{
	return start(ctl, MANAGER_METHOD("Restart"), f);
}

/* {"names": [...]}; NULL with f filled. */
static json_t *names_parameters(const struct ctl *ctl, struct failure *f)
{
	json_t *names = ctl_names(ctl, f), *parameters;

	if (!names)
		return NULL;
	parameters = json_pack("{s:o}", "names", names);
	if (!parameters)
		failure_nomem(f);
	return parameters;
}

/* The last word about each tunnel, in the order they were first named. NULL: out of memory. */
static json_t *last_words(const json_t *tunnels)
{
	json_t *by_name = json_object(), *last = json_array(), *tunnel;
	const char *name;
	int failed = 0;
	size_t i;

	json_array_foreach (tunnels, i, tunnel)
		failed |= json_object_set(by_name, get_text(tunnel, "name"), tunnel);
	json_object_foreach (by_name, name, tunnel)
		failed |= json_array_append(last, tunnel);
	json_decref(by_name);
	if (failed)
		json_decref(TAKE(last));
	return last;
}

static void print_stopped(const struct ctl *ctl, const json_t *tunnels)
{
	json_t *tunnel;
	size_t i;

	if (ctl->json) {
		ctl_print_json(ctl, tunnels);
		return;
	}
	if (json_array_size(tunnels) == 0)
		puts("no tunnels");
	json_array_foreach (tunnels, i, tunnel)
		printf("%s: %s\n", get_text(tunnel, "name"), get_text(tunnel, "state"));
}

/* Not so when somebody else has started one meanwhile. */
static bool are_stopped(const json_t *tunnels)
{
	json_t *tunnel;
	size_t i;

	json_array_foreach (tunnels, i, tunnel) {
		if (strcmp(get_text(tunnel, "state"), "stopped") != 0)
			return false;
	}
	return true;
}

/* With `more` the daemon answers until the last listening socket is closed. */
int run_down(struct ctl *ctl, struct failure *f)
{
	json_t *parameters = names_parameters(ctl, f), *tunnels, *last;
	int rc;

	if (!parameters)
		return -1;
	tunnels = ctl_call_items(ctl, MANAGER_METHOD("Down"), parameters, "tunnels", true, f);
	if (!tunnels)
		return -1;
	last = last_words(tunnels);
	json_decref(tunnels);
	if (!last)
		return failure_nomem(f);
	print_stopped(ctl, last);
	rc = are_stopped(last) ? EXIT_OK : EXIT_FAILED;
	json_decref(last);
	return rc;
}

int run_drop(struct ctl *ctl, struct failure *f)
{
	json_t *parameters = names_parameters(ctl, f), *reply;

	if (!parameters)
		return -1;
	reply = ctl_call(ctl, MANAGER_METHOD("Drop"), parameters, f);
	if (!reply)
		return -1;
	if (ctl->json)
		ctl_print_json(ctl, reply);
	for (size_t i = 0; i < ctl->args.operand_count && !ctl->json; i++)
		printf("%s: dropped\n", ctl->args.operands[i]);
	json_decref(reply);
	return EXIT_OK;
}

/* "2 added (a, b)"; nothing when the list is empty. Returns whether something was added. */
static bool add_change(struct strbuf *to, const json_t *reply, const char *key, bool first)
{
	const json_t *names = json_object_get(reply, key);
	json_t *name;
	size_t i;

	if (json_array_size(names) == 0)
		return false;
	strbuf_addf(to, "%s%zu %s (", first ? "" : ", ", json_array_size(names), key);
	json_array_foreach (names, i, name)
		strbuf_addf(to, "%s%s", i ? ", " : "", json_string_value(name));
	strbuf_add(to, ")");
	return true;
}

static void print_reload(const json_t *reply)
{
	static const char *const kinds[] = { "added", "removed", "changed" };
	struct strbuf text = { 0 };
	json_t *warning;
	bool any = false;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		any |= add_change(&text, reply, kinds[i], !any);
	if (any)
		strbuf_addf(&text, ", %u unchanged", (unsigned)get_count(reply, "unchanged"));
	else
		strbuf_addf(&text, "nothing changed (%u tunnels)",
			    (unsigned)get_count(reply, "unchanged"));
	printf("reloaded: %s\n", text.data ? text.data : "");
	strbuf_fini(&text);
	json_array_foreach (json_object_get(reply, "warnings"), i, warning)
		fprintf(stderr, "tunctl: warning: %s\n", json_string_value(warning));
}

int run_reload(struct ctl *ctl, struct failure *f)
{
	json_t *reply = ctl_call(ctl, MANAGER_METHOD("Reload"), NULL, f);

	if (!reply) {
		if (f->problems)
			failure_hint(f, "nothing was changed; the tunnels go on as before");
		return -1;
	}
	if (ctl->json)
		ctl_print_json(ctl, reply);
	else
		print_reload(reply);
	json_decref(reply);
	return EXIT_OK;
}

static void print_version_json(const struct ctl *ctl, const json_t *status)
{
	json_t *both = json_pack("{s:s}", "tunctl", TUNNELD_VERSION);

	json_object_set_new(both, "tunneld",
			    status ? json_copy(json_object_get(status, "version")) : json_null());
	ctl_print_json(ctl, both);
	json_decref(both);
}

/* Our own version is said even when no daemon answers. */
int run_version(struct ctl *ctl, struct failure *f)
{
	json_t *status;

	if (!ctl->json)
		puts("tunctl " TUNNELD_VERSION);
	status = ctl_call(ctl, MANAGER_METHOD("Status"), NULL, f);
	if (ctl->json)
		print_version_json(ctl, status);
	else if (status)
		printf("tunneld %s (pid %u, %s)\n", get_text(status, "version"),
		       (unsigned)get_count(status, "pid"), ctl->client.path);
	if (!status)
		return -1;
	json_decref(status);
	return EXIT_OK;
}
