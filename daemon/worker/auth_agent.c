/* SPDX-License-Identifier: MIT */
#include "daemon/worker/auth_agent.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/key_text.h"

/* libssh 0.10 forgets its copy of the list when it asks for the list again, some hundred bytes for a
 * session (agent.c, ssh_agent_get_ident_count()). The leak detector need not know; a suppression by
 * name would need stacks that libssh, built without frame pointers, does not have. */
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#define BEGIN_KNOWN_LEAK() __lsan_disable()
#define END_KNOWN_LEAK() __lsan_enable()
#else
#define BEGIN_KNOWN_LEAK()
#define END_KNOWN_LEAK()
#endif

#define REQUEST_MAX ((size_t)4 * AGENT_BLOB_MAX) /* what libssh can have written: two requests */

/* libssh does not close what it was given before; -1 makes it forget the last one, or ssh_free()
 * would close it. */
static void close_pair(struct auth_agent *aa, struct session *s)
{
	if (!aa->is_open)
		return;
	if (s)
		ssh_set_agent_socket(session_libssh(s), -1);
	closep(&aa->ours);
	closep(&aa->libssh);
	aa->is_open = false;
}

void auth_agent_reset(struct auth_agent *aa, struct session *s)
{
	close_pair(aa, s);
	*aa = (struct auth_agent){ 0 };
}

/* A socket whose other end says these bytes and no more. It has to take them at once, and does: they
 * are some kilobytes. */
static int open_pair(struct auth_agent *aa, struct session *s, const struct strbuf *bytes,
		     struct err *err)
{
	int pair[2];

	if (bytes->failed)
		return err_nomem(err);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return err_set_errno(err, ERR_IO, errno, "cannot make a socket pair");
	aa->libssh = pair[0];
	aa->ours = pair[1];
	aa->is_open = true;
	if (send(aa->ours, bytes->data, bytes->length, MSG_NOSIGNAL) != (ssize_t)bytes->length)
		return err_set(err, ERR_IO, "a socket pair does not take a key");
	shutdown(aa->ours, SHUT_WR);
	if (ssh_set_agent_socket(session_libssh(s), aa->libssh) != SSH_OK)
		return err_nomem(err);
	return 0;
}

static int userauth_agent(struct session *s)
{
	int rc;

	BEGIN_KNOWN_LEAK();
	rc = ssh_userauth_agent(session_libssh(s), NULL);
	END_KNOWN_LEAK();
	return session_verdict(s, rc);
}

static int begin_offer(struct auth_agent *aa, struct session *s, const struct auth_candidate *c,
		       struct err *err)
{
	struct strbuf bytes = { 0 };
	int rc;

	agent_write_identities(&bytes, c->blob);
	rc = open_pair(aa, s, &bytes, err);
	strbuf_fini(&bytes);
	return rc;
}

static int begin_proof(struct auth_agent *aa, struct session *s, const struct auth_candidate *c,
		       struct ssh_span signature, struct err *err)
{
	struct strbuf bytes = { 0 };
	int rc;

	agent_write_identities(&bytes, c->blob);
	agent_write_message(&bytes, signature);
	rc = open_pair(aa, s, &bytes, err);
	strbuf_fini(&bytes);
	return rc;
}

/* The agent may know the key by another name than the server: for a certificate that only we have, by
 * the key. */
static int pass_request_on(struct agent *agent, const struct auth_candidate *c,
			   struct ssh_span body, unsigned sign_ms)
{
	struct strbuf other = { 0 };
	struct ssh_span message = { 0 };

	if (ssh_span_equal(c->agent_key->blob, c->blob)) {
		agent_ask_signature(agent, body, sign_ms);
		return 0;
	}
	if (agent_write_sign_request_for(&other, body, c->agent_key->blob) < 0 || other.failed) {
		strbuf_fini(&other);
		return -1;
	}
	message = (struct ssh_span){ (unsigned char *)other.data + 4, other.length - 4 };
	agent_ask_signature(agent, message, sign_ms);
	strbuf_fini(&other);
	return 0;
}

