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
	hostkey_set_fini(&p->host_keys);
	identities_fini(&p->identities);
	connection_settings_fini(&p->settings);
	free(p);
}

static int check_identities(struct preparation *p)
{
	const struct err *problem = identities_problem(&p->identities);

	if (identities_usable(&p->identities) > 0)
		return 0;
	if (problem) {
		p->error = *problem;
		return -1;
	}
	return err_set(&p->error, ERR_NO_IDENTITY,
		       "no key to log in with: none of %s and its siblings exists; make one with "
		       "ssh-keygen, or name one with 'identity'",
		       p->settings.identities.count ? p->settings.identities.items[0]
						    : "~/.ssh/id_ed25519");
}

/* On a thread. */
static void work(void *data)
{
	struct preparation *p = ((struct ticket *)data)->prep;

	if (hostkey_set_load(&p->host_keys, connection_known_name(&p->settings), p->settings.port,
			     &p->settings.known_hosts, &p->error) < 0)
		return;
	if (identities_load(&p->identities, &p->settings.identities, p->settings.identities_implied,
			    &p->error) == 0)
		check_identities(p);
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
