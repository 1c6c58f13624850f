/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/commands.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/common/log.h"
#include "daemon/supervisor/snapshot.h"
#include "lib/str.h"
#include "lib/util.h"

#define PARAMETERS_MAX 3

enum right {
	RIGHT_READ, /* everybody who can connect */
	RIGHT_CHANGE, /* root and the user the daemon runs as */
};

enum kind { KIND_STRING, KIND_STRINGS, KIND_OBJECT, KIND_INTEGER };

struct parameter {
	const char *name; /* NULL: no more */
	enum kind kind;
	bool optional; /* may be missing or null */
};

static const struct command {
	const char *method;
	enum right right;
	void (*handle)(struct supervisor *s, struct call *call);
	struct parameter parameters[PARAMETERS_MAX];
} commands[] = {
	{ MANAGER ".List", RIGHT_READ, command_list, { { "names", KIND_STRINGS, true } } },
	{ MANAGER ".Inspect", RIGHT_READ, command_inspect, { { "name", KIND_STRING, false } } },
	{ MANAGER ".Status", RIGHT_READ, command_status, { { NULL, KIND_STRING, false } } },
	{ MANAGER ".Up", RIGHT_CHANGE, command_up, { { "names", KIND_STRINGS, false } } },
	{ MANAGER ".Down", RIGHT_CHANGE, command_down, { { "names", KIND_STRINGS, false } } },
	{ MANAGER ".Restart", RIGHT_CHANGE, command_restart, { { "names", KIND_STRINGS, false } } },
	{ MANAGER ".Add",
	  RIGHT_CHANGE,
	  command_add,
	  { { "name", KIND_STRING, false }, { "tunnel", KIND_OBJECT, false } } },
	{ MANAGER ".Drop", RIGHT_CHANGE, command_drop, { { "names", KIND_STRINGS, false } } },
	{ MANAGER ".Reload", RIGHT_CHANGE, command_reload, { { NULL, KIND_STRING, false } } },
	{ MANAGER ".ForwardAdd",
	  RIGHT_CHANGE,
	  command_forward_add,
	  { { "name", KIND_STRING, false }, { "forwards", KIND_OBJECT, false } } },
	{ MANAGER ".ForwardDrop",
	  RIGHT_CHANGE,
	  command_forward_drop,
	  { { "name", KIND_STRING, false }, { "forwards", KIND_OBJECT, false } } },
	{ MANAGER ".Connections",
	  RIGHT_READ,
	  command_connections,
	  { { "names", KIND_STRINGS, true } } },
	{ MANAGER ".Kill", RIGHT_CHANGE, command_kill, { { "id", KIND_STRING, false } } },
	{ MANAGER ".Connect",
	  RIGHT_CHANGE,
	  command_connect,
	  { { "name", KIND_STRING, false }, { "target", KIND_STRING, false } } },
	{ MANAGER ".Auth", RIGHT_CHANGE, command_auth, { { "name", KIND_STRING, false } } },
	{ MANAGER ".Answer",
	  RIGHT_CHANGE,
	  command_answer,
	  { { "name", KIND_STRING, false },
	    { "question", KIND_INTEGER, false },
	    { "answers", KIND_STRINGS, false } } },
	{ MANAGER ".Forget", RIGHT_CHANGE, command_forget, { { "names", KIND_STRINGS, false } } },
	{ MANAGER ".HostKeys", RIGHT_READ, command_host_keys, { { "name", KIND_STRING, false } } },
	{ MANAGER ".HostKeyAccept",
	  RIGHT_CHANGE,
	  command_host_key_accept,
	  { { "name", KIND_STRING, false }, { "fingerprint", KIND_STRING, false } } },
	{ SERVICE ".GetInfo", RIGHT_READ, command_get_info, { { NULL, KIND_STRING, false } } },
	{ SERVICE ".GetInterfaceDescription",
	  RIGHT_READ,
	  command_get_interface,
	  { { "interface", KIND_STRING, false } } },
};

static const struct command *find_command(const char *method)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].method, method) == 0)
			return &commands[i];
	}
	return NULL;
}

/* ---- parameters ---- */

static bool is_strings(json_t *value)
{
	json_t *item;
	size_t i;

	json_array_foreach (value, i, item) {
		if (!json_is_string(item))
			return false;
	}
	return json_is_array(value);
}

