/* SPDX-License-Identifier: MIT */
/*
 * Asks ssh about a host and decodes what it says as if it stood in a file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/config_ssh.h"
#include "lib/json_put.h"
#include "lib/str.h"
#include "lib/util.h"

enum { HOSTS_MAX = 8192 };

/* What is told about a host while it is asked for. */
struct telling {
	struct config_ssh *ssh;
	struct ssh_host *host;
	struct ssh_sink sink;
	json_t *entry;
};

/* Something that could not be carried, about one host. */
static int note(struct ssh_host *host, const char *text)
{
	return host->notes.count < CONFIG_NOTES_MAX ? strv_add(&host->notes, text) : 0;
}

/* To whoever reads now. The same is said once, however many tunnels it is about. */
static int tell(struct config_ssh *ssh, const struct ssh_host *host)
{
	const char *name = host->host.name;
	char shown[80];

	str_escape(shown, sizeof(shown), name, strlen(name));
	for (size_t i = 0; i < host->notes.count && ssh->notes.count < CONFIG_NOTES_MAX; i++) {
		CLEANUP(freep)
		char *line = str_printf("host '%s': %s", shown, host->notes.items[i]);

		if (!line || (!strv_contains(&ssh->notes, line) && strv_add(&ssh->notes, line) < 0))
			return -1;
	}
	return 0;
}

/* ---- asking ---- */

static bool is_forward(const char *key)
{
	return forward_type_from_name(key) >= 0;
}

static int on_put(void *data, const char *key, json_t *value)
{
	struct telling *t = data;

	return json_put(is_forward(key) ? t->host->forwards : t->entry, key, value, NULL);
}

static int on_note(void *data, const char *text)
{
	struct telling *t = data;

	return note(t->host, text);
}

/* A mistake in a file of ssh's is told where it is, one of ours where the host is named. */
static bool remember_mistake(struct ssh_host *host, const struct err *err)
{
	host->mistake = (struct config_problem){
		.file = err->at.file ? strdup(err->at.file) : NULL,
		.line = err->at.line,
		.column = err->at.column,
		.message = strdup(err->msg),
	};
	return host->mistake.message != NULL;
}

static void complain(struct config_decoder *d, const struct config_problem *mistake,
		     const struct node *at)
{
	const struct node place = { .file = mistake->file,
				    .line = mistake->line,
				    .column = mistake->column };

	if (mistake->file)
		problem_add(d->problems, &place, "%s", mistake->message);
	else
		config_complain(d, at, "%s", mistake->message);
}

/* The tree knows no file; a command in it may be a line for the shell all the same, because whoever
 * writes ssh's file may run commands. */
static void set_place(struct node *node, const struct node *at)
{
	node->file = at->file ? at->file : "ssh_config";
	node->line = at->line;
	node->column = at->column;
	for (size_t i = 0; i < node->count; i++)
		set_place(node->items[i], at);
}

static struct node *tree_of(const char *key, json_t *value, const struct node *at)
{
	json_t *map = json_pack("{s:O}", key, value);
	struct node *tree = map ? node_from_json(map, NULL) : NULL;

	json_decref(map);
	if (tree)
		set_place(tree, at);
	return tree;
}

/* A decoder that tells nobody. */
static struct config_decoder quiet_decoder(const struct config_decoder *d,
					   struct problem_sink *problems)
{
	return (struct config_decoder){ .problems = problems, .home = d->home };
}

/* One value of the entry. What tunneld cannot take is no reason not to read the file: ssh could. */
static bool decode_value(struct telling *t, struct config_decoder *d, const char *key,
			 json_t *value, const struct node *at)
{
	struct config_problems problems = { 0 };
	struct problem_sink sink = { .to = &problems };
	struct config_decoder quiet = quiet_decoder(d, &sink);
	CLEANUP(node_freep) struct node *tree = tree_of(key, value, at);
	CLEANUP(freep) char *why = NULL;
	bool good = tree != NULL;

	if (tree && !config_decode(&quiet, PLACE_HOST, tree, &t->host->host, NULL)) {
		why = str_printf("%s (left out)", problems.count ? problems.items[0].message : key);
		good = why && note(t->host, why) == 0;
	}
	config_problems_fini(&problems);
	return good;
}

