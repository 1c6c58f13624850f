/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/forward_json.h"

#include <stdio.h>

#include "lib/duration.h"
#include "lib/util.h"

static void set_end(json_t *o, const char *key, const struct config_end *end, uint16_t port_count)
{
	char text[CONFIG_END_TEXT_MAX];

	json_object_set_new(o, key,
			    json_string(config_end_text(text, sizeof(text), end, port_count)));
}

static void set_allow(json_t *o, const struct strv *allow)
{
	json_t *array = json_array();

	for (size_t i = 0; i < allow->count; i++)
		json_array_append_new(array, json_string(allow->items[i]));
	json_object_set_new(o, "allow", array);
}

static void set_text(json_t *o, const char *key, const char *text)
{
	if (text)
		json_object_set_new(o, key, json_string(text));
}

static void set_limits(json_t *o, const struct config_forward *f)
{
	char text[DURATION_TEXT_MAX];

	if (f->max_connections)
		json_object_set_new(o, "max_connections", json_integer(f->max_connections));
	if (f->idle_timeout_ms)
		set_text(o, "idle_timeout", duration_format(text, f->idle_timeout_ms));
}

static void set_socket(json_t *o, const struct config_forward *f)
{
	char mode[16];

	snprintf(mode, sizeof(mode), "%04o", f->socket_mode);
	set_text(o, "mode", mode);
	set_text(o, "group", f->socket_group);
}

/* A derived name is none that could be given; it comes again by itself. */
static json_t *one_forward(const struct config_forward *f)
{
	json_t *o = json_object();

	if (config_name_is_valid(f->name))
		set_text(o, "name", f->name);
	set_end(o, "listen", &f->listen, f->port_count);
	if (f->target.kind != END_PROXY)
		set_end(o, "target", &f->target, f->port_count);
	if (f->allow.count > 0)
		set_allow(o, &f->allow);
	set_text(o, "user", f->user);
	set_text(o, "password", f->password);
	set_limits(o, f);
	if (f->listen.kind == END_UNIX)
		set_socket(o, f);
	return o;
}

json_t *forward_json(const struct config_tunnel *tunnel, bool added_only)
{
	json_t *lists[FORWARD_TYPE_COUNT] = { NULL };
	json_t *whole = json_object();

	for (size_t i = 0; i < tunnel->forward_count; i++) {
		const struct config_forward *f = &tunnel->forwards[i];

		if (added_only && !f->added)
			continue;
		if (!lists[f->type]) {
			lists[f->type] = json_array();
			json_object_set(whole, forward_type_name(f->type), lists[f->type]);
		}
		if (json_array_append_new(lists[f->type], one_forward(f)) < 0) {
			json_decref(whole);
			whole = NULL;
			break;
		}
	}
	for (size_t i = 0; i < FORWARD_TYPE_COUNT; i++)
		json_decref(lists[i]);
	return whole;
}
