/* SPDX-License-Identifier: MIT */
/*
 * What is added while the daemon runs: `tunctl add`, a tunnel, and `tunctl forward`, forwards of a
 * tunnel. Both are written in ssh's letters (letters.c) and live in the state directory.
 */
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/describe.h"
#include "ctl/forwards.h"
#include "ctl/letters.h"
#include "ctl/wait.h"
#include "lib/util.h"

/* {"name": NAME, KEY: OBJECT}, takes the reference to object. NULL with f filled. */
static json_t *named(const struct args *args, const char *key, json_t *object, struct failure *f)
{
	json_t *parameters;

	if (!object)
		return NULL;
	parameters = json_pack("{s:s,s:o}", "name", args->operands[0], key, object);
	if (!parameters)
		failure_set(f, EXIT_USAGE, ERR_USAGE, "the name is not valid UTF-8");
	return parameters;
}

int run_add(struct ctl *ctl, struct failure *f)
{
	const char *name = ctl->args.operands[0];
	json_t *parameters, *tunnels;
	unsigned timeout_ms;

	/* A mistake in --timeout shall not be found after the tunnel was added. */
	if (wait_timeout(ctl, &timeout_ms, f) < 0)
		return -1;
	parameters = named(&ctl->args, "tunnel", letters_here(letters_tunnel, &ctl->args, f), f);
	if (!parameters)
		return -1;
	tunnels = ctl_call_items(ctl, MANAGER_METHOD("Add"), parameters, "tunnels", false, f);
	if (!tunnels)
		return -1;
	if (!ctl->json) {
		printf("%s: added\n", name);
		fflush(stdout); /* before what the waiting has to say */
	} else if (args_has(&ctl->args, OPTION_NO_WAIT)) {
		ctl_print_json(ctl, tunnels);
	}
	json_decref(tunnels);
	if (args_has(&ctl->args, OPTION_NO_WAIT))
		return EXIT_OK;
	return wait_for_tunnels(ctl, MANAGER_METHOD("Up"), json_pack("[s]", name), f);
}

static const char *method_of(const char *word)
{
	if (strcmp(word, "add") == 0)
		return MANAGER_METHOD("ForwardAdd");
	return strcmp(word, "drop") == 0 ? MANAGER_METHOD("ForwardDrop") : NULL;
}

/* What is in force now; with an exit code that says whether all of it works. */
static int print_forwards(const struct ctl *ctl, const json_t *tunnels)
{
	const json_t *forwards = json_object_get(json_array_get(tunnels, 0), "forwards");
	CLEANUP(freep) char *text = NULL;
	int rc = EXIT_OK;
	json_t *forward;
	size_t i;

	json_array_foreach (forwards, i, forward) {
		if (strcmp(get_text(forward, "state"), "failed") == 0)
			rc = EXIT_FAILED;
	}
	if (ctl->json)
		ctl_print_json(ctl, tunnels);
	else if (json_array_size(forwards) == 0)
		puts("no forwards");
	else if ((text = forwards_text(forwards, 0, &ctl->out)))
		fputs(text, stdout);
	return rc;
}

int run_forward(struct ctl *ctl, struct failure *f)
{
	const char *word = ctl->args.operands[1], *method = method_of(word);
	json_t *parameters, *tunnels;
	int rc;

	if (!method)
		return failure_set(f, EXIT_USAGE, ERR_USAGE,
				   "'%s' is neither 'add' nor 'drop': tunctl forward NAME add -L "
				   "8080:localhost:80",
				   word);
	parameters =
		named(&ctl->args, "forwards", letters_here(letters_forwards, &ctl->args, f), f);
	if (!parameters)
		return -1;
	tunnels = ctl_call_items(ctl, method, parameters, "tunnels", false, f);
	if (!tunnels)
		return -1;
	rc = print_forwards(ctl, tunnels);
	json_decref(tunnels);
	return strcmp(word, "add") == 0 ? rc : EXIT_OK;
}