static bool is_kind(json_t *value, enum kind kind)
{
	switch (kind) {
	case KIND_STRING:
		return json_is_string(value);
	case KIND_STRINGS:
		return is_strings(value);
	case KIND_OBJECT:
		return json_is_object(value);
	case KIND_INTEGER:
		return json_is_integer(value);
	}
	return false;
}

static bool is_known(const struct command *c, const char *name)
{
	for (size_t i = 0; i < PARAMETERS_MAX && c->parameters[i].name; i++) {
		if (strcmp(c->parameters[i].name, name) == 0)
			return true;
	}
	return false;
}

static const char *check(const struct command *c, json_t *parameters)
{
	const char *name;
	json_t *value;

	for (size_t i = 0; i < PARAMETERS_MAX && c->parameters[i].name; i++) {
		const struct parameter *p = &c->parameters[i];

		value = json_object_get(parameters, p->name);
		if (p->optional && (!value || json_is_null(value)))
			continue;
		if (!is_kind(value, p->kind))
			return p->name;
	}
	json_object_foreach (parameters, name, value) {
		if (!is_known(c, name))
			return name;
	}
	return NULL;
}

const char *commands_check_parameters(const char *method, json_t *parameters)
{
	const struct command *c = find_command(method);

	return c ? check(c, parameters) : NULL;
}

/* ---- answers ---- */

static const struct {
	enum err_code code;
	const char *name;
} error_names[] = {
	{ ERR_NO_SUCH_TUNNEL, MANAGER ".NoSuchTunnel" },
	{ ERR_TUNNEL_EXISTS, MANAGER ".TunnelExists" },
	{ ERR_NOT_ADDED, MANAGER ".NotAdded" },
	{ ERR_NO_SUCH_CONNECTION, MANAGER ".NoSuchConnection" },
	{ ERR_NOT_CONNECTED, MANAGER ".NotConnected" },
	{ ERR_NO_SUCH_QUESTION, MANAGER ".NoSuchQuestion" },
	{ ERR_ATTENDED, MANAGER ".Attended" },
	{ ERR_CONFIG, MANAGER ".InvalidConfig" },
	{ ERR_ACCESS, MANAGER ".AccessDenied" },
};

const char *commands_error_name(enum err_code code)
{
	for (size_t i = 0; i < ARRAY_SIZE(error_names); i++) {
		if (error_names[i].code == code)
			return error_names[i].name;
	}
	return MANAGER ".Failed";
}

json_t *commands_error_parameters(const struct err *err, const char *name)
{
	json_t *o = snapshot_error(err->code, err->msg);

	if (o && name && strcmp(commands_error_name(err->code), MANAGER ".Failed") != 0)
		json_object_set_new(o, "name", json_string(name));
	if (o && err->code == ERR_CONFIG) /* it has a list, even when one sentence says it all */
		json_object_set_new(o, "problems", json_pack("[{s:s}]", "message", err->msg));
	return o;
}

int commands_no_such_tunnel(struct err *err, const char *name)
{
	char shown[CONFIG_NAME_MAX + 4];

	return err_set(err, ERR_NO_SUCH_TUNNEL, "there is no tunnel '%s'; tunctl list shows them",
		       str_escape(shown, sizeof(shown), name, strlen(name)));
}

void commands_fail(struct call *call, const struct err *err, const char *name)
{
	call_error(call, commands_error_name(err->code), commands_error_parameters(err, name));
}

json_t *commands_problems(const struct config_problems *problems)
{
	json_t *array = json_array();
	struct err err;

	for (size_t i = 0; array && i < problems->count; i++) {
		const struct config_problem *p = &problems->items[i];
		json_t *o = json_pack("{s:s}", "message", p->message);

		if (o && p->file)
			json_object_set_new(o, "file", json_string(p->file));
		if (o && p->line)
			json_object_set_new(o, "line", json_integer(p->line));
		if (o && p->column)
			json_object_set_new(o, "column", json_integer(p->column));
		json_array_append_new(array, o);
	}
	load_summarize(problems, &err);
	return json_pack("{s:o, s:s, s:s}", "problems", array, "code", err_slug(ERR_CONFIG),
			 "message", err.msg);
}

