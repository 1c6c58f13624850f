/* SPDX-License-Identifier: MIT */
#include "daemon/common/wire_hostkey.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/common/wire.h"
#include "daemon/common/wire_json.h"

static json_t *with_key(json_t *m, const struct wire_host_key *shown)
{
	m = wire_with(m, "tunnel", wire_integer(shown->tunnel));
	m = wire_with(m, "route", wire_integer(shown->route));
	m = wire_with(m, "hop", wire_integer(shown->hop));
	m = wire_with(m, "server", wire_text(shown->server));
	return wire_with(m, "key", wire_text(shown->key));
}

static void read_key(struct wire_reader *r, struct wire_host_key *ret)
{
	ret->tunnel = wire_get_id(r, "tunnel");
	ret->route = wire_get_unsigned(r, "route");
	ret->hop = wire_get_unsigned(r, "hop");
	wire_get_fitting(r, "server", ret->server, sizeof(ret->server));
	wire_get_fitting(r, "key", ret->key, sizeof(ret->key));
}

json_t *wire_host_key(const struct wire_host_key *shown)
{
	return with_key(wire_message("host-key"), shown);
}

int wire_read_host_key(json_t *m, struct wire_host_key *ret, struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };

	read_key(&r, ret);
	return wire_done(&r);
}

json_t *wire_host_key_new(uint64_t call, const struct wire_host_key *shown)
{
	return with_key(wire_about_call("host-key-new", call), shown);
}

int wire_read_host_key_new(json_t *m, uint64_t *ret_call, struct wire_host_key *ret,
			   struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };

	*ret_call = wire_get_id(&r, "call");
	read_key(&r, ret);
	return wire_done(&r);
}

json_t *wire_host_key_written(uint64_t call, const struct err *error)
{
	return wire_with(wire_about_call("host-key-written", call), "error", wire_error(error));
}

int wire_read_host_key_written(json_t *m, uint64_t *ret_call, struct err *ret_error,
			       struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };

	*ret_call = wire_get_id(&r, "call");
	wire_get_error(&r, "error", ret_error);
	return wire_done(&r);
}
