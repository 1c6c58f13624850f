/* SPDX-License-Identifier: MIT */
/*
 * A name, TCP, and if there is a proxy what has to be said to it. Through a proxy the server's name is
 * the proxy's to resolve; SOCKS4 alone wants an address, so for it the name is looked up here first. Behind
 * a jump there is nothing of all that but a channel, and with a command only what it says and hears.
 */
#include "daemon/worker/way.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/worker/attempt.h"
#include "daemon/worker/dial.h"
#include "daemon/worker/passage.h"
#include "daemon/worker/proxy_handshake.h"
#include "lib/proxy_command.h"
#include "lib/util.h"

#define LINGER_MS 3000 /* longer than a goodbye takes (parting.c) */

enum way_stage {
	WAY_TARGET, /* the server's name, for a SOCKS4 proxy */
	WAY_NAME, /* the name of what is dialled */
	WAY_TCP,
	WAY_PROXY, /* the proxy's consent */
	WAY_COMMAND, /* the supervisor starts it */
	WAY_PASSAGE, /* a channel of the jump before it */
};

struct way {
	const struct worker_parts *parts;
	const struct connection_settings *settings; /* borrowed */
	const struct way_ops *ops;
	void *data;
	unsigned limit_ms; /* for the whole way */
	enum way_stage stage;
	bool has_proxy;
	struct proxy_url proxy;
	char target[ENDPOINT_HOST_MAX + 1]; /* what the proxy is asked for */
	struct resolve_request lookup;
	struct dial *dial;
	struct proxy_handshake handshake;
	struct passage *passage; /* NULL: it does not lead through a jump */
	struct command_call *command; /* NULL: it is no command */
	bool lingers;
	struct loop_grave grave;
};

static void fail(struct way *w, const struct err *why)
{
	struct err err = *why;

	if (w->has_proxy && w->stage != WAY_TARGET)
		proxy_blame(&w->proxy, &err);
	w->ops->on_failed(w->data, &err);
}

/* What is dialled: the proxy, or the server itself. */
static const char *first_host(const struct way *w)
{
	return w->has_proxy ? w->proxy.host : w->settings->host;
}

static unsigned first_port(const struct way *w)
{
	return w->has_proxy ? w->proxy.port : w->settings->port;
}

/* ---- the proxy ---- */

static void on_consent(void *data, int fd)
{
	struct way *w = data;
	char server[ENDPOINT_TEXT_MAX], proxy[ENDPOINT_TEXT_MAX], text[2 * ENDPOINT_TEXT_MAX + 16];

	endpoint_format(server, w->settings->host, (uint16_t)w->settings->port);
	endpoint_format(proxy, w->proxy.host, w->proxy.port);
	snprintf(text, sizeof(text), "%s through proxy %s", server, proxy);
	w->ops->on_connected(w->data, fd, text);
}

static void on_refusal(void *data, const struct err *err)
{
	struct way *w = data;

	w->ops->on_failed(w->data, err); /* it names the proxy */
}

static const struct proxy_handshake_ops handshake_ops = {
	.on_done = on_consent,
	.on_failed = on_refusal,
};

static void ask_proxy(struct way *w, int fd)
{
	struct err err;

	w->stage = WAY_PROXY;
	if (proxy_handshake_start(&w->handshake, w->parts->loop, fd, &w->proxy, w->target,
				  (uint16_t)w->settings->port, &handshake_ops, w, &err) < 0)
		w->ops->on_failed(w->data, &err);
}

/* ---- names and TCP ---- */

static void on_dialled(void *data, int fd, const struct address *address)
{
	struct way *w = data;
	char text[80];

	if (w->has_proxy) {
		ask_proxy(w, fd);
		return;
	}
	address_format(address, text, sizeof(text));
	w->ops->on_connected(w->data, fd, text);
}

static void on_dial_failed(void *data, const struct err *err)
{
	fail(data, err);
}

static const struct dial_ops dial_ops = {
	.on_connected = on_dialled,
	.on_failed = on_dial_failed,
};

static void on_resolved(void *data, const struct address *addresses, size_t count,
			const struct err *err)
{
	struct way *w = data;
	struct address copy[RESOLVE_ADDRESSES_MAX];
	struct dial_options options;
	struct err local;

	if (err) {
		fail(w, err);
		return;
	}
	count = MIN(count, ARRAY_SIZE(copy));
	for (size_t i = 0; i < count; i++) {
		copy[i] = addresses[i];
		address_set_port(&copy[i], first_port(w));
	}
	dial_options_of(w->settings, &options);
	options.limit_ms = w->limit_ms;
	w->dial = dial_new(w->parts->loop, first_host(w), copy, count, &options, &dial_ops, w,
			   &local);
	if (w->dial)
		w->stage = WAY_TCP;
	else
		fail(w, &local);
}

static int look_up_first(struct way *w, struct err *err)
{
	w->stage = WAY_NAME;
	return resolve_start(w->parts->resolver, &w->lookup, first_host(w), on_resolved, w, err);
}

/* ---- SOCKS4 ---- */

static bool find_ipv4(struct way *w, const struct address *addresses, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)&addresses[i].sa;

		if (v4->sin_family == AF_INET &&
		    inet_ntop(AF_INET, &v4->sin_addr, w->target, sizeof(w->target)))
			return true;
	}
	return false;
}

static void on_target_resolved(void *data, const struct address *addresses, size_t count,
			       const struct err *err)
{
	struct way *w = data;
	struct err local;

	if (err) {
		fail(w, err);
	} else if (!find_ipv4(w, addresses, count)) {
		err_set(&local, ERR_RESOLVE,
			"'%s' has no IPv4 address, and a SOCKS4 proxy reaches no other; use "
			"socks4a:// or socks5://",
			w->settings->host);
		fail(w, &local);
	} else if (look_up_first(w, &local) < 0) {
		fail(w, &local);
	}
}

