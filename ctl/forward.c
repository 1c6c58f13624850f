/* SPDX-License-Identifier: MIT */
/*
 * `tunctl forward`: forwards come and go while their tunnel goes on. The daemon answers when it has
 * taken them; whether they work is known a moment later, when the worker has bound them or the
 * server has answered, and that is what people want to read.
 */
#include <poll.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/describe.h"
#include "ctl/forwards.h"
#include "ctl/letters.h"
#include "lib/tunnel_state.h"
#include "lib/util.h"

#define SETTLE_MS 10000
#define LOOK_MS 50 /* between two looks */

/* How many forwards are in a state. */
static size_t count_state(const json_t *tunnel, enum forward_state state)
{
	size_t count = 0, i;
	json_t *forward;

	json_array_foreach (json_object_get(tunnel, "forwards"), i, forward)
		count += forward_state_from_name(get_text(forward, "state")) == (int)state;
	return count;
}

/* Without a session there is nothing to wait for. */
static bool is_settled(const json_t *tunnel)
{
	int state = tunnel_state_from_name(get_text(tunnel, "state"));

	if (state != TUNNEL_OPENING && (state < 0 || !tunnel_state_is_connected(state)))
		return true;
	return count_state(tunnel, FORWARD_CLOSED) + count_state(tunnel, FORWARD_OPENING) == 0;
}

/* The tunnel of a reply that names one; a new reference. Takes the reference to parameters. */
static json_t *call_for_tunnel(struct ctl *ctl, const char *method, json_t *parameters,
			       struct failure *f)
{
	json_t *tunnels = ctl_call_items(ctl, method, parameters, "tunnels", false, f);
	json_t *tunnel = json_incref(json_array_get(tunnels, 0));

	if (tunnels && !tunnel)
		failure_set(f, EXIT_FAILED, ERR_PROTOCOL, "tunneld's answer names no tunnel");
	json_decref(tunnels);
	return tunnel;
}

static json_t *look(struct ctl *ctl, struct failure *f)
{
	json_t *names = json_pack("{s:[s]}", "names", ctl->args.operands[0]);

	if (names)
		return call_for_tunnel(ctl, MANAGER_METHOD("List"), names, f);
	failure_nomem(f);
	return NULL;
}

/* Takes the reference to tunnel and returns what it has become. NULL with f filled. */
static json_t *settle(struct ctl *ctl, json_t *tunnel, struct failure *f)
{
	uint64_t deadline_ms = monotonic_ms() + SETTLE_MS;

	while (tunnel && !is_settled(tunnel) && monotonic_ms() < deadline_ms) {
		json_decref(tunnel);
		poll(NULL, 0, LOOK_MS);
		tunnel = look(ctl, f);
	}
	return tunnel;
}

static void print_forwards(const struct ctl *ctl, json_t *tunnel)
{
	CLEANUP(freep) char *text = NULL;
	json_t *array;

	if (ctl->json) {
		array = json_pack("[O]", tunnel);
		ctl_print_json(ctl, array);
		json_decref(array);
	} else if (json_array_size(json_object_get(tunnel, "forwards")) == 0) {
		puts("no forwards");
	} else {
		text = forwards_text(tunnel, 0, &ctl->out);
		fputs(text ? text : "", stdout);
	}
}

static bool has_forward(const json_t *tunnel, const char *name)
{
	json_t *forward;
	size_t i;

	json_array_foreach (json_object_get(tunnel, "forwards"), i, forward) {
		if (strcmp(get_text(forward, "name"), name) == 0)
			return true;
	}
	return false;
}

/* Whether one that was not there before does not work; what was broken already is another matter. */
static bool has_new_failure(const json_t *tunnel, const json_t *before)
{
	json_t *forward;
	size_t i;

	json_array_foreach (json_object_get(tunnel, "forwards"), i, forward) {
		int state = forward_state_from_name(get_text(forward, "state"));

		if (state == FORWARD_FAILED && !has_forward(before, get_text(forward, "name")))
			return true;
	}
	return false;
}

/* Takes the reference to parameters. */
static int add_forwards(struct ctl *ctl, json_t *parameters, struct failure *f)
{
	json_t *before = look(ctl, f), *tunnel;
	int rc;

	if (!before) {
		json_decref(parameters);
		return -1;
	}
	tunnel = settle(ctl, call_for_tunnel(ctl, MANAGER_METHOD("ForwardAdd"), parameters, f), f);
	rc = !tunnel                           ? -1
	     : has_new_failure(tunnel, before) ? EXIT_FAILED
	     : is_settled(tunnel)              ? EXIT_OK
					       : EXIT_TIMED_OUT;
	if (tunnel)
		print_forwards(ctl, tunnel);
	json_decref(tunnel);
	json_decref(before);
	return rc;
}

static int drop_forwards(struct ctl *ctl, json_t *parameters, struct failure *f)
{
	json_t *tunnel = call_for_tunnel(ctl, MANAGER_METHOD("ForwardDrop"), parameters, f);

	if (!tunnel)
		return -1;
	print_forwards(ctl, tunnel);
	json_decref(tunnel);
	return EXIT_OK;
}

int run_forward(struct ctl *ctl, struct failure *f)
{
	const char *word = ctl->args.operands[1];
	bool adds = strcmp(word, "add") == 0;
	json_t *parameters;

	if (!adds && strcmp(word, "drop") != 0)
		return failure_set(f, EXIT_USAGE, ERR_USAGE,
				   "'%s' is neither 'add' nor 'drop': tunctl forward NAME add -L "
				   "8080:localhost:80",
				   word);
	parameters = letters_parameters(&ctl->args, "forwards", letters_forwards, f);
	if (!parameters)
		return -1;
	return adds ? add_forwards(ctl, parameters, f) : drop_forwards(ctl, parameters, f);
}
