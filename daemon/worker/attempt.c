/* SPDX-License-Identifier: MIT */
#include "daemon/worker/attempt.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/worker/auth.h"
#include "daemon/worker/auth_preparation.h"
#include "daemon/worker/hostkey.h"
#include "daemon/worker/way.h"
#include "lib/str.h"
#include "lib/util.h"

/* How far attempt_connect() got. */
enum connect_phase {
	CONNECT_WAY,
	CONNECT_FILES,
	CONNECT_BANNER,
	CONNECT_KEX,
	CONNECT_HOST_KEY,
	CONNECT_AUTH,
};

struct attempt {
	const struct worker_parts *parts;
	const struct connection_settings *settings; /* borrowed */
	const struct attempt_for *purpose; /* borrowed */
	const struct attempt_ops *ops;
	void *data;
	enum connect_phase phase;

	struct way *way;
	int fd; /* connected, until the session has it */
	struct offload_job *preparing;
	struct preparation *prep; /* NULL until read */
	struct err failure; /* of one of the above */

	struct session *session;
	struct hostkey_question question; /* about a key nobody knows */
	bool is_trusted; /* the server is who it should be */
	struct auth auth;
	struct wire_session facts;
	struct loop_defer progress;
	struct loop_grave grave;
};

static void advance(struct attempt *a)
{
	loop_defer_schedule(&a->progress);
}

static void on_progress(void *data)
{
	struct attempt *a = data;

	a->ops->on_progress(a->data);
}

static void fail(struct attempt *a, const struct err *err)
{
	a->failure = *err;
	advance(a);
}

static void on_prepared(void *data, struct preparation *p)
{
	struct attempt *a = data;

	a->preparing = NULL;
	a->prep = p;
	if (p->error.code != ERR_NONE)
		a->failure = p->error;
	advance(a);
}

static void on_connected(void *data, int fd, const char *address)
{
	struct attempt *a = data;

	a->fd = fd;
	snprintf(a->facts.address, sizeof(a->facts.address), "%s", address);
	a->phase = CONNECT_FILES;
	advance(a);
}

static void on_way_failed(void *data, const struct err *err)
{
	fail(data, err);
}

static const struct way_ops way_ops = {
	.on_connected = on_connected,
	.on_failed = on_way_failed,
};

/* ---- the session ---- */

static void on_session_progress(void *data)
{
	on_progress(data);
}

static void on_session_lost(void *data, const struct err *err)
{
	struct attempt *a = data;
	struct err why = *err;

	older_note(a->parts->older, a->settings, &why);
	auth_ended(&a->auth, &why);
	a->ops->on_lost(a->data, &why);
}

static const struct session_ops session_ops = {
	.on_progress = on_session_progress,
	.on_lost = on_session_lost,
};

static int open_session(struct attempt *a, struct err *err)
{
	bool older = older_has(a->parts->older, a->settings);
	CLEANUP(freep) char *algorithms = hostkey_algorithms(&a->prep->trust, older);
	struct session_settings settings = {
		.connection = a->settings,
		.host_key_algorithms = algorithms,
		.is_older = older,
	};

	if (!algorithms)
		return err_nomem(err);
	a->session = session_new(a->parts->loop, &session_ops, a, err);
	if (!a->session)
		return -1;
	return session_open(a->session, TAKE_FD(a->fd), &settings, err);
}

/* ---- steps ---- */

enum step attempt_connect(struct attempt *a, struct err *err)
{
	enum step step;

	if (a->failure.code != ERR_NONE) {
		*err = a->failure;
		return STEP_FAIL;
	}
	if (a->phase == CONNECT_FILES && a->prep) {
		if (open_session(a, err) < 0)
			return STEP_FAIL;
		a->phase = CONNECT_BANNER;
	}
	if (a->phase != CONNECT_BANNER)
		return STEP_WAIT;
	step = session_step_banner(a->session, err);
	if (step == STEP_NEXT)
		a->phase = CONNECT_KEX;
	return step;
}

static void on_asking(void *data, bool is_asking)
{
	struct attempt *a = data;

	a->ops->on_asking(a->data, is_asking);
	if (!is_asking)
		advance(a);
}

static void begin_auth(struct attempt *a)
{
	struct auth_asker asker = { .inquiries = a->parts->inquiries,
				    .purpose = a->purpose,
				    .on_asking = on_asking,
				    .data = a };

	auth_init(&a->auth, a->parts, a->session, &a->prep->identities, &a->prep->secrets,
		  a->settings, &asker);
}

/* ---- who the server is ---- */

static void note_facts(struct attempt *a, const struct public_key *key)
{
	struct session_facts facts;

	session_facts(a->session, &facts);
	memcpy(a->facts.server_version, facts.server_version, sizeof(facts.server_version));
	memcpy(a->facts.cipher, facts.cipher, sizeof(facts.cipher));
	memcpy(a->facts.kex, facts.kex, sizeof(facts.kex));
	public_key_describe(a->facts.host_key, key);
}

static void on_written(void *data, const struct err *error)
{
	struct attempt *a = data;

	if (error->code == ERR_NONE)
		a->is_trusted = true;
	else
		a->failure = *error;
	advance(a);
}

