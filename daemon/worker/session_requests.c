/* SPDX-License-Identifier: MIT */
#include "daemon/worker/session_requests.h"

#include <libssh/server.h> /* ssh_send_keepalive() */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"

void session_requests_init(struct session_requests *rs)
{
	*rs = (struct session_requests){ 0 };
	list_init(&rs->queue);
	list_init(&rs->orphan.link);
}

static void on_cancelled(void *data, const struct session_answer *answer)
{
	free(data);
}

void session_requests_fini(struct session_requests *rs)
{
	struct session_request *r;

	list_for_each (r, &rs->queue, link) {
		list_remove(&r->link);
		if (r->on_answer == on_cancelled)
			free(r);
	}
}

void session_requests_add(struct session_requests *rs, struct session_request *r,
			  enum session_request_kind kind, const char *address, unsigned port,
			  session_answer_fn on_answer, void *data)
{
	*r = (struct session_request){
		.kind = kind, .port = port, .on_answer = on_answer, .data = data
	};
	snprintf(r->address, sizeof(r->address), "%s", address ? address : "");
	list_append(&rs->queue, &r->link);
}

int session_requests_cancel(struct session_requests *rs, const char *address, unsigned port)
{
	struct session_request *r = malloc(sizeof(*r));

	if (!r)
		return -1;
	session_requests_add(rs, r, REQUEST_CANCEL, address, port, on_cancelled, r);
	return 0;
}

unsigned session_requests_unanswered_ms(const struct session_requests *rs)
{
	const struct session_request *r = list_first(&rs->queue, struct session_request, link);

	if (!r || !r->sent)
		return 0;
	return (unsigned)((monotonic_us() - r->sent_us) / 1000);
}

bool session_requests_has_cancel(const struct session_requests *rs)
{
	const struct session_request *r;

	list_for_each (r, &rs->queue, link) {
		if (r->kind == REQUEST_CANCEL || (r == &rs->orphan && r->kind == REQUEST_LISTEN))
			return true;
	}
	return false;
}

void session_requests_forget(struct session_requests *rs, struct session_request *r)
{
	if (!r->link.next || list_is_empty(&r->link))
		return;
	list_remove(&r->link);
	if (!r->sent)
		return;
	rs->orphan = *r;
	rs->orphan.on_answer = NULL;
	list_prepend(&rs->queue, &rs->orphan.link);
}

/* Text and code of an error are the session's, and stay until the next error of anybody; what was
 * denied an hour ago must not be taken for an answer. A wrong option leaves an error behind that is
 * no denial. */
static void forget_error(ssh_session ssh)
{
	ssh_options_set(ssh, SSH_OPTIONS_PORT, NULL);
}

/* "keepalive@openssh.com" with want_reply: every server answers it, and none does anything else (a
 * request to cancel a forward that does not exist makes asyncssh hang up). True when the answer came
 * within the call: then libssh has collected it, and says so in its error text. */
static bool send_probe(ssh_session ssh)
{
	forget_error(ssh);
	ssh_send_keepalive(ssh);
	return strstr(ssh_get_error(ssh), "keepalive@openssh.com");
}

static bool is_denied(ssh_session ssh)
{
	return ssh_get_error_code(ssh) == SSH_REQUEST_DENIED;
}

/* ssh_send_keepalive() does not tell when the answer is there, but while one is outstanding or not
 * collected, any other global request sends nothing and returns that answer (ssh_global_request() in
 * channels.c, 0.10 to 0.12). That is how it is collected here, exactly. */
static bool ask_probe(const struct session_request *r, ssh_session ssh)
{
	int rc;

	if (!r->sent && send_probe(ssh))
		return true;
	if (!ssh_is_connected(ssh))
		return false; /* the server's last words came meanwhile; the next call would replace them */
	rc = ssh_channel_cancel_forward(ssh, "keepalive.invalid", 1);
	return rc == SSH_OK || (rc == SSH_ERROR && is_denied(ssh));
}

/* An error that is no denial: libssh looked for the number of the port in another packet than the
 * answer (channels.c, all versions). The server does listen; its first connection tells where. A
 * session that broke meanwhile is noticed by its owner. */
static bool ask_listen(const struct session_request *r, ssh_session ssh,
		       struct session_answer *answer)
{
	int bound = 0;
	int rc;

	forget_error(ssh);
	rc = ssh_channel_listen_forward(ssh, r->address, (int)r->port, &bound);
	if (rc == SSH_AGAIN || (rc == SSH_ERROR && !ssh_is_connected(ssh)))
		return false;
	answer->granted = rc == SSH_OK || !is_denied(ssh);
	answer->port = r->port ? r->port : (unsigned)MAX(bound, 0);
	return true;
}

/* True: answer is filled. */
static bool ask(const struct session_request *r, ssh_session ssh, struct session_answer *answer)
{
	int rc;

	*answer = (struct session_answer){ .granted = true };
	switch (r->kind) {
	case REQUEST_PROBE:
		return ask_probe(r, ssh);
	case REQUEST_LISTEN:
		return ask_listen(r, ssh, answer);
	case REQUEST_CANCEL:
		break;
	}
	rc = ssh_channel_cancel_forward(ssh, r->address, (int)r->port);
	answer->granted = rc == SSH_OK;
	return rc == SSH_OK || (rc == SSH_ERROR && is_denied(ssh));
}

/* Whoever waits behind counts on what was asked for before him to be over. */
static void cancel_next(struct session_requests *rs, const char *address, unsigned port)
{
	if (session_requests_cancel(rs, address, port) == 0) {
		struct list *last = rs->queue.prev;

		list_remove(last);
		list_prepend(&rs->queue, last);
	}
}

static void deliver(struct session_requests *rs, struct session_request *r,
		    const struct session_answer *answer)
{
	if (r->on_answer)
		r->on_answer(r->data, answer);
	else if (r->kind == REQUEST_LISTEN && answer->granted && answer->port)
		cancel_next(rs, r->address, answer->port);
}

unsigned session_requests_serve(struct session_requests *rs, ssh_session ssh)
{
	struct session_request *r;
	unsigned rtt_us = 0;

	while ((r = list_first(&rs->queue, struct session_request, link))) {
		struct session_answer answer;
		bool answered;

		if (!r->sent)
			r->sent_us = monotonic_us();
		answered = ask(r, ssh, &answer);
		r->sent = true;
		if (!answered)
			break;
		list_remove(&r->link);
		answer.rtt_us = (unsigned)MIN(monotonic_us() - r->sent_us, UINT32_MAX);
		if (r->kind == REQUEST_PROBE)
			rtt_us = MAX(answer.rtt_us, 1U);
		deliver(rs, r, &answer);
	}
	return rtt_us;
}
