/* SPDX-License-Identifier: MIT */
#include "daemon/worker/session.h"

#include <errno.h>
#include <fcntl.h>
#include <libssh/callbacks.h>
#include <libssh/server.h> /* ssh_set_message_callback() */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/worker/session_algorithms.h"
#include "daemon/worker/session_banner.h"
#include "daemon/worker/session_explain.h"
#include "daemon/worker/session_incoming.h"
#include "daemon/worker/session_limits.h"
#include "daemon/worker/session_options.h"
#include "lib/str.h"
#include "lib/util.h"

#define PUMP_MAX 64 /* reads of 4 KiB a turn, so that one session cannot hold the loop */
#define FIRST_CHANNEL 42 /* what libssh counts channels from (channels.h, 0.10 to 0.12) */

enum session_phase { SESSION_NEW, SESSION_BANNER, SESSION_SSH, SESSION_UP, SESSION_LOST };

struct session {
	struct loop *loop;
	const struct session_ops *ops;
	void *data;
	enum session_phase phase;
	struct err lost;
	bool closed;
	bool exchanged; /* the first keys */

	int fd; /* ours: the one the loop watches */
	int dup_fd; /* libssh's: it closes it on some paths only */
	struct loop_io io;
	struct loop_defer service;
	struct session_banner banner;

	ssh_session ssh;
	ssh_event event; /* holds only this session: libssh polls the whole of it in nested calls */
	struct ssh_counter_struct socket_counter, raw_counter;
	uint64_t heard_bytes, heard_ms;
	unsigned rtt_us;
	struct session_limits limits;

	struct session_members members;
	unsigned last_channel; /* libssh's number of it */
	bool in_handshake; /* inside a turn of it, which looks after itself */
	struct session_requests requests;
	struct list listeners; /* struct session_listener */
	struct loop_grave grave;
};

/* libssh sets the descriptor blocking at its first POLLOUT (socket.c, all versions); then a large
 * send would stall the loop for as long as the server does not read. */
static void keep_nonblocking(struct session *s)
{
	int flags = fcntl(s->fd, F_GETFL);

	if (flags >= 0 && !(flags & O_NONBLOCK))
		fcntl(s->fd, F_SETFL, flags | O_NONBLOCK);
}

int session_error(struct session *s, const char *what, struct err *err)
{
	return session_explain(s->ssh, what, err);
}

/* The owner hears of it at the end of the turn. */
static void lose(struct session *s, const struct err *err)
{
	if (s->phase == SESSION_LOST || s->closed)
		return;
	s->phase = SESSION_LOST;
	s->lost = *err;
	loop_io_want(&s->io, 0);
	loop_defer_schedule(&s->service);
}

/* For good; what libssh is asked next replaces the text that says why. 0.11 goes on reading a socket that
 * it was given, also after the server's last words, and then says only that it is closed. */
bool session_has_failed(struct session *s)
{
	return ssh_get_status(s->ssh) & SSH_CLOSED_ERROR;
}

int session_verdict(struct session *s, int rc)
{
	return rc == SSH_AUTH_DENIED && session_has_failed(s) ? SSH_AUTH_ERROR : rc;
}

static bool is_dead(struct session *s)
{
	return session_has_lost_data(s->ssh) ||
	       (ssh_get_status(s->ssh) & (SSH_CLOSED | SSH_CLOSED_ERROR)) ||
	       (s->phase == SESSION_UP && !ssh_is_connected(s->ssh));
}

void session_touch(struct session *s)
{
	s->members.touched = true;
	/* A step that only waits must not schedule the next turn, or waiting would take a CPU. */
	if (!s->closed && !(s->in_handshake && s->phase == SESSION_SSH))
		loop_defer_schedule(&s->service);
}

/* ---- the pump ---- */

static void note_heard(struct session *s)
{
	if (s->socket_counter.in_bytes == s->heard_bytes)
		return;
	s->heard_bytes = s->socket_counter.in_bytes;
	s->heard_ms = loop_now_ms(s->loop);
}

static void check_limits(struct session *s, uint64_t packets_sent)
{
	struct err err;

	if (session_limits_answers(&s->limits, packets_sent, !session_can_send(s), &err) < 0 ||
	    (s->phase < SESSION_UP && session_limits_early(s->socket_counter.in_bytes, &err) < 0))
		lose(s, &err);
}