/* -1: refused; 0: wait, or a->is_trusted. */
static int judge(struct attempt *a, const struct public_key *key, struct err *err)
{
	const struct attempt_for *purpose = a->purpose;
	struct wire_host_key shown = { .tunnel = purpose->tunnel,
				       .route = purpose->route,
				       .hop = purpose->hop };

	connection_name(shown.server, a->settings);
	strcpy(shown.key, key->base64);
	if (purpose->tunnel)
		report_host_key(a->parts->report, &shown);
	switch (hostkey_verify(&a->prep->trust, key, err)) {
	case HOSTKEY_TRUSTED:
		a->is_trusted = true;
		return 0;
	case HOSTKEY_NEW:
		if (!purpose->tunnel)
			return err_set(err, ERR_HOST_KEY_UNKNOWN,
				       "the new host key belongs to no tunnel any more");
		hostkey_ask(a->parts->host_keys, &a->question, a->parts->report, &shown, on_written,
			    a);
		return 0;
	case HOSTKEY_REFUSED:
		break;
	}
	return -1;
}

static enum step step_judge(struct attempt *a, struct err *err)
{
	struct public_key key;
	enum step step = session_step_kex(a->session, err);
	int rc;

	if (step == STEP_FAIL)
		older_note(a->parts->older, a->settings, err);
	if (step != STEP_NEXT)
		return step;
	if (hostkey_shown(session_libssh(a->session), &key, err) < 0)
		return STEP_FAIL;
	note_facts(a, &key);
	a->phase = CONNECT_HOST_KEY;
	rc = judge(a, &key, err);
	public_key_fini(&key);
	return rc < 0 ? STEP_FAIL : STEP_NEXT;
}

enum step attempt_verify(struct attempt *a, struct err *err)
{
	enum step step = a->phase == CONNECT_KEX ? step_judge(a, err) : STEP_NEXT;

	if (a->failure.code != ERR_NONE) {
		*err = a->failure;
		return STEP_FAIL;
	}
	if (step == STEP_NEXT && !a->is_trusted)
		return STEP_WAIT;
	if (step != STEP_NEXT)
		return step;
	a->phase = CONNECT_AUTH;
	begin_auth(a);
	return STEP_NEXT;
}

enum step attempt_authenticate(struct attempt *a, struct err *err)
{
	enum step step = auth_step(&a->auth, err);

	if (step == STEP_NEXT)
		snprintf(a->facts.identity, sizeof(a->facts.identity), "%s", a->auth.accepted);
	return step;
}

/* Keys and host keys have done their work. */
void attempt_finish(struct attempt *a)
{
	session_set_up(a->session);
	auth_fini(&a->auth);
	preparation_free(TAKE(a->prep));
}

/* ---- life ---- */

struct attempt *attempt_new(const struct worker_parts *parts,
			    const struct connection_settings *settings,
			    const struct attempt_for *purpose, const struct attempt_ops *ops,
			    void *data, struct err *err)
{
	struct attempt *a = calloc(1, sizeof(*a));

	if (!a) {
		err_nomem(err);
		return NULL;
	}
	*a = (struct attempt){ .parts = parts,
			       .settings = settings,
			       .purpose = purpose,
			       .ops = ops,
			       .data = data,
			       .fd = -1 };
	loop_defer_open(&a->progress, parts->loop, on_progress, a);
	a->preparing = preparation_start(parts->files, settings, on_prepared, a, err);
	a->way = a->preparing ? way_new(parts, settings, purpose, &way_ops, a, err) : NULL;
	if (!a->way) {
		attempt_free(a);
		return NULL;
	}
	return a;
}

void attempt_free(struct attempt *a)
{
	if (!a)
		return;
	offload_cancel(TAKE(a->preparing));
	way_free(TAKE(a->way));
	auth_fini(&a->auth);
	hostkey_forget(&a->question);
	session_close(TAKE(a->session));
	closep(&a->fd);
	preparation_free(TAKE(a->prep));
	loop_defer_close(&a->progress);
	loop_bury(a->parts->loop, &a->grave, free, a);
}

struct session *attempt_session(struct attempt *a)
{
	return a->session;
}

struct session *attempt_take_session(struct attempt *a)
{
	way_linger(a->way);
	return TAKE(a->session);
}

void attempt_explain(const struct attempt *a, struct err *err)
{
	way_explain(a->way, err);
}

bool attempt_lacks_key(const struct attempt *a)
{
	return a->auth.lacks_key;
}

void attempt_facts(struct attempt *a, struct wire_session *ret)
{
	*ret = a->facts;
}

void attempt_describe(const struct attempt *a, char *out, size_t size)
{
	switch (a->phase) {
	case CONNECT_WAY:
		way_describe(a->way, out, size);
		break;
	case CONNECT_FILES:
		snprintf(out, size, "the disk with the identity and known_hosts files");
		break;
	case CONNECT_BANNER:
		if (a->session && session_preamble(a->session)[0])
			snprintf(out, size,
				 "the SSH banner of %s, which said '%s': is that an SSH port?",
				 a->facts.address, session_preamble(a->session));
		else
			snprintf(out, size, "the SSH banner of %s", a->facts.address);
		break;
	case CONNECT_KEX:
		/* We do not wait for its banner for ever before we send ours. */
		snprintf(out, size, "%s%s", a->facts.address,
			 ssh_get_serverbanner(session_libssh(a->session))
				 ? " in the key exchange"
				 : ", which has sent no SSH banner: is that an SSH port?");
		break;
	case CONNECT_HOST_KEY:
		snprintf(out, size, "the disk to write down the new host key of %s",
			 a->facts.address);
		break;
	case CONNECT_AUTH:
		auth_describe(&a->auth, out, size);
		if (out[0] == '\0')
			snprintf(out, size, "%s to answer the authentication", a->facts.address);
		break;
	}
}

void attempt_set_tcp_timeout(struct attempt *a, unsigned timeout_ms)
{
	int fd = session_fd(a->session);

	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
}
