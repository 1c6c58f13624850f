/* SPDX-License-Identifier: MIT */
#include "daemon/worker/channel_pipe.h"

#include <libssh/callbacks.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/worker/channel_window.h"
#include "daemon/worker/session.h"
#include "lib/str.h"
#include "lib/util.h"

/* From here on the window is what limits a stream; close by a large one would only cost cache. */
#define WIDEN_RTT_US 5000
/* Other refusals and answered requests take a reason away; a second time in a row is rare, a fourth
 * time is a server that refuses in bulk. */
#define AGAIN_MAX 3
/* The windows we give never add up to half of that. libssh takes what comes beyond them. */
#define HELD_MAX (8 * 1024 * 1024)

enum channel_phase {
	CHANNEL_OPENING,
	CHANNEL_OPEN,
	CHANNEL_CLOSING, /* our CLOSE is queued; waits for the server's */
};

struct channel_pipe {
	struct session_member member;
	struct loop *loop;
	ssh_channel ssh;
	struct ssh_channel_callbacks_struct callbacks;
	const struct channel_pipe_ops *ops; /* NULL: released */
	void *data;
	enum channel_phase phase;
	unsigned again; /* asked for once more, because the reason of a refusal was lost */
	unsigned number; /* as libssh names it in errors; 0: not asked for yet */
	char *host; /* or the path of a Unix socket; NULL: the server opened it */
	unsigned port; /* 0: host is a path */
	struct channel_origin origin;
	size_t held; /* bytes inside libssh that on_data did not take */
	char *early; /* bytes that are out of libssh, before those; NULL: none */
	size_t early_size;
	struct channel_window window;
	bool eof, eof_sent, closed, broken;
	bool taking; /* inside channel_pipe_take(): what arrives stays with libssh */
	struct loop_grave grave;
};

static struct channel_pipe *from_member(struct session_member *m)
{
	return list_entry(m, struct channel_pipe, member);
}

static bool wants_widening(const struct channel_pipe *c)
{
	return channel_window_is_due(&c->window) && c->phase == CHANNEL_OPEN && c->held == 0 &&
	       !c->early && !c->eof && session_rtt_us(c->member.session) >= WIDEN_RTT_US;
}

/* ---- inside libssh: set flags, move bytes, nothing else ---- */

static void condemn_for_flood(struct channel_pipe *c)
{
	struct err err;

	err_set(&err, ERR_PROTOCOL,
		"the server sends more than there is room for, and than it was told (%d MiB wait on "
		"one connection)",
		HELD_MAX / 1024 / 1024);
	session_condemn(c->member.session, &err);
}

static int on_data(ssh_session session, ssh_channel ssh, void *bytes, uint32_t size, int is_stderr,
		   void *data)
{
	struct channel_pipe *c = data;
	size_t taken = 0;

	if (is_stderr || c->phase == CHANNEL_CLOSING || !c->ops) { /* nobody wants it */
		c->held = is_stderr ? c->held : 0;
		channel_window_taken(&c->window, size);
		return (int)size;
	}
	if (!c->taking && !c->early)
		taken = c->ops->on_data(c->data, bytes, channel_window_portion(&c->window, size));
	channel_window_passed(&c->window, taken);
	c->held = size - taken;
	if (c->held > HELD_MAX)
		condemn_for_flood(c);
	if (c->held > 0 || wants_widening(c))
		session_attend(&c->member);
	return (int)taken;
}

static void on_eof(ssh_session session, ssh_channel ssh, void *data)
{
	struct channel_pipe *c = data;

	c->eof = true;
	session_attend(&c->member);
}

static void on_close(ssh_session session, ssh_channel ssh, void *data)
{
	struct channel_pipe *c = data;

	c->eof = c->closed = true;
	session_attend(&c->member);
}

/* ---- life ---- */

static void destroy(void *data)
{
	struct channel_pipe *c = data;

	free(c->host);
	free(c->early);
	free(c);
}

/* The protocol is done with it. Callbacks are removed first: libssh 0.10 calls them on a channel
 * that was freed by its owner until the server closes it. */
static void finish(struct channel_pipe *c)
{
	session_leave(&c->member);
	if (c->ssh) {
		ssh_remove_channel_callbacks(c->ssh, &c->callbacks);
		ssh_channel_free(c->ssh);
		c->ssh = NULL;
	}
	loop_bury(c->loop, &c->grave, destroy, c);
}

