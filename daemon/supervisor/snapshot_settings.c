/* SPDX-License-Identifier: MIT */
/*
 * The settings of a tunnel as they are in force: what its (first) server is reached with, row by row of
 * the table of connection settings, and what keeps it alive. Where a secret stands is shown, the secret
 * never is.
 */
#include <string.h>

#include "daemon/supervisor/snapshot.h"
#include "lib/proxy_url.h"
#include "lib/util.h"

static bool is_yes_or_no(const char *name)
{
	static const char *const names[] = { "tcp_keepalive", "share", "identities_implied",
					     "identities_only", "compression" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

static json_t *number(const char *name, unsigned value)
{
	if (is_yes_or_no(name))
		return json_boolean(value);
	if (strcmp(name, "address_family") == 0)
		return json_string(address_family_name((enum address_family)value));
	if (strcmp(name, "ip_qos") == 0 && value == QOS_NONE)
		return json_null();
	return json_integer(value);
}

/* The URL of a proxy may hold a password. */
static json_t *text(const char *name, const char *value)
{
	char shown[PROXY_PART_MAX + ENDPOINT_TEXT_MAX + 32];
	struct proxy_url url;

	if (!value)
		return json_null();
	if (strcmp(name, "proxy") != 0)
		return json_string(value);
	if (proxy_url_parse(value, &url, NULL) < 0)
		return json_null();
	return json_string(proxy_url_text(shown, sizeof(shown), &url));
}

static void add_connection(json_t *o, const struct connection_settings *c)
{
	for (size_t i = 0; i < connection_field_count; i++) {
		const struct connection_field *f = &connection_fields[i];
		const void *value = (const char *)c + f->offset;
		json_t *shown;

		if (f->kind == CONNECTION_TEXT)
			shown = text(f->name, *(char *const *)value);
		else if (f->kind == CONNECTION_TEXTS)
			shown = snapshot_strings(value);
		else
			shown = number(f->name, *(const unsigned *)value);
		json_object_set_new(o, f->name, shown);
	}
}

json_t *snapshot_settings(const struct config_tunnel *spec)
{
	const struct upkeep_settings *u = &spec->upkeep;
	json_t *o = json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:s, s:s, s:I}", "keepalive_interval_ms",
		(json_int_t)u->keepalive_interval_ms, "keepalive_count",
		(json_int_t)u->keepalive_count, "reconnect_min_ms", (json_int_t)u->reconnect_min_ms,
		"reconnect_max_ms", (json_int_t)u->reconnect_max_ms, "reconnect_stable_ms",
		(json_int_t)u->reconnect_stable_ms, "connect_timeout_ms",
		(json_int_t)u->connect_timeout_ms, "hold_ms", (json_int_t)u->hold_ms,
		"exit_on_forward_failure", (int)u->exit_on_forward_failure, "start",
		start_mode_name(spec->start), "prefer", prefer_mode_name(spec->prefer),
		"failback_ms", (json_int_t)spec->failback_ms);

	if (o)
		add_connection(o, config_server(spec, 0));
	return o;
}
