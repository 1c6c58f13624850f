/* SPDX-License-Identifier: MIT */
#include "daemon/common/wire.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/common/wire_json.h"
#include "lib/util.h"

json_t *wire_settings(const struct wire_settings *settings)
{
	json_t *m = wire_message("settings");

	m = wire_with(m, "log_level", wire_text(log_level_name(settings->level)));
	m = wire_with(m, "handshakes", wire_integer(settings->handshakes));
	return wire_with(m, "generation", wire_integer(settings->generation));
}

int wire_read_settings(json_t *m, struct wire_settings *ret, struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };

	ret->level = (enum log_level)wire_get_word(&r, "log_level", log_level_from_name);
	ret->handshakes = wire_get_unsigned(&r, "handshakes");
	ret->generation = (uint32_t)wire_get_integer(&r, "generation", INT32_MAX);
	return wire_done(&r);
}

json_t *wire_about(const char *type, uint64_t tunnel)
{
	return wire_with(wire_message(type), "tunnel", wire_integer(tunnel));
}

int wire_read_about(json_t *m, uint64_t *ret_tunnel, struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };

	*ret_tunnel = wire_get_id(&r, "tunnel");
	return wire_done(&r);
}

json_t *wire_about_forward(const char *type, uint64_t tunnel, uint64_t forward)
{
	return wire_with(wire_about(type, tunnel), "forward", wire_integer(forward));
}

int wire_read_about_forward(json_t *m, uint64_t *ret_tunnel, uint64_t *ret_forward, struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };

	*ret_tunnel = wire_get_id(&r, "tunnel");
	*ret_forward = wire_get_id(&r, "forward");
	return wire_done(&r);
}

json_t *wire_about_call(const char *type, uint64_t call)
{
	return wire_with(wire_message(type), "call", wire_integer(call));
}

int wire_read_about_call(json_t *m, uint64_t *ret_call, struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };

	*ret_call = wire_get_id(&r, "call");
	return wire_done(&r);
}

json_t *wire_ask_connections(uint64_t call, uint64_t tunnel, uint64_t after)
{
	json_t *m = wire_about_call("connections", call);

	return wire_with(wire_with(m, "tunnel", wire_integer(tunnel)), "after",
			 wire_integer(after));
}

int wire_read_ask_connections(json_t *m, uint64_t *ret_call, uint64_t *ret_tunnel,
			      uint64_t *ret_after, struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };

	*ret_call = wire_get_id(&r, "call");
	*ret_tunnel = wire_get_id(&r, "tunnel");
	*ret_after = wire_get_id(&r, "after");
	return wire_done(&r);
}

json_t *wire_kill(uint64_t call, uint64_t connection)
{
	return wire_with(wire_about_call("kill", call), "connection", wire_integer(connection));
}

int wire_read_kill(json_t *m, uint64_t *ret_call, uint64_t *ret_connection, struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };

	*ret_call = wire_get_id(&r, "call");
	*ret_connection = wire_get_id(&r, "connection");
	return wire_done(&r);
}

json_t *wire_killed(uint64_t call, bool found)
{
	return wire_with(wire_about_call("killed", call), "found", json_boolean(found));
}

int wire_read_killed(json_t *m, uint64_t *ret_call, bool *ret_found, struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };

	*ret_call = wire_get_id(&r, "call");
	*ret_found = wire_get_bool(&r, "found");
	return wire_done(&r);
}

json_t *wire_connected(uint64_t call, const struct err *error)
{
	return wire_with(wire_about_call("connected", call), "error", wire_error(error));
}

int wire_read_connected(json_t *m, uint64_t *ret_call, struct err *ret_error, struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };

	*ret_call = wire_get_id(&r, "call");
	wire_get_error(&r, "error", ret_error);
	return wire_done(&r);
}

json_t *wire_ping(uint64_t seq)
{
	return wire_with(wire_message("ping"), "seq", wire_integer(seq));
}

int wire_read_ping(json_t *m, uint64_t *ret_seq, struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };

	*ret_seq = wire_get_id(&r, "seq");
	return wire_done(&r);
}

json_t *wire_wake(void)
{
	return wire_message("wake");
}

json_t *wire_shutdown(void)
{
	return wire_message("shutdown");
}

json_t *wire_ready(const char *version, const char *libssh)
{
	return wire_with(wire_with(wire_message("ready"), "version", wire_text(version)), "libssh",
			 wire_text(libssh));
}

int wire_read_ready(json_t *m, char *ret_version, size_t version_size, char *ret_libssh,
		    size_t libssh_size, struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };

	wire_get_shown(&r, "version", ret_version, version_size);
	wire_get_shown(&r, "libssh", ret_libssh, libssh_size);
	return wire_done(&r);
}

json_t *wire_pong(const struct wire_pong *pong)
{
	json_t *m = wire_with(wire_message("pong"), "seq", wire_integer(pong->seq));

	m = wire_with(m, "stall_us", wire_integer(pong->stall_us));
	m = wire_with(m, "worst_stall_us", wire_integer(pong->worst_stall_us));
	return wire_with(m, "sessions", wire_integer(pong->sessions));
}

int wire_read_pong(json_t *m, struct wire_pong *ret, struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };

	ret->seq = wire_get_id(&r, "seq");
	ret->stall_us = wire_get_unsigned(&r, "stall_us");
	ret->worst_stall_us = wire_get_unsigned(&r, "worst_stall_us");
	ret->sessions = wire_get_unsigned(&r, "sessions");
	return wire_done(&r);
}
