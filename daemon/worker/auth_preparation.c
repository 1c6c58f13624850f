/* SPDX-License-Identifier: MIT */
#include "daemon/worker/auth_preparation.h"

#include <stdlib.h>

#include "lib/util.h"

struct ticket {
	struct preparation *prep;
	preparation_done_fn on_done;
	void *data;
};

void preparation_free(struct preparation *p)
{
	if (!p)
		return;
	hostkey_trust_fini(&p->trust);
	identities_fini(&p->identities);
	secret_fini(&p->secrets.password);
	secret_fini(&p->secrets.passphrase);
	connection_settings_fini(&p->settings);
	free(p);
}

/* Keys that were named and cannot be used are a mistake, whoever else might let us in. */
static void check_identities(struct preparation *p)
{
	const struct err *problem = identities_problem(&p->identities);

	if (identities_usable(&p->identities) == 0 && problem && !p->settings.password)
		p->error = *problem;
}

static void read_secrets(struct preparation *p)
{
	if (p->settings.password)
		secret_read_file(&p->secrets.password, p->settings.password, "password file",
				 &p->secrets.error);
	if (p->settings.passphrase)
		secret_read_file(&p->secrets.passphrase, p->settings.passphrase, "passphrase file",
				 &p->secrets.passphrase_error);
}

/* On a thread. */
static void work(void *data)
{
	struct preparation *p = ((struct ticket *)data)->prep;

	if (hostkey_trust_load(&p->trust, &p->settings, &p->error) < 0)
		return;
	if (identities_load(&p->identities, &p->settings, &p->error) == 0)
		check_identities(p);
	read_secrets(p);
}

static void ticket_free(void *data)
{
	struct ticket *ticket = data;

	preparation_free(ticket->prep);
	free(ticket);
}

static void done(void *data)
{
	struct ticket *ticket = data;

	ticket->on_done(ticket->data, TAKE(ticket->prep));
	ticket_free(ticket);
}

struct offload_job *preparation_start(struct offload *pool,
				      const struct connection_settings *settings,
				      preparation_done_fn on_done, void *data, struct err *err)
{
	struct ticket *ticket = calloc(1, sizeof(*ticket));
	struct offload_job *job = NULL;

	if (ticket)
		ticket->prep = calloc(1, sizeof(*ticket->prep));
	if (ticket && ticket->prep &&
	    connection_settings_copy(&ticket->prep->settings, settings) == 0) {
		ticket->on_done = on_done;
		ticket->data = data;
		job = offload_submit(pool, work, done, ticket_free, ticket);
	}
	if (!job) {
		if (ticket)
			ticket_free(ticket);
		err_nomem(err);
	}
	return job;
}