/* The session says its last words: so do its channels. ssh_disconnect() frees them; only our
 * callbacks have to go before. */
static void on_session_lost(struct session_member *m)
{
	struct channel_pipe *c = from_member(m);
	const struct channel_pipe_ops *ops = TAKE(c->ops);

	if (c->phase == CHANNEL_OPEN) {
		ssh_channel_send_eof(c->ssh);
		ssh_channel_close(c->ssh);
	}
	ssh_remove_channel_callbacks(c->ssh, &c->callbacks);
	c->ssh = NULL;
	loop_bury(c->loop, &c->grave, destroy, c);
	if (ops)
		ops->on_lost(c->data);
}

/* ssh_channel_close() returns before it sends CLOSE when its own EOF could not be flushed: so EOF
 * first, then CLOSE is really queued. */
static void start_close(struct channel_pipe *c)
{
	if (c->phase == CHANNEL_CLOSING)
		return;
	channel_pipe_send_eof(c);
	c->phase = CHANNEL_CLOSING;
	ssh_channel_close(c->ssh);
	session_attend(&c->member);
}

static const char *target_of(const struct channel_pipe *c, char text[ENDPOINT_TEXT_MAX])
{
	return c->port ? endpoint_format(text, c->host, (uint16_t)c->port) : c->host;
}

/* ... and 2: connect failed. Why it did, servers say in the words of their system. */
static enum err_code code_of(const char *words)
{
	static const struct {
		const char *part;
		enum err_code code;
	} known[] = {
		{ "refused", ERR_REFUSED },         { "No route", ERR_UNREACHABLE },
		{ "unreachable", ERR_UNREACHABLE }, { "timed out", ERR_TIMEOUT },
		{ "not known", ERR_RESOLVE },       { "name resolution", ERR_RESOLVE },
		{ "nodename", ERR_RESOLVE },        { "No address", ERR_RESOLVE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcasestr(words, known[i].part))
			return known[i].code;
	}
	return ERR_TARGET;
}

/* The text is the session's: of two channels refused in one pump, both find that of the last; and a
 * request that is answered meanwhile leaves its own. */
static bool is_reason_lost(const struct channel_pipe *c)
{
	ssh_session ssh = session_libssh(c->member.session);
	const char *number = strstr(ssh_get_error(ssh), "failure: channel ");

	if (!ssh_is_connected(ssh))
		return false;
	return !number || strtoul(number + strlen("failure: channel "), NULL, 10) != c->number;
}

/* "Channel opening failure: channel 43 error (2) Connection refused" */
static void open_error(struct channel_pipe *c, struct err *err)
{
	const char *text = ssh_get_error(session_libssh(c->member.session));
	const char *reason = strstr(text, "error (");
	const char *words = reason ? strstr(reason, ") ") : NULL;
	char shown[128], target[ENDPOINT_TEXT_MAX];

	if (is_reason_lost(c)) {
		err_set(err, ERR_TARGET,
			"%s cannot be reached from the server; it refused several connections at "
			"once, and libssh keeps only the last reason",
			target_of(c, target));
		return;
	}
	if (!words) {
		session_error(c->member.session, "opening a channel", err);
		return;
	}
	words += strlen(") ");
	str_escape(shown, sizeof(shown), words, strlen(words));
	/* 1: administratively prohibited (RFC 4254 section 5.1), */
	if (reason[strlen("error (")] == '1')
		err_set(err, ERR_PROHIBITED,
			"the server does not allow forwarding to %s (%s); check %s and the options "
			"in authorized_keys there",
			target_of(c, target), shown,
			c->port ? "AllowTcpForwarding, PermitOpen" : "AllowStreamLocalForwarding");
	else
		err_set(err, code_of(words), "%s cannot be reached from the server: %s%s",
			target_of(c, target), shown,
			code_of(words) == ERR_REFUSED ? "; check that it listens there" : "");
}

/* The reason was lost, and with it what to tell the client: asked again, it may come alone. */
static bool open_again(struct channel_pipe *c)
{
	ssh_session ssh = session_libssh(c->member.session);

	if (c->again == AGAIN_MAX || !is_reason_lost(c))
		return false;
	ssh_remove_channel_callbacks(c->ssh, &c->callbacks);
	ssh_channel_free(c->ssh);
	c->ssh = ssh_channel_new(ssh);
	if (!c->ssh)
		return false;
	ssh_set_channel_callbacks(c->ssh, &c->callbacks);
	c->again++;
	c->number = 0;
	session_attend(&c->member);
	return true;
}

