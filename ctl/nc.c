/* SPDX-License-Identifier: MIT */
/*
 * `tunctl nc`: what `ssh -W` is, through a tunnel that stands already. The daemon opens the
 * connection and answers the call; from then on the socket to it is that connection.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/duplex.h"
#include "lib/endpoint.h"
#include "lib/util.h"

/* "host:port" of one word; the port may not be missing. */
static char *target_of_word(const char *word, struct failure *f)
{
	char text[ENDPOINT_TEXT_MAX];
	struct endpoint endpoint;
	struct err err = { 0 };

	if (endpoint_parse(word, &endpoint, &err) < 0) {
		failure_set(f, EXIT_USAGE, ERR_USAGE, "%s", err.msg);
		return NULL;
	}
	if (*endpoint.user || endpoint.port == 0) {
		failure_set(f, EXIT_USAGE, ERR_USAGE,
			    *endpoint.user ? "'%s' names a user; where to connect is HOST:PORT"
					   : "'%s' has no port; write HOST:PORT, or HOST PORT",
			    word);
		return NULL;
	}
	return strdup(endpoint_format(text, endpoint.host, endpoint.port));
}

static char *target_of_words(const char *host, const char *port, struct failure *f)
{
	char text[ENDPOINT_TEXT_MAX];
	struct err err = { 0 };
	uint16_t number;

	if (endpoint_check_host(host, &err) < 0 || port_parse(port, &number, &err) < 0) {
		failure_set(f, EXIT_USAGE, ERR_USAGE, "%s", err.msg);
		return NULL;
	}
	return strdup(endpoint_format(text, host, number));
}

/* As the daemon wants it; the caller frees. NULL with f filled. */
static char *target_text(const struct args *args, struct failure *f)
{
	const char *first = args->operands[1];

	failure_nomem(f); /* what it is unless somebody knows better */
	if (args->operand_count == 3)
		return target_of_words(first, args->operands[2], f);
	if (!strchr(first, '/'))
		return target_of_word(first, f);
	if (first[0] == '/')
		return strdup(first);
	failure_set(f, EXIT_USAGE, ERR_USAGE,
		    "'%s' is a path on the server; write it with a '/' in front", first);
	return NULL;
}

/* 0 once the connection to the daemon is one to target. It takes as long as the daemon gives the
 * tunnel to come up, and then as long as the server gives the target. */
static int connect_to(struct ctl *ctl, const char *target, struct failure *f)
{
	json_t *parameters =
		json_pack("{s:s,s:s}", "name", ctl->args.operands[0], "target", target);
	json_t *reply = NULL;
	bool continues;

	if (!parameters)
		return failure_set(f, EXIT_USAGE, ERR_USAGE,
				   "the name or target is not valid UTF-8");
	if (!ctl_client(ctl, f)) {
		json_decref(parameters);
		return -1;
	}
	if (client_send_upgrade(&ctl->client, MANAGER_METHOD("Connect"), parameters, f) < 0 ||
	    ctl_receive(ctl, UINT64_MAX, &reply, &continues, f) < 0)
		return -1;
	json_decref(reply);
	return 0;
}

int run_nc(struct ctl *ctl, struct failure *f)
{
	CLEANUP(freep) char *target = target_text(&ctl->args, f);
	struct duplex_ends ends = { .in = STDIN_FILENO, .out = STDOUT_FILENO, .peer = target };
	const char *received;
	size_t size;

	if (!target || connect_to(ctl, target, f) < 0)
		return -1;
	ends.socket = ctl->client.fd;
	received = client_rest(&ctl->client, &size);
	return duplex_run(&ends, received, size, f) < 0 ? -1 : EXIT_OK;
}