static bool decode_entry(struct telling *t, struct config_decoder *d, const struct node *at)
{
	const char *key;
	json_t *value;

	json_object_foreach (t->entry, key, value) {
		if (!decode_value(t, d, key, value, at))
			return false;
	}
	return true;
}

/* False: no memory. */
static bool finish(struct telling *t, struct config_decoder *d, const struct ssh_question *q)
{
	struct ssh_host *host = t->host;

	host->is_pending = false;
	if (q->rc < 0)
		return t->ssh->ask.is_missing || remember_mistake(host, &q->err);
	return decode_entry(t, d, host->at);
}

/* Of hosts that stand in a row; false: no memory. */
static bool ask(struct config_ssh *ssh, struct config_decoder *d, struct ssh_host *const *hosts,
		size_t count)
{
	struct telling *tellings = calloc(count, sizeof(*tellings));
	struct ssh_question *questions = calloc(count, sizeof(*questions));
	bool good = tellings && questions;

	for (size_t i = 0; good && i < count; i++) {
		const struct endpoint *e = &hosts[i]->endpoint;

		tellings[i] = (struct telling){ .ssh = ssh, .host = hosts[i] };
		tellings[i].sink = (struct ssh_sink){ on_put, on_note, &tellings[i] };
		tellings[i].entry = json_object();
		questions[i] = (struct ssh_question){ .host = e->host,
						      .user = *e->user ? e->user : NULL,
						      .port = e->port,
						      .sink = &tellings[i].sink };
		good = tellings[i].entry != NULL;
	}
	if (good)
		ssh_ask_hosts(&ssh->ask, questions, count);
	for (size_t i = 0; tellings && questions && i < count; i++) {
		good = good && finish(&tellings[i], d, &questions[i]);
		json_decref(tellings[i].entry);
		ssh_question_fini(&questions[i]);
	}
	free(tellings);
	free(questions);
	return good;
}

int config_ssh_ask(struct config_ssh *ssh, struct config_decoder *d)
{
	/* What was gathered since the last time stands at the end. */
	size_t first = ssh->host_count;

	while (first > 0 && ssh->hosts[first - 1]->is_pending)
		first--;
	if (first == ssh->host_count)
		return 0;
	return ask(ssh, d, ssh->hosts + first, ssh->host_count - first) ? 0 : -1;
}

/* ---- finding ---- */

struct endpoint config_ssh_question(const struct endpoint *written,
				    const struct config_layer *tunnel)
{
	struct endpoint question = *written;
	const char *user = tunnel ? tunnel->connection.user : NULL;

	if (!*question.user && user)
		snprintf(question.user, sizeof(question.user), "%s", user);
	return question;
}

static struct ssh_host *find(const struct config_ssh *ssh, const char *question)
{
	for (size_t i = 0; i < ssh->host_count; i++) {
		if (strcmp(ssh->hosts[i]->question, question) == 0)
			return ssh->hosts[i];
	}
	return NULL;
}

static bool keep(struct config_ssh *ssh, struct ssh_host *host)
{
	struct ssh_host **hosts =
		realloc(ssh->hosts, (ssh->host_count + 1) * sizeof(struct ssh_host *));

	if (!hosts)
		return false;
	ssh->hosts = hosts;
	hosts[ssh->host_count++] = host;
	return true;
}

/* Asks now or later. NULL: no memory. */
static struct ssh_host *learn(struct config_ssh *ssh, struct config_decoder *d,
			      const struct endpoint *endpoint, const char *question,
			      const struct node *at)
{
	struct ssh_host *host = calloc(1, sizeof(*host));

	if (!host)
		return NULL;
	host->question = strdup(question);
	host->host.name = strdup(endpoint->host);
	host->forwards = json_object();
	host->endpoint = *endpoint;
	host->at = at;
	host->is_pending = ssh->gathers;
	if (host->question && host->host.name && host->forwards &&
	    (ssh->gathers || ask(ssh, d, &host, 1)) && keep(ssh, host))
		return host;
	ssh_host_free(host);
	return NULL;
}

