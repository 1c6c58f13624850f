/* SPDX-License-Identifier: MIT */
#include "daemon/common/wire_command.h"

#include "daemon/common/wire.h"
#include "daemon/common/wire_json.h"

json_t *wire_command(const struct wire_command *command)
{
	json_t *m = wire_about_call("command", command->call);

	m = wire_with(m, "tunnel", wire_integer(command->tunnel));
	m = wire_with(m, "route", wire_integer(command->route));
	m = wire_with(m, "hop", wire_integer(command->hop));
	return wire_with(m, "server", wire_text(command->server));
}

int wire_read_command(json_t *m, struct wire_command *ret, struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };

	ret->call = wire_get_id(&r, "call");
	ret->tunnel = wire_get_id(&r, "tunnel");
	ret->route = wire_get_unsigned(&r, "route");
	ret->hop = wire_get_unsigned(&r, "hop");
	wire_get_fitting(&r, "server", ret->server, sizeof(ret->server));
	return wire_done(&r);
}

static json_t *about_error(const char *type, uint64_t call, const struct err *error)
{
	return wire_with(wire_about_call(type, call), "error", wire_error(error));
}

static int read_error(json_t *m, uint64_t *ret_call, struct err *ret_error, struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };

	*ret_call = wire_get_id(&r, "call");
	wire_get_error(&r, "error", ret_error);
	return wire_done(&r);
}

json_t *wire_command_started(uint64_t call, const struct err *error)
{
	return about_error("command-started", call, error);
}

int wire_read_command_started(json_t *m, uint64_t *ret_call, struct err *ret_error, struct err *err)
{
	return read_error(m, ret_call, ret_error, err);
}

json_t *wire_command_ended(uint64_t call, const struct err *error)
{
	return about_error("command-ended", call, error);
}

int wire_read_command_ended(json_t *m, uint64_t *ret_call, struct err *ret_error, struct err *err)
{
	return read_error(m, ret_call, ret_error, err);
}
