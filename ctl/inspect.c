/* SPDX-License-Identifier: MIT */
/*
 * `tunctl inspect`: a sheet per tunnel, from the general to the particular: what it is, what its
 * session is made of, its forwards, the settings in force and its last changes of state. Rows that
 * have nothing to say are left out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/describe.h"
#include "ctl/forwards.h"
#include "ctl/human.h"
#include "ctl/servers.h"
#include "ctl/sheet.h"
#include "ctl/text.h"
#include "lib/util.h"

static void add_headline(struct sheet *s, const json_t *tunnel)
{
	const char *state = get_text(tunnel, "state");
	enum style style = state_style(state);
	struct strbuf reason = { 0 }, age = { 0 };

	describe_age(&age, tunnel);
	strbuf_addf(&s->text, "%s%s%s %s%s%s  ", term_begin(s->term, style), term_bullet(s->term),
		    term_end(s->term, style), term_begin(s->term, STYLE_BOLD),
		    get_text(tunnel, "name"), term_end(s->term, STYLE_BOLD));
	strbuf_addf(&s->text, "%s%s%s for %s\n", term_begin(s->term, style), state,
		    term_end(s->term, style), age.data ? age.data : "-");
	describe_reason(&reason, tunnel, 0);
	if (reason.length > 0) {
		strbuf_add(&s->text, term_begin(s->term, style));
		text_add_wrapped(&s->text, reason.data, 2, s->term->width);
		strbuf_add(&s->text, term_end(s->term, style));
	}
	strbuf_fini(&reason);
	strbuf_fini(&age);
}

static void add_hops(struct sheet *s, const json_t *hops)
{
	struct strbuf text = { 0 };
	json_t *hop;
	size_t i;

	json_array_foreach (hops, i, hop) {
		if (i > 0)
			strbuf_addf(&text, " %s ", term_arrow(s->term));
		strbuf_addf(&text, "%s (%s)", get_text(hop, "host"), get_text(hop, "state"));
	}
	sheet_row_taken(s, json_array_size(hops) > 1 ? "hops" : "server", &text);
}

static void add_traffic(struct sheet *s, const json_t *tunnel)
{
	char in[HUMAN_MAX], out[HUMAN_MAX], rtt[HUMAN_MAX];
	struct strbuf text = { 0 };

	if (json_is_number(json_object_get(tunnel, "rtt_ms")))
		sheet_row(s, "round trip", human_rtt(rtt, get_number(tunnel, "rtt_ms")));
	strbuf_addf(&text, "%s in, %s out", human_bytes(in, get_count(tunnel, "bytes_in")),
		    human_bytes(out, get_count(tunnel, "bytes_out")));
	sheet_row_taken(s, "traffic", &text);
	strbuf_addf(&text, "%s open, %s in all", human_count(in, get_count(tunnel, "connections")),
		    human_count(out, get_count(tunnel, "connections_total")));
	sheet_row_taken(s, "connections", &text);
}

static void add_tunnel(struct sheet *s, const json_t *tunnel, const json_t *reply)
{
	const json_t *worker = json_object_get(reply, "worker");
	struct strbuf text = { 0 };
	char number[HUMAN_MAX];

	sheet_row(s, "host", get_text(tunnel, "host"));
	add_hops(s, json_object_get(tunnel, "hops"));
	add_traffic(s, tunnel);
	sheet_join(&text, json_object_get(tunnel, "tags"), ", ");
	sheet_row_taken(s, "tags", &text);
	sheet_row(s, "source", get_text(tunnel, "source"));
	if (json_is_true(json_object_get(reply, "secret_kept"))) {
		strbuf_addf(&text, "kept in memory; tunctl auth --forget %s wipes them",
			    get_text(tunnel, "name"));
		sheet_row_taken(s, "secrets", &text);
	}
	if (json_is_integer(worker))
		sheet_row(s, "worker", human_count(number, get_count(reply, "worker")));
}

/* One server alone is in the state of its tunnel. */
static void add_servers(struct sheet *s, const json_t *servers)
{
	if (json_array_size(servers) < 2)
		return;
	sheet_section(s, "Servers");
	sheet_text_taken(s, servers_text(servers, SHEET_INDENT, s->term));
}

static void add_session_rows(struct sheet *s, const json_t *session)
{
	static const struct {
		const char *label, *key;
	} rows[] = {
		{ "address", "address" },   { "software", "server_version" },
		{ "host key", "host_key" }, { "identity", "identity" },
		{ "cipher", "cipher" },     { "key exchange", "kex" },
	};

	for (size_t i = 0; json_is_object(session) && i < ARRAY_SIZE(rows); i++)
		sheet_row(s, rows[i].label, get_text(session, rows[i].key));
}

static void add_session(struct sheet *s, const json_t *session)
{
	if (!json_is_object(session))
		return;
	sheet_section(s, "Session");
	add_session_rows(s, session);
}

