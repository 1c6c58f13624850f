/* SPDX-License-Identifier: MIT */
#include "lib/ssh_ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/endpoint.h"
#include "lib/util.h"

enum { WORDS_MAX = 14, SSH_PORT = 22, HASH_LENGTH = 40 };

#define SYSTEM_CONFIG "/etc/ssh/ssh_config"
#define NOBODY "tunneld.invalid" /* a host that no file is about */

void ssh_ask_init(struct ssh_ask *ask, capture_fn *run, const char *config, const char *home,
		  const char *local_user)
{
	*ask = (struct ssh_ask){ .run = run,
				 .config = config,
				 .home = home,
				 .local_user = local_user,
				 .left_ms = SSH_ASK_ALL_MS };
}

void ssh_ask_fini(struct ssh_ask *ask)
{
	ssh_output_fini(&ask->unset);
	ssh_output_fini(&ask->usual);
	free(ask->complaint_path);
	*ask = (struct ssh_ask){ 0 };
}

static int explain(struct ssh_ask *ask, const struct ssh_question *q, struct err *err)
{
	if (err->code == ERR_IO && err->sys == ENOENT) {
		ask->is_missing = true;
		return err_set(err, ERR_UNSUPPORTED, "ssh is not installed");
	}
	if (err->code == ERR_TIMEOUT && ask->left_ms == 0)
		return err_set(err, ERR_CONFIG,
			       "ssh -G took more than %d s for all hosts together; is there a "
			       "'Match exec' that is slow?",
			       SSH_ASK_ALL_MS / 1000);
	if (err->code == ERR_TIMEOUT)
		return err_set(err, ERR_CONFIG,
			       "'ssh -G %s' took more than %d s and was ended; is there a 'Match "
			       "exec' that waits?",
			       q->host, SSH_ASK_MS / 1000);
	return err_prefix(err, "'ssh -G %s'", q->host);
}

/* Runs within what is left of the time for all. */
static int run(struct ssh_ask *ask, const char *const *words, const struct ssh_question *q,
	       struct capture *ret, struct err *err)
{
	struct capture_limits limits = {
		.time_ms = MIN(ask->left_ms, (unsigned)SSH_ASK_MS),
		.bytes_max = SSH_OUTPUT_MAX,
	};
	uint64_t began_ms = monotonic_ms(), took_ms;
	int rc;

	if (ask->left_ms == 0) {
		err_set(err, ERR_TIMEOUT, "no time is left");
		return explain(ask, q, err);
	}
	rc = ask->run(words, &limits, ret, err);
	took_ms = monotonic_ms() - began_ms;
	ask->left_ms -= (unsigned)MIN(took_ms, (uint64_t)ask->left_ms);
	return rc < 0 ? explain(ask, q, err) : 0;
}

/* What ssh complained about, where it said so. */
static int complain(struct ssh_ask *ask, const struct capture *said, const struct ssh_question *q,
		    struct err *err)
{
	unsigned line;

	free(TAKE(ask->complaint_path));
	ssh_complaint(said->complaint, &ask->complaint_path, &line, err);
	if (ask->complaint_path) {
		err->at.file = ask->complaint_path;
		err->at.line = line;
		err->at.column = 1;
		return err_prefix(err, "ssh");
	}
	return err_prefix(err, "'ssh -G %s'", q->host);
}

/* `ssh -G` with a file ("none": without any; NULL: ssh's own). */
static int ask_with(struct ssh_ask *ask, const char *file, const struct ssh_question *q,
		    struct ssh_output *ret, struct err *err)
{
	const char *words[WORDS_MAX] = { "ssh", "-G" };
	struct capture said;
	char port[12];
	size_t count = 2;
	int rc;

	snprintf(port, sizeof(port), "%u", q->port);
	if (file) {
		words[count++] = "-F";
		words[count++] = file;
	}
	/* Nothing becomes of a ControlPath here; ssh says in it what %C is, which differs by version. */
	words[count++] = "-oControlPath=%C";
	if (q->user) {
		words[count++] = "-l";
		words[count++] = q->user;
	}
	if (q->port) {
		words[count++] = "-p";
		words[count++] = port;
	}
	words[count++] = "--";
	words[count++] = q->host;
	if (run(ask, words, q, &said, err) < 0)
		return -1;
	if (WIFEXITED(said.wait_status) && WEXITSTATUS(said.wait_status) == 0)
		rc = ssh_output_parse(said.out, said.out_length, ret, err);
	else
		rc = complain(ask, &said, q, err);
	capture_fini(&said);
	return rc;
}

/* What ssh says about a host no file is about, for comparison; once for all hosts. */
static int know_defaults(struct ssh_ask *ask, struct err *err)
{
	static const struct ssh_question nobody = { .host = NOBODY };
	struct err ignored;

	if (!ask->unset.text && ask_with(ask, "none", &nobody, &ask->unset, err) < 0)
		return -1;
	/* What comes with the system is no choice of its user's, and not worth a note. */
	if (!ask->knows_usual && !ask->config && access(SYSTEM_CONFIG, R_OK) == 0)
		ask_with(ask, SYSTEM_CONFIG, &nobody, &ask->usual, &ignored);
	ask->knows_usual = true;
	return 0;
}

static int put_text(const struct ssh_sink *sink, const char *key, const char *text)
{
	return sink->put(sink->data, key, json_string(text));
}

static int tell(struct ssh_ask *ask, const struct ssh_output *said, const struct ssh_question *q,
		const struct ssh_sink *sink)
{
	struct ssh_names names = {
		.home = ask->home,
		.local_user = ask->local_user,
		.host = q->host,
		.hostname = ssh_output_find(said, "hostname"),
		.port = ssh_output_find(said, "port"),
		.user = ssh_output_find(said, "user"),
		.key_alias = ssh_output_find(said, "hostkeyalias"),
		.jump = ssh_output_find(said, "proxyjump"),
		.hash = ssh_output_find(said, "controlpath"),
		.is_output = true,
		.permit_remote_open = ssh_output_find(said, "permitremoteopen"),
	};
	char address[ENDPOINT_TEXT_MAX];
	unsigned port = names.port ? (unsigned)strtoul(names.port, NULL, 10) : 0;
	const char *host = names.hostname ? names.hostname : q->host;

	if (port > 0 && port <= UINT16_MAX && port != SSH_PORT && strlen(host) <= ENDPOINT_HOST_MAX)
		host = endpoint_format(address, host, (uint16_t)port);
	if (put_text(sink, "address", host) < 0)
		return -1;
	if (names.user && !ssh_output_agree(said, &ask->unset, "user") &&
	    put_text(sink, "user", names.user) < 0)
		return -1;
	if (names.hash && strspn(names.hash, "0123456789abcdef") != HASH_LENGTH)
		names.hash = NULL;
	return ssh_translate_output(said, &ask->unset, ask->usual.text ? &ask->usual : NULL, &names,
				    sink);
}

int ssh_ask_host(struct ssh_ask *ask, const struct ssh_question *question,
		 const struct ssh_sink *sink, struct err *err)
{
	struct ssh_output said = { 0 };
	int rc;

	if (ask->is_missing)
		return err_set(err, ERR_UNSUPPORTED, "ssh is not installed");
	if (know_defaults(ask, err) < 0 || ask_with(ask, ask->config, question, &said, err) < 0)
		return -1;
	rc = tell(ask, &said, question, sink);
	if (rc < 0)
		err_nomem(err);
	ssh_output_fini(&said);
	return rc;
}
