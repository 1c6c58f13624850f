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

static const char *method_of(const char *word)
{
	if (strcmp(word, "add") == 0)
		return MANAGER_METHOD("ForwardAdd");
	return strcmp(word, "drop") == 0 ? MANAGER_METHOD("ForwardDrop") : NULL;
}

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

/* Takes the reference to tunnel and returns what it has become. NULL with f filled. */
static json_t *settle(struct ctl *ctl, json_t *tunnel, struct failure *f)
{
	uint64_t deadline_ms = monotonic_ms() + SETTLE_MS;

	while (tunnel && !is_settled(tunnel) && monotonic_ms() < deadline_ms) {
		json_t *names = json_pack("{s:[s]}", "names", ctl->args.operands[0]);

		json_decref(tunnel);
		poll(NULL, 0, LOOK_MS);
		tunnel = names ? call_for_tunnel(ctl, MANAGER_METHOD("List"), names, f) : NULL;
		if (!names)
			failure_nomem(f);
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

int run_forward(struct ctl *ctl, struct failure *f)
{
	const char *word = ctl->args.operands[1], *method = method_of(word);
	json_t *parameters, *tunnel;
	int rc = EXIT_OK;

	if (!method)
		return failure_set(f, EXIT_USAGE, ERR_USAGE,
				   "'%s' is neither 'add' nor 'drop': tunctl forward NAME add -L "
				   "8080:localhost:80",
				   word);
	parameters = letters_parameters(&ctl->args, "forwards", letters_forwards, f);
	if (!parameters)
		return -1;
	tunnel = call_for_tunnel(ctl, method, parameters, f);
	if (strcmp(word, "add") == 0) {
		tunnel = settle(ctl, tunnel, f);
		rc = count_state(tunnel, FORWARD_FAILED) > 0 ? EXIT_FAILED
		     : is_settled(tunnel)                    ? EXIT_OK
							     : EXIT_TIMED_OUT;
	}
	if (!tunnel)
		return -1;
	print_forwards(ctl, tunnel);
	json_decref(tunnel);
	return rc;
}