/* A section for each server on the way, before that of the server itself. */
static void add_jump(struct sheet *s, const json_t *jump, size_t number)
{
	const json_t *error = json_object_get(jump, "error");
	struct strbuf text = { 0 };
	char rtt[HUMAN_MAX], title[32];

	snprintf(title, sizeof(title), "Hop %zu", number);
	sheet_section(s, title);
	strbuf_addf(&text, "%s@%s (%s)", get_text(jump, "user"), get_text(jump, "host"),
		    get_text(jump, "state"));
	sheet_row_taken(s, "server", &text);
	if (json_is_object(error))
		sheet_row(s, "error", get_text(error, "message"));
	if (json_is_number(json_object_get(jump, "rtt_ms")))
		sheet_row(s, "round trip", human_rtt(rtt, get_number(jump, "rtt_ms")));
	add_session_rows(s, json_object_get(jump, "session"));
}

static void add_jumps(struct sheet *s, const json_t *jumps)
{
	json_t *jump;
	size_t i;

	json_array_foreach (jumps, i, jump)
		add_jump(s, jump, i + 1);
}

static void add_forwards(struct sheet *s, const json_t *tunnel)
{
	if (json_array_size(json_object_get(tunnel, "forwards")) == 0)
		return;
	sheet_section(s, "Forwards");
	sheet_text_taken(s, forwards_text(tunnel, SHEET_INDENT, s->term));
}

/* "every 15s, dead after 3": the milliseconds of a key as a person would write them. */
static const char *span(char out[HUMAN_MAX], const json_t *settings, const char *key)
{
	return human_setting_ms(out, get_count(settings, key));
}

static void add_upkeep(struct sheet *s, const json_t *settings)
{
	char a[HUMAN_MAX], b[HUMAN_MAX], c[HUMAN_MAX];
	struct strbuf text = { 0 };

	if (get_count(settings, "keepalive_interval_ms") == 0)
		strbuf_add(&text, "off");
	else
		strbuf_addf(&text, "every %s of silence, lost after %s without an answer",
			    span(a, settings, "keepalive_interval_ms"),
			    human_count(b, get_count(settings, "keepalive_count")));
	sheet_row_taken(s, "keepalive", &text);
	strbuf_addf(&text, "after %s to %s, stable after %s", span(a, settings, "reconnect_min_ms"),
		    span(b, settings, "reconnect_max_ms"),
		    span(c, settings, "reconnect_stable_ms"));
	sheet_row_taken(s, "reconnect", &text);
	sheet_row(s, "connect timeout", span(a, settings, "connect_timeout_ms"));
	sheet_row(s, "hold", span(a, settings, "hold_ms"));
	if (json_is_true(json_object_get(settings, "exit_on_forward_failure")))
		sheet_row(s, "forward failure", "ends the attempt (exit_on_forward_failure)");
}

static void add_preference(struct sheet *s, const json_t *settings)
{
	bool any = strcmp(get_text(settings, "prefer"), "any") == 0;
	bool never = get_count(settings, "failback_ms") == 0;
	struct strbuf text = { 0 };
	char after[HUMAN_MAX];

	strbuf_add(&text, any ? "any server" : "the first server");
	if (!any && !never)
		strbuf_addf(&text, ", better ones tried after %s",
			    span(after, settings, "failback_ms"));
	sheet_row_taken(s, "prefer", &text);
}

/* "1 GiB or 1h", whichever comes first. */
static void add_rekey(struct sheet *s, const json_t *settings)
{
	uint64_t size_kib = get_count(settings, "rekey_kib");
	bool has_time = get_count(settings, "rekey_ms") > 0;
	struct strbuf text = { 0 };
	char number[HUMAN_MAX];

	if (size_kib > 0)
		strbuf_addf(&text, "after %s", human_bytes(number, size_kib * 1024));
	if (has_time)
		strbuf_addf(&text, "%s %s", size_kib > 0 ? " or" : "after",
			    span(number, settings, "rekey_ms"));
	sheet_row_taken(s, "new keys", &text);
}

/* What is no text, where it is not as usual. */
static void add_odd_numbers(struct sheet *s, const json_t *settings)
{
	static const struct {
		const char *label, *key;
		bool usual;
	} switches[] = {
		{ "identities only", "identities_only", false },
		{ "compression", "compression", false },
		{ "tcp keepalive", "tcp_keepalive", true },
		{ "share", "share", true },
	};
	char number[HUMAN_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		const json_t *value = json_object_get(settings, switches[i].key);

		if (json_is_boolean(value) && json_is_true(value) != switches[i].usual)
			sheet_row(s, switches[i].label, json_is_true(value) ? "yes" : "no");
	}
	if (strcmp(get_text(settings, "address_family"), "any") != 0)
		sheet_row(s, "address family", get_text(settings, "address_family"));
	if (json_is_integer(json_object_get(settings, "ip_qos")))
		sheet_row(s, "ip qos", human_count(number, get_count(settings, "ip_qos")));
	add_rekey(s, settings);
}

