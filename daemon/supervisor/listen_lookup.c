/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/listen_lookup.h"

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"

#define GROUP_SIZE_MAX (1024 * 1024) /* bytes; a group with all its members */

struct lookup {
	char *host, *group; /* NULL: not asked for */
	struct listen_answer answer;
	void (*on_done)(void *asker, const struct listen_answer *answer);
	void *asker;
};

static bool is_new(const struct listen_answer *answer, const struct address *a)
{
	for (size_t i = 0; i < answer->count; i++) {
		if (address_equal(&answer->addresses[i], a))
			return false;
	}
	return true;
}

static void look_up_host(const char *host, struct listen_answer *ret)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	struct addrinfo *found = NULL;
	struct address address;
	int rc = getaddrinfo(host, NULL, &hints, &found);

	for (struct addrinfo *a = found; rc == 0 && a && ret->count < LISTEN_ADDRESSES_MAX;
	     a = a->ai_next) {
		if (address_from_sockaddr(&address, a->ai_addr, a->ai_addrlen) &&
		    is_new(ret, &address))
			ret->addresses[ret->count++] = address;
	}
	if (rc == 0)
		freeaddrinfo(found);
	if (ret->count == 0)
		err_set(&ret->err, ERR_RESOLVE, "cannot listen on '%s': %s", host,
			rc ? gai_strerror(rc) : "it has no address");
}

static void look_up_group(const char *name, struct listen_answer *ret)
{
	struct group group, *found = NULL;
	size_t size = 1024;
	char *space = NULL;
	int rc;

	do {
		free(space);
		space = malloc(size *= 2);
		rc = space ? getgrnam_r(name, &group, space, size, &found) : ENOMEM;
	} while (rc == ERANGE && size < GROUP_SIZE_MAX);
	if (found)
		ret->gid = found->gr_gid;
	else if (rc == 0 || rc == ENOENT)
		err_set(&ret->err, ERR_BIND,
			"this machine has no group '%s'; correct 'group', or create it", name);
	else
		err_set_errno(&ret->err, ERR_BIND, rc, "cannot look up the group '%s'", name);
	free(space);
}

static void work(void *data)
{
	struct lookup *l = data;

	if (l->host)
		look_up_host(l->host, &l->answer);
	if (l->group && l->answer.err.code == ERR_NONE)
		look_up_group(l->group, &l->answer);
}

static void lookup_free(void *data)
{
	struct lookup *l = data;

	free(l->host);
	free(l->group);
	free(l);
}

static void on_worked(void *data)
{
	struct lookup *l = data;

	l->on_done(l->asker, &l->answer);
	lookup_free(l);
}

struct offload_job *listen_lookup(struct offload *names, const char *host, const char *group,
				  void (*on_done)(void *asker, const struct listen_answer *answer),
				  void *asker)
{
	struct lookup *l = calloc(1, sizeof(*l));
	struct offload_job *job = NULL;

	if (!l)
		return NULL;
	l->on_done = on_done;
	l->asker = asker;
	l->host = host ? strdup(host) : NULL;
	l->group = group ? strdup(group) : NULL;
	if (!l->host == !host && !l->group == !group)
		job = offload_submit(names, work, on_worked, lookup_free, l);
	if (!job)
		lookup_free(l);
	return job;
}