/* True: something was read or written, also in a turn that was scheduled for another reason: who is
 * blocked has to be asked, nothing else would wake it. */
static bool pump(struct session *s)
{
	uint64_t started_us = monotonic_us(), turn_ms = loop_now_ms(s->loop);
	uint64_t sent = s->raw_counter.out_packets;
	bool handled = false;

	for (int i = 0;
	     s->event && i < PUMP_MAX && s->phase != SESSION_LOST && !session_has_failed(s); i++) {
		if (ssh_event_dopoll(s->event, 0) != SSH_OK)
			break;
		handled = s->members.touched = true;
		if (session_limits_is_over(started_us, turn_ms))
			break;
	}
	note_heard(s);
	if (s->event)
		check_limits(s, s->raw_counter.out_packets - sent);
	return handled;
}

void session_pump(struct session *s)
{
	if (pump(s))
		session_touch(s);
}

void session_condemn(struct session *s, const struct err *why)
{
	lose(s, why);
}

static void serve_requests(struct session *s)
{
	unsigned rtt_us = session_requests_serve(&s->requests, s->ssh);

	if (rtt_us)
		s->rtt_us = rtt_us;
}

static void serve_members(struct session *s)
{
	if (session_can_send(s))
		session_members_unblock(&s->members);
	if (session_members_serve(s) && !s->closed)
		loop_defer_schedule(&s->service);
}

static void rearm(struct session *s)
{
	bool write = ssh_get_poll_flags(s->ssh) & SSH_WRITE_PENDING;

	loop_io_want(&s->io, LOOP_READ | (write ? LOOP_WRITE : 0));
}

/* Before anybody else calls libssh: the reason is in its error text, and only the last one stays. */
static void notice_death(struct session *s)
{
	struct err err;

	if (s->phase == SESSION_LOST || !is_dead(s))
		return;
	session_error(s,
		      s->phase == SESSION_UP ? "the session"
		      : s->exchanged         ? "authentication"
					     : "the key exchange",
		      &err);
	lose(s, &err);
}

static void turn_up(struct session *s)
{
	uint64_t packets;

	pump(s);
	notice_death(s);
	if (s->phase == SESSION_LOST)
		return;
	packets = s->raw_counter.in_packets;
	serve_members(s);
	notice_death(s); /* one of them may have read the server's last words */
	if (s->phase == SESSION_LOST || s->closed)
		return;
	serve_requests(s);
	/* libssh asks for POLLOUT after every send; take it now, an epoll round costs more. */
	if (!s->closed && (ssh_get_poll_flags(s->ssh) & SSH_WRITE_PENDING))
		ssh_event_dopoll(s->event, 0);
	/* A nested poll has read something for somebody served before, or made room for him. */
	if (packets != s->raw_counter.in_packets || (s->members.stuffed && session_can_send(s)))
		session_touch(s);
}

static void turn_handshake(struct session *s)
{
	uint64_t packets;

	pump(s);
	keep_nonblocking(s);
	/* The steps know better why a connection was closed, and nothing else. */
	if (session_has_failed(s) && !session_says_nothing(s->ssh))
		notice_death(s);
	if (s->phase == SESSION_LOST)
		return;
	packets = s->raw_counter.in_packets;
	s->in_handshake = true;
	s->ops->on_progress(s->data);
	s->in_handshake = false;
	if (packets != s->raw_counter.in_packets)
		session_touch(s); /* the steps have read something themselves */
}

static void turn(struct session *s)
{
	if (s->phase == SESSION_BANNER)
		s->ops->on_progress(s->data);
	else if (s->phase == SESSION_SSH)
		turn_handshake(s);
	else if (s->phase == SESSION_UP)
		turn_up(s);
	if (s->closed || s->phase < SESSION_SSH)
		return;
	notice_death(s);
	if (s->phase != SESSION_LOST)
		rearm(s);
}

static void on_service(void *data)
{
	struct session *s = data;

	if (s->phase == SESSION_LOST)
		s->ops->on_lost(s->data, &s->lost);
	else
		turn(s);
}

