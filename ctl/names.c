/* SPDX-License-Identifier: MIT */
/*
 * The names of tunnels on the command line. The daemon refuses a call at the first name it does not
 * know; who mistyped two wants to read of both.
 */
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/describe.h"
#include "lib/util.h"

json_t *ctl_names(const struct ctl *ctl, struct failure *f)
{
	json_t *names = json_array();

	for (size_t i = 0; names && i < ctl->args.operand_count; i++) {
		/* Fails for what is not UTF-8, which no name is. */
		if (json_array_append_new(names, json_string(ctl->args.operands[i])) < 0) {
			json_decref(names);
			failure_set(f, EXIT_USAGE, ERR_USAGE, "name %zu is not valid UTF-8", i + 1);
			return NULL;
		}
	}
	if (!names)
		failure_nomem(f);
	return names;
}

json_t *ctl_wanted(const struct ctl *ctl, struct failure *f)
{
	json_t *names, *parameters = json_object();

	if (!parameters) {
		failure_nomem(f);
		return NULL;
	}
	if (ctl->args.operand_count > 0) {
		names = ctl_names(ctl, f);
		if (!names || json_object_set_new(parameters, "names", names) < 0) {
			json_decref(parameters);
			return NULL;
		}
	}
	return parameters;
}

static bool is_known(const json_t *tunnels, const char *name)
{
	json_t *tunnel;
	size_t i;

	json_array_foreach (tunnels, i, tunnel) {
		if (strcmp(get_text(tunnel, "name"), name) == 0)
			return true;
	}
	return false;
}

void ctl_name_unknown(struct ctl *ctl, struct failure *f)
{
	const struct args *args = &ctl->args;
	struct failure ignored = { 0 };
	struct strbuf list = { 0 };
	size_t count = 0;
	json_t *tunnels;

	if (f->exit != EXIT_NO_SUCH_TUNNEL || args->operand_count < 2 ||
	    args->verb->max_operands != OPERANDS_ANY)
		return;
	tunnels = ctl_call_items(ctl, MANAGER_METHOD("List"), NULL, "tunnels", true, &ignored);
	for (size_t i = 0; tunnels && i < args->operand_count; i++) {
		if (!is_known(tunnels, args->operands[i]))
			strbuf_addf(&list, "%s'%s'", count++ ? ", " : "", args->operands[i]);
	}
	if (count > 1 && list.data)
		snprintf(f->message, sizeof(f->message), "there are no tunnels %s", list.data);
	json_decref(tunnels);
	strbuf_fini(&list);
	failure_fini(&ignored);
}