/* ---- through a jump ---- */

static void on_passage(void *data, int fd)
{
	struct way *w = data;
	char text[ENDPOINT_TEXT_MAX];

	w->ops->on_connected(w->data, fd,
			     endpoint_format(text, w->settings->host, (uint16_t)w->settings->port));
}

static void on_no_passage(void *data, const struct err *err)
{
	struct way *w = data;

	w->ops->on_failed(w->data, err);
}

static const struct passage_ops passage_ops = {
	.on_open = on_passage,
	.on_failed = on_no_passage,
};

static int enter_jump(struct way *w, const struct jump_user *through, struct err *err)
{
	w->stage = WAY_PASSAGE;
	w->passage = passage_new(w->parts, through, w->settings->host, w->settings->port,
				 &passage_ops, w, err);
	return w->passage ? 0 : -1;
}

/* ---- over a command ---- */

static void on_started(void *data, int fd)
{
	struct way *w = data;
	char server[ENDPOINT_TEXT_MAX], name[32], text[ENDPOINT_TEXT_MAX + 64];

	endpoint_format(server, w->settings->host, (uint16_t)w->settings->port);
	proxy_command_name(name, sizeof(name), w->settings);
	snprintf(text, sizeof(text), "%s through proxy_command %s", server, name);
	w->ops->on_connected(w->data, fd, text);
}

static void on_not_started(void *data, const struct err *err)
{
	struct way *w = data;

	w->ops->on_failed(w->data, err);
}

static const struct command_call_ops command_ops = {
	.on_started = on_started,
	.on_failed = on_not_started,
};

static int run_command(struct way *w, const struct attempt_for *purpose, struct err *err)
{
	struct wire_command wanted = { .tunnel = purpose->tunnel,
				       .route = purpose->route,
				       .hop = purpose->hop };

	connection_name(wanted.server, w->settings);
	w->stage = WAY_COMMAND;
	w->command = command_call_new(w->parts->commands, &wanted, &command_ops, w, err);
	return w->command ? 0 : -1;
}

void way_explain(const struct way *w, struct err *err)
{
	const struct err *end = w->command ? command_call_end(w->command) : NULL;

	if (end &&
	    (err->code == ERR_LOST || err->code == ERR_TIMEOUT || err->code == ERR_KEEPALIVE))
		*err = *end;
}

/* ---- life ---- */

static int start(struct way *w, const struct attempt_for *purpose, struct err *err)
{
	if (purpose->through)
		return enter_jump(w, purpose->through, err);
	if (w->settings->proxy_command.count > 0)
		return run_command(w, purpose, err);
	if (w->settings->proxy && proxy_url_parse(w->settings->proxy, &w->proxy, err) < 0)
		return err_prefix(err, "proxy");
	w->has_proxy = w->settings->proxy != NULL;
	snprintf(w->target, sizeof(w->target), "%s", w->settings->host);
	if (!w->has_proxy || w->proxy.kind != PROXY_SOCKS4)
		return look_up_first(w, err);
	return resolve_start(w->parts->resolver, &w->lookup, w->settings->host, on_target_resolved,
			     w, err);
}

struct way *way_new(const struct worker_parts *parts, const struct connection_settings *settings,
		    const struct attempt_for *purpose, const struct way_ops *ops, void *data,
		    struct err *err)
{
	struct way *w = calloc(1, sizeof(*w));

	if (!w) {
		err_nomem(err);
		return NULL;
	}
	*w = (struct way){ .parts = parts, .settings = settings, .ops = ops, .data = data };
	w->limit_ms = purpose->limit_ms;
	if (start(w, purpose, err) < 0) {
		free(w);
		return NULL;
	}
	return w;
}

static void way_destroy(void *data)
{
	struct way *w = data;

	explicit_bzero(&w->proxy, sizeof(w->proxy));
	free(w);
}

void way_linger(struct way *w)
{
	w->lingers = true;
}

void way_free(struct way *w)
{
	if (!w)
		return;
	resolve_cancel(&w->lookup);
	dial_free(TAKE(w->dial));
	proxy_handshake_stop(&w->handshake);
	passage_release(TAKE(w->passage));
	command_call_release(TAKE(w->command), w->lingers ? LINGER_MS : 0);
	loop_bury(w->parts->loop, &w->grave, way_destroy, w);
}

void way_describe(const struct way *w, char *out, size_t size)
{
	char where[2 * ENDPOINT_TEXT_MAX];

	switch (w->stage) {
	case WAY_TARGET:
		snprintf(out, size, "the name server to resolve '%s'", w->settings->host);
		break;
	case WAY_NAME:
		snprintf(out, size, "the name server to resolve %s'%s'",
			 w->has_proxy ? "proxy " : "", first_host(w));
		break;
	case WAY_TCP:
		dial_describe(w->dial, where, sizeof(where));
		snprintf(out, size, "a TCP connection to %s%s (does a firewall drop it?)",
			 w->has_proxy ? "proxy " : "", where);
		break;
	case WAY_COMMAND:
		snprintf(out, size, "proxy_command %s to be started",
			 proxy_command_name(where, sizeof(where), w->settings));
		break;
	case WAY_PASSAGE:
		snprintf(out, size, "the jump before it, to connect to %s",
			 endpoint_format(where, w->settings->host, (uint16_t)w->settings->port));
		break;
	case WAY_PROXY:
		endpoint_format(where, w->proxy.host, w->proxy.port);
		snprintf(out, size, "proxy %s, asked for %s:%u", where, w->settings->host,
			 w->settings->port);
		break;
	}
}
