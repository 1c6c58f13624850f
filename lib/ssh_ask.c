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

enum { WORDS_MAX = 14, SSH_PORT = 22, HASH_LENGTH = 40, AT_ONCE = 4, BATCH = 32 };

#define SYSTEM_CONFIG "/etc/ssh/ssh_config"
#define NOBODY "tunneld.invalid" /* a host that no file is about */

void ssh_ask_init(struct ssh_ask *ask, capture_fn *run, const char *config, const char *home,
		  const char *local_user)
{
	*ask = (struct ssh_ask){
		.run = run,
		.config = config,
		.home = home,
		.local_user = local_user,
		.left_ms = SSH_ASK_ALL_MS,
		.limits = { .time_ms = SSH_ASK_MS, .at_once = AT_ONCE, .bytes_max = SSH_OUTPUT_MAX }
	};
}

void ssh_ask_fini(struct ssh_ask *ask)
{
	ssh_output_fini(&ask->unset);
	ssh_output_fini(&ask->usual);
	*ask = (struct ssh_ask){ 0 };
}

static int explain(struct ssh_ask *ask, const struct ssh_question *q, struct err *err)
{
	if (err->code == ERR_IO && err->sys == ENOENT) {
		ask->is_missing = true;
		return err_set(err, ERR_UNSUPPORTED, "ssh is not installed");
	}
	if (err->code == ERR_TIMEOUT && err->sys == ETIME)
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

/* What ssh complained about, where it said so. */
static int complain(const struct capture *said, struct ssh_question *q)
{
	unsigned line;

	ssh_complaint(said->complaint, &q->complaint_path, &line, &q->err);
	if (!q->complaint_path)
		return err_prefix(&q->err, "'ssh -G %s'", q->host);
	q->err.at.file = q->complaint_path;
	q->err.at.line = line;
	q->err.at.column = 1;
	return err_prefix(&q->err, "ssh");
}

/* One run of `ssh -G`. */
struct inquiry {
	const char *words[WORDS_MAX];
	char port[12];
};

/* With a file ("none": without any; NULL: ssh's own). */
static void put_words(struct inquiry *i, const char *file, const struct ssh_question *q)
{
	size_t count = 0;

	snprintf(i->port, sizeof(i->port), "%u", q->port);
	i->words[count++] = "ssh";
	i->words[count++] = "-G";
	if (file) {
		i->words[count++] = "-F";
		i->words[count++] = file;
	}
	/* Nothing becomes of a ControlPath here; ssh says in it what %C is, which differs by version. */
	i->words[count++] = "-oControlPath=%C";
	if (q->user) {
		i->words[count++] = "-l";
		i->words[count++] = q->user;
	}
	if (q->port) {
		i->words[count++] = "-p";
		i->words[count++] = i->port;
	}
	i->words[count++] = "--";
	i->words[count++] = q->host;
	i->words[count] = NULL;
}

/* Within what is left of the time for all. */
static void run(struct ssh_ask *ask, struct capture_job *jobs, size_t count)
{
	struct capture_limits limits = ask->limits;
	uint64_t began_ms = monotonic_ms(), took_ms;

	limits.all_ms = ask->left_ms;
	ask->run(jobs, count, &limits);
	took_ms = monotonic_ms() - began_ms;
	ask->left_ms -= (unsigned)MIN(took_ms, (uint64_t)ask->left_ms);
}

/* What came of a run. */
static int read_answer(struct ssh_ask *ask, struct capture_job *job, struct ssh_question *q,
		       struct ssh_output *ret)
{
	int rc;

	*ret = (struct ssh_output){ 0 };
	q->err = job->err;
	if (job->rc < 0)
		return explain(ask, q, &q->err);
	if (WIFEXITED(job->said.wait_status) && WEXITSTATUS(job->said.wait_status) == 0)
		rc = ssh_output_parse(job->said.out, job->said.out_length, ret, &q->err);
	else
		rc = complain(&job->said, q);
	capture_fini(&job->said);
	return rc;
}

/* What ssh says about a host no file is about, for comparison; once for all hosts. */
static int know_defaults(struct ssh_ask *ask, struct err *err)
{
	struct ssh_question nobody[] = { { .host = NOBODY }, { .host = NOBODY } };
	struct inquiry inquiries[ARRAY_SIZE(nobody)];
	struct capture_job jobs[ARRAY_SIZE(nobody)];
	/* What comes with the system is no choice of its user's, and not worth a note. */
	bool has_usual = !ask->config && access(SYSTEM_CONFIG, R_OK) == 0;
	int rc;

	if (ask->unset.text)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(nobody); i++) {
		put_words(&inquiries[i], i == 0 ? "none" : SYSTEM_CONFIG, &nobody[i]);
		jobs[i] = (struct capture_job){ .argv = inquiries[i].words };
	}
	run(ask, jobs, has_usual ? 2 : 1);
	rc = read_answer(ask, &jobs[0], &nobody[0], &ask->unset);
	ssh_output_fini(&ask->usual);
	if (has_usual)
		read_answer(ask, &jobs[1], &nobody[1], &ask->usual);
	*err = nobody[0].err;
	for (size_t i = 0; i < ARRAY_SIZE(nobody); i++)
		ssh_question_fini(&nobody[i]);
	err->at.file = NULL;
	return rc;
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

/* As many at a time as may be held in memory. */
static void ask_batch(struct ssh_ask *ask, struct ssh_question *questions, size_t count)
{
	struct inquiry inquiries[BATCH];
	struct capture_job jobs[BATCH];

	for (size_t i = 0; i < count; i++) {
		put_words(&inquiries[i], ask->config, &questions[i]);
		jobs[i] = (struct capture_job){ .argv = inquiries[i].words };
	}
	run(ask, jobs, count);
	for (size_t i = 0; i < count; i++) {
		struct ssh_question *q = &questions[i];
		struct ssh_output said;

		q->rc = read_answer(ask, &jobs[i], q, &said);
		if (q->rc == 0 && tell(ask, &said, q, q->sink) < 0)
			q->rc = err_nomem(&q->err);
		ssh_output_fini(&said);
	}
}

static void fail_all(struct ssh_question *questions, size_t count, const struct err *why)
{
	for (size_t i = 0; i < count; i++) {
		questions[i].rc = -1;
		questions[i].err = *why;
	}
}

void ssh_ask_hosts(struct ssh_ask *ask, struct ssh_question *questions, size_t count)
{
	struct err err;

	for (size_t n; count > 0; questions += n, count -= n) {
		n = MIN(count, (size_t)BATCH);
		if (ask->is_missing) {
			err_set(&err, ERR_UNSUPPORTED, "ssh is not installed");
			fail_all(questions, n, &err);
		} else if (know_defaults(ask, &err) < 0) {
			fail_all(questions, n, &err);
		} else {
			ask_batch(ask, questions, n);
		}
	}
}

void ssh_question_fini(struct ssh_question *question)
{
	free(TAKE(question->complaint_path));
}