static void step_open(struct channel_pipe *c)
{
	const struct channel_pipe_ops *ops;
	struct err err;
	int rc;

	if (c->number == 0)
		c->number = session_number_channel(c->member.session);
	if (c->port)
		rc = ssh_channel_open_forward(c->ssh, c->host, (int)c->port, c->origin.host,
					      (int)c->origin.port);
	else
		rc = ssh_channel_open_forward_unix(c->ssh, c->host, c->origin.host,
						   (int)c->origin.port);
	if (rc == SSH_AGAIN) {
		session_block(&c->member); /* asked again whenever the server said something */
		return;
	}
	if (rc == SSH_OK) {
		c->phase = CHANNEL_OPEN;
		if (c->ops)
			c->ops->on_open(c->data, NULL);
		return;
	}
	if (c->ops && open_again(c))
		return;
	open_error(c, &err);
	ops = TAKE(c->ops);
	finish(c);
	if (ops)
		ops->on_open(c->data, &err);
}

/* A read that asks for more than window and buffer hold makes libssh 0.10 widen the window to that
 * (channels.c, grow_window()); the memory is only touched by what arrives within the call. */
static void widen(struct channel_pipe *c)
{
	char *bytes = malloc(CHANNEL_WINDOW_SIZE);
	int n;

	channel_window_widened(&c->window);
	if (!bytes)
		return;
	c->taking = true;
	n = ssh_channel_read_timeout(c->ssh, bytes, CHANNEL_WINDOW_SIZE, 0, 0);
	c->taking = false;
	session_touch(c->member.session);
	if (n <= 0) {
		c->broken |= n == SSH_ERROR;
		free(bytes);
		return;
	}
	c->held -= MIN((size_t)n, c->held);
	c->early = bytes;
	c->early_size = (size_t)n;
}

static void on_member_service(struct session_member *m)
{
	struct channel_pipe *c = from_member(m);

	if (c->phase == CHANNEL_OPENING)
		step_open(c);
	if (!m->session || c->phase == CHANNEL_OPENING)
		return;
	if (c->ops && wants_widening(c))
		widen(c);
	if (!c->ops)
		start_close(c);
	else
		c->ops->on_service(c->data);
	if (m->session && c->phase == CHANNEL_CLOSING && c->closed)
		finish(c);
}

static struct channel_pipe *new_pipe(struct session *s, ssh_channel ssh, size_t window,
				     const struct channel_pipe_ops *ops, void *data)
{
	struct channel_pipe *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->loop = session_loop(s);
	c->ssh = ssh;
	c->ops = ops;
	c->data = data;
	channel_window_init(&c->window, ssh_version(SSH_VERSION_INT(0, 11, 0)) != NULL, window);
	c->member = (struct session_member){ .on_service = on_member_service,
					     .on_lost = on_session_lost };
	c->callbacks.userdata = c;
	c->callbacks.channel_data_function = on_data;
	c->callbacks.channel_eof_function = on_eof;
	c->callbacks.channel_close_function = on_close;
	ssh_callbacks_init(&c->callbacks);
	return c;
}

static void join(struct channel_pipe *c, struct session *s)
{
	ssh_set_channel_callbacks(c->ssh, &c->callbacks);
	session_join(s, &c->member);
	session_attend(&c->member);
}

/* libssh asks only servers whose banner it reads as OpenSSH's, and 0.10 does not read 10.0 (misc.c,
 * mended in 0.11.2). */
static int check_unix(struct session *s, const char *path, struct err *err)
{
	const char *banner = ssh_get_serverbanner(session_libssh(s));
	char shown[128];

	if (ssh_get_openssh_version(session_libssh(s)) != 0)
		return 0;
	if (banner && strstr(banner, "OpenSSH"))
		return err_set(
			err, ERR_UNSUPPORTED,
			"Unix socket '%s': libssh %s cannot ask OpenSSH 10 and later for one; "
			"update libssh to 0.11.2, or let the service listen on a port of the "
			"server's loopback as well",
			path, ssh_version(0));
	str_escape(shown, sizeof(shown), banner ? banner : "", banner ? strlen(banner) : 0);
	return err_set(
		err, ERR_UNSUPPORTED,
		"Unix socket '%s': only OpenSSH servers forward to those, and this is %s; let "
		"the service listen on a port of the server's loopback as well",
		path, shown);
}

