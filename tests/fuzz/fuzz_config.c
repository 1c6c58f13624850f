/* SPDX-License-Identifier: MIT */
/*
 * A file that loads is a configuration that differs in nothing from itself; one that does not says
 * why in printable lines. What is no YAML is tried as a request that adds a tunnel, and as one about
 * the forwards of a tunnel.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/config_diff.h"
#include "lib/node.h"
#include "lib/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct config_context context = { .home = "/home/me", .user = "me" };

static void check_problems(const struct config_problems *problems)
{
	if (problems->count == 0 || problems->count > 101)
		abort();
	for (size_t i = 0; i < problems->count; i++) {
		const char *message = problems->items[i].message;

		if (!*message || !str_is_utf8(message, strlen(message)) ||
		    strpbrk(message, "\n\r\x1b"))
			abort();
	}
}

/* Whatever was accepted can be bound, sent and shown. */
static void check_forward(const struct config_forward *f)
{
	char text[CONFIG_END_TEXT_MAX];

	if (!f->name || f->port_count == 0 || f->port_count > CONFIG_PORTS_MAX ||
	    f->listen.port + f->port_count > 65536 || f->target.port + f->port_count > 65536)
		abort();
	if (!f->listen.host || f->listen.kind == END_PROXY ||
	    !f->target.host != (f->target.kind == END_PROXY) ||
	    (f->type == FORWARD_DYNAMIC) > (f->target.kind == END_PROXY) ||
	    (f->type == FORWARD_LOCAL && f->target.kind == END_PROXY) || !f->user != !f->password)
		abort();
	if (f->type == FORWARD_REMOTE ? f->listen.kind != END_TCP ||
						(f->target.kind == END_PROXY && f->allow.count == 0)
				      : f->listen.kind == END_TCP && f->listen.port == 0)
		abort();
	if (f->port_count > 1 && (f->listen.kind != END_TCP || f->target.kind != END_TCP))
		abort();
	if (strlen(config_end_text(text, sizeof(text), &f->listen, f->port_count)) + 1 >=
		    sizeof(text) ||
	    strlen(config_end_text(text, sizeof(text), &f->target, f->port_count)) + 1 >=
		    sizeof(text))
		abort();
}

static void check_tunnel(const struct config_tunnel *tunnel)
{
	struct config one = { .tunnels =
				      (struct config_tunnel *[]){ (struct config_tunnel *)tunnel },
			      .tunnel_count = 1 };
	struct config_diff diff;

	if (!config_name_is_valid(tunnel->name) || tunnel->forward_count == 0 ||
	    config_server(tunnel, 0)->identities.count == 0 || config_server(tunnel, 0)->port == 0)
		abort();
	for (size_t i = 0; i < tunnel->forward_count; i++)
		check_forward(&tunnel->forwards[i]);
	if (config_diff(&one, &one, &diff, NULL) < 0 || diff.count != 0 || diff.unchanged != 1)
		abort();
	config_diff_fini(&diff);
}

static struct config *load(const void *bytes, size_t size, struct config_problems *problems)
{
	int fd = memfd_create("config", MFD_CLOEXEC);
	struct config *config;
	char path[32];

	/* A file others can read may hold no password. */
	if (fd < 0 || fchmod(fd, 0600) < 0 || write(fd, bytes, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	config = config_load(path, &context, problems);
	close(fd);
	return config;
}

static void try_file(const uint8_t *data, size_t size)
{
	struct config_problems problems = { 0 };
	struct config *config = load(data, size, &problems);

	if (!config)
		check_problems(&problems);
	for (size_t i = 0; config && i < config->tunnel_count; i++)
		check_tunnel(config->tunnels[i]);
	config_problems_fini(&problems);
	config_free(config);
}

/* What was added can go, and then nothing is left of it. */
static void try_forwards(struct config *config, const struct node *tree)
{
	struct config_problems problems = { 0 };
	const struct config_tunnel *t = config_find(config, "t");
	struct config_tunnel *with = config_with_forwards(config, t, tree, &problems), *without;

	if (!with) {
		check_problems(&problems);
		config_problems_fini(&problems);
		return;
	}
	check_tunnel(with);
	without = config_without_forwards(config, with, tree, &problems);
	if (!without)
		check_problems(&problems);
	else if (without->forward_count != t->forward_count)
		abort();
	config_problems_fini(&problems);
	config_tunnel_free(without);
	config_tunnel_free(with);
}

static void try_request(struct config *config, const uint8_t *data, size_t size)
{
	json_t *json = json_loadb((const char *)data, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	struct node *tree = json ? node_from_json(json, NULL) : NULL;
	struct config_problems problems = { 0 };
	struct config_tunnel *tunnel = NULL;

	if (tree) {
		try_forwards(config, tree);
		tunnel = config_add_tunnel(config, "added", tree, &problems);
		if (!tunnel)
			check_problems(&problems);
	}
	if (tunnel)
		check_tunnel(tunnel);
	config_remove(config, "added");
	config_problems_fini(&problems);
	node_free(tree);
	json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char base[] = "hosts: { h: { address: 'a:23' } }\n"
				   "tunnels: { t: { host: h, local: 1:x:1 } }\n";
	struct config_problems problems = { 0 };
	struct config *config;

	/* Other files of this machine would make runs differ. */
	if (memmem(data, size, "include", 7))
		return 0;
	try_file(data, size);
	config = load(base, sizeof(base) - 1, &problems);
	if (!config)
		abort();
	try_request(config, data, size);
	config_free(config);
	return 0;
}
