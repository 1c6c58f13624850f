/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/check.h"

#include <stdio.h>

#include "daemon/supervisor/check_files.h"
#include "lib/known_hosts.h"
#include "lib/str.h"
#include "lib/util.h"

void check_print_problems(const struct config_problems *problems)
{
	for (size_t i = 0; i < problems->count; i++) {
		CLEANUP(freep) char *text = config_problem_text(&problems->items[i]);

		fprintf(stderr, "%s\n", text ? text : "out of memory");
	}
}

/* What ssh's configuration says is no mistake: ssh reads these files, too. */
static void print_notes(const struct config *config)
{
	for (size_t i = 0; i < config->notes.count; i++)
		fprintf(stderr, "note: %s\n", config->notes.items[i]);
	if (config->unread)
		fprintf(stderr, "note: ssh is not installed, so %s was not read\n", config->unread);
}

/* ---- host certificates ---- */

static char *authority_note(const struct known_hosts *known)
{
	return str_printf(
		"%s:%u: @cert-authority for %s is of no use here: libssh cannot ask for host "
		"certificates; add the server's own key to known_hosts",
		known->authority_file, known->authority_line, known->label);
}

/* Where an authority vouches for a server, and nothing else does. A file that cannot be read is for the
 * tunnel to complain about. */
static void add_authority(const struct connection_settings *c, struct strv *notes)
{
	CLEANUP(freep) char *note = NULL;
	struct known_hosts known;

	if (known_hosts_load(&known, c->host, c->port, c->host_key_alias, &c->known_hosts, NULL) <
	    0)
		return;
	if (known.has_authority && known.count == 0)
		note = authority_note(&known);
	if (note && !strv_contains(notes, note))
		strv_add(notes, note);
	known_hosts_fini(&known);
}

/* ---- every server of every tunnel ---- */

static void print_servers(const struct config *config)
{
	struct strv notes = { 0 };

	for (size_t i = 0; i < config->tunnel_count; i++) {
		const struct config_tunnel *t = config->tunnels[i];

		for (size_t r = 0; r < t->route_count; r++) {
			for (size_t h = 0; h < t->routes[r].hop_count; h++) {
				add_authority(&t->routes[r].hops[h].connection, &notes);
				check_files(&t->routes[r].hops[h].connection, &notes);
			}
		}
	}
	for (size_t i = 0; i < notes.count; i++)
		fprintf(stderr, "note: %s\n", notes.items[i]);
	strv_fini(&notes);
}

bool check_config(const struct load_source *source)
{
	struct config_context context = load_context(source);
	struct config_problems problems = { 0 };
	struct config *config = config_load(source->config, &context, &problems);

	leash_release_signals(source->leash);
	if (!config) {
		check_print_problems(&problems);
		config_problems_fini(&problems);
		return false;
	}
	print_notes(config);
	print_servers(config);
	printf("%s: ok, %zu tunnel%s\n", source->config, config->tunnel_count,
	       config->tunnel_count == 1 ? "" : "s");
	config_free(config);
	return true;
}