struct channel_pipe *channel_pipe_open(struct session *s, const char *host, unsigned port,
				       const struct channel_origin *origin,
				       const struct channel_pipe_ops *ops, void *data,
				       struct err *err)
{
	struct channel_pipe *c;

	if (port == 0 && check_unix(s, host, err) < 0)
		return NULL;
	c = new_pipe(s, ssh_channel_new(session_libssh(s)), CHANNEL_WINDOW_SIZE, ops, data);
	if (c)
		c->host = strdup(host);
	if (!c || !c->ssh || !c->host) {
		if (c && c->ssh)
			ssh_channel_free(c->ssh);
		if (c)
			destroy(c);
		err_nomem(err);
		return NULL;
	}
	c->port = port;
	c->origin = *origin;
	join(c, s);
	return c;
}

struct channel_pipe *channel_pipe_adopt(struct session *s, ssh_channel ssh,
					const struct channel_pipe_ops *ops, void *data,
					struct err *err)
{
	struct channel_pipe *c = new_pipe(s, ssh, CHANNEL_WINDOW_ACCEPTED, ops, data);

	if (!c) {
		err_nomem(err);
		return NULL;
	}
	c->phase = CHANNEL_OPEN;
	c->number = session_number_channel(s);
	join(c, s);
	return c;
}

void channel_pipe_set_ops(struct channel_pipe *c, const struct channel_pipe_ops *ops, void *data)
{
	c->ops = ops;
	c->data = data;
}

void channel_pipe_attend(struct channel_pipe *c)
{
	session_attend(&c->member);
}

/* An opening channel is kept until the server answered: freed earlier, the late confirmation would
 * find nobody, and the channel would stay open on the server for good. */
void channel_pipe_release(struct channel_pipe *c)
{
	c->ops = NULL;
	session_attend(&c->member);
}

/* ---- bytes ---- */

size_t channel_pipe_room(struct channel_pipe *c)
{
	size_t window;

	if (c->phase != CHANNEL_OPEN || c->eof_sent || c->closed)
		return 0;
	window = session_can_send(c->member.session) ? ssh_channel_window_size(c->ssh) : 0;
	if (window == 0)
		session_block(&c->member);
	return window;
}

int channel_pipe_write(struct channel_pipe *c, const char *bytes, size_t size)
{
	uint64_t packets = session_packets(c->member.session);
	int n = ssh_channel_write(c->ssh, bytes, (uint32_t)size);

	/* Nothing taken is a key re-exchange, and its end wakes the session: asking again before would
	 * keep a whole CPU busy for a round trip. Unless the call has read something for others. */
	if (n != 0 || packets != session_packets(c->member.session))
		session_touch(c->member.session);
	if (n < 0)
		return -1;
	if ((size_t)n < size)
		session_block(&c->member);
	return n;
}

void channel_pipe_send_eof(struct channel_pipe *c)
{
	if (c->eof_sent)
		return;
	c->eof_sent = true;
	ssh_channel_send_eof(c->ssh); /* SSH_AGAIN only means "not flushed yet" */
	session_touch(c->member.session);
}

size_t channel_pipe_held(const struct channel_pipe *c)
{
	return c->early_size + c->held;
}

char *channel_pipe_take(struct channel_pipe *c, size_t *ret_size)
{
	char *bytes;
	int n;

	if (c->early) {
		*ret_size = c->early_size;
		c->early_size = 0;
		return TAKE(c->early);
	}
	*ret_size = 0;
	bytes = malloc(c->held);
	if (!bytes) {
		c->broken = true;
		return NULL;
	}
	c->taking = true;
	n = ssh_channel_read_nonblocking(c->ssh, bytes, (uint32_t)c->held, 0);
	c->taking = false;
	session_touch(c->member.session);
	if (n <= 0) {
		c->broken = n < 0;
		c->held = 0;
		free(bytes);
		return NULL;
	}
	channel_window_taken(&c->window, (size_t)n);
	c->held -= (size_t)n;
	*ret_size = (size_t)n;
	return bytes;
}

bool channel_pipe_is_eof(const struct channel_pipe *c)
{
	return c->eof;
}

bool channel_pipe_is_closed(const struct channel_pipe *c)
{
	return c->closed;
}

bool channel_pipe_is_broken(const struct channel_pipe *c)
{
	return c->broken;
}