/* What is known of a host, asked for if need be; NULL: nothing (yet), and a mistake is a problem. */
static struct ssh_host *know(struct config_ssh *ssh, struct config_decoder *d,
			     const struct endpoint *endpoint, const struct node *at)
{
	CLEANUP(freep) char *question = NULL;
	struct ssh_host *host;

	if (!ssh->is_on || ssh->ask.is_missing)
		return NULL;
	question = str_printf("%s@%s:%u", endpoint->user, endpoint->host, endpoint->port);
	host = question ? find(ssh, question) : NULL;
	if (!host && ssh->host_count == HOSTS_MAX) {
		config_complain(d, at, "ssh was asked for more than %d hosts", HOSTS_MAX);
		return NULL;
	}
	if (!host && question)
		host = learn(ssh, d, endpoint, question, at);
	if (!host)
		config_complain(d, at, "out of memory");
	else if (host->is_pending)
		ssh->is_waiting = true;
	else if (host->mistake.message)
		complain(d, &host->mistake, at);
	else if (!ssh->ask.is_missing && tell(ssh, host) < 0)
		config_complain(d, at, "out of memory");
	else if (!ssh->ask.is_missing)
		return host;
	return NULL;
}

const struct config_host *config_ssh_find(struct config_ssh *ssh, struct config_decoder *d,
					  const struct endpoint *endpoint, const struct node *at)
{
	const struct ssh_host *host = know(ssh, d, endpoint, at);

	return host ? &host->host : NULL;
}

/* ---- forwards ---- */

static bool add_forward(struct config_decoder *d, struct ssh_host *host, const char *type,
			json_t *value, const struct node *at, struct config_forwards *to)
{
	struct config_problems problems = { 0 };
	struct problem_sink sink = { .to = &problems };
	struct config_decoder quiet = quiet_decoder(d, &sink);
	CLEANUP(node_freep) struct node *tree = tree_of(type, value, at);
	CLEANUP(freep) char *why = NULL;
	bool good = tree != NULL;

	if (tree && !config_decode_value(&quiet, schema_find(PLACE_TUNNEL, type),
					 node_map_value(tree, 0), to)) {
		why = str_printf("%s: %s (left out)", type,
				 problems.count ? problems.items[0].message : "");
		good = why && (strv_contains(&host->notes, why) || note(host, why) == 0);
	}
	config_problems_fini(&problems);
	return good;
}

static bool add_forwards(struct config_decoder *d, struct ssh_host *host, const struct node *at,
			 struct config_forwards *to)
{
	const char *type;
	json_t *values;

	json_object_foreach (host->forwards, type, values) {
		size_t count = json_is_array(values) ? json_array_size(values) : 1;

		for (size_t i = 0; i < count; i++) {
			json_t *value = json_is_array(values) ? json_array_get(values, i) : values;

			if (!add_forward(d, host, type, value, at, to))
				return false;
		}
	}
	return true;
}

bool config_ssh_forwards(struct config_ssh *ssh, struct config_decoder *d,
			 const struct endpoint *endpoint, const struct node *at,
			 struct config_forwards *to)
{
	struct ssh_host *host = know(ssh, d, endpoint, at);

	if (!host && ssh->is_on && !ssh->ask.is_missing)
		return false; /* why, has been said */
	if (!host) {
		config_complain(d, at, "%s, so that no forwards come from there",
				ssh->ask.is_missing ? "ssh is not installed"
						    : "'ssh_config' is switched off");
		return false;
	}
	if (!add_forwards(d, host, at, to) || tell(ssh, host) < 0) {
		config_complain(d, at, "out of memory");
		return false;
	}
	if (to->count > 0)
		return true;
	config_complain(d, at, "ssh has no LocalForward, RemoteForward or DynamicForward for '%s'",
			endpoint->host);
	return false;
}
