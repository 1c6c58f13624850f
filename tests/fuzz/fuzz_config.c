/* SPDX-License-Identifier: MIT */
/*
 * A file that loads is a configuration that differs in nothing from itself; one that does not says
 * why in printable lines. What is no YAML is tried as a request that adds a tunnel.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

static void check_tunnel(const struct config_tunnel *tunnel)
{
	struct config one = { .tunnels =
				      (struct config_tunnel *[]){ (struct config_tunnel *)tunnel },
			      .tunnel_count = 1 };
	struct config_diff diff;

	if (!config_name_is_valid(tunnel->name) || tunnel->forward_count == 0 ||
	    tunnel->connection.identities.count == 0 || tunnel->connection.port == 0)
		abort();
	if (config_diff(&one, &one, &diff, NULL) < 0 || diff.count != 0 || diff.unchanged != 1)
		abort();
	config_diff_fini(&diff);
}

static struct config *load(const void *bytes, size_t size, struct config_problems *problems)
{
	int fd = memfd_create("config", MFD_CLOEXEC);
	struct config *config;
	char path[32];

	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
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

static void try_request(struct config *config, const uint8_t *data, size_t size)
{
	json_t *json = json_loadb((const char *)data, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	struct node *tree = json ? node_from_json(json, NULL) : NULL;
	struct config_problems problems = { 0 };
	struct config_tunnel *tunnel = NULL;

	if (tree) {
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
