/* SPDX-License-Identifier: MIT */
#include "daemon/worker/auth_unlock.h"

#include <stdlib.h>
#include <string.h>

struct auth_unlock {
	struct offload_job *job; /* NULL: done */
	void (*on_done)(void *data);
	void *data;

	char *path, *passphrase;
	ssh_key key;
	struct err error;
};

static void destroy(void *data)
{
	struct auth_unlock *u = data;

	if (u->passphrase)
		explicit_bzero(u->passphrase, strlen(u->passphrase));
	free(u->passphrase);
	free(u->path);
	ssh_key_free(u->key);
	free(u);
}

/* On a thread. */
static void work(void *data)
{
	struct auth_unlock *u = data;

	if (identity_unlock(u->path, u->passphrase, &u->key, &u->error) == 0)
		u->error.code = ERR_NONE;
}

static void done(void *data)
{
	struct auth_unlock *u = data;

	u->job = NULL;
	u->on_done(u->data);
}

struct auth_unlock *auth_unlock_start(struct offload *threads, const char *path,
				      const char *passphrase, void (*on_done)(void *data),
				      void *data)
{
	struct auth_unlock *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	*u = (struct auth_unlock){ .on_done = on_done,
				   .data = data,
				   .path = strdup(path),
				   .passphrase = strdup(passphrase) };
	if (u->path && u->passphrase)
		u->job = offload_submit(threads, work, done, destroy, u);
	if (u->job)
		return u;
	destroy(u);
	return NULL;
}

enum step auth_unlock_step(struct auth_unlock *u, ssh_key *ret_key, struct err *err)
{
	if (u->job)
		return STEP_WAIT;
	*err = u->error;
	*ret_key = TAKE(u->key);
	return *ret_key ? STEP_NEXT : STEP_FAIL;
}

void auth_unlock_free(struct auth_unlock *u)
{
	if (!u)
		return;
	if (u->job)
		offload_cancel(u->job);
	else
		destroy(u);
}