/* What was not written has no value, and so no row. */
static void add_connection(struct sheet *s, const json_t *settings)
{
	static const struct {
		const char *label, *key, *separator; /* of a list; NULL: a text */
	} rows[] = {
		{ "user", "user", NULL },
		{ "proxy", "proxy", NULL },
		{ "proxy command", "proxy_command", " " },
		{ "bind address", "bind_address", NULL },
		{ "identity", "identities", ", " },
		{ "certificate", "certificate_files", ", " },
		{ "agent", "identity_agent", NULL },
		{ "passphrase", "passphrase", NULL },
		{ "password", "password", NULL },
		{ "known hosts", "known_hosts", ", " },
		{ "host key", "host_key", ", " },
		{ "host key alias", "host_key_alias", NULL },
		{ "ciphers", "ciphers", NULL },
		{ "key exchange", "kex", NULL },
		{ "macs", "macs", NULL },
		{ "host key types", "host_key_algorithms", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const json_t *value = json_object_get(settings, rows[i].key);
		struct strbuf text = { 0 };

		if (rows[i].separator)
			sheet_join(&text, value, rows[i].separator);
		else
			strbuf_add(&text, get_text(settings, rows[i].key));
		sheet_row_taken(s, rows[i].label, &text);
	}
	add_odd_numbers(s, settings);
}

static void add_settings(struct sheet *s, const json_t *settings, bool several)
{
	if (!json_is_object(settings))
		return;
	sheet_section(s, "Settings");
	add_connection(s, settings);
	add_upkeep(s, settings);
	sheet_row(s, "start", get_text(settings, "start"));
	if (several)
		add_preference(s, settings);
}

static void add_events(struct sheet *s, const json_t *events)
{
	json_t *event;
	size_t i;

	if (json_array_size(events) == 0)
		return;
	sheet_section(s, "Events");
	json_array_foreach (events, i, event) {
		const char *state = get_text(event, "state");
		enum style style = state_style(state);
		char when[HUMAN_MAX];

		human_time(when, human_parse_time(get_text(event, "time")));
		strbuf_addf(&s->text, "  %s  %s", when, term_begin(s->term, style));
		strbuf_addf(&s->text, *error_message(event) ? "%-14s" : "%s", state);
		strbuf_addf(&s->text, "%s%s%s\n", term_end(s->term, style),
			    *error_message(event) ? " " : "", error_message(event));
	}
}

static void print_tunnel(const struct ctl *ctl, const json_t *reply)
{
	const json_t *tunnel = json_object_get(reply, "tunnel");
	struct sheet s = { .term = &ctl->out };

	add_headline(&s, tunnel);
	add_tunnel(&s, tunnel, reply);
	add_servers(&s, json_object_get(reply, "servers"));
	add_jumps(&s, json_object_get(reply, "jumps"));
	add_session(&s, json_object_get(reply, "session"));
	add_forwards(&s, tunnel);
	add_settings(&s, json_object_get(reply, "settings"),
		     json_array_size(json_object_get(reply, "servers")) > 1);
	add_events(&s, json_object_get(reply, "events"));
	sheet_print(&s);
}

/* The reply for one tunnel; NULL with f filled. */
static json_t *inspect(struct ctl *ctl, const char *name, struct failure *f)
{
	json_t *parameters = json_pack("{s:s}", "name", name);

	if (!parameters) {
		failure_set(f, EXIT_USAGE, ERR_USAGE, "a name is not valid UTF-8");
		return NULL;
	}
	return ctl_call(ctl, MANAGER_METHOD("Inspect"), parameters, f);
}

/* All answers first: a name that is wrong prints nothing of the others. */
static json_t *inspect_all(struct ctl *ctl, struct failure *f)
{
	json_t *replies = json_array();

	for (size_t i = 0; replies && i < ctl->args.operand_count; i++) {
		json_t *reply = inspect(ctl, ctl->args.operands[i], f);

		if (!reply || json_array_append_new(replies, reply) < 0) {
			json_decref(replies);
			return NULL;
		}
	}
	if (!replies)
		failure_nomem(f);
	return replies;
}

int run_inspect(struct ctl *ctl, struct failure *f)
{
	json_t *replies, *reply;
	size_t i;

	if (args_has(&ctl->args, OPTION_DAEMON))
		return inspect_daemon(ctl, f);
	replies = inspect_all(ctl, f);
	if (!replies)
		return -1;
	if (ctl->json)
		ctl_print_json(ctl, json_array_size(replies) == 1 ? json_array_get(replies, 0)
								  : replies);
	json_array_foreach (replies, i, reply) {
		if (ctl->json)
			break;
		if (i > 0)
			putchar('\n');
		print_tunnel(ctl, reply);
	}
	json_decref(replies);
	return EXIT_OK;
}