static void on_ready(void *data, unsigned ready)
{
	struct session *s = data;

	s->members.touched = true;
	turn(s);
}

/* ---- opening and closing ---- */

struct session *session_new(struct loop *loop, const struct session_ops *ops, void *data,
			    struct err *err)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s) {
		err_nomem(err);
		return NULL;
	}
	*s = (struct session){ .loop = loop, .ops = ops, .data = data, .fd = -1, .dup_fd = -1 };
	s->last_channel = FIRST_CHANNEL;
	session_members_init(&s->members);
	list_init(&s->listeners);
	session_requests_init(&s->requests);
	loop_defer_open(&s->service, loop, on_service, s);
	return s;
}

void session_set_ops(struct session *s, const struct session_ops *ops, void *data)
{
	s->ops = ops;
	s->data = data;
}

/* Without a callback libssh would queue what the server asks for without bound. */
static int on_message(ssh_session ssh, ssh_message message, void *data)
{
	struct session *s = data;

	if (s->closed || s->members.count >= SESSION_MEMBERS_MAX)
		return 1;
	session_touch(s);
	return session_incoming(&s->listeners, message);
}

int session_open(struct session *s, int fd, const struct session_settings *settings,
		 struct err *err)
{
	s->fd = fd;
	s->ssh = ssh_new();
	if (!s->ssh)
		return err_nomem(err);
	ssh_set_blocking(s->ssh, 0);
	if (session_set_target(s->ssh, settings->connection, err) < 0 ||
	    session_set_algorithms(s->ssh, settings->connection, settings->host_key_algorithms,
				   settings->is_older, err) < 0)
		return -1;
	ssh_set_counters(s->ssh, &s->socket_counter, &s->raw_counter);
	ssh_set_message_callback(s->ssh, on_message, s);
	if (loop_io_open(&s->io, s->loop, fd, LOOP_READ, on_ready, s) < 0 ||
	    session_banner_open(&s->banner, s->loop, fd, session_touch, s) < 0)
		return err_nomem(err);
	s->phase = SESSION_BANNER;
	s->heard_ms = loop_now_ms(s->loop);
	return 0;
}

/* libssh closed its dup on some paths and left it open on others; the number may be somebody else's
 * by now. Only the same socket is closed. */
static void close_fds(struct session *s)
{
	struct stat ours, theirs;

	if (s->dup_fd >= 0 && fstat(s->dup_fd, &theirs) == 0 && fstat(s->fd, &ours) == 0 &&
	    theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev)
		close(s->dup_fd);
	closep(&s->fd);
}

/* After the turn, so that nobody is inside libssh. The session leaves its event before it is freed,
 * or libssh uses freed memory. */
static void destroy(void *data)
{
	struct session *s = data;

	if (s->event) {
		ssh_event_dopoll(s->event, 0); /* what channels said last */
		ssh_event_remove_session(s->event, s->ssh);
		ssh_event_free(s->event);
		ssh_disconnect(s->ssh);
	}
	ssh_free(s->ssh);
	close_fds(s);
	free(s);
}

void session_close(struct session *s)
{
	if (!s || s->closed)
		return;
	s->closed = true;
	session_members_end(&s->members);
	while (!list_is_empty(&s->listeners))
		list_remove(s->listeners.next);
	session_requests_fini(&s->requests);
	loop_io_close(&s->io);
	loop_defer_close(&s->service);
	session_banner_close(&s->banner);
	loop_bury(s->loop, &s->grave, destroy, s);
}

/* ---- steps ---- */

enum step session_step_banner(struct session *s, struct err *err)
{
	enum step step = session_banner_step(&s->banner, err);

	if (step != STEP_NEXT)
		return step;
	s->dup_fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
	if (s->dup_fd < 0) {
		err_set_errno(err, ERR_IO, errno, "cannot duplicate a socket");
		return STEP_FAIL;
	}
	ssh_options_set(s->ssh, SSH_OPTIONS_FD, &s->dup_fd);
	s->phase = SESSION_SSH;
	return STEP_NEXT;
}

/* ssh_connect() is first called when the server's banner is there: if its first send failed, libssh
 * 0.10 would use its poll handle after freeing it. */
