/* SPDX-License-Identifier: MIT */
/*
 * Any JSON is read by every reader of the line between supervisor and worker. What is accepted is
 * printable, within its bounds, and can be written and read again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/common/wire.h"
#include "daemon/common/wire_question.h"
#include "daemon/common/wire_hostkey.h"
#include "lib/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_shown(const char *text, size_t size)
{
	must(strnlen(text, size) < size && str_is_utf8(text, strlen(text)));
	for (const char *c = text; *c; c++)
		must((unsigned char)*c >= 0x20 && *c != 0x7f);
}

static void check_error(const struct err *err)
{
	must((unsigned)err->code < ERR_CODE_COUNT);
	check_shown(err->msg, sizeof(err->msg));
}

static void try_tunnel(json_t *m)
{
	struct config_tunnel *spec, *again = NULL;
	uint64_t id, id_again = 0;
	bool reconnect;
	json_t *copy;

	if (wire_read_tunnel(m, &id, &spec, &reconnect, NULL) < 0)
		return;
	must(spec->name && spec->route_count > 0 && config_server(spec, 0)->host &&
	     config_server(spec, 0)->user);
	copy = wire_tunnel(id, spec, reconnect);
	must(copy && wire_read_tunnel(copy, &id_again, &again, &reconnect, NULL) == 0);
	must(id == id_again && strcmp(spec->name, again->name) == 0);
	config_tunnel_free(spec);
	config_tunnel_free(again);
	json_decref(copy);
}

static void try_forward(json_t *m)
{
	struct config_forward spec;
	struct wire_forward forward;
	json_t *copy;

	if (wire_read_forward(m, &forward, &spec, NULL) < 0)
		return;
	check_error(&forward.error);
	must(spec.name && (spec.listen.host || spec.listen.kind == END_PROXY));
	must(spec.target.host || spec.target.kind == END_PROXY);
	must((unsigned)spec.type < FORWARD_TYPE_COUNT);
	copy = wire_forward(&forward, &spec);
	must(copy != NULL);
	config_forward_fini(&spec);
	must(wire_read_forward(copy, &forward, &spec, NULL) == 0);
	config_forward_fini(&spec);
	json_decref(copy);
}

static void try_states(json_t *m)
{
	struct wire_tunnel_state t, again;
	struct wire_forward_state f;
	struct wire_route_state r;

	if (wire_read_route_state(m, &r, NULL) == 0) {
		must((unsigned)r.state < ROUTE_STATE_COUNT && r.route < CONFIG_ROUTES_MAX);
		check_error(&r.error);
	}
	if (wire_read_forward_state(m, &f, NULL) == 0) {
		must((unsigned)f.state < FORWARD_STATE_COUNT);
		check_error(&f.error);
	}
	if (wire_read_tunnel_state(m, &t, NULL) == 0) {
		json_t *copy = wire_tunnel_state(&t);

		must((unsigned)t.state < TUNNEL_STATE_COUNT);
		check_error(&t.error);
		check_shown(t.session.address, sizeof(t.session.address));
		check_shown(t.session.identity, sizeof(t.session.identity));
		must(copy && wire_read_tunnel_state(copy, &again, NULL) == 0);
		must(t.state == again.state && t.attempt == again.attempt);
		must(t.error.code == ERR_NONE || strcmp(t.error.msg, again.error.msg) == 0);
		must(t.jump_count == again.jump_count && t.jump_count < CONFIG_HOPS_MAX);
		for (size_t i = 0; i < t.jump_count; i++) {
			must((unsigned)t.jumps[i].state < HOP_STATE_COUNT);
			must(t.jumps[i].state == again.jumps[i].state);
			check_error(&t.jumps[i].error);
		}
		wire_state_fini(&t);
		wire_state_fini(&again);
		json_decref(copy);
	}
}

static void try_stats(json_t *m)
{
	struct wire_stats stats;
	json_t *copy;

	if (wire_read_stats(m, &stats, NULL) < 0)
		return;
	must(stats.rtt_us >= -1);
	copy = wire_stats(&stats);
	must(copy != NULL);
	wire_stats_fini(&stats);
	must(wire_read_stats(copy, &stats, NULL) == 0);
	wire_stats_fini(&stats);
	json_decref(copy);
}

static void try_small(json_t *m)
{
	char version[8], libssh[8];
	struct wire_pong pong;
	struct wire_settings settings;
	uint64_t a, b;
	struct err err;

	if (wire_read_settings(m, &settings, &err) == 0)
		must((unsigned)settings.level < LOG_LEVEL_COUNT);
	else
		must(err.code == ERR_PROTOCOL && err.msg[0]);
	if (wire_read_about(m, &a, NULL) == 0)
		must(a <= INT64_MAX);
	wire_read_about_forward(m, &a, &b, NULL);
	wire_read_ping(m, &a, NULL);
	wire_read_pong(m, &pong, NULL);
	if (wire_read_ready(m, version, sizeof(version), libssh, sizeof(libssh), NULL) == 0) {
		check_shown(version, sizeof(version));
		check_shown(libssh, sizeof(libssh));
	}
}

static void try_calls(json_t *m)
{
	static struct wire_connections connections;
	struct config_end target;
	uint64_t a, b, c;
	struct err error;
	json_t *copy;
	bool found;

	wire_read_ask_connections(m, &a, &b, &c, NULL);
	wire_read_kill(m, &a, &b, NULL);
	wire_read_about_call(m, &a, NULL);
	wire_read_killed(m, &a, &found, NULL);
	if (wire_read_connect(m, &a, &b, &target, NULL) == 0)
		free(target.host);
	if (wire_read_connected(m, &a, &error, NULL) == 0)
		check_error(&error);
	if (wire_read_connections(m, &connections, NULL) < 0)
		return;
	for (size_t i = 0; i < connections.count; i++)
		check_shown(connections.items[i].from, sizeof(connections.items[i].from));
	copy = wire_connections(&connections);
	must(copy && wire_read_connections(copy, &connections, NULL) == 0);
	json_decref(copy);
}

static void try_questions(json_t *m)
{
	static struct question q, again;
	struct wire_answers answers;
	uint64_t call, tunnel;
	json_t *copy;

	if (wire_read_answer(m, &call, &answers, NULL) == 0) {
		must(answers.count <= QUESTION_PROMPTS_MAX);
		wire_answers_fini(&answers);
	}
	if (wire_read_question(m, &call, &tunnel, &q, NULL) < 0)
		return;
	must(q.prompt_count <= QUESTION_PROMPTS_MAX);
	check_shown(q.name, sizeof(q.name));
	check_shown(q.instruction, sizeof(q.instruction));
	for (size_t i = 0; i < q.prompt_count; i++)
		check_shown(q.prompts[i].text, sizeof(q.prompts[i].text));
	copy = wire_question(call, tunnel, &q);
	must(copy && wire_read_question(copy, &call, &tunnel, &again, NULL) == 0);
	must(memcmp(&q, &again, sizeof(q)) == 0);
	json_decref(copy);
}

static void try_host_keys(json_t *m)
{
	struct wire_host_key shown, again;
	struct err error;
	uint64_t call;
	json_t *copy;

	if (wire_read_host_key_written(m, &call, &error, NULL) == 0)
		check_error(&error);
	wire_read_host_key_new(m, &call, &shown, NULL);
	if (wire_read_host_key(m, &shown, NULL) < 0)
		return;
	copy = wire_host_key(&shown);
	must(copy && wire_read_host_key(copy, &again, NULL) == 0);
	must(strcmp(shown.key, again.key) == 0 && shown.hop == again.hop);
	must(strcmp(shown.server, again.server) == 0);
	json_decref(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *m = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);

	if (!m)
		return 0;
	try_tunnel(m);
	try_forward(m);
	try_states(m);
	try_stats(m);
	try_small(m);
	try_calls(m);
	try_questions(m);
	try_host_keys(m);
	json_decref(m);
	return 0;
}
