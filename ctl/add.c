/* SPDX-License-Identifier: MIT */
/*
 * `tunctl add`: a tunnel written in ssh's letters (letters.c), which lives in the state directory
 * until it is dropped.
 */
#include "ctl/ctl.h"
#include "ctl/letters.h"
#include "ctl/wait.h"

int run_add(struct ctl *ctl, struct failure *f)
{
	const char *name = ctl->args.operands[0];
	json_t *parameters, *tunnels;
	unsigned timeout_ms;

	/* A mistake in --timeout shall not be found after the tunnel was added. */
	if (wait_timeout(ctl, &timeout_ms, f) < 0)
		return -1;
	parameters = letters_parameters(&ctl->args, "tunnel", letters_tunnel, f);
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