/* libssh gave up; did it because it wanted a signature? */
static bool take_request(struct auth_agent *aa, struct agent *agent, const struct auth_candidate *c,
			 unsigned sign_ms)
{
	unsigned char bytes[REQUEST_MAX];
	ssize_t n = recv(aa->ours, bytes, sizeof(bytes), MSG_DONTWAIT);
	struct ssh_span body;

	return n > 0 && agent_find_sign_request((struct ssh_span){ bytes, (size_t)n }, &body) &&
	       pass_request_on(agent, c, body, sign_ms) == 0;
}

static enum auth_agent_result step_offer(struct auth_agent *aa, struct session *s,
					 struct agent *agent, const struct auth_candidate *c,
					 unsigned sign_ms, struct err *err)
{
	int rc;

	if (!aa->is_open && begin_offer(aa, s, c, err) < 0)
		return AUTH_AGENT_REFUSED;
	aa->is_offered = true;
	rc = userauth_agent(s);
	if (rc == SSH_AUTH_AGAIN)
		return AUTH_AGENT_WAIT;
	if (rc == SSH_AUTH_ERROR && take_request(aa, agent, c, sign_ms)) {
		close_pair(aa, s);
		aa->state = AUTH_AGENT_ASK;
		return AUTH_AGENT_WAIT;
	}
	close_pair(aa, s);
	return rc == SSH_AUTH_ERROR ? AUTH_AGENT_BROKEN : AUTH_AGENT_DENIED;
}

static enum auth_agent_result step_ask(struct auth_agent *aa, struct session *s,
				       struct agent *agent, const struct auth_candidate *c,
				       struct err *err)
{
	struct ssh_span answer;
	struct err why;

	switch (agent_step(agent, err)) {
	case STEP_WAIT:
		return AUTH_AGENT_WAIT;
	case STEP_FAIL:
		return AUTH_AGENT_REFUSED;
	case STEP_NEXT:
		break;
	}
	answer = agent_answer(agent);
	if (agent_check_signature(answer, &why) < 0) {
		/* It was asked and said no: to ask again and again would not be polite, also where
		 * the server has let us in before. */
		err_set(err, ERR_AGENT_REFUSED, "the agent at %s %s", agent_path(agent), why.msg);
		return AUTH_AGENT_REFUSED;
	}
	if (begin_proof(aa, s, c, answer, err) < 0)
		return AUTH_AGENT_REFUSED;
	aa->state = AUTH_AGENT_PROVE;
	return AUTH_AGENT_WAIT;
}

static enum auth_agent_result step_prove(struct auth_agent *aa, struct session *s)
{
	int rc = userauth_agent(s);

	if (rc == SSH_AUTH_AGAIN)
		return AUTH_AGENT_WAIT;
	close_pair(aa, s);
	switch (rc) {
	case SSH_AUTH_SUCCESS:
		return AUTH_AGENT_SUCCESS;
	case SSH_AUTH_PARTIAL:
		return AUTH_AGENT_PARTIAL;
	case SSH_AUTH_DENIED:
		return AUTH_AGENT_DENIED;
	default:
		return AUTH_AGENT_BROKEN;
	}
}

enum auth_agent_result auth_agent_step(struct auth_agent *aa, struct session *s,
				       struct agent *agent, const struct auth_candidate *c,
				       unsigned sign_ms, struct err *err)
{
	enum auth_agent_result result = AUTH_AGENT_WAIT;

	if (aa->state == AUTH_AGENT_OFFER)
		result = step_offer(aa, s, agent, c, sign_ms, err);
	if (aa->state == AUTH_AGENT_ASK)
		result = step_ask(aa, s, agent, c, err);
	if (aa->state == AUTH_AGENT_PROVE)
		result = step_prove(aa, s);
	return result;
}