enum step session_step_kex(struct session *s, struct err *err)
{
	int rc = ssh_connect(s->ssh);

	keep_nonblocking(s);
	if (!s->event) {
		/* Only now the session has the poll context that joining an event needs. */
		s->event = ssh_event_new();
		if (!s->event || ssh_event_add_session(s->event, s->ssh) != SSH_OK) {
			err_nomem(err);
			return STEP_FAIL;
		}
	}
	session_touch(s);
	if (rc == SSH_AGAIN)
		return STEP_WAIT;
	s->exchanged = rc == SSH_OK;
	if (s->exchanged)
		return STEP_NEXT;
	if (s->banner.tired && !ssh_get_serverbanner(s->ssh))
		err_set(err, ERR_NOT_SSH,
			"not an SSH server: it said nothing, and closed the connection when it was greeted");
	else
		session_error(s, "the key exchange", err);
	return STEP_FAIL;
}

void session_set_up(struct session *s)
{
	s->phase = SESSION_UP;
	session_touch(s);
}

/* ---- looking ---- */

ssh_session session_libssh(struct session *s)
{
	return s->ssh;
}

const char *session_libssh_version(void)
{
	return ssh_version(0);
}

void session_silence_libssh(void)
{
	ssh_set_log_level(SSH_LOG_NOLOG);
}

struct loop *session_loop(struct session *s)
{
	return s->loop;
}

int session_fd(const struct session *s)
{
	return s->fd;
}

const char *session_preamble(const struct session *s)
{
	return s->banner.preamble;
}

uint64_t session_packets(const struct session *s)
{
	return s->raw_counter.in_packets;
}

unsigned session_rtt_us(const struct session *s)
{
	return s->rtt_us;
}

uint64_t session_heard_ms(const struct session *s)
{
	return s->heard_ms;
}

unsigned session_number_channel(struct session *s)
{
	return ++s->last_channel;
}

struct session_members *session_members(struct session *s)
{
	return &s->members;
}

unsigned session_member_count(const struct session *s)
{
	return s->members.count;
}

bool session_can_send(const struct session *s)
{
	return !(ssh_get_status(s->ssh) & SSH_WRITE_PENDING);
}

static void copy_shown(char *out, size_t size, const char *text)
{
	str_escape(out, size, text ? text : "", text ? strlen(text) : 0);
}

void session_facts(struct session *s, struct session_facts *ret)
{
	*ret = (struct session_facts){ 0 };
	if (s->phase < SESSION_SSH)
		return;
	copy_shown(ret->server_version, sizeof(ret->server_version), ssh_get_serverbanner(s->ssh));
	copy_shown(ret->cipher, sizeof(ret->cipher), ssh_get_cipher_out(s->ssh));
	copy_shown(ret->kex, sizeof(ret->kex), ssh_get_kex_algo(s->ssh));
}

/* ---- requests ---- */

void session_probe(struct session *s, struct session_request *request, session_answer_fn on_answer,
		   void *data)
{
	int on = 1;

	/* The answer may wait behind other packets for an ACK that we would delay by 40 ms. */
	setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
	session_requests_add(&s->requests, request, REQUEST_PROBE, NULL, 0, on_answer, data);
	session_touch(s);
}

void session_listen(struct session *s, struct session_request *request,
		    struct session_listener *listener, session_answer_fn on_answer, void *data)
{
	/* A connection may come with the answer: who it is for has to be known before. */
	list_remove(&listener->link);
	list_append(&s->listeners, &listener->link);
	session_requests_add(&s->requests, request, REQUEST_LISTEN, listener->address,
			     listener->port, on_answer, data);
	session_touch(s);
}

void session_cancel(struct session *s, struct session_listener *listener)
{
	list_remove(&listener->link);
	if (listener->port != 0)
		session_requests_cancel(&s->requests, listener->address, listener->port);
	session_touch(s);
}

unsigned session_unanswered_ms(const struct session *s)
{
	return session_requests_unanswered_ms(&s->requests);
}

bool session_is_cancelling(const struct session *s)
{
	return session_requests_has_cancel(&s->requests);
}

void session_forget(struct session *s, struct session_request *request)
{
	session_requests_forget(&s->requests, request);
}
