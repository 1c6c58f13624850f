/* SPDX-License-Identifier: MIT */
/*
 * `tunctl add`: a tunnel written in ssh's letters (letters.c), which lives in the state directory
 * until it is dropped.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/letters.h"
#include "ctl/wait.h"
#include "lib/str.h"

/* What of ~/.ssh/config has no meaning here; a daemon before this one has none. */
static void print_notes(const json_t *reply)
{
	const json_t *notes = json_object_get(reply, "notes"), *note;
	size_t i;

	json_array_foreach (notes, i, note) {
		const char *text = json_string_value(note);
		char line[1024];

		if (text)
			fprintf(stderr, "note: %s\n",
				str_escape(line, sizeof(line), text, strlen(text)));
	}
}

static void print_added(struct ctl *ctl, const char *name, const json_t *tunnels)
{
	if (!ctl->json) {
		printf("%s: added\n", name);
		fflush(stdout); /* before what the waiting has to say */
	} else if (args_has(&ctl->args, OPTION_NO_WAIT)) {
		ctl_print_json(ctl, tunnels);
	}
}

int run_add(struct ctl *ctl, struct failure *f)
{
	const char *name = ctl->args.operands[0];
	json_t *parameters, *reply, *tunnels;
	unsigned timeout_ms;

	/* A mistake in --timeout shall not be found after the tunnel was added. */
	if (wait_timeout(ctl, &timeout_ms, f) < 0)
		return -1;
	parameters = letters_parameters(&ctl->args, "tunnel", letters_tunnel, f);
	if (!parameters)
		return -1;
	reply = ctl_call(ctl, MANAGER_METHOD("Add"), parameters, f);
	if (!reply)
		return -1;
	tunnels = json_object_get(reply, "tunnels");
	if (!json_is_array(tunnels)) {
		json_decref(reply);
		return failure_set(f, EXIT_FAILED, ERR_PROTOCOL,
				   "tunneld's answer names no tunnels");
	}
	print_notes(reply);
	print_added(ctl, name, tunnels);
	json_decref(reply);
	if (args_has(&ctl->args, OPTION_NO_WAIT))
		return EXIT_OK;
	return wait_for_tunnels(ctl, MANAGER_METHOD("Up"), json_pack("[s]", name), f);
}