json_t *commands_snapshots(struct tunnel *const *tunnels, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < count; i++) {
		if (json_array_append_new(array, snapshot_tunnel(tunnels[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array ? json_pack("{s:o}", "tunnels", array) : NULL;
}

/* ---- names ---- */

struct tunnel *commands_named_tunnel(struct supervisor *s, struct call *call)
{
	const char *name = json_string_value(json_object_get(call->request.parameters, "name"));
	struct tunnel *t = tunnels_find(&s->tunnels, name);
	struct err err;

	if (!t) {
		commands_no_such_tunnel(&err, name);
		commands_fail(call, &err, name);
	}
	return t;
}

static int by_name(const void *a, const void *b)
{
	const struct tunnel *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

void commands_sort_by_name(struct tunnel **tunnels, size_t count)
{
	qsort(tunnels, count, sizeof(struct tunnel *), by_name);
}

static int by_id(const void *a, const void *b)
{
	const struct tunnel *const *x = a, *const *y = b;

	return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

/* Sorts by id and leaves each tunnel once. */
static size_t unique(struct tunnel **found, size_t count)
{
	size_t kept = 0;

	if (count > 1)
		qsort(found, count, sizeof(struct tunnel *), by_id);
	for (size_t i = 0; i < count; i++) {
		if (kept == 0 || found[kept - 1] != found[i])
			found[kept++] = found[i];
	}
	return kept;
}

static int look_up(struct supervisor *s, json_t *names, struct tunnel **ret, struct err *err,
		   const char **ret_name)
{
	json_t *name;
	size_t i;

	json_array_foreach (names, i, name) {
		*ret_name = json_string_value(name);
		ret[i] = tunnels_find(&s->tunnels, *ret_name);
		if (!ret[i])
			return commands_no_such_tunnel(err, *ret_name);
	}
	return 0;
}

struct tunnel **commands_named_tunnels(struct supervisor *s, struct call *call, bool empty_is_all,
				       size_t *ret_count)
{
	json_t *names = json_object_get(call->request.parameters, "names");
	size_t count = json_array_size(names);
	bool all = !json_is_array(names) || (empty_is_all && count == 0);
	size_t room = MAX(all ? s->tunnels.count : count, 1U);
	CLEANUP(freep) struct tunnel **found = calloc(room, sizeof(struct tunnel *));
	const char *name = NULL;
	struct err err;

	if (!found) {
		err_nomem(&err);
		commands_fail(call, &err, NULL);
		return NULL;
	}
	if (all) {
		*ret_count = s->tunnels.count;
		if (*ret_count > 0)
			memcpy(found, s->tunnels.by_id, *ret_count * sizeof(struct tunnel *));
		return TAKE(found);
	}
	if (look_up(s, names, found, &err, &name) < 0) {
		commands_fail(call, &err, name);
		return NULL;
	}
	*ret_count = unique(found, count);
	return TAKE(found);
}

/* ---- dispatch ---- */

static void refuse_method(struct call *call)
{
	const char *method = call->request.method;
	const char *dot = strrchr(method, '.');

	if (dot && command_is_interface(method, (size_t)(dot - method)))
		call_error(call, VARLINK_METHOD_NOT_FOUND, json_pack("{s:s}", "method", method));
	else
		call_error(call, VARLINK_INTERFACE_NOT_FOUND,
			   json_pack("{s:s#}", "interface", method,
				     dot ? (int)(dot - method) : (int)strlen(method)));
}

static bool is_permitted(const struct call *call, enum right right)
{
	return right == RIGHT_READ || call->uid == 0 || call->uid == geteuid();
}

void commands_dispatch(void *data, struct call *call)
{
	const struct command *c = find_command(call->request.method);
	const char *wrong;
	struct err err;

	if (!c) {
		refuse_method(call);
		return;
	}
	wrong = check(c, call->request.parameters);
	if (wrong) {
		call_error(call, VARLINK_INVALID_PARAMETER, json_pack("{s:s}", "parameter", wrong));
		return;
	}
	if (!is_permitted(call, c->right)) {
		log_warning("control: uid %u may not call %s", (unsigned)call->uid, c->method);
		err_set(&err, ERR_ACCESS,
			"only root and the user tunneld runs as may do this; you are uid %u",
			(unsigned)call->uid);
		commands_fail(call, &err, NULL);
		return;
	}
	c->handle(data, call);
}
